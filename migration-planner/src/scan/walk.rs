//! Trees: every file once, no symbolic link followed, nothing outside the target opened.
//!
//! A directory is opened from the target's own descriptor with `openat2`, which the kernel makes refuse every
//! symbolic link on the way, so that no race can lead outside; files are opened from their directory's descriptor.
//! Work is handed around as lists of names, so that a directory of a million entries is spread over the threads and
//! costs no more memory than its names.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat, fstat, openat, openat2, statat,
};
use rustix::io::Errno;

use super::ignored::Ignored;

/// A file or tree that was named.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) fd: OwnedFd,
    /// As it stands in documents.
    pub(super) shown: String,
    /// Path rules from outside: what the caller excludes.
    pub(super) ignored: Option<Arc<Ignored>>,
}

/// Names one after the other, each ended by a zero byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    count: usize,
}

/// How many files are handed to a thread at once.
pub(super) const CHUNK: usize = 512;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

impl Names {
    pub(super) fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.count += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CStr> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let name = CStr::from_bytes_until_nul(rest).ok()?;
            rest = rest.get(name.count_bytes() + 1..)?;
            Some(name)
        })
    }

    /// Takes the last name off.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        self.bytes.pop()?;
        let start = memchr::memrchr(0, &self.bytes).map_or(0, |zero| zero + 1);
        let name = self.bytes.split_off(start);
        self.count -= 1;
        Some(name)
    }
}

/// Opens a directory below a root by its path from there; an empty path is the root itself.
pub(super) fn open_directory(root: &Root, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path: &[u8] = if path.is_empty() { b"." } else { path };
    let rules = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(&root.fd, path, DIRECTORY, Mode::empty(), rules) {
        // A kernel or a sandbox without openat2: the same by hand.
        Err(Errno::NOSYS | Errno::PERM) => step_by_step(root.fd.as_fd(), path),
        other => other,
    }
}

fn step_by_step(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let mut current = openat(root, ".", DIRECTORY, Mode::empty())?;
    for part in path
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
    {
        if part == b".." {
            return Err(Errno::XDEV);
        }
        current = openat(&current, part, DIRECTORY, Mode::empty())?;
    }
    Ok(current)
}

/// Opens a file of a directory, whatever it has become since it was listed.
pub(super) fn open_file(directory: BorrowedFd<'_>, name: &CStr) -> Result<(OwnedFd, Stat), Errno> {
    let fd = openat(directory, name, FILE, Mode::empty())?;
    let stat = fstat(&fd)?;
    Ok((fd, stat))
}

/// What is known of a file without opening it.
pub(super) fn look_at(directory: BorrowedFd<'_>, name: &CStr) -> Result<Stat, Errno> {
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// One entry of a directory.
pub(super) enum Entry<'a> {
    Directory(&'a [u8]),
    File(&'a [u8]),
    Link,
    Special(&'a [u8], FileType),
}

/// Reads a directory and tells every entry.
pub(super) fn list(
    directory: BorrowedFd<'_>,
    buffer: &mut Vec<u8>,
    mut tell: impl FnMut(Entry<'_>),
) -> Result<(), Errno> {
    let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let whole = entry.file_name();
        let name = whole.to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not tell.
            FileType::Unknown => match look_at(directory, whole) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                // It will be noted as gone when it is opened.
                Err(_) => FileType::RegularFile,
            },
            kind => kind,
        };
        tell(match kind {
            FileType::Directory => Entry::Directory(name),
            FileType::RegularFile => Entry::File(name),
            FileType::Symlink => Entry::Link,
            kind => Entry::Special(name, kind),
        });
    }
    Ok(())
}

/// File systems that the kernel makes up: reading them finds nothing and may change something. From
/// `linux/magic.h`: proc, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs, bpf, devpts, pstore, efivarfs, mqueue,
/// configfs, selinuxfs, autofs, fusectl, binfmt_misc, nsfs.
const PSEUDO: [i64; 18] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x1cd1,
    0x6165_676c,
    0xde5e_81e4,
    0x1980_0202,
    0x6265_6570,
    0xf97c_ff8c,
    0x0187,
    0x6573_5543,
    0x4249_4e4d,
    0x6e73_6673,
];

/// Whether a directory is on such a file system.
pub(super) fn is_pseudo(directory: BorrowedFd<'_>) -> bool {
    #[expect(
        clippy::useless_conversion,
        reason = "the field's type differs between architectures"
    )]
    rustix::fs::fstatfs(directory).is_ok_and(|system| PSEUDO.contains(&i64::from(system.f_type)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order_and_off_the_end() {
        let mut names = Names::default();
        for name in [&b"a"[..], b"bc", b"d"] {
            names.push(name);
        }
        assert_eq!(names.iter().collect::<Vec<_>>(), [c"a", c"bc", c"d"]);
        assert_eq!(names.pop().as_deref(), Some(&b"d"[..]));
        assert_eq!(names.len(), 2);
        assert_eq!(names.pop().as_deref(), Some(&b"bc"[..]));
        assert_eq!(names.pop().as_deref(), Some(&b"a"[..]));
        assert_eq!(names.pop(), None);
        assert!(names.is_empty());
    }
}
