//! Scanners for files that hold keys and certificates themselves.

use std::sync::Arc;

use crate::scan::Scanner;

/// All of them.
#[must_use]
pub fn scanners() -> Vec<Arc<dyn Scanner>> {
    vec![]
}
