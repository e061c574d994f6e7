//! Unix sockets, bound so that a stale one is replaced, a live one is left alone, and the error says which it was.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

/// Longest path of a Unix socket on Linux, in bytes: `sun_path` has 108 and one of them ends the string.
pub const MAX_PATH_LEN: usize = 107;

/// A socket that could not be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The path does not fit the system's address structure.
    #[error(
        "the socket path {path} has {len} bytes and the system allows {MAX_PATH_LEN}; choose a shorter directory",
        path = .path.display()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// Another process listens there.
    #[error("another process is listening on {path}", path = .0.display())]
    InUse(PathBuf),
    /// Something that is no socket is in the way, and is left alone.
    #[error("{path} exists and is no socket; move it away", path = .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {path}", path = .path.display())]
    Bind {
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A listening Unix socket.
#[derive(Debug)]
pub struct BoundSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file a socket is bound to, which is removed when this is dropped unless another has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode, which tell this file from a successor at the same path.
    identity: (u64, u64),
}

impl BoundSocket {
    /// The listener, and the guard that removes its file when dropped.
    pub fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }

    /// Where it is bound.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|m| (m.dev(), m.ino()) == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket could not be removed");
        }
    }
}

/// Checks that `path` fits a socket address.
///
/// # Errors
/// [`SocketError::PathTooLong`].
pub fn check_path(path: &Path) -> Result<(), SocketError> {
    match path.as_os_str().as_bytes().len() {
        len if len > MAX_PATH_LEN => Err(SocketError::PathTooLong {
            path: path.to_owned(),
            len,
        }),
        _ => Ok(()),
    }
}

/// Binds `path` with permission bits `mode`. A socket that nobody listens on any more is replaced. The directory
/// must exist, and it alone decides who may get at the socket before `mode` is set.
///
/// # Errors
/// [`SocketError`]; what was at `path` is then still there, unless it was a dead socket.
pub fn bind(path: &Path, mode: u32) -> Result<BoundSocket, SocketError> {
    check_path(path)?;
    let failed = |source| SocketError::Bind {
        path: path.to_owned(),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        Ok(_) => match knock(path) {
            Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(failed)?,
            Err(Errno::NOENT) => {}
            // WOULDBLOCK: somebody listens, and is behind with accepting.
            Ok(()) | Err(Errno::WOULDBLOCK) => return Err(SocketError::InUse(path.to_owned())),
            Err(e) => return Err(failed(e.into())),
        },
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    let listener = UnixListener::bind(path).map_err(|e| match e.kind() {
        ErrorKind::AddrInUse => SocketError::InUse(path.to_owned()),
        _ => failed(e),
    })?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    let metadata = std::fs::symlink_metadata(path).map_err(failed)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (metadata.dev(), metadata.ino()),
    };
    Ok(BoundSocket { listener, file })
}

/// Connects to the socket at `path` without waiting, and lets go at once.
fn knock(path: &Path) -> rustix::io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_has_stopped_accepting_is_not_waited_for() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("api.sock");
        let flags = SocketFlags::CLOEXEC;
        let busy = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        rustix::net::bind(&busy, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&busy, 0).unwrap();
        // Whoever connects and lets go still takes a place until it is accepted.
        while knock(&path).is_ok() {}
        assert_eq!(knock(&path), Err(Errno::WOULDBLOCK));
        assert!(matches!(bind(&path, 0o600), Err(SocketError::InUse(_))));
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("api.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a plain listener leaves its file behind");

        let bound = bind(&path, 0o660).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o660
        );
        assert!(matches!(bind(&path, 0o660), Err(SocketError::InUse(_))));
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_in_the_way_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("api.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path, 0o600), Err(SocketError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_successor_at_the_same_path_is_not_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("api.sock");
        let first = bind(&path, 0o600).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = bind(&path, 0o600).unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[test]
    fn a_path_of_108_bytes_is_refused_by_name_and_length() {
        let path = PathBuf::from(format!("/{}", "x".repeat(107)));
        let error = check_path(&path).unwrap_err().to_string();
        assert!(error.contains("108 bytes") && error.contains("107"), "{error}");
        assert!(check_path(Path::new(&format!("/{}", "x".repeat(106)))).is_ok());
    }
}
