//! A directory for a rehearsal, removed when it is over.

use std::path::{Path, PathBuf};

use symbolon_crypto::random;

use super::error::CeremonyError;
use super::layout::Layout;

/// A new directory for this user alone, which goes with everything in it when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Self, CeremonyError> {
        let mut name = [0; 8];
        random::fill(&mut name)?;
        let path = std::env::temp_dir().join(format!("symbolon-dry-run-{}", hex::encode(name)));
        Layout::make_dir(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove what a dry run left");
        }
    }
}
