//! How long moving something takes: a base for the kind of work, and what makes it longer. The figures are data.

use std::sync::Arc;

use serde::Serialize;

use super::catalogue::Catalogue;

/// The factors that this module knows when to apply.
pub const FACTORS: [&str; 5] = [
    "hardware",
    "library-not-ready",
    "no-standard",
    "many-places",
    "no-owner",
];

/// The kinds of work that have a base.
pub const KINDS: [&str; 11] = [
    "identify",
    "repair",
    "upgrade-library",
    "replace-issuer",
    "distribute-trust",
    "reissue-certificates",
    "replace-keys",
    "enable-post-quantum",
    "refuse-classical",
    "change-code",
    "protect-stored-data",
];

/// How many places are many.
pub const MANY_PLACES: usize = 50;

/// How long moving something takes, with all that went into it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Effort {
    /// Months in all.
    pub months: u32,
    /// What the months are of: the kind of work, or that the profile says so.
    pub because: Arc<str>,
    /// The factors that made it longer, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<Arc<str>>,
}

/// How long this kind of work takes when these factors apply; what the profile says stands in place of both.
#[must_use]
pub fn effort(catalogue: &Catalogue, kind: &str, factors: &[&str], profile_months: Option<u32>) -> Effort {
    if let Some(months) = profile_months {
        return Effort {
            months,
            because: Arc::from("the profile says so"),
            factors: Vec::new(),
        };
    }
    // A kind that a file of facts left out still takes a year: no time at all would be the wrong surprise.
    let base = catalogue.efforts.iter().find(|effort| effort.id == kind);
    let mut hundredths = u64::from(base.map_or(12, |base| base.months)) * 100;
    let mut applied = Vec::new();
    for factor in catalogue
        .factors
        .iter()
        .filter(|factor| factors.contains(&factor.id.as_str()))
    {
        hundredths = hundredths.saturating_mul(u64::from(factor.percent)) / 100;
        applied.push(Arc::from(factor.id.as_str()));
    }
    Effort {
        months: u32::try_from(hundredths.div_ceil(100))
            .unwrap_or(u32::MAX)
            .min(1_200),
        because: Arc::from(kind),
        factors: applied,
    }
}
