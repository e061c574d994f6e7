//! What to move to: the first target of the facts that fits purpose, place, policy and the regimes.

use std::collections::{BTreeMap, BTreeSet};

use super::model::StepTarget;
use crate::algorithm::Algorithm;
use crate::risk::catalogue::{Regime, TargetRule};
use crate::risk::uses::Use;
use crate::risk::verdict::Judge;
use crate::risk::{Catalogue, Day, Profile, Purpose};

/// Who asks, unless it is a regime.
const PROFILE: &str = "the profile asks";

/// The target for a purpose in a medium: of the construction that the profile asks for, and at least as strong as
/// profile and regimes want. One to which a regime that applies objects is taken only where there is no other, and
/// so is one of the other construction; it says so then.
pub(super) fn target(
    catalogue: &Catalogue,
    profile: &Profile,
    regimes: &[Regime],
    today: Day,
    purpose: Purpose,
    medium: &str,
) -> Option<StepTarget> {
    let demanding = regimes
        .iter()
        .filter_map(|regime| Some((regime.minimum_level?, regime)))
        .max_by_key(|(level, _)| *level);
    let asymmetric = matches!(purpose, Purpose::KeyEstablishment | Purpose::Signature);
    let (level, because) = match demanding {
        Some((level, regime)) if asymmetric && level > profile.target.level || level == 5 => {
            (level, format!("{} asks for category {level}", regime.name))
        }
        _ if !asymmetric => (2, "it withstands quantum computers".to_owned()),
        _ => (
            profile.target.level,
            format!("{PROFILE} for category {}", profile.target.level),
        ),
    };
    let fits = |rule: &&TargetRule| {
        rule.purpose == purpose && (rule.medium == medium || rule.medium == "any") && rule.level >= level
    };
    let wanted = profile.target.construction;
    let mut judge = Judge::new(regimes.iter().collect(), today);
    // The first of those that nobody objects to and that are as wanted, else the next best.
    let (objections, rule) = catalogue
        .targets
        .iter()
        .filter(fits)
        .map(|rule| (objections(&mut judge, rule), rule))
        .min_by_key(|(objections, rule)| (!objections.is_empty(), rule.construction != wanted))?;
    let mut because = match (asymmetric, rule.construction == wanted) {
        (false, _) => because,
        (true, true) if because.starts_with(PROFILE) => {
            format!("{because}, and for {} algorithms", wanted.name())
        }
        // A regime that asks for a category need not ask for the construction, too.
        (true, true) => format!("{because}, {PROFILE} for {} algorithms", wanted.name()),
        (true, false) => format!("{because}; there is no {} one that fits", wanted.name()),
    };
    for regime in objections {
        let name = regimes.iter().find(|known| *known.id == *regime);
        let name = name.map_or(&*regime, |known| known.name.as_str());
        because = format!("{because}; {name} objects to it, and the facts have no other");
    }
    Some(StepTarget {
        algorithm: rule.algorithm.clone(),
        construction: rule.construction,
        level: rule.level,
        because,
        note: rule.note.clone(),
    })
}

/// The regimes that would object to a target.
fn objections(judge: &mut Judge<'_>, rule: &TargetRule) -> BTreeSet<String> {
    let algorithm = Algorithm::named(&rule.algorithm);
    let uses = BTreeSet::from([Use {
        purpose: rule.purpose,
        algorithm: algorithm.name.as_str().into(),
        how: "moved to",
        quantum: algorithm.quantum,
        classical_bits: algorithm.classical_bits,
        weakness: None,
        note: None,
    }]);
    let verdicts = judge.of(&uses, &BTreeMap::new());
    verdicts
        .into_iter()
        .map(|verdict| verdict.regime.to_string())
        .collect()
}
