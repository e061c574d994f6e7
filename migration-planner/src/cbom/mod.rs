//! Inventories as documents: CycloneDX CBOMs of 1.6 and 1.7, CSV, and SARIF for what was found in source.
//!
//! What CycloneDX has a place for stands there; what it has none for stands in `properties` whose names begin with
//! `symbolon:`, so that a document that was written can be read back to the same inventory. Documents of other tools
//! are read as far as they go: what cannot be understood is in the inventory's list of what could not be read.

mod component;
mod csv;
mod document;
mod dto;
mod import;
mod json;
mod pretty;
mod properties;
mod protocol;
mod read;
mod sarif;

pub use self::csv::write_csv;
pub use self::document::{write, write_by};
pub use self::read::{MAX_LEN, ReadError, read};
pub use self::sarif::write_sarif;

/// A version of the CycloneDX specification.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SpecVersion {
    /// ECMA-424, first edition.
    V1_6,
    /// ECMA-424, second edition.
    V1_7,
}

impl SpecVersion {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::V1_6, Self::V1_7];

    /// Its number, such as `1.7`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_6 => "1.6",
            Self::V1_7 => "1.7",
        }
    }

    /// The version of this number.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }
}
