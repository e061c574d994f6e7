//! What a rating says, and all of them together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::Day;
use super::catalogue::{Regime, Scenario};
use super::effort::Effort;
use super::idle::IdleRule;
use super::mosca::{Mosca, Shelf};
use super::profile::Decision;
use super::score::Score;
use super::threat::{Posture, Threat};
use super::uses::Use;
use super::verdict::{Finding, Verdict};
use crate::inventory::AssetId;

/// What every asset risks.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// The day that it is for.
    pub today: Day,
    /// Who it is for.
    pub organisation: String,
    /// Every scenario, earliest first.
    pub scenarios: Vec<Scenario>,
    /// The scenario that is planned by.
    pub plan_by: String,
    /// The regimes that apply, in the profile's order.
    pub regimes: Vec<Regime>,
    /// The profile's rules that change nothing here.
    pub idle_rules: Vec<IdleRule>,
    /// Every asset that was rated.
    pub ratings: BTreeMap<AssetId, Rating>,
    /// Every asset that was not, and why.
    pub unrated: BTreeMap<AssetId, Unrated>,
}

/// Why an asset has no rating of its own.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum Unrated {
    /// Another asset stands for it: a certificate for its key, a protocol for its algorithms.
    StoodFor {
        /// Which one.
        by: AssetId,
    },
    /// It has no cryptography of its own: a library, a store that is not encrypted.
    NoCryptography,
}

/// What one asset risks, with all that went into it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rating {
    /// The worst that can happen.
    pub threat: Threat,
    /// Everything that can.
    pub threats: BTreeSet<Threat>,
    /// How well it is protected against a quantum computer today.
    pub posture: Posture,
    /// What it uses which algorithm for.
    pub uses: BTreeSet<Use>,
    /// Who is responsible, by the inventory and the profile.
    pub owners: BTreeSet<Arc<str>>,
    /// Who can reach it; absent when nobody told.
    pub exposure: Option<Arc<str>>,
    /// How much hangs on it, from 1 to 5.
    pub importance: u8,
    /// For how long what it encrypts must stay secret; absent when it encrypts nothing that a quantum computer reads.
    pub confidentiality: Option<Shelf>,
    /// For how long what it signs must be believed; absent when it signs nothing that a quantum computer forges.
    pub signatures: Option<Shelf>,
    /// How long moving it takes.
    pub effort: Effort,
    /// Mosca's inequality, for each scenario in order; empty when there is nothing that a quantum computer breaks.
    pub mosca: Vec<Mosca>,
    /// What the regimes that apply say, where they are not met.
    pub verdicts: Vec<Verdict>,
    /// The first of all days by which it must have moved.
    pub bound: Option<Bound>,
    /// The first of those days that are not today's because of a weakness of today.
    pub quantum_bound: Option<Bound>,
    /// How many assets depend on it, counted to 100.
    pub dependants: usize,
    /// A number for sorting.
    pub score: Score,
    /// What the profile decided, if that still holds.
    pub decision: Option<Decision>,
}

/// A day by which something must have moved, and what sets it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Bound {
    /// A weakness of today: at once.
    Weakness {
        /// The weakness, by id.
        weakness: Arc<str>,
        /// Today.
        day: Day,
    },
    /// A regime's rule.
    Regime {
        /// The regime, by id.
        regime: Arc<str>,
        /// The rule, by id.
        rule: Arc<str>,
        /// Whether the profile does not say that the asset is of the category that the rule is about.
        category_assumed: bool,
        /// Its last day.
        day: Day,
    },
    /// The scenario that is planned by.
    Scenario {
        /// The scenario, by id.
        scenario: Arc<str>,
        /// Its arrival less what must hold.
        day: Day,
    },
}

impl Bound {
    /// The day.
    #[must_use]
    pub const fn day(&self) -> Day {
        match self {
            Self::Weakness { day, .. } | Self::Regime { day, .. } | Self::Scenario { day, .. } => *day,
        }
    }
}

impl Rating {
    /// Mosca's inequality for this scenario.
    #[must_use]
    pub fn mosca_for(&self, scenario: &str) -> Option<&Mosca> {
        self.mosca.iter().find(|mosca| &*mosca.scenario == scenario)
    }

    /// Whether somebody has to do something about it, whatever was decided.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.threat.is_open() || !self.verdicts.is_empty()
    }
}

impl Assessment {
    /// The rating of an asset.
    #[must_use]
    pub fn rating(&self, id: &AssetId) -> Option<&Rating> {
        self.ratings.get(id)
    }

    /// How many assets each threat is the worst of.
    #[must_use]
    pub fn by_threat(&self) -> BTreeMap<Threat, usize> {
        let mut counts = BTreeMap::new();
        for rating in self.ratings.values() {
            *counts.entry(rating.threat).or_default() += 1;
        }
        counts
    }

    /// The scenario that is planned by.
    #[must_use]
    pub fn planned(&self) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.id == self.plan_by)
    }

    /// How many assets a regime finds in each state, and how many it finds nothing wrong with.
    #[must_use]
    pub fn by_finding(&self, regime: &str) -> (BTreeMap<Finding, usize>, usize) {
        let mut counts = BTreeMap::new();
        let mut met = 0;
        for rating in self.ratings.values() {
            let worst = rating
                .verdicts
                .iter()
                .filter(|verdict| &*verdict.regime == regime)
                .map(|verdict| verdict.finding)
                .min();
            match worst {
                Some(finding) => *counts.entry(finding).or_default() += 1,
                None => met += 1,
            }
        }
        (counts, met)
    }
}
