//! What is asked for, what became of it, and why not.

use std::time::Duration;

use symbolon_tls::{MigrationStage, MigrationTarget};

use super::check::Check;
use super::rules::Rule;
use super::scope::Scope;
use crate::datastore::DatastoreError;

/// What is to become of a rule.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which entries.
    pub scope: Scope,
    /// Where to; `None` for where the rule leads already.
    pub target: Option<MigrationTarget>,
    /// How far.
    pub stage: WishedStage,
    /// Go over what keeps it from being done.
    pub force: bool,
    /// Why; not empty with `force`.
    pub reason: String,
    /// Check and change nothing.
    pub dry_run: bool,
    /// For how long nothing that the last stage refuses may have been seen; `None` for as long as this server wants. Less than
    /// that is only for force.
    pub quiet: Option<Duration>,
    /// Who asks.
    pub by: String,
}

/// How far a rule is to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WishedStage {
    /// One stage on.
    Next,
    /// To this stage.
    To(MigrationStage),
    /// No further, and back: these entries are in no migration.
    Off,
    /// The rule is to go, so that those for more entries decide.
    Clear,
}

/// What became of a wish.
#[derive(Clone, Debug)]
pub struct Done {
    /// The rule as it is now.
    pub rule: Option<Rule>,
    /// What was checked, if anything: of several stages, the one that holds it up, or the last.
    pub check: Option<Check>,
    /// Whether the rule was changed.
    pub changed: bool,
}

/// Why a rule was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// There is nothing to be found out what is meant by: the asker's fault.
    #[error("{0}")]
    Invalid(String),
    /// There is no such rule.
    #[error("there is no rule for the entries {0:?}")]
    NoRule(String),
    /// It may not be, as things stand.
    #[error("{0}")]
    Refused(String),
    /// The datastore failed, or somebody else was faster.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

/// Why there are no migrations to go on with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The record has a rule of a newer version, or one that was tampered with.
    #[error(
        "change {revision} of the migration is about the entries {entries:?}, which this version cannot read ({reason}); start the \
         version that made it"
    )]
    Unreadable {
        /// Which change.
        revision: u64,
        /// What it says.
        entries: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Entries migrate to a family that is not there.
    #[error(
        "the migration of {entries} leads to {target}, whose family {family} is not configured: its SVIDs could not be renewed; \
         configure the family, take the migration to `off`, and then leave the family out"
    )]
    NoFamily {
        /// Whose.
        entries: String,
        /// Where to.
        target: MigrationTarget,
        /// What is missing.
        family: symbolon_pki::suite::Family,
    },
    /// The datastore failed.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}
