//! Reading files that only their owner may read: key files, passphrases, PINs.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// Why a file with a secret in it was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// The system refused.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a directory, a pipe, a device.
    #[error("{path} is not a regular file", path = path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Its permissions let other users read or change it.
    #[error("other users can get at {path} (permissions {mode:04o}); run: chmod {wanted:o} {path}", path = path.display())]
    OpenToOthers {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The permission bits it should have.
        wanted: u32,
    },
    /// It belongs to another user, who can read it whatever its permissions.
    #[error("{path} belongs to user {owner}, not to user {user} who runs this; chown it, or run as its owner", path = path.display())]
    OtherOwner {
        /// The file or directory.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
        /// The user id of this process.
        user: u32,
    },
    /// It is larger than any such file can be.
    #[error("{path} is larger than the {limit} bytes such a file can have", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: usize,
    },
}

/// Reads a whole file of at most `limit` bytes that nobody but its owner can read, the owner being the user who
/// runs this process, or root. A symbolic link is followed; what counts is the file at its end.
///
/// # Errors
/// [`PrivateFileError`]; nothing is read from a file that others can get at.
pub fn read_private(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(|source| read_error(path, source))?;
    check_private(path, &metadata, 0o600)?;
    read(path, &file, limit)
}

/// Reads a whole file of at most `limit` bytes, whoever may read it.
///
/// # Errors
/// [`PrivateFileError`], never for the file's permissions.
pub(crate) fn read_bounded(path: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    read(path, &open(path)?, limit)
}

/// Checks that only the user who runs this process, or root, can use the file or directory of `metadata`.
///
/// # Errors
/// [`PrivateFileError::OpenToOthers`] or [`PrivateFileError::OtherOwner`].
pub(crate) fn check_private(
    path: &Path,
    metadata: &std::fs::Metadata,
    wanted: u32,
) -> Result<(), PrivateFileError> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PrivateFileError::OpenToOthers {
            path: path.to_owned(),
            mode,
            wanted,
        });
    }
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user && owner != 0 {
        return Err(PrivateFileError::OtherOwner {
            path: path.to_owned(),
            owner,
            user,
        });
    }
    Ok(())
}

fn open(path: &Path) -> Result<File, PrivateFileError> {
    // Without NONBLOCK, opening a pipe would wait for its writer for ever.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|source| read_error(path, source))?;
    let metadata = file.metadata().map_err(|source| read_error(path, source))?;
    if !metadata.is_file() {
        return Err(PrivateFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    Ok(file)
}

fn read(path: &Path, file: &File, limit: usize) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    // One byte more than allowed tells a file at the limit from one beyond it; the capacity is taken at once
    // because a growing vector would leave copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit.saturating_add(1)));
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(|source| read_error(path, source))?;
    if bytes.len() > limit {
        return Err(PrivateFileError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

fn read_error(path: &Path, source: io::Error) -> PrivateFileError {
    PrivateFileError::Read {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(dir: &Path, contents: &[u8], mode: u32) -> PathBuf {
        let path = dir.join("secret");
        fs::write(&path, contents).expect("write");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
        path
    }

    #[test]
    fn reads_what_only_the_owner_can() {
        let scratch = tempfile::tempdir().expect("scratch");
        for mode in [0o600, 0o400] {
            let path = file(scratch.path(), b"0123456789", mode);
            assert_eq!(read_private(&path, 10).expect("read").as_slice(), b"0123456789");
            fs::remove_file(path).expect("remove");
        }
    }

    #[test]
    fn refuses_what_others_can_read_and_says_how_to_mend_it() {
        let scratch = tempfile::tempdir().expect("scratch");
        for mode in [0o640, 0o604, 0o620, 0o602, 0o601] {
            let path = file(scratch.path(), b"secret", mode);
            let error = read_private(&path, 10).expect_err("open to others").to_string();
            assert!(
                error.ends_with(&format!("run: chmod 600 {}", path.display())),
                "{error}"
            );
            read_bounded(&path, 10).expect("permissions do not matter here");
        }
    }

    #[test]
    fn refuses_what_another_user_owns() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = file(scratch.path(), b"secret", 0o600);
        if std::os::unix::fs::chown(&path, Some(12345), None).is_err() {
            eprintln!("skipped: only root can give a file away");
            return;
        }
        let error = read_private(&path, 10).expect_err("another's");
        assert!(
            matches!(error, PrivateFileError::OtherOwner { owner: 12345, .. }),
            "{error}"
        );
    }

    #[test]
    fn refuses_the_oversized_the_missing_and_the_irregular() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = file(scratch.path(), b"0123456789", 0o600);
        assert!(matches!(
            read_private(&path, 9),
            Err(PrivateFileError::TooLarge { limit: 9, .. })
        ));
        let missing = scratch.path().join("missing");
        assert!(matches!(
            read_private(&missing, 9),
            Err(PrivateFileError::Read { .. })
        ));
        assert!(matches!(
            read_private(scratch.path(), 9),
            Err(PrivateFileError::NotAFile { .. })
        ));
        let pipe = scratch.path().join("pipe");
        let made = std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .expect("mkfifo");
        assert!(made.success());
        assert!(matches!(
            read_private(&pipe, 9),
            Err(PrivateFileError::NotAFile { .. })
        ));
    }
}
