//! What can happen to an asset, and how well it is protected today.

use std::collections::BTreeSet;

use serde::Serialize;

use super::graph::Graph;
use super::purpose::Purpose;
use super::uses::Use;
use crate::algorithm::Quantum;
use crate::inventory::{Asset, Detail, Role};

/// What can happen, the worst first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Threat {
    /// It can be broken without a quantum computer.
    WeakToday,
    /// Nobody knows what it is, so the worst is assumed.
    Unknown,
    /// What is recorded today can be read once there is a quantum computer. Nothing can be done about it then.
    HarvestNow,
    /// A signature made today can be forged while it is still believed.
    ForgeLater,
    /// Once there is a quantum computer, somebody can pose as its holder.
    Impersonate,
    /// Symmetric: weakened at most.
    Symmetric,
    /// Built to withstand quantum computers.
    Resistant,
}

impl Threat {
    /// Every threat, the worst first.
    pub const ALL: [Self; 7] = [
        Self::WeakToday,
        Self::Unknown,
        Self::HarvestNow,
        Self::ForgeLater,
        Self::Impersonate,
        Self::Symmetric,
        Self::Resistant,
    ];

    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WeakToday => "weak-today",
            Self::Unknown => "unknown",
            Self::HarvestNow => "harvest-now",
            Self::ForgeLater => "forge-later",
            Self::Impersonate => "impersonate",
            Self::Symmetric => "symmetric",
            Self::Resistant => "resistant",
        }
    }

    /// It in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::WeakToday => "weak already today",
            Self::Unknown => "unknown, taken for the worst",
            Self::HarvestNow => "recorded now, read later",
            Self::ForgeLater => "forged while still believed",
            Self::Impersonate => "impersonated later",
            Self::Symmetric => "symmetric, weakened at most",
            Self::Resistant => "quantum-resistant",
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub const fn means(self) -> &'static str {
        match self {
            Self::WeakToday => "It can be broken, or is withdrawn, without any quantum computer.",
            Self::Unknown => {
                "Nobody knows which algorithm it is. It is rated as the worst it could be until somebody finds out."
            }
            Self::HarvestNow => {
                "Who records what it protects today can read it once there is a quantum computer. No later change helps."
            }
            Self::ForgeLater => {
                "A signature made with it is believed for so long that a quantum computer may come first and forge one."
            }
            Self::Impersonate => {
                "Once there is a quantum computer, somebody can pose as its holder. Until then it is sound."
            }
            Self::Symmetric => "A quantum computer weakens it at most. A regime may ask for longer keys.",
            Self::Resistant => {
                "It was built to withstand quantum computers, or is combined with something that was."
            }
        }
    }

    /// Whether somebody has to do something.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Symmetric | Self::Resistant)
    }

    /// Whether a quantum computer is what it waits for. What is unknown may be.
    #[must_use]
    pub const fn is_quantum(self) -> bool {
        matches!(
            self,
            Self::Unknown | Self::HarvestNow | Self::ForgeLater | Self::Impersonate
        )
    }
}

/// How well something is protected against a quantum computer today.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Posture {
    /// Not at all.
    Exposed,
    /// Nobody knows.
    Unknown,
    /// For those who ask for it: the classical way is still open to everybody else.
    Downgradable,
    /// In every way that was seen.
    Protected,
    /// It has nothing that a quantum computer would break.
    NotConcerned,
}

impl Posture {
    /// It in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Exposed => "not protected",
            Self::Unknown => "unknown",
            Self::Downgradable => "protected only for peers that ask for it",
            Self::Protected => "protected",
            Self::NotConcerned => "nothing to protect",
        }
    }
}

/// How well this asset is protected, by what it uses.
pub(crate) fn posture(graph: &Graph<'_>, asset: &Asset, uses: &BTreeSet<Use>) -> Posture {
    let has = |quantum: Quantum| uses.iter().any(|used| used.quantum == quantum);
    match (
        has(Quantum::Broken),
        has(Quantum::Unknown),
        has(Quantum::Resistant),
    ) {
        (false, false, false) => Posture::NotConcerned,
        (false, false, true) => Posture::Protected,
        (_, true, _) if !has(Quantum::Broken) => Posture::Unknown,
        (true, unknown, true) if speaks(asset) => {
            if !unknown && refuses_classical(graph, asset) && only_signatures_broken(uses) {
                Posture::Protected
            } else {
                Posture::Downgradable
            }
        }
        _ => Posture::Exposed,
    }
}

/// Whether its uses are choices that it offers, rather than things that it is made of.
fn speaks(asset: &Asset) -> bool {
    matches!(asset.detail, Detail::Protocol(_) | Detail::Service(_))
}

fn only_signatures_broken(uses: &BTreeSet<Use>) -> bool {
    uses.iter()
        .filter(|used| used.purpose == Purpose::KeyEstablishment)
        .all(|used| used.quantum == Quantum::Resistant)
}

/// Whether it was seen to turn classical peers away: by itself, or by every service that speaks it.
fn refuses_classical(graph: &Graph<'_>, asset: &Asset) -> bool {
    let says = |asset: &Asset, what: &str| asset.facts_of("classical-fallback").any(|fact| fact == what);
    let mut services = graph.back(asset.id(), Role::Offers).peekable();
    let alone = services.peek().is_none();
    let everywhere = services.all(|service| says(service, "refused") && !says(service, "accepted"));
    says(asset, "refused") && !says(asset, "accepted") || (!alone && everywhere)
}

/// What can happen to an asset with these uses, whose signatures are believed for so many months.
pub(crate) fn threats(uses: &BTreeSet<Use>, signature_months: u32, long_months: u32) -> BTreeSet<Threat> {
    let mut threats = BTreeSet::new();
    for used in uses {
        if used.weakness.is_some() {
            threats.insert(Threat::WeakToday);
        }
        threats.insert(match (used.quantum, used.purpose) {
            (Quantum::Unknown, _) => Threat::Unknown,
            (Quantum::Resistant, _) => Threat::Resistant,
            (Quantum::Symmetric, _) => Threat::Symmetric,
            (Quantum::Broken, Purpose::Signature) if signature_months >= long_months => Threat::ForgeLater,
            (Quantum::Broken, Purpose::Signature) => Threat::Impersonate,
            (Quantum::Broken, _) => Threat::HarvestNow,
        });
    }
    threats
}
