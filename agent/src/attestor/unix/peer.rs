//! The process at the other end of a Unix socket, held so that no other can take its place.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process. What is read through it is about this very process, or fails: numbers of processes are used again, its
/// descriptors are not.
#[derive(Debug)]
pub(crate) struct Peer {
    pid: i32,
    uid: u32,
    gid: u32,
    /// Becomes readable when the process ends.
    pidfd: OwnedFd,
    /// Its directory below `/proc`, which is empty from then on.
    proc: OwnedFd,
}

/// Why nothing is known of a peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PeerError {
    /// It has ended.
    #[error("the process has ended")]
    Ended,
    /// It is in a container whose processes cannot be seen from here.
    #[error("the process is not visible from the agent's PID namespace")]
    Invisible,
    /// The kernel does not say.
    #[error("the kernel does not tell of the process: {0}")]
    System(#[from] rustix::io::Errno),
}

impl From<Errno> for PeerError {
    fn from(error: Errno) -> Self {
        Self::System(rustix::io::Errno::from_raw_os_error(error as i32))
    }
}

impl Peer {
    /// Takes hold of the process at the other end of `socket`.
    ///
    /// # Errors
    /// [`PeerError`].
    pub(crate) fn of(socket: &impl AsFd) -> Result<Self, PeerError> {
        let credentials = getsockopt(socket, sockopt::PeerCredentials)?;
        let pid = Pid::from_raw(credentials.pid()).ok_or(PeerError::Invisible)?;
        let pidfd = match getsockopt(socket, sockopt::PeerPidfd) {
            Ok(pidfd) => pidfd,
            // Linux before 6.5: between connecting and this the number may have gone to another process, but one of
            // another user is found out below.
            Err(Errno::ENOPROTOOPT) => pidfd_open(pid, PidfdFlags::empty()).map_err(ended)?,
            Err(Errno::EINVAL | Errno::ESRCH) => return Err(PeerError::Ended),
            Err(error) => return Err(error.into()),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = format!("/proc/{}", pid.as_raw_nonzero());
        let proc = rustix::fs::open(path, flags, Mode::empty()).map_err(ended)?;
        let peer = Self {
            pid: pid.as_raw_nonzero().get(),
            uid: credentials.uid(),
            gid: credentials.gid(),
            pidfd,
            proc,
        };
        // Alive after the directory was opened, so the directory is its own.
        peer.check_alive()?;
        Ok(peer)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// The effective user when it connected.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// The effective group when it connected.
    pub(crate) fn gid(&self) -> u32 {
        self.gid
    }

    /// Its directory below `/proc`.
    pub(super) fn proc(&self) -> &OwnedFd {
        &self.proc
    }

    /// # Errors
    /// [`PeerError::Ended`] if it has.
    pub(crate) fn check_alive(&self) -> Result<(), PeerError> {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec::default()))? {
            0 => Ok(()),
            _ => Err(PeerError::Ended),
        }
    }
}

/// What the kernel says about processes that are no more.
pub(super) fn ended(error: rustix::io::Errno) -> PeerError {
    match error {
        rustix::io::Errno::SRCH | rustix::io::Errno::NOENT => PeerError::Ended,
        other => PeerError::System(other),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_peer_is_the_process_that_connected() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = Peer::of(&ours).unwrap();
        assert_eq!(peer.pid(), i32::try_from(std::process::id()).unwrap());
        assert_eq!(peer.uid(), rustix::process::geteuid().as_raw());
        assert!(peer.check_alive().is_ok());
    }

    /// Where the child below connects to.
    const CHILD_SOCKET: &str = "SYMBOLON_TEST_CHILD_SOCKET";

    /// No test by itself: what the next one runs as another process.
    #[test]
    #[ignore = "run by another test, in a process of its own"]
    fn a_child_that_connects_and_stays_until_its_input_ends() {
        if let Some(path) = std::env::var_os(CHILD_SOCKET) {
            let _connection = UnixStream::connect(path).unwrap();
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
        }
    }

    #[test]
    fn a_process_that_ended_is_told_from_one_that_lives() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let name = "attestor::unix::peer::tests::a_child_that_connects_and_stays_until_its_input_ends";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", name])
            .env(CHILD_SOCKET, &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (socket, _) = listener.accept().unwrap();
        let peer = Peer::of(&socket).unwrap();
        assert_eq!(peer.pid(), i32::try_from(child.id()).unwrap());
        assert!(peer.check_alive().is_ok());
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());

        assert!(matches!(peer.check_alive(), Err(PeerError::Ended)));
        assert!(matches!(Peer::of(&socket), Err(PeerError::Ended)));
        let asked = crate::attestor::Asked::default();
        let attested = super::super::UnixAttestor::new().attest(&peer, &asked);
        assert!(matches!(attested, Err(PeerError::Ended)));
    }
}
