//! A roadmap as it is written to a file and read back.

use std::fmt;

use serde::{Deserialize, Serialize};
use symbolon_crypto::digest::sha256_of;

use crate::risk::Day;
use crate::risk::catalogue::{Construction, Effect};

/// What a roadmap's `format` member says. A reader refuses another one.
pub const FORMAT: &str = "symbolon-roadmap/1";

/// What to do in which order.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Roadmap {
    /// [`FORMAT`].
    pub format: String,
    /// The day that it was made on.
    pub made_on: Day,
    /// Who it is for.
    pub organisation: String,
    /// The scenario that it was planned by.
    pub plan_by: String,
    /// What was scanned.
    pub scanned: Vec<String>,
    /// The regimes that applied.
    pub regimes: Vec<String>,
    /// What the reader said and what changes nothing here: rules of the profile that speak of nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The steps, by wave and then by how much hangs on them.
    pub steps: Vec<Step>,
    /// What was found protected, so that it can be seen when it no longer is.
    pub guards: Vec<Item>,
    /// What other scenarios would change.
    pub what_if: Vec<WhatIf>,
}

/// What a step is referred to by: its action and a digest of what it is about, so that the same work has the same
/// id in every roadmap of the same estate.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// The id of an action on something.
    #[must_use]
    pub(crate) fn of(action: Action, parts: &[&str]) -> Self {
        let mut pieces: Vec<&[u8]> = vec![action.name().as_bytes()];
        for part in parts {
            pieces.push(&[0]);
            pieces.push(part.as_bytes());
        }
        let digest = sha256_of(&pieces);
        let (start, _) = digest.split_at(5);
        Self(format!("{}-{}", action.name(), hex::encode(start)))
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is done in a step.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// Find out what something is.
    Identify,
    /// Replace what is weak today.
    Repair,
    /// Bring a library to a version that can do what is to come.
    UpgradeLibrary,
    /// Set up an authority's successor.
    ReplaceIssuer,
    /// Give the successor's certificate to those who verify.
    DistributeTrust,
    /// Issue certificates again.
    ReissueCertificates,
    /// Replace keys that no certificate is about.
    ReplaceKeys,
    /// Offer post-quantum key establishment.
    EnablePostQuantum,
    /// Refuse peers that are classical only.
    RefuseClassical,
    /// Change programs.
    ChangeCode,
    /// Protect stored data and other material again.
    ProtectStoredData,
    /// Use longer keys or larger parameter sets, because a regime asks for them.
    RaiseStrength,
    /// Take an old authority out of what verifiers believe.
    RetireTrust,
}

impl Action {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Repair => "repair",
            Self::UpgradeLibrary => "upgrade-library",
            Self::ReplaceIssuer => "replace-issuer",
            Self::DistributeTrust => "distribute-trust",
            Self::ReissueCertificates => "reissue-certificates",
            Self::ReplaceKeys => "replace-keys",
            Self::EnablePostQuantum => "enable-post-quantum",
            Self::RefuseClassical => "refuse-classical",
            Self::ChangeCode => "change-code",
            Self::ProtectStoredData => "protect-stored-data",
            Self::RaiseStrength => "raise-strength",
            Self::RetireTrust => "retire-trust",
        }
    }

    /// The kind of work whose effort it takes.
    pub(crate) const fn effort(self) -> &'static str {
        match self {
            Self::RaiseStrength => "enable-post-quantum",
            Self::RetireTrust => "distribute-trust",
            other => other.name(),
        }
    }
}

/// What becomes of what a step is about.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Outcome {
    /// It moves.
    Migrate,
    /// It is protected by something else.
    Compensate,
    /// It goes.
    PhaseOut,
    /// It stays as it is until a day.
    AcceptUntil {
        /// The day; absent when nobody decided one.
        day: Option<Day>,
    },
}

impl Outcome {
    /// It in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Migrate => "migrate".to_owned(),
            Self::Compensate => "compensate".to_owned(),
            Self::PhaseOut => "phase out".to_owned(),
            Self::AcceptUntil { day: Some(day) } => format!("accept until {day}"),
            Self::AcceptUntil { day: None } => "accept for now".to_owned(),
        }
    }
}

/// One step.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Step {
    /// What it is referred to by.
    pub id: StepId,
    /// What is done.
    pub action: Action,
    /// It in a line.
    pub title: String,
    /// The wave, counted from 1: everything that it needs is in an earlier one.
    pub wave: u32,
    /// What becomes of what it is about.
    pub outcome: Outcome,
    /// Who decided that, and why; absent when it is this roadmap's proposal.
    pub decided: Option<String>,
    /// Why it is to be done.
    pub why: String,
    /// Who is responsible, if one is named.
    pub owner: Option<String>,
    /// Who can reach what it is about; empty when nobody told.
    pub exposure: Vec<String>,
    /// The algorithms that go.
    pub from: Vec<String>,
    /// What to move to; absent when there is nothing to move to.
    pub target: Option<StepTarget>,
    /// What must be done before.
    pub needs: Vec<Need>,
    /// Steps that need each other and so are done together.
    pub together_with: Vec<StepId>,
    /// What the regimes that apply say.
    pub deadlines: Vec<Deadline>,
    /// The first of all days by which it must be done, and what sets it.
    pub due: Option<Day>,
    /// What sets it.
    pub due_by: Option<String>,
    /// Months that it takes.
    pub months: u32,
    /// What went into the months.
    pub months_because: String,
    /// The first day on which it can begin, when everything before it takes as long as it takes.
    pub start: Day,
    /// The day on which it would be done then.
    pub finish: Day,
    /// The last day on which it can begin for everything that needs it to be in time.
    pub latest_start: Option<Day>,
    /// Days by which `finish` is after `due`; 0 when it is in time.
    pub late_days: i64,
    /// The worst that can happen to what it is about.
    pub threat: String,
    /// The highest score among what it is about.
    pub score: u8,
    /// What stands in the way.
    pub blockers: Vec<String>,
    /// How a later scan can tell that it is done.
    pub done_when: String,
    /// What Symbolon can do of it, as commands; words in capitals are to be filled in.
    pub commands: Vec<String>,
    /// What it is about.
    pub items: Vec<Item>,
}

/// What a step is about, in one place.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Item {
    /// What it is recognised by in a later scan: its kind and name, without what changes when it is renewed.
    pub key: String,
    /// The file or endpoint.
    pub location: String,
    /// The first line, where there are lines.
    pub line: Option<u64>,
    /// How often it is there.
    pub count: u64,
    /// What it is called.
    pub name: String,
    /// The asset's identifier when the roadmap was made.
    pub asset: String,
    /// What a later scan has to see.
    pub expect: Expect,
}

/// What a later scan has to see for an item to be done.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Something that withstands quantum computers in its place.
    Replaced,
    /// Nothing of it in its place.
    Gone,
    /// That somebody knows what it is.
    Identified,
}

/// What to move to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StepTarget {
    /// The algorithm.
    pub algorithm: String,
    /// Hybrid or by itself.
    pub construction: Construction,
    /// NIST's category.
    pub level: u8,
    /// Why this one.
    pub because: String,
    /// What is to be known about it.
    pub note: String,
}

/// A step that must be done before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Need {
    /// Which one.
    pub step: StepId,
    /// Why.
    pub because: String,
}

/// What a regime says about a step.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Deadline {
    /// The regime, by id.
    pub regime: String,
    /// Its rule.
    pub rule: String,
    /// The last day; absent for what holds today.
    pub until: Option<Day>,
    /// What happens after it.
    pub effect: Effect,
    /// Whether the profile does not say of which category some of it is.
    pub category_assumed: bool,
}

/// What another scenario would change.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct WhatIf {
    /// The scenario, by id.
    pub scenario: String,
    /// Its day.
    pub arrives: Day,
    /// How many steps could not be done in time although they start today.
    pub late_steps: usize,
    /// How many assets are too late for it if somebody starts today.
    pub late_assets: usize,
    /// How many assets it concerns.
    pub concerned_assets: usize,
    /// Whether the steps, sorted by their last day to start, stand in another order than in this roadmap.
    pub reorders: bool,
}

/// Why a roadmap was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoadmapError {
    /// It is no roadmap.
    #[error("the file is no roadmap: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another format.
    #[error("the roadmap's format is {0:?}, and this program reads {FORMAT:?}: make it anew")]
    Format(String),
}

impl Roadmap {
    /// Reads a roadmap that was written as JSON.
    ///
    /// # Errors
    ///
    /// [`RoadmapError`] when it is none, or one of another format.
    pub fn from_json(bytes: &[u8]) -> Result<Self, RoadmapError> {
        let roadmap: Self = serde_json::from_slice(bytes)?;
        if roadmap.format != FORMAT {
            return Err(RoadmapError::Format(roadmap.format));
        }
        Ok(roadmap)
    }

    /// The step of this id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }
}

impl Step {
    /// Whether it is work that is planned, rather than left as it is.
    #[must_use]
    pub const fn is_work(&self) -> bool {
        !matches!(self.outcome, Outcome::AcceptUntil { .. })
    }
}
