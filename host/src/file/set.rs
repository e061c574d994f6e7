//! Files that belong together, such as a certificate, its key and its bundle.
//!
//! No file system replaces several names at once. What there is: every file is written and flushed before the first of
//! them is put in its place, so that whatever can fail for want of room or of permission has failed while all are still
//! as they were. Renaming them takes an instant then, and if that is what fails, the error says which are new.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Pending, parent_of, sync_dir};

/// Files that are to be replaced together; dropped before [`commit`](Self::commit), it leaves all as they were.
///
/// Two sets with the same files wait for each other, and so are made in the same order.
#[derive(Debug, Default)]
pub struct FileSet(Vec<Pending>);

/// Why files of a set are not in their places.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {}", failed.display(), outcome(replaced, left))]
pub struct FileSetError {
    /// The file that could not be written.
    pub failed: PathBuf,
    /// Those that are new already.
    pub replaced: Vec<PathBuf>,
    /// Those that are as they were, with the one that failed.
    pub left: Vec<PathBuf>,
    /// What the system says.
    pub source: io::Error,
}

fn outcome(replaced: &[PathBuf], left: &[PathBuf]) -> String {
    let names = |paths: &[PathBuf]| {
        let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        names.join(", ")
    };
    if replaced.is_empty() {
        "no file was replaced".to_owned()
    } else {
        format!("replaced: {}; not replaced: {}", names(replaced), names(left))
    }
}

impl FileSet {
    /// Writes and flushes the content of a file, beside the place that it is to have. Its permission bits will be `mode`.
    ///
    /// # Errors
    /// [`FileSetError`]: those of [`Pending::of`] and of writing, and a file that is in the set already. All files are as
    /// they were.
    pub fn add(&mut self, path: &Path, content: &[u8], mode: u32) -> Result<(), FileSetError> {
        let write = || {
            // Its lock is ours: we would wait for ourselves.
            if self.0.iter().any(|pending| pending.path == path) {
                return Err(io::Error::new(ErrorKind::AlreadyExists, "it is in the set twice"));
            }
            let mut pending = Pending::of(path, mode)?;
            pending.fill(|out| out.write_all(content))?;
            Ok(pending)
        };
        match write() {
            Ok(pending) => {
                self.0.push(pending);
                Ok(())
            }
            Err(source) => Err(FileSetError {
                failed: path.to_owned(),
                replaced: Vec::new(),
                left: vec![path.to_owned()],
                source,
            }),
        }
    }

    /// Puts all files in their places, in the order in which they were added.
    ///
    /// # Errors
    /// [`FileSetError`], which says which of them are new.
    pub fn commit(mut self) -> Result<(), FileSetError> {
        let paths: Vec<PathBuf> = self.0.iter().map(|pending| pending.path.clone()).collect();
        let stopped = |at: usize, failed: &Path, source| {
            let (replaced, left) = paths.split_at(at);
            FileSetError {
                failed: failed.to_owned(),
                replaced: replaced.to_vec(),
                left: left.to_vec(),
                source,
            }
        };
        for (at, pending) in self.0.iter_mut().enumerate() {
            fs::rename(&pending.at, &pending.path).map_err(|source| stopped(at, &pending.path, source))?;
            pending.committed = true;
        }
        let dirs: BTreeSet<&Path> = paths.iter().map(|path| parent_of(path)).collect();
        for dir in dirs {
            sync_dir(dir).map_err(|source| stopped(paths.len(), dir, source))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with files of this content.
    fn with(names: &[&str], content: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(dir.path().join(name), content).unwrap();
        }
        dir
    }

    fn contents(dir: &Path) -> Vec<(String, String)> {
        let mut found: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, content)| ((*name).to_owned(), (*content).to_owned()))
            .collect()
    }

    #[test]
    fn nothing_is_replaced_before_all_is_written() {
        let dir = with(&["a", "b"], "old");
        let mut set = FileSet::default();
        for name in ["a", "b", "c"] {
            set.add(&dir.path().join(name), b"new", 0o600).unwrap();
        }
        let old: Vec<_> = contents(dir.path())
            .into_iter()
            .filter(|(name, _)| !name.ends_with(super::super::PENDING_SUFFIX))
            .collect();
        assert_eq!(old, pairs(&[("a", "old"), ("b", "old")]));
        set.commit().unwrap();
        assert_eq!(
            contents(dir.path()),
            pairs(&[("a", "new"), ("b", "new"), ("c", "new")])
        );
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_all_as_they_were() {
        let dir = with(&["a", "b"], "old");
        let mut set = FileSet::default();
        set.add(&dir.path().join("a"), b"new", 0o600).unwrap();
        let missing = dir.path().join("none").join("b");
        let error = set.add(&missing, b"new", 0o600).unwrap_err();
        assert!(
            error.to_string().contains("no file was replaced") && error.failed == missing,
            "{error}"
        );
        let twice = set.add(&dir.path().join("a"), b"newer", 0o600).unwrap_err();
        assert_eq!(twice.source.kind(), ErrorKind::AlreadyExists);
        drop(set);
        assert_eq!(contents(dir.path()), pairs(&[("a", "old"), ("b", "old")]));
    }

    #[test]
    fn an_error_says_which_are_new_and_which_are_not() {
        let dir = with(&["a", "d"], "old");
        // A directory that is not empty is in the way of the rename.
        fs::create_dir_all(dir.path().join("c").join("full")).unwrap();
        let mut set = FileSet::default();
        for name in ["a", "b", "c", "d"] {
            set.add(&dir.path().join(name), b"new", 0o600).unwrap();
        }
        let error = set.commit().unwrap_err();
        let at = |name: &str| dir.path().join(name);
        assert_eq!(error.failed, at("c"));
        assert_eq!(error.replaced, [at("a"), at("b")]);
        assert_eq!(error.left, [at("c"), at("d")]);
        let text = error.to_string();
        let (new, old) = text.split_once("not replaced").unwrap();
        assert!(
            new.contains("/a, ") && new.contains("/b;") && old.contains("/d"),
            "{text}"
        );
        assert_eq!(
            contents(dir.path()),
            pairs(&[("a", "new"), ("b", "new"), ("d", "old")])
        );
    }
}
