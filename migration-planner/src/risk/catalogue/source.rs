//! Where a fact comes from.

use serde::{Deserialize, Serialize};

/// Who says so, and where.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The document, with its edition.
    pub title: String,
    /// Its address.
    pub url: String,
}

/// How well a source is known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The document itself was read.
    Primary,
    /// What others write about it was read; the document itself is to be read before anything hangs on it.
    Secondary,
}

impl Confidence {
    /// It in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Primary => "read in the document itself",
            Self::Secondary => "known from what others write about the document",
        }
    }
}
