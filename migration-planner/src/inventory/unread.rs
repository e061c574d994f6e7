//! What could not be read, and out of how much.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The most entries listed for one reason; beyond it the smallest stay, and the rest are counted.
pub const MAX_UNREAD_LISTED: usize = 10_000;

/// Why something was not read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// It is encrypted, and nobody gave a passphrase.
    Encrypted,
    /// The operating system reported an error.
    Io,
    /// It is not what it says it is, or it is damaged.
    Malformed,
    /// It was left out because it was asked for: hidden, ignored, excluded.
    NotAskedFor,
    /// A pseudo file system such as /proc.
    PseudoFileSystem,
    /// No permission.
    PermissionDenied,
    /// The other side refused.
    Refused,
    /// A device, socket or pipe.
    SpecialFile,
    /// A symbolic link, which is not followed: what it leads to is scanned where it is.
    SymbolicLink,
    /// It took longer than allowed.
    TimedOut,
    /// It is larger than what is read, or holds more than is looked at.
    TooLarge,
    /// It is nested deeper than what is followed.
    TooDeep,
    /// Nobody answered.
    Unreachable,
    /// A format, version or language that no scanner here knows.
    Unsupported,
    /// It was gone, or changed, when it was to be read.
    Vanished,
}

impl Reason {
    /// Every reason, in order.
    pub const ALL: [Self; 15] = [
        Self::Encrypted,
        Self::Io,
        Self::Malformed,
        Self::NotAskedFor,
        Self::PseudoFileSystem,
        Self::PermissionDenied,
        Self::Refused,
        Self::SpecialFile,
        Self::SymbolicLink,
        Self::TimedOut,
        Self::TooLarge,
        Self::TooDeep,
        Self::Unreachable,
        Self::Unsupported,
        Self::Vanished,
    ];

    /// Its name in documents, such as `permission-denied`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Io => "io",
            Self::Malformed => "malformed",
            Self::NotAskedFor => "not-asked-for",
            Self::PseudoFileSystem => "pseudo-file-system",
            Self::PermissionDenied => "permission-denied",
            Self::Refused => "refused",
            Self::SpecialFile => "special-file",
            Self::SymbolicLink => "symbolic-link",
            Self::TimedOut => "timed-out",
            Self::TooLarge => "too-large",
            Self::TooDeep => "too-deep",
            Self::Unreachable => "unreachable",
            Self::Unsupported => "unsupported",
            Self::Vanished => "vanished",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// One thing, or a part of one, that could not be read.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Unread {
    /// The path or endpoint.
    pub location: String,
    /// The line, counted from 1, when it is a part of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Why.
    pub reason: Reason,
    /// The scanner that tried, or `walk` for the tree walker.
    pub scanner: String,
    /// What exactly, for a person.
    pub detail: String,
}

/// The entries, bounded for each reason.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UnreadList {
    listed: BTreeMap<Reason, BTreeSet<Unread>>,
    omitted: BTreeMap<Reason, u64>,
}

impl UnreadList {
    /// Adds an entry.
    pub fn add(&mut self, unread: Unread) {
        let reason = unread.reason;
        let entries = self.listed.entry(reason).or_default();
        entries.insert(unread);
        if entries.len() > MAX_UNREAD_LISTED {
            entries.pop_last();
            *self.omitted.entry(reason).or_default() += 1;
        }
    }

    /// Counts things that are not listed one by one.
    pub fn omit(&mut self, reason: Reason, count: u64) {
        if count > 0 {
            *self.omitted.entry(reason).or_default() += count;
        }
    }

    /// Joins another list.
    pub fn merge(&mut self, other: Self) {
        for (reason, count) in other.omitted {
            self.omit(reason, count);
        }
        for unread in other.listed.into_values().flatten() {
            self.add(unread);
        }
    }

    /// The entries, by reason and place.
    pub fn iter(&self) -> impl Iterator<Item = &Unread> {
        self.listed.values().flatten()
    }

    /// How many there are for each reason, listed or not.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Reason, u64> {
        let mut counts = self.omitted.clone();
        for (reason, entries) in &self.listed {
            *counts.entry(*reason).or_default() += entries.len() as u64;
        }
        counts
    }

    /// How many are counted but not listed, for each reason.
    #[must_use]
    pub const fn omitted(&self) -> &BTreeMap<Reason, u64> {
        &self.omitted
    }

    /// Whether everything could be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.values().all(BTreeSet::is_empty) && self.omitted.is_empty()
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Subject {
    /// Certificates that our own authority says it issued.
    Certificates,
    /// Directories.
    Directories,
    /// Endpoints.
    Endpoints,
    /// Regular files.
    Files,
    /// PKCS#11 tokens.
    Tokens,
}

impl Subject {
    /// Every kind, in order.
    pub const ALL: [Self; 5] = [
        Self::Certificates,
        Self::Directories,
        Self::Endpoints,
        Self::Files,
        Self::Tokens,
    ];

    /// Its name in documents, such as `files`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificates => "certificates",
            Self::Directories => "directories",
            Self::Endpoints => "endpoints",
            Self::Files => "files",
            Self::Tokens => "tokens",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.name() == name)
    }
}

/// How many of one kind there were.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tally {
    /// How many were met.
    pub attempted: u64,
    /// How many of them were read to their end.
    pub read: u64,
    /// How many bytes were read, or taken over from an earlier scan.
    pub bytes: u64,
}

/// The denominators: for each kind how many were met, and how many read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Coverage(BTreeMap<Subject, Tally>);

impl Coverage {
    /// The tally of one kind.
    pub fn of(&mut self, subject: Subject) -> &mut Tally {
        self.0.entry(subject).or_default()
    }

    /// The tally of one kind.
    #[must_use]
    pub fn get(&self, subject: Subject) -> Tally {
        self.0.get(&subject).copied().unwrap_or_default()
    }

    /// Every tally, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Subject, Tally)> {
        self.0.iter().map(|(subject, tally)| (*subject, *tally))
    }

    /// Adds the counts of another.
    pub fn merge(&mut self, other: &Self) {
        for (subject, tally) in &other.0 {
            let sum = self.of(*subject);
            sum.attempted += tally.attempted;
            sum.read += tally.read;
            sum.bytes += tally.bytes;
        }
    }
}
