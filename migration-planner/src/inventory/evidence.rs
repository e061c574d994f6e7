//! Where something was seen.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The most occurrences of one asset that are kept; beyond it the smallest stay, and the rest are counted.
pub const MAX_OCCURRENCES: usize = 100_000;

/// Who may read a file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Access {
    /// The permission bits, such as 0o600.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

impl Access {
    /// Whether anyone but owner and group may read it.
    #[must_use]
    pub const fn everyone_may_read(self) -> bool {
        self.mode & 0o004 != 0
    }

    /// Whether the group may read it.
    #[must_use]
    pub const fn group_may_read(self) -> bool {
        self.mode & 0o040 != 0
    }
}

/// One place where an asset was seen.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Occurrence {
    /// The path, or the endpoint as in `tls://example.org:443`.
    pub location: String,
    /// The line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The byte in the file or, in source, the column; counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The function, directive, alias or entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// What else helps: the call as written, the comment of an SSH key. Never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Who may read the file, for private keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
}

impl Occurrence {
    /// This place.
    #[must_use]
    pub fn at(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            ..Self::default()
        }
    }

    /// On this line, counted from 1.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// At this byte or column, counted from 0.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// In this function, directive, alias or entry.
    #[must_use]
    pub fn symbol(mut self, symbol: impl Into<String>) -> Self {
        self.symbol = Some(symbol.into());
        self
    }

    /// With these words.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// In a file that these may read.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }
}

/// All the places of an asset: the smallest [`MAX_OCCURRENCES`] of them, and how many more there were.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    occurrences: BTreeSet<Occurrence>,
    /// How many more there were.
    #[serde(default)]
    omitted: u64,
}

impl Evidence {
    /// Adds one place.
    pub fn add(&mut self, occurrence: Occurrence) {
        self.occurrences.insert(occurrence);
        if self.occurrences.len() > MAX_OCCURRENCES {
            self.occurrences.pop_last();
            self.omitted += 1;
        }
    }

    /// Adds the places of another.
    pub fn merge(&mut self, other: Self) {
        self.omitted += other.omitted;
        for occurrence in other.occurrences {
            self.add(occurrence);
        }
    }

    /// Counts places that are known of but not listed.
    pub fn omit(&mut self, count: u64) {
        self.omitted += count;
    }

    /// The places, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Occurrence> {
        self.occurrences.iter()
    }

    /// How many places are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.occurrences.len()
    }

    /// Whether there is no place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.occurrences.is_empty()
    }

    /// How many more there were.
    #[must_use]
    pub const fn omitted(&self) -> u64 {
        self.omitted
    }
}
