//! The record of how entries migrate from one family of algorithms to another: each change of a rule, who made it and why.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use spiffe::SpiffeId;
use symbolon_pki::suite::Form;
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::Result;

/// What a rule says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MigrationSetting {
    /// Where to.
    pub target: MigrationTarget,
    /// How far; `None` for entries that are kept out.
    pub stage: Option<MigrationStage>,
}

/// A change of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MigrationChange {
    /// The entries that the rule is about, in the words of the command; empty for all.
    pub entries: String,
    /// What it says from then on; `None` where it was taken away.
    pub setting: Option<MigrationSetting>,
    /// When, whole seconds.
    pub changed_at: SystemTime,
    /// Who.
    pub changed_by: String,
    /// Whether a ready-check was gone over.
    pub forced: bool,
    /// Why; empty unless somebody said.
    pub reason: String,
    /// For how long nothing may have been seen that the last stage refuses, where that was asked; whole seconds.
    pub quiet: Option<Duration>,
}

/// Forms of SVIDs by entry and agent; `None` for those that no agent asked for.
pub type LivingForms = BTreeMap<String, BTreeMap<Option<SpiffeId>, BTreeSet<Form>>>;

/// The record of migration.
#[async_trait]
pub trait MigrationStore: Send + Sync {
    /// Records a change whose author knew the revision `known`, 0 for none. Returns its own.
    ///
    /// # Errors
    /// [`DatastoreError::Conflict`](super::DatastoreError::Conflict) when there is a newer change: what was checked may not
    /// hold any more.
    async fn change_migration(&self, known: u64, change: &MigrationChange) -> Result<u64>;

    /// Every change with its revision, oldest first.
    async fn migration_changes(&self) -> Result<Vec<(u64, MigrationChange)>>;

    /// The forms of the workload SVIDs that are on record, signed, and good at `now` or later, by entry, and by the agent that
    /// asked for them.
    async fn living_forms(&self, now: SystemTime) -> Result<LivingForms>;
}
