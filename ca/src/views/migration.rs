//! Migration as the commands about it show it.

use std::time::SystemTime;

use serde::Serialize;
use symbolon_api::symbolon::server::v1 as api;

use super::optional_moment;
use super::read::moment as read_moment;

/// A rule of migration.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MigrationRuleView {
    /// Which entries; empty for all.
    pub entries: String,
    /// Where to: `hybrid` or `pq`.
    pub target: String,
    /// How far: `off`, `publish`, `issue`, `accept`, `prefer`, `require`.
    pub stage: String,
    /// Since when.
    #[serde(serialize_with = "optional_moment")]
    pub since: Option<SystemTime>,
    /// Who set it.
    pub by: String,
    /// Whether a ready-check was gone over.
    pub forced: bool,
    /// Why; empty unless given.
    pub reason: String,
    /// Which change of rules it was.
    pub revision: u64,
    /// Who is ready for the stage that comes next, if that was looked at.
    pub next: Option<MigrationCheckView>,
    /// For how many seconds nothing classical was to have been seen when it was set to `require`.
    pub quiet_seconds: Option<u32>,
}

/// Who is ready for a stage.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MigrationCheckView {
    /// The stage.
    pub stage: String,
    /// Whether it may be set without force.
    pub may: bool,
    /// What holds it up as a whole; empty if nothing does.
    pub obstacle: String,
    /// What is counted: `agents` or `entries`.
    pub counted: String,
    /// How many are ready.
    pub ready: u64,
    /// How many are not.
    pub not_ready: u64,
    /// Of how many nothing is known.
    pub unknown: u64,
    /// How many have nothing that could fail.
    pub idle: u64,
    /// Those who hold it up, and some of whom nothing is known.
    pub parties: Vec<MigrationPartyView>,
    /// For how many seconds nothing classical may have been seen, for the stage `require`.
    pub quiet_seconds: Option<u32>,
}

/// Somebody who is not ready, or of whom nothing is known.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MigrationPartyView {
    /// The entry; empty for an agent.
    pub entry_id: String,
    /// Its identity.
    pub spiffe_id: String,
    /// `not ready` or `unknown`.
    pub readiness: String,
    /// Why.
    pub reason: String,
}

/// What became of a change.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MigrationChangeView {
    /// Whether the rule was changed.
    pub changed: bool,
    /// The rule as it is now; nothing where there is none.
    pub rule: Option<MigrationRuleView>,
    /// What was checked, if anything.
    pub check: Option<MigrationCheckView>,
}

impl From<api::MigrationRule> for MigrationRuleView {
    fn from(rule: api::MigrationRule) -> Self {
        let target = match rule.target() {
            api::MigrationTarget::Hybrid => "hybrid",
            api::MigrationTarget::Pq => "pq",
            api::MigrationTarget::Unspecified => "unknown",
        };
        Self {
            target: target.to_owned(),
            stage: stage(rule.stage()).to_owned(),
            since: read_moment(rule.since),
            entries: rule.entries,
            by: rule.by,
            forced: rule.forced,
            reason: rule.reason,
            revision: rule.revision,
            next: rule.next.map(Into::into),
            quiet_seconds: rule.quiet_seconds,
        }
    }
}

impl From<api::MigrationCheck> for MigrationCheckView {
    fn from(check: api::MigrationCheck) -> Self {
        Self {
            stage: stage(check.stage()).to_owned(),
            may: check.ready,
            obstacle: check.obstacle,
            counted: check.counted,
            ready: check.ready_count,
            not_ready: check.not_ready_count,
            unknown: check.unknown_count,
            idle: check.idle_count,
            parties: check.parties.into_iter().map(Into::into).collect(),
            quiet_seconds: check.quiet_seconds,
        }
    }
}

impl From<api::MigrationParty> for MigrationPartyView {
    fn from(party: api::MigrationParty) -> Self {
        let readiness = match party.readiness() {
            api::MigrationReadiness::Ready => "ready",
            api::MigrationReadiness::NotReady => "not ready",
            api::MigrationReadiness::Idle => "idle",
            api::MigrationReadiness::Unknown | api::MigrationReadiness::Unspecified => "unknown",
        };
        Self {
            readiness: readiness.to_owned(),
            entry_id: party.entry_id,
            spiffe_id: party.spiffe_id,
            reason: party.reason,
        }
    }
}

impl From<api::SetStageResponse> for MigrationChangeView {
    fn from(answer: api::SetStageResponse) -> Self {
        Self {
            changed: answer.changed,
            rule: answer.rule.map(Into::into),
            check: answer.check.map(Into::into),
        }
    }
}

fn stage(stage: api::MigrationStage) -> &'static str {
    match stage {
        api::MigrationStage::Unspecified => "unknown",
        api::MigrationStage::Off => "off",
        api::MigrationStage::Publish => "publish",
        api::MigrationStage::Issue => "issue",
        api::MigrationStage::Accept => "accept",
        api::MigrationStage::Prefer => "prefer",
        api::MigrationStage::Require => "require",
    }
}
