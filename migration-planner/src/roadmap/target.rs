//! What to move to: the first target of the facts that fits purpose, place and policy.

use super::model::StepTarget;
use crate::risk::catalogue::{Regime, TargetRule};
use crate::risk::{Catalogue, Profile, Purpose};

/// The target for a purpose in a medium: of the construction that the profile asks for, and at least as strong as
/// profile and regimes want. Where there is none of that construction, the other one, and it says so.
pub(super) fn target(
    catalogue: &Catalogue,
    profile: &Profile,
    regimes: &[Regime],
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
            format!("the profile asks for category {}", profile.target.level),
        ),
    };
    let fits = |rule: &&TargetRule| {
        rule.purpose == purpose && (rule.medium == medium || rule.medium == "any") && rule.level >= level
    };
    let wanted = profile.target.construction;
    let chosen = catalogue
        .targets
        .iter()
        .filter(fits)
        .find(|rule| rule.construction == wanted);
    let other = || catalogue.targets.iter().find(fits);
    let rule = chosen.or_else(other)?;
    let construction = if !asymmetric {
        because
    } else if rule.construction == wanted {
        format!("{because}, and for {} algorithms", wanted.name())
    } else {
        format!("{because}; there is no {} one", wanted.name())
    };
    Some(StepTarget {
        algorithm: rule.algorithm.clone(),
        construction: rule.construction,
        level: rule.level,
        because: construction,
        note: rule.note.clone(),
    })
}
