//! The store's directory, and writes that a crash cannot break.
//!
//! What a crash leaves under a temporary name is removed when the store is next opened.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

pub(super) use symbolon_host::file::parent_of;
use symbolon_host::file::{self, Pending};

use super::error::SoftwareError;
use crate::private_file::check_private;

/// Makes a directory, and those above it that are missing, for this user alone (0700). One that exists must
/// already be so.
pub(crate) fn private_dir(dir: &Path) -> Result<(), SoftwareError> {
    make_dirs(dir)?;
    let metadata = fs::metadata(dir).map_err(SoftwareError::io("look at", dir))?;
    if !metadata.is_dir() {
        return Err(SoftwareError::Io {
            doing: "use as a directory",
            path: dir.to_owned(),
            source: io::ErrorKind::NotADirectory.into(),
        });
    }
    Ok(check_private(dir, &metadata, 0o700)?)
}

/// Makes a directory and those above it that are missing (0700), and flushes each into its parent.
fn make_dirs(dir: &Path) -> Result<(), SoftwareError> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dirs(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => sync_dir(parent_of(dir)),
        // Another process was quicker; or it is no directory, which the caller sees next.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(SoftwareError::io("make the directory", dir)(error)),
    }
}

/// Flushes a directory, so that the names in it survive a power cut.
pub(super) fn sync_dir(dir: &Path) -> Result<(), SoftwareError> {
    file::sync_dir(dir).map_err(SoftwareError::io("flush the directory", dir))
}

/// A lock on a store's directory, held until dropped, and by the system no longer than the process lives.
///
/// Writers share it; who opens a store has it alone, and so can tell a temporary file that a crash left from
/// one that another process is writing.
#[derive(Debug)]
pub(crate) struct DirLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DirLock {
    pub(crate) fn shared(dir: &Path) -> Result<Self, SoftwareError> {
        Self::take(dir, File::lock_shared)
    }

    pub(crate) fn exclusive(dir: &Path) -> Result<Self, SoftwareError> {
        Self::take(dir, File::lock)
    }

    fn take(dir: &Path, lock: impl FnOnce(&File) -> io::Result<()>) -> Result<Self, SoftwareError> {
        let path = dir.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(SoftwareError::io("open the lock file", &path))?;
        lock(&file).map_err(SoftwareError::io("lock", &path))?;
        Ok(Self(file))
    }
}

/// Writes a file that does not exist yet, readable by this user alone (0600). The caller holds a [`DirLock`]
/// and knows that nobody else writes this name.
pub(crate) fn write_new(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), SoftwareError> {
    let path = dir.join(name);
    let written = file::write_whole(&path, bytes, 0o600);
    if written.is_err() {
        // The last step failed, or one before it: in either case failing leaves no trace.
        remove_if_there(&path);
    }
    written.map_err(SoftwareError::io("write", path))
}

fn remove_if_there(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove what a failed write left");
        }
        _ => {}
    }
}

/// Removes what an interrupted [`write_new`] left. The caller holds the exclusive [`DirLock`].
pub(crate) fn remove_leftovers(dir: &Path) -> Result<(), SoftwareError> {
    for name in names(dir)? {
        let Some(text) = name.to_str() else { continue };
        if text.ends_with(file::PENDING_SUFFIX) {
            let path = dir.join(text);
            fs::remove_file(&path).map_err(SoftwareError::io("remove the leftover", &path))?;
            tracing::info!(path = %path.display(), "removed what an interrupted write left");
        }
    }
    Ok(())
}

/// The names in a directory.
pub(crate) fn names(dir: &Path) -> Result<Vec<OsString>, SoftwareError> {
    fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(SoftwareError::io("list the directory", dir))
}

/// Makes `path` (0600) with what `contents` gives, unless it exists or another process makes it first.
pub(super) fn create_once<B: AsRef<[u8]>>(
    path: &Path,
    contents: impl FnOnce() -> Result<B, SoftwareError>,
) -> Result<(), SoftwareError> {
    make_dirs(parent_of(path))?;
    match Pending::of_new(path, 0o600).map_err(SoftwareError::io("make", path))? {
        Some(pending) => pending
            .commit(contents()?.as_ref())
            .map_err(SoftwareError::io("write", path)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
    }

    #[test]
    fn new_files_and_directories_are_private() {
        let scratch = tempfile::tempdir().expect("scratch");
        let dir = scratch.path().join("a/b");
        private_dir(&dir).expect("dir");
        write_new(&dir, "x", b"1").expect("write");
        create_once(&dir.join("c/y"), || Ok(b"2")).expect("create");
        assert_eq!(
            (mode(&dir), mode(&dir.join("x")), mode(&dir.join("c/y"))),
            (0o700, 0o600, 0o600)
        );
        assert_eq!(names(&dir.join("c")).expect("names"), ["y"]);
    }

    #[test]
    fn a_directory_open_to_others_is_refused_with_the_remedy() {
        let scratch = tempfile::tempdir().expect("scratch");
        let dir = scratch.path().join("open");
        fs::create_dir(&dir).expect("dir");
        fs::set_permissions(&dir, Permissions::from_mode(0o755)).expect("chmod");
        let error = private_dir(&dir).expect_err("open").to_string();
        assert!(
            error.ends_with(&format!("chmod 700 {}", dir.display())),
            "{error}"
        );
        fs::write(scratch.path().join("file"), b"").expect("write");
        private_dir(&scratch.path().join("file")).expect_err("a file");
        private_dir(&scratch.path().join("file/dir")).expect_err("below a file");
    }

    #[test]
    fn only_leftovers_are_removed() {
        let scratch = tempfile::tempdir().expect("scratch");
        for name in ["x.key.new", "x.key", "x.new.key", "new"] {
            fs::write(scratch.path().join(name), b"").expect("write");
        }
        remove_leftovers(scratch.path()).expect("remove");
        let mut left = names(scratch.path()).expect("names");
        left.sort();
        assert_eq!(left, ["new", "x.key", "x.new.key"]);
    }
}
