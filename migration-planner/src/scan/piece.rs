//! What a scanner is shown.

use super::{Budget, Target};
use crate::inventory::Access;

/// One thing to look at.
#[derive(Debug)]
#[non_exhaustive]
pub enum Piece<'a> {
    /// A file that was read.
    File(File<'a>),
    /// An endpoint or a token that the operator named; the scanner makes the contact itself, within the budget.
    Target(&'a Target, Budget),
}

/// A file with its bytes.
#[derive(Clone, Copy)]
pub struct File<'a> {
    /// The path as it stands in documents: the target as it was named, and the way from there.
    pub path: &'a str,
    /// The file's own name; bytes that are not UTF-8 are replaced.
    pub name: &'a str,
    /// All its bytes. Text in UTF-16 with a byte order mark has been turned into UTF-8.
    pub bytes: &'a [u8],
    /// Who may read it.
    pub access: Access,
    /// The time there is.
    pub budget: Budget,
}

impl File<'_> {
    /// The extension in lower case, without the dot; empty for none.
    #[must_use]
    pub fn extension(&self) -> String {
        self.name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .unwrap_or_default()
    }
}

impl std::fmt::Debug for File<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The bytes may be a private key.
        f.debug_struct("File")
            .field("path", &self.path)
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}
