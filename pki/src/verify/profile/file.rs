//! A profile's file, read strictly.

use std::collections::HashSet;
use std::time::SystemTime;

use serde::Deserialize;
use symbolon_crypto::Component;
use time::{Date, Month};

use super::{
    AlgorithmProfile, Allowed, Hash, MAX_PROFILE_LEN, MAX_PROFILE_RULES, PathPolicy, ProfileRule, RuledPart,
};
use crate::kem::KemParameterSet;

/// Why a profile cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A name of none that comes with this library.
    #[error("unknown policy {0:?}; known: {known}, or a file with a profile", known = known())]
    UnknownProfile(String),
    /// More than [`MAX_PROFILE_LEN`] bytes.
    #[error("the profile has {0} bytes, more than the {MAX_PROFILE_LEN} that are read")]
    TooLong(usize),
    /// Not TOML or JSON of this form; unknown keys are errors.
    #[error("the profile cannot be read: {0}")]
    Format(String),
    /// No name, or more than [`MAX_PROFILE_RULES`] rules.
    #[error("the profile has no name, or more than {MAX_PROFILE_RULES} rules")]
    Shape,
    /// Two rules with one id, or a rule without.
    #[error("the profile's rule {0:?} has no id of its own")]
    RuleId(String),
    /// A rule without words or source.
    #[error("the profile's rule {0:?} lacks what it says, its source or its date")]
    Unfounded(String),
    /// A day that is none.
    #[error("the profile's rule {rule:?} has {date:?} where a date is wanted, as in 2035-12-31")]
    Date {
        /// The rule's id.
        rule: String,
        /// What is there.
        date: String,
    },
    /// An algorithm that this build does not know, or that is not of the rule's part.
    #[error("the profile's rule {rule:?} allows {name:?}, which is no {part} that is known")]
    Algorithm {
        /// The rule's id.
        rule: String,
        /// What is there.
        name: String,
        /// The rule's part.
        part: &'static str,
    },
    /// A part of leaves or signing certificates that no rule is about.
    #[error("the profile has no rule on {part} for {whom}; to allow nothing, say allowed = []")]
    Unruled {
        /// The part.
        part: &'static str,
        /// Leaves or signing certificates.
        whom: &'static str,
    },
}

fn known() -> String {
    PathPolicy::ALL
        .map(PathPolicy::name)
        .into_iter()
        .chain(AlgorithmProfile::NAMES)
        .collect::<Vec<_>>()
        .join(", ")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    title: String,
    #[serde(default)]
    note: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Rule {
    id: String,
    says: String,
    source: String,
    dated: String,
    part: RuledPart,
    #[serde(default = "everybody")]
    roles: Vec<RoleName>,
    allowed: Vec<String>,
    rsa_min_bits: Option<usize>,
    until: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum RoleName {
    Leaf,
    Authority,
}

fn everybody() -> Vec<RoleName> {
    vec![RoleName::Leaf, RoleName::Authority]
}

pub(super) fn from_toml(text: &str) -> Result<AlgorithmProfile, ProfileError> {
    check_len(text)?;
    toml::from_str::<File>(text)
        .map_err(|error| ProfileError::Format(error.to_string()))
        .and_then(profile)
}

pub(super) fn from_json(text: &str) -> Result<AlgorithmProfile, ProfileError> {
    check_len(text)?;
    serde_json::from_str::<File>(text)
        .map_err(|error| ProfileError::Format(error.to_string()))
        .and_then(profile)
}

fn check_len(text: &str) -> Result<(), ProfileError> {
    if text.len() > MAX_PROFILE_LEN {
        return Err(ProfileError::TooLong(text.len()));
    }
    Ok(())
}

fn profile(file: File) -> Result<AlgorithmProfile, ProfileError> {
    if file.name.trim().is_empty() || file.rules.len() > MAX_PROFILE_RULES {
        return Err(ProfileError::Shape);
    }
    let mut ids = HashSet::new();
    let mut rules = Vec::with_capacity(file.rules.len());
    for rule in file.rules {
        if rule.id.trim().is_empty() || !ids.insert(rule.id.clone()) {
            return Err(ProfileError::RuleId(rule.id));
        }
        rules.push(rule.read()?);
    }
    for part in RuledPart::ALL {
        let ruled = |whom: fn(&ProfileRule) -> bool| rules.iter().any(|rule| rule.part == part && whom(rule));
        for (whom, is_ruled) in [
            ("leaves", ruled(|rule| rule.leaves)),
            ("signing certificates", ruled(|rule| rule.authorities)),
        ] {
            // Nobody signs with a KEM key.
            let needed = part != RuledPart::Kem || whom == "leaves";
            if needed && !is_ruled {
                return Err(ProfileError::Unruled {
                    part: part.name(),
                    whom,
                });
            }
        }
    }
    Ok(AlgorithmProfile {
        name: file.name,
        title: file.title,
        note: file.note,
        rules,
    })
}

impl Rule {
    fn read(self) -> Result<ProfileRule, ProfileError> {
        if [&self.says, &self.source]
            .iter()
            .any(|text| text.trim().is_empty())
        {
            return Err(ProfileError::Unfounded(self.id));
        }
        let bad_date = |date: &str| ProfileError::Date {
            rule: self.id.clone(),
            date: date.to_owned(),
        };
        // A source is of a year, a month or a day; a limit is a day, and holds to its end.
        let padded = format!("{}-01-01", self.dated);
        let day = padded
            .get(..10)
            .filter(|_| matches!(self.dated.len(), 4 | 7 | 10));
        day.and_then(date).ok_or_else(|| bad_date(&self.dated))?;
        let until = match &self.until {
            None => None,
            Some(text) => Some(date(text).and_then(end_of).ok_or_else(|| bad_date(text))?),
        };
        let allowed = self
            .allowed
            .iter()
            .map(|name| {
                allowed(self.part, name).ok_or_else(|| ProfileError::Algorithm {
                    rule: self.id.clone(),
                    name: name.clone(),
                    part: self.part.name(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(ProfileRule {
            leaves: self.roles.contains(&RoleName::Leaf),
            authorities: self.roles.contains(&RoleName::Authority),
            id: self.id,
            says: self.says,
            source: self.source,
            dated: self.dated,
            part: self.part,
            allowed,
            rsa_min_bits: self.rsa_min_bits,
            until,
        })
    }
}

fn allowed(part: RuledPart, name: &str) -> Option<Allowed> {
    let component = || name.parse::<Component>().ok();
    match part {
        RuledPart::Hash => [Hash::Sha256, Hash::Sha384, Hash::Sha512]
            .into_iter()
            .find(|hash| hash.name() == name)
            .map(Allowed::Hash),
        RuledPart::Kem => name.parse::<KemParameterSet>().ok().map(Allowed::Kem),
        RuledPart::ClassicalAlone | RuledPart::ClassicalHalf => component()
            .filter(|component| !component.is_post_quantum())
            .map(Allowed::Component),
        RuledPart::PostQuantumAlone | RuledPart::PostQuantumHalf => component()
            .filter(|component| component.is_post_quantum())
            .map(Allowed::Component),
    }
}

fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// The last second of a day, in UTC.
fn end_of(day: Date) -> Option<SystemTime> {
    Some(day.with_hms(23, 59, 59).ok()?.assume_utc().into())
}
