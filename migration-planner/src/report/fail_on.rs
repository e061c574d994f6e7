//! When a pipeline is to fail.

use std::fmt;
use std::str::FromStr;

use crate::inventory::Inventory;
use crate::risk::{Assessment, Finding, Threat};
use crate::roadmap::Status;

/// A condition on which a pipeline is to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FailOn {
    /// Something of which this is the worst that can happen.
    Threat(Threat),
    /// A rule of a regime that binds, whose day has passed. It may be about what nobody knows, or told the category
    /// of, and counts then as well: what is not known is not met.
    Overdue,
    /// Something for which a start today is too late in the scenario that is planned by.
    Late,
    /// Something that could not be read, other than what was asked to be left out.
    Unread,
    /// Something that had moved and is as it was before.
    Regressed,
}

/// A word that is no condition.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is no condition: it is one of weak-today, unknown, harvest-now, forge-later, impersonate, overdue, late, \
     unread, regressed"
)]
pub struct FailOnError(String);

impl FromStr for FailOn {
    type Err = FailOnError;

    fn from_str(text: &str) -> Result<Self, FailOnError> {
        let threat = Threat::ALL
            .into_iter()
            .find(|threat| threat.is_open() && threat.name() == text);
        match (threat, text) {
            (Some(threat), _) => Ok(Self::Threat(threat)),
            (None, "overdue") => Ok(Self::Overdue),
            (None, "late") => Ok(Self::Late),
            (None, "unread") => Ok(Self::Unread),
            (None, "regressed") => Ok(Self::Regressed),
            (None, other) => Err(FailOnError(other.to_owned())),
        }
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threat(threat) => threat.name(),
            Self::Overdue => "overdue",
            Self::Late => "late",
            Self::Unread => "unread",
            Self::Regressed => "regressed",
        })
    }
}

impl FailOn {
    /// How many things meet the condition. What was decided to be accepted, and still is, does not count as a
    /// threat or as late; a regime does not ask what was decided.
    #[must_use]
    pub fn hits(self, inventory: &Inventory, assessment: &Assessment, status: Option<&Status>) -> u64 {
        let ratings = || assessment.ratings.values();
        let undecided = || ratings().filter(|rating| rating.decision.is_none());
        let hits = match self {
            Self::Threat(threat) => undecided()
                .filter(|rating| rating.threats.contains(&threat) && rating.is_open())
                .count(),
            Self::Overdue => ratings()
                .filter(|rating| {
                    let mut verdicts = rating.verdicts.iter();
                    verdicts.any(|verdict| match verdict.finding {
                        Finding::Overdue => true,
                        Finding::Unknown => verdict.until.is_none_or(|until| until < assessment.today),
                        Finding::Due => false,
                    })
                })
                .count(),
            Self::Late => undecided()
                .filter(|rating| {
                    rating
                        .mosca_for(&assessment.plan_by)
                        .is_some_and(crate::risk::Mosca::is_late)
                })
                .count(),
            Self::Unread => {
                let counts = inventory.unread.counts().into_iter();
                let not_wanted = counts.filter(|(reason, _)| !super::view::left_out(*reason));
                return not_wanted.map(|(_, count)| count).sum();
            }
            Self::Regressed => status.map_or(0, |status| status.regressed.len() + status.items.regressed),
        };
        hits as u64
    }
}
