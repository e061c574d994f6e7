//! Directories and writes that a crash cannot break.
//!
//! A file is written under a temporary name, flushed, renamed, and its directory flushed: whatever moment the
//! process or the machine dies at, the file is there whole or not at all. What a crash leaves under a temporary
//! name is removed when the store is next opened.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::SoftwareError;
use crate::private_file::{PrivateFileError, check_private};

const TEMPORARY_PREFIX: &str = ".";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Makes a directory, and those above it that are missing, for this user alone (0700). One that exists must
/// already be so.
pub(super) fn private_dir(dir: &Path) -> Result<(), SoftwareError> {
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
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(SoftwareError::io("flush the directory", dir))
}

/// A lock on a store's directory, held until dropped, and by the system no longer than the process lives.
///
/// Writers share it; who opens a store has it alone, and so can tell a temporary file that a crash left from
/// one that another process is writing.
#[derive(Debug)]
pub(super) struct DirLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DirLock {
    pub(super) fn shared(dir: &Path) -> Result<Self, SoftwareError> {
        Self::take(dir, File::lock_shared)
    }

    pub(super) fn exclusive(dir: &Path) -> Result<Self, SoftwareError> {
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
pub(super) fn write_new(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), SoftwareError> {
    let temporary = dir.join(format!("{TEMPORARY_PREFIX}{name}{TEMPORARY_SUFFIX}"));
    let path = dir.join(name);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(SoftwareError::io("make", &temporary))?;
    let written = fill(&file, bytes)
        .map_err(SoftwareError::io("write", &temporary))
        .and_then(|()| fs::rename(&temporary, &path).map_err(SoftwareError::io("rename to", &path)))
        .and_then(|()| sync_dir(dir));
    if written.is_err() {
        // A full disk, most likely: take back whatever there is, so that failing leaves no trace.
        remove_if_there(&temporary);
        remove_if_there(&path);
    }
    written
}

fn remove_if_there(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove what a failed write left");
        }
        _ => {}
    }
}

fn fill(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes what an interrupted [`write_new`] left. The caller holds the exclusive [`DirLock`].
pub(super) fn remove_leftovers(dir: &Path) -> Result<(), SoftwareError> {
    for name in names(dir)? {
        let Some(text) = name.to_str() else { continue };
        if text.starts_with(TEMPORARY_PREFIX) && text.ends_with(TEMPORARY_SUFFIX) {
            let path = dir.join(text);
            fs::remove_file(&path).map_err(SoftwareError::io("remove the leftover", &path))?;
            tracing::info!(path = %path.display(), "removed what an interrupted write left");
        }
    }
    Ok(())
}

/// The names in a directory.
pub(super) fn names(dir: &Path) -> Result<Vec<OsString>, SoftwareError> {
    fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
        .map_err(SoftwareError::io("list the directory", dir))
}

/// Makes `path` (0600) with what `contents` gives, unless it exists or another process makes it first.
///
/// Its directory is shared with files that are not ours, so there is neither a lock file nor a random name to
/// clean up: the temporary name is fixed, and held by a lock on the file itself.
pub(super) fn create_once<B: AsRef<[u8]>>(
    path: &Path,
    contents: impl Fn() -> Result<B, SoftwareError>,
) -> Result<(), SoftwareError> {
    let dir = parent_of(path);
    make_dirs(dir)?;
    let pending = with_suffix(path, ".new");
    loop {
        let file = open_pending(&pending)?;
        file.lock().map_err(SoftwareError::io("lock", &pending))?;
        let ours = still_named(&file, &pending)?;
        if fs::symlink_metadata(path).is_ok() {
            if ours {
                fs::remove_file(&pending).map_err(SoftwareError::io("remove", &pending))?;
            }
            return Ok(());
        }
        if !ours {
            continue;
        }
        file.set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.set_len(0))
            .map_err(SoftwareError::io("prepare", &pending))?;
        fill(&file, contents()?.as_ref())
            .and_then(|()| fs::rename(&pending, path))
            .map_err(SoftwareError::io("write", &pending))?;
        // Only now may the lock go: until the rename, whoever holds it next would write into our file.
        drop(file);
        return sync_dir(dir);
    }
}

fn open_pending(pending: &Path) -> Result<File, SoftwareError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        // Nobody may make us write a key through a link of theirs.
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(pending)
        .map_err(SoftwareError::io("make", pending))?;
    let owner = file
        .metadata()
        .map_err(SoftwareError::io("look at", pending))?
        .uid();
    let user = rustix::process::geteuid().as_raw();
    if owner != user {
        return Err(PrivateFileError::OtherOwner {
            path: pending.to_owned(),
            owner,
            user,
        }
        .into());
    }
    Ok(file)
}

/// Whether `path` still names the open `file`: the holder of the lock before us may have renamed it.
fn still_named(file: &File, path: &Path) -> Result<bool, SoftwareError> {
    let held = file.metadata().map_err(SoftwareError::io("look at", path))?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(SoftwareError::io("look at", path)(error)),
    }
}

/// The directory a path is in; `.` for a bare name.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(OsStr::new(suffix));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
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
        for name in [".x.key.tmp", "x.key", "x.tmp", ".x"] {
            fs::write(scratch.path().join(name), b"").expect("write");
        }
        remove_leftovers(scratch.path()).expect("remove");
        let mut left = names(scratch.path()).expect("names");
        left.sort();
        assert_eq!(left, [".x", "x.key", "x.tmp"]);
    }

    #[test]
    fn a_file_is_created_once_whoever_comes_and_whatever_was_left() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("kek");
        fs::write(
            with_suffix(&path, ".new"),
            b"left by a crash, longer than what is written",
        )
        .expect("write");
        std::thread::scope(|scope| {
            for writer in 0..8u8 {
                let path = &path;
                scope.spawn(move || create_once(path, || Ok([writer; 32])).expect("create"));
            }
        });
        let bytes = fs::read(&path).expect("read");
        assert_eq!(bytes.len(), 32);
        assert!(bytes.iter().all(|byte| Some(byte) == bytes.first()));
        create_once(&path, || Ok([99; 32])).expect("again");
        assert_eq!(fs::read(&path).expect("read"), bytes);
        assert_eq!(names(scratch.path()).expect("names"), ["kek"]);
    }

    #[test]
    fn a_link_put_in_the_way_is_not_followed() {
        let scratch = tempfile::tempdir().expect("scratch");
        let path = scratch.path().join("kek");
        std::os::unix::fs::symlink(scratch.path().join("elsewhere"), with_suffix(&path, ".new"))
            .expect("link");
        create_once(&path, || Ok([1; 32])).expect_err("link");
        assert!(!scratch.path().join("elsewhere").exists());
    }
}
