//! What a rule is.

use std::fmt;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Notice,
    /// A "should" is not kept, or others will have trouble with it.
    Warning,
    /// A "must" is broken. Before a signature this means that there is none.
    Error,
}

impl Severity {
    /// The name used in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A rule that documents are held to.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Rule {
    /// The id that errors, logs, records and scripts use; it does not change. What is before the slash says where
    /// the rule comes from.
    pub id: &'static str,
    /// What breaking it means.
    pub severity: Severity,
    /// Where the rule is written.
    pub source: &'static str,
    /// What it says, as a sentence without its full stop.
    pub says: &'static str,
    /// What to do when it is broken, likewise.
    pub advice: &'static str,
}

impl Rule {
    /// What is before the slash of its id.
    pub fn origin(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(origin, _)| origin)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}
