//! What `/proc` says of a process.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use super::peer::{Peer, PeerError, ended};

/// Longest `status` that is read, in bytes; 65536 supplementary groups fit.
const MAX_STATUS: u64 = 1024 * 1024;

/// Its supplementary groups.
pub(super) fn supplementary_groups(peer: &Peer) -> Result<Vec<u32>, PeerError> {
    let mut status = String::new();
    let file = File::from(open(peer, "status")?);
    file.take(MAX_STATUS)
        .read_to_string(&mut status)
        .map_err(|error| ended(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    Ok(groups_in(&status))
}

fn groups_in(status: &str) -> Vec<u32> {
    let groups = status.lines().find_map(|line| line.strip_prefix("Groups:"));
    groups
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|gid| gid.parse().ok())
        .collect()
}

/// The file it runs, seen from its own root. `None` if the file is no longer at that path, the kernel does not let us see
/// it, or it cannot be written in a selector.
pub(super) fn path(peer: &Peer) -> Result<Option<String>, PeerError> {
    let link = match readlinkat(peer.proc(), "exe", Vec::new()) {
        Ok(link) => link,
        Err(error) => return hidden(peer, error),
    };
    let Ok(path) = link.into_string() else {
        return Ok(None);
    };
    // A file that is gone is marked by the kernel with this ending, which a file could also have.
    match statat(peer.proc(), "exe", AtFlags::empty()) {
        Ok(file) if file.st_nlink == 0 && path.ends_with(" (deleted)") => Ok(None),
        Ok(_) => Ok(Some(path)),
        Err(error) => hidden(peer, error),
    }
}

/// The file it runs, open for reading. `None` as for [`path`].
pub(super) fn executable(peer: &Peer) -> Result<Option<File>, PeerError> {
    match openat(
        peer.proc(),
        "exe",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(file) => Ok(Some(File::from(file))),
        Err(error) => hidden(peer, error),
    }
}

fn open(peer: &Peer, name: &str) -> Result<OwnedFd, PeerError> {
    openat(peer.proc(), name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(ended)
}

/// A process of another user, and an agent that is not root.
fn hidden<T>(peer: &Peer, error: Errno) -> Result<Option<T>, PeerError> {
    match error {
        Errno::ACCESS | Errno::PERM => {
            tracing::warn!(pid = peer.pid(), %error, "the workload's executable is hidden from the agent");
            Ok(None)
        }
        other => Err(ended(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_numbers_of_their_line() {
        let status = "Name:\tcat\nUid:\t0\t0\t0\t0\nGroups:\t4 24 1000 \nNStgid:\t1\n";
        assert_eq!(groups_in(status), [4, 24, 1000]);
        assert!(groups_in("Groups:\t\n").is_empty());
        assert!(groups_in("").is_empty());
    }
}
