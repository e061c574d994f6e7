//! Who demands what by when.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::source::{Confidence, Source};
use crate::risk::Day;
use crate::risk::purpose::Purpose;

/// A law, an order, a guideline: who it speaks to, how it binds, and what it says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Regime {
    /// What it is referred to by, as in a profile's `regimes`.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Who issued it.
    pub authority: String,
    /// Where.
    pub jurisdiction: String,
    /// Whom and what it is for, in our words.
    pub scope: String,
    /// How it binds those whom it is for.
    pub binding: Binding,
    /// What it is by now.
    pub status: Status,
    /// Where it can be read.
    pub sources: Vec<Source>,
    /// When somebody last looked at the sources.
    pub verified_on: Day,
    /// How well they are known.
    pub confidence: Confidence,
    /// What a reader must know: contradictions between sources, what was not found.
    #[serde(default)]
    pub note: String,
    /// Kinds of systems that it tells apart, with what they mean. A profile says which one an asset is of.
    #[serde(default)]
    pub categories: BTreeMap<String, String>,
    /// What it wants post-quantum algorithms to be.
    #[serde(default)]
    pub construction: Option<Construction>,
    /// NIST's category of strength that it asks for, if any.
    #[serde(default)]
    pub minimum_level: Option<u8>,
    /// What it says, by date.
    pub rules: Vec<Rule>,
}

/// One thing that a regime says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is referred to by within its regime.
    pub id: String,
    /// What it says, in our words.
    pub says: String,
    /// Where in the document.
    #[serde(default)]
    pub section: String,
    /// The last day on which it still may be otherwise; absent for what holds today.
    #[serde(default)]
    pub until: Option<Day>,
    /// What happens then.
    pub effect: Effect,
    /// What it is about.
    #[serde(default)]
    pub when: Condition,
}

/// What a rule is about: everything that is given must hold.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// It is a milestone of the organisation and about no asset.
    pub organisation: bool,
    /// What the algorithm is used for.
    pub purposes: BTreeSet<Purpose>,
    /// What a quantum computer does to it.
    pub kinds: BTreeSet<Kind>,
    /// Canonical names of algorithms or of their parts; ending in `*`, beginnings.
    pub names: Vec<String>,
    /// Canonical names that it is not about, written the same way.
    pub except: Vec<String>,
    /// Weaker than so many classical bits; an unknown strength is taken to be.
    pub below_bits: Option<u32>,
    /// Whether it stands alone or in a hybrid.
    pub construction: Option<Construction>,
    /// The category of system. An asset whose category nobody told may be of any.
    pub categories: BTreeSet<String>,
}

/// What a quantum computer does to an algorithm.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Breaks it. What is unknown is taken to be broken.
    Broken,
    /// Nothing that is known of.
    Resistant,
    /// Halves its strength at most.
    Symmetric,
}

/// Whether a post-quantum algorithm stands alone.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Construction {
    /// Together with a classical algorithm, so that both would have to fall.
    Hybrid,
    /// By itself.
    Pure,
}

impl Construction {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Pure => "pure",
        }
    }
}

/// How a regime binds those whom it is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Binding {
    /// By law, or by an order with the force of one.
    Law,
    /// By contract, accreditation or an authority's instruction.
    Mandatory,
    /// Not at all: it advises.
    Advice,
}

impl Binding {
    /// It in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Law => "binding by law",
            Self::Mandatory => "binding on those in scope",
            Self::Advice => "advice, not binding",
        }
    }
}

/// What a document is by now.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A draft: its dates may change.
    Draft,
    /// In force.
    InForce,
    /// A proposal for a law, still in procedure.
    Proposal,
    /// Published and final, without the force of a law.
    Published,
}

impl Status {
    /// It in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::InForce => "in force",
            Self::Proposal => "proposal",
            Self::Published => "published",
        }
    }
}

/// What happens after a rule's day.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It must not be used any more.
    Disallowed,
    /// It may be used at one's own risk.
    Deprecated,
    /// Something has to be there.
    Required,
}

impl Effect {
    /// It in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Disallowed => "no longer allowed",
            Self::Deprecated => "deprecated",
            Self::Required => "to be done",
        }
    }
}

impl Regime {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.sources.is_empty() {
            return Err("has no source; name the document".to_owned());
        }
        let mut seen = BTreeSet::new();
        for rule in &self.rules {
            if !seen.insert(&rule.id) {
                return Err(format!("two rules are called {:?}", rule.id));
            }
            if let Some(category) = rule
                .when
                .categories
                .iter()
                .find(|name| !self.categories.contains_key(*name))
            {
                return Err(format!(
                    "rule {:?} names the category {category:?}, which is not explained",
                    rule.id
                ));
            }
            let when = &rule.when;
            let empty = when.purposes.is_empty() && when.kinds.is_empty() && when.names.is_empty();
            if empty && !when.organisation {
                return Err(format!(
                    "rule {:?} is about everything: give purposes, kinds or names, or organisation = true",
                    rule.id
                ));
            }
        }
        Ok(())
    }
}
