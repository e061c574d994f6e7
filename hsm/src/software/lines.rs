//! The shape that every file of a software store has: a title with a version, then a known number of lines.
//!
//! Text, so that an operator can see what a file is; a fixed number of lines, each ended, so that a file that
//! was cut off is told from one that was changed.

use std::path::Path;

use super::error::SoftwareError;

/// One kind of file, with `N` lines after its title.
pub(crate) struct Lines<const N: usize> {
    /// What the first line says before the version.
    pub(crate) title: &'static str,
    /// What errors call such a file.
    pub(crate) what: &'static str,
    /// The format version written, and the newest one read.
    pub(crate) version: u32,
}

impl<const N: usize> Lines<N> {
    /// The first line, with its ending.
    pub(crate) fn first_line(&self) -> String {
        format!("{}, version {}\n", self.title, self.version)
    }

    /// Splits a whole file into the lines after its title.
    pub(crate) fn split<'a>(&self, path: &Path, bytes: &'a [u8]) -> Result<[&'a str; N], SoftwareError> {
        let text = std::str::from_utf8(bytes).map_err(|error| match error.error_len() {
            // Text up to the last character, which is incomplete.
            None => self.truncated(path),
            Some(_) => self.corrupted(path, "it is not text"),
        })?;
        let Some((first, rest)) = text.split_once('\n') else {
            let expected = self.first_line();
            return Err(if expected.starts_with(text) {
                self.truncated(path)
            } else {
                self.corrupted(path, "its first line is not the one such a file has")
            });
        };
        self.check_first_line(path, first)?;

        let mut lines = [""; N];
        let mut rest = rest;
        for line in &mut lines {
            (*line, rest) = rest.split_once('\n').ok_or_else(|| self.truncated(path))?;
        }
        if rest.is_empty() {
            Ok(lines)
        } else {
            Err(self.corrupted(path, "something follows its end"))
        }
    }

    fn check_first_line(&self, path: &Path, first: &str) -> Result<(), SoftwareError> {
        let not_ours = || self.corrupted(path, "its first line is not the one such a file has");
        let version = first
            .strip_prefix(self.title)
            .and_then(|rest| rest.strip_prefix(", version "))
            .filter(|digits| !digits.starts_with(['0', '+']))
            .and_then(|digits| digits.parse::<u32>().ok())
            .ok_or_else(not_ours)?;
        if version > self.version {
            return Err(SoftwareError::NewerVersion {
                what: self.what,
                path: path.to_owned(),
                found: version,
                supported: self.version,
            });
        }
        Ok(())
    }

    /// A whole file that is not as it was written.
    pub(crate) fn corrupted(&self, path: &Path, reason: &'static str) -> SoftwareError {
        SoftwareError::Corrupted {
            what: self.what,
            path: path.to_owned(),
            reason,
        }
    }

    fn truncated(&self, path: &Path) -> SoftwareError {
        SoftwareError::Truncated {
            what: self.what,
            path: path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Lines<2> = Lines {
        title: "test file",
        what: "test file",
        version: 3,
    };

    fn split(text: &str) -> Result<[&str; 2], SoftwareError> {
        FORMAT.split(Path::new("/x"), text.as_bytes())
    }

    #[test]
    fn a_whole_file_gives_its_lines() {
        assert_eq!(split("test file, version 3\na\n\n").expect("whole"), ["a", ""]);
    }

    #[test]
    fn every_cut_is_seen_as_one() {
        let whole = "test file, version 3\nabc\ndef\n";
        for end in 0..whole.len() {
            let error = split(whole.get(..end).expect("ascii")).expect_err("cut");
            assert!(matches!(error, SoftwareError::Truncated { .. }), "{end}: {error}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let error = split("test file, version 4\nwhatever it has\n")
            .expect_err("newer")
            .to_string();
        assert!(
            error.contains("version 4") && error.contains("up to 3"),
            "{error}"
        );
        for text in [
            "test file, version 03\na\nb\n",
            "test file, version +3\na\nb\n",
            "test file, version 0\na\nb\n",
            "test file, version x\na\nb\n",
            "another file, version 3\na\nb\n",
            "test file, version 3\r\na\nb\n",
            "test file, version 3\na\nb\nc",
            "garbage",
        ] {
            assert!(
                matches!(split(text), Err(SoftwareError::Corrupted { .. })),
                "{text}"
            );
        }
    }
}
