//! What a caller asks to leave out: hidden files, ignore files' rules, patterns.

use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::ScanError;

/// The rules that hold in one directory: its own, and those of the directories above.
#[derive(Debug)]
pub(super) struct Ignored {
    above: Option<Arc<Self>>,
    rules: Gitignore,
}

impl Ignored {
    /// The patterns of the command line.
    pub(super) fn excluding(patterns: &[String]) -> Result<Option<Arc<Self>>, ScanError> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let mut builder = GitignoreBuilder::new("");
        for pattern in patterns {
            builder
                .add_line(None, pattern)
                .map_err(|error| ScanError::Exclude {
                    pattern: pattern.clone(),
                    problem: error.to_string(),
                })?;
        }
        let rules = builder.build().map_err(|error| ScanError::Exclude {
            pattern: patterns.join(" "),
            problem: error.to_string(),
        })?;
        Ok(Some(Arc::new(Self { above: None, rules })))
    }

    /// The same with the rules of a directory's ignore file. A line that is no pattern is passed over, as git does.
    pub(super) fn with_file(above: Option<Arc<Self>>, directory: &Path, text: &str) -> Option<Arc<Self>> {
        let mut builder = GitignoreBuilder::new(directory);
        let good = text
            .lines()
            .filter(|line| builder.add_line(None, line).is_ok())
            .count();
        match builder.build() {
            Ok(rules) if good > 0 => Some(Arc::new(Self { above, rules })),
            _ => above,
        }
    }

    /// Whether this path (from the target on) is to be left out.
    pub(super) fn leaves_out(&self, path: &Path, is_dir: bool) -> bool {
        match self.rules.matched(path, is_dir) {
            Match::Ignore(_) => true,
            Match::Whitelist(_) => false,
            Match::None => self
                .above
                .as_ref()
                .is_some_and(|above| above.leaves_out(path, is_dir)),
        }
    }
}
