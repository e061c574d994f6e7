//! What a caller asks for.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    ClassifierError, Limits, NoProgress, Progress, Scanner, Target, contact_scanners, file_scanners,
};

/// A scan to be made.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// What to scan.
    pub targets: Vec<Target>,
    /// With which scanners.
    pub scanners: Vec<Arc<dyn Scanner>>,
    /// Within which bounds.
    pub limits: Limits,
    /// What to leave out.
    pub options: Options,
    /// Where findings are kept for the next scan. The only file that a scan writes.
    pub cache: Option<PathBuf>,
    /// Read everything again, whatever the cache says.
    pub verify: bool,
    /// How many files are looked at at the same time; 0 for as many as there are processors.
    pub threads: usize,
    /// Who is told how far it is.
    pub progress: Arc<dyn Progress>,
}

/// What a scan of a tree leaves out. By default nothing: keys are often in hidden and ignored files.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// Leave out files and directories whose names begin with a dot.
    pub skip_hidden: bool,
    /// Leave out what `.gitignore` and `.ignore` files say.
    pub skip_ignored: bool,
    /// Leave out what matches one of these patterns, in the notation of `.gitignore`.
    pub exclude: Vec<String>,
    /// Files that the caller itself writes. Directories do not show them, nor those with `.new` after their names in
    /// which they are prepared: two scans of the same tree are to find the same.
    pub own: Vec<PathBuf>,
}

impl ScanRequest {
    /// A scan of these targets with every scanner and the usual limits.
    #[must_use]
    pub fn new(targets: Vec<Target>) -> Self {
        Self {
            targets,
            scanners: file_scanners().into_iter().chain(contact_scanners()).collect(),
            limits: Limits::default(),
            options: Options::default(),
            cache: None,
            verify: false,
            threads: 0,
            progress: Arc::new(NoProgress),
        }
    }
}

/// Why there was no scan. Whatever goes wrong with a target is in the inventory instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The cache could not be written.
    #[error("the cache {path} cannot be written: {problem}")]
    Cache {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: std::io::Error,
    },
    /// A pattern to exclude is none.
    #[error("the pattern {pattern:?} to exclude cannot be understood: {problem}")]
    Exclude {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing was named.
    #[error("there is nothing to scan: name a file, a tree or an endpoint")]
    NoTarget,
    /// The scanners do not go together.
    #[error("the scanners do not go together: {0}")]
    Scanners(#[from] ClassifierError),
    /// A thread could not be started.
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}
