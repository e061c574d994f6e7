//! Files that are there whole or not at all, whatever moment the process or the machine dies at.
//!
//! A file is written under the name it will have and `.new`, flushed, renamed, and its directory flushed. The
//! temporary name is fixed, so that what a crash left is overwritten by the next try; a lock on the temporary file
//! itself keeps writers apart, in this process and in others. Several files that belong together are a [`FileSet`].

mod set;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

pub use self::set::{FileSet, FileSetError};

/// What the name of a file that is being written ends with.
pub const PENDING_SUFFIX: &str = ".new";

/// A file about to be written: this value, and no other in any process, holds its temporary name; whoever asks for
/// another one meanwhile waits. Dropped before [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct Pending {
    /// Holds the lock.
    file: File,
    at: PathBuf,
    path: PathBuf,
    committed: bool,
}

impl Pending {
    /// Prepares to write `path` with permission bits `mode`, whatever is there now. Waits for whoever is writing it.
    ///
    /// # Errors
    /// The system's; also if the temporary name is a link, or a file of another user.
    pub fn of(path: &Path, mode: u32) -> io::Result<Self> {
        loop {
            if let Some(pending) = Self::take(path, mode)? {
                return Ok(pending);
            }
        }
    }

    /// Prepares to write `path` if it does not exist; `None` if it does, or if somebody else has just made it.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_new(path: &Path, mode: u32) -> io::Result<Option<Self>> {
        loop {
            let pending = Self::take(path, mode)?;
            if fs::symlink_metadata(path).is_ok() {
                return Ok(None);
            }
            if pending.is_some() {
                return Ok(pending);
            }
        }
    }

    /// One try; `None` if the temporary file was renamed or removed before its lock came to us.
    fn take(path: &Path, mode: u32) -> io::Result<Option<Self>> {
        let mut at = path.as_os_str().to_owned();
        at.push(PENDING_SUFFIX);
        let at = PathBuf::from(at);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(mode)
            // Nobody may make us write through a link of theirs.
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&at)?;
        if file.metadata()?.uid() != rustix::process::geteuid().as_raw() {
            let problem = format!("{} belongs to another user", at.display());
            return Err(io::Error::new(ErrorKind::PermissionDenied, problem));
        }
        file.lock()?;
        if !still_named(&file, &at)? {
            return Ok(None);
        }
        let pending = Self {
            file,
            at,
            path: path.to_owned(),
            committed: false,
        };
        // What a crash left may be longer, and have other permissions.
        pending.file.set_permissions(Permissions::from_mode(mode))?;
        pending.file.set_len(0)?;
        Ok(Some(pending))
    }

    /// Writes the content and puts the file in its place.
    ///
    /// # Errors
    /// The system's. What was in its place is then still there, unless it was the very last step that failed: the
    /// flush of the directory, before which the new file may or may not survive a loss of power.
    pub fn commit(self, content: &[u8]) -> io::Result<()> {
        self.commit_with(|out| out.write_all(content))
    }

    /// As [`commit`](Self::commit), with content that `write` makes piece by piece. When `write` fails, what was in
    /// the file's place stays.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and those of `write`.
    pub fn commit_with(mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        self.fill(write)?;
        fs::rename(&self.at, &self.path)?;
        self.committed = true;
        sync_dir(parent_of(&self.path))
    }

    /// Writes and flushes the content, and leaves what is in the file's place.
    fn fill(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, &self.file);
        write(&mut out)?;
        out.flush()?;
        drop(out);
        self.file.sync_all()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // The lock is still held, so the name is still this file's.
        if !self.committed
            && let Err(error) = fs::remove_file(&self.at)
        {
            tracing::warn!(path = %self.at.display(), %error, "cannot remove what a failed write left");
        }
    }
}

/// Writes a whole file with permission bits `mode`: afterwards it has either its old content or the new one, even
/// if the machine stops half-way or several processes write it at once.
///
/// # Errors
/// As [`Pending::commit`].
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    Pending::of(path, mode)?.commit(content)
}

/// Flushes a directory, so that the names in it survive a loss of power.
///
/// # Errors
/// The system's.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The directory a path is in; `.` for a bare name.
pub fn parent_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Whether `path` still names the open `file`: whoever held the lock before us may have renamed it.
fn still_named(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_permissions_whatever_a_crash_left() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("key");
        let left = scratch.path().join("key.new");
        fs::write(&left, "left by a crash, longer than what is written").unwrap();
        fs::set_permissions(&left, Permissions::from_mode(0o644)).unwrap();
        for content in ["one", "another"] {
            write_whole(&path, content.as_bytes(), 0o600).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        }
        // Whatever the process masks, the mode asked for is the one that the file has.
        write_whole(&path, b"for all", 0o666).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o666);
        assert_eq!(names(scratch.path()), ["key"]);
    }

    #[test]
    fn writers_at_once_leave_the_whole_of_one() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        std::thread::scope(|scope| {
            for writer in b'a'..=b'h' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        write_whole(path, &[writer; 4096], 0o600).unwrap();
                        let found = fs::read(path).unwrap();
                        assert!(found.len() == 4096 && found.iter().all(|byte| *byte == found[0]));
                    }
                });
            }
        });
        assert_eq!(names(scratch.path()), ["file"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        // A directory that is not empty is in the way of the rename.
        let path = scratch.path().join("taken");
        fs::create_dir_all(path.join("full")).unwrap();
        write_whole(&path, b"secret", 0o600).unwrap_err();
        drop(Pending::of(&scratch.path().join("given up"), 0o600).unwrap());
        assert_eq!(names(scratch.path()), ["taken"]);
    }

    #[test]
    fn content_that_fails_half_way_changes_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        write_whole(&path, b"old", 0o600).unwrap();
        let failed = Pending::of(&path, 0o600).unwrap().commit_with(|out| {
            out.write_all(&[b'n'; 1 << 17])?;
            Err(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        Pending::of(&path, 0o600)
            .unwrap()
            .commit_with(|out| (0..1000).try_for_each(|number| writeln!(out, "{number}")))
            .unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1000);
        assert_eq!(names(scratch.path()), ["file"]);
    }

    #[test]
    fn a_new_file_is_made_once_whoever_comes() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("once");
        fs::write(
            scratch.path().join("once.new"),
            "left by a crash, longer than what is written",
        )
        .unwrap();
        let made: usize = std::thread::scope(|scope| {
            let make = |writer: u8| {
                let path = &path;
                move || match Pending::of_new(path, 0o600).unwrap() {
                    Some(pending) => pending.commit(&[writer; 32]).map(|()| 1).unwrap(),
                    None => 0,
                }
            };
            let writers: Vec<_> = (0..8).map(|writer| scope.spawn(make(writer))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum()
        });
        assert_eq!(made, 1);
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == 32 && bytes.iter().all(|byte| *byte == bytes[0]));
        assert_eq!(names(scratch.path()), ["once"]);
    }

    #[test]
    fn a_link_put_in_the_way_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        let elsewhere = scratch.path().join("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, scratch.path().join("file.new")).unwrap();
        write_whole(&path, b"secret", 0o600).unwrap_err();
        Pending::of_new(&path, 0o600).unwrap_err();
        assert!(!elsewhere.exists() && !path.exists());
    }

    #[test]
    fn a_bare_name_is_in_the_current_directory() {
        assert_eq!(parent_of(Path::new("file")), Path::new("."));
        assert_eq!(parent_of(Path::new("dir/file")), Path::new("dir"));
        assert_eq!(parent_of(Path::new("/file")), Path::new("/"));
        sync_dir(parent_of(Path::new("file"))).unwrap();
    }
}
