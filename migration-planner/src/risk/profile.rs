//! What only the reader knows: which regimes bind them, how long their secrets and signatures must last, who owns
//! what. One TOML file; everything in it may be left out, and the report says what was assumed then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Day;
use super::catalogue::{Catalogue, Construction, Scenario};
use crate::inventory::{Asset, Inventory, Query};

/// The longest span that can be asked for, in years: what must last longer must last for ever.
pub const MAX_YEARS: u32 = 100;

/// Who can reach something, from the fewest.
const EXPOSURES: [&str; 3] = ["local", "internal", "internet"];

/// What only the reader knows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Who the report is about.
    pub organisation: String,
    /// The regimes that bind, by id. None binds unless it is named here.
    pub regimes: Vec<String>,
    /// The scenario that the roadmap is planned by; the others are shown beside it.
    pub plan_by: String,
    /// Scenarios of the reader's own, beside those of the catalogue or in place of the ones with the same id.
    pub scenarios: Vec<Scenario>,
    /// What to move to.
    pub target: Target,
    /// What holds where nothing else is said.
    pub defaults: Defaults,
    /// What holds for some assets. Where two say something different, the later one holds.
    pub assets: Vec<AssetRule>,
}

/// What to move to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Hybrids, or post-quantum algorithms by themselves.
    pub construction: Construction,
    /// The least of NIST's categories of strength.
    pub level: u8,
}

/// What holds where nothing else is said.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Years for which what is encrypted today has to stay secret.
    pub confidentiality_years: u32,
    /// Years for which a signature made today has to be believed, where the thing itself does not say.
    pub signature_years: u32,
    /// A signature that is believed for at least so many months outlives its making.
    pub long_signature_months: u32,
    /// How much hangs on an asset, from 1 to 5.
    pub importance: u8,
}

/// What holds for some assets.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AssetRule {
    /// Which ones: a query as `symbolon plan query` understands it, such as `location~/srv/payments`; all if empty.
    #[serde(rename = "where")]
    pub which: String,
    /// Who is responsible.
    pub owner: Option<String>,
    /// Who can reach it: `internet`, `internal`, `local`.
    pub exposure: Option<String>,
    /// Years for which what it encrypts has to stay secret.
    pub confidentiality_years: Option<u32>,
    /// Years for which what it signs has to be believed.
    pub signature_years: Option<u32>,
    /// Months that moving it takes.
    pub migration_months: Option<u32>,
    /// How much hangs on it, from 1 to 5.
    pub importance: Option<u8>,
    /// Which kind of system it is for which regime, as `cnsa-2.0 = "web"`.
    #[serde(default)]
    pub categories: BTreeMap<String, String>,
    /// What was decided about it.
    pub decision: Option<Decision>,
}

/// What was decided other than to migrate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// What to do.
    pub outcome: DecidedOutcome,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub approved_by: String,
    /// Until when an acceptance holds; after it the asset counts as undecided again.
    #[serde(default)]
    pub until: Option<Day>,
}

/// What can be decided other than to migrate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedOutcome {
    /// Leave it as it is until a day.
    Accept,
    /// Protect it by something else, such as a tunnel.
    Compensate,
    /// Switch it off.
    PhaseOut,
}

/// Why a profile was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// It is no TOML, or has members that mean nothing.
    #[error("the profile is wrong: {0}")]
    Toml(Box<toml::de::Error>),
    /// A member that cannot be.
    #[error("the profile is wrong: {member}: {what}")]
    Member {
        /// Which one.
        member: String,
        /// What is wrong and what to do.
        what: String,
    },
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            organisation: String::new(),
            regimes: Vec::new(),
            plan_by: "middle".to_owned(),
            scenarios: Vec::new(),
            target: Target::default(),
            defaults: Defaults::default(),
            assets: Vec::new(),
        }
    }
}

impl Default for Target {
    fn default() -> Self {
        Self {
            construction: Construction::Hybrid,
            level: 3,
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            confidentiality_years: 10,
            signature_years: 10,
            long_signature_months: 24,
            importance: 3,
        }
    }
}

impl Profile {
    /// Reads a profile and checks it against the catalogue, so that a misspelt regime is an error and not silence.
    ///
    /// # Errors
    ///
    /// [`ProfileError`] names the member and what is wrong with it.
    pub fn from_toml(text: &str, catalogue: &Catalogue) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text).map_err(|error| ProfileError::Toml(Box::new(error)))?;
        profile.check(catalogue)?;
        Ok(profile)
    }

    /// The scenarios of the catalogue and of the profile, earliest first.
    #[must_use]
    pub fn all_scenarios(&self, catalogue: &Catalogue) -> Vec<Scenario> {
        let own = Catalogue {
            scenarios: self.scenarios.clone(),
            ..Catalogue::default()
        };
        let known = Catalogue {
            scenarios: catalogue.scenarios.clone(),
            ..Catalogue::default()
        };
        let mut all = known.with(own).scenarios;
        all.sort_by(|a, b| (a.arrives, &a.id).cmp(&(b.arrives, &b.id)));
        all
    }

    fn check(&self, catalogue: &Catalogue) -> Result<(), ProfileError> {
        let known = |list: &mut dyn Iterator<Item = &str>| list.collect::<Vec<_>>().join(", ");
        for (index, id) in self.regimes.iter().enumerate() {
            if self.regimes.iter().skip(index + 1).any(|other| other == id) {
                return Err(wrong("regimes", format!("{id:?} is named twice; remove one")));
            }
            if catalogue.regime(id).is_none() {
                let ids = known(&mut catalogue.regimes.iter().map(|regime| regime.id.as_str()));
                return Err(wrong(
                    "regimes",
                    format!("there is no regime {id:?}; there are {ids}"),
                ));
            }
        }
        for (index, scenario) in self.scenarios.iter().enumerate() {
            let mut others = self.scenarios.iter().skip(index + 1);
            if scenario.id.is_empty() || others.any(|other| other.id == scenario.id) {
                let what = format!("{:?}: give each an id of its own", scenario.id);
                return Err(wrong("scenarios", what));
            }
        }
        let scenarios = self.all_scenarios(catalogue);
        if !scenarios.iter().any(|scenario| scenario.id == self.plan_by) {
            let ids = known(&mut scenarios.iter().map(|scenario| scenario.id.as_str()));
            return Err(wrong(
                "plan_by",
                format!("there is no scenario {:?}; there are {ids}", self.plan_by),
            ));
        }
        if !(1..=5).contains(&self.target.level) {
            return Err(wrong("target.level", "NIST's categories are 1 to 5".to_owned()));
        }
        let defaults = &self.defaults;
        years("defaults.confidentiality_years", defaults.confidentiality_years)?;
        years("defaults.signature_years", defaults.signature_years)?;
        importance("defaults.importance", defaults.importance)?;
        if defaults.long_signature_months > MAX_YEARS * 12 {
            let what = format!("is to be at most {}", MAX_YEARS * 12);
            return Err(wrong("defaults.long_signature_months", what));
        }
        for (index, rule) in self.assets.iter().enumerate() {
            rule.check(&format!("assets[{index}]"), catalogue)?;
        }
        Ok(())
    }
}

impl AssetRule {
    fn check(&self, at: &str, catalogue: &Catalogue) -> Result<(), ProfileError> {
        if let Err(error) = self.which.parse::<Query>() {
            return Err(wrong(&format!("{at}.where"), error.to_string()));
        }
        if let Some(exposure) = &self.exposure
            && !EXPOSURES.contains(&exposure.as_str())
        {
            let what = format!("{exposure:?} is not one of {}", EXPOSURES.join(", "));
            return Err(wrong(&format!("{at}.exposure"), what));
        }
        if let Some(value) = self.confidentiality_years {
            years(&format!("{at}.confidentiality_years"), value)?;
        }
        if let Some(value) = self.signature_years {
            years(&format!("{at}.signature_years"), value)?;
        }
        if let Some(value) = self.migration_months
            && value > MAX_YEARS * 12
        {
            return Err(wrong(
                &format!("{at}.migration_months"),
                format!("is to be at most {}", MAX_YEARS * 12),
            ));
        }
        if let Some(value) = self.importance {
            importance(&format!("{at}.importance"), value)?;
        }
        for (regime, category) in &self.categories {
            let member = format!("{at}.categories");
            let Some(regime) = catalogue.regime(regime) else {
                return Err(wrong(&member, format!("there is no regime {regime:?}")));
            };
            if !regime.categories.contains_key(category) {
                let names = regime.categories.keys().cloned().collect::<Vec<_>>().join(", ");
                return Err(wrong(
                    &member,
                    format!("{:?} has no category {category:?}; it has {names}", regime.id),
                ));
            }
        }
        if let Some(decision) = &self.decision {
            let member = format!("{at}.decision");
            if decision.reason.trim().is_empty() || decision.approved_by.trim().is_empty() {
                return Err(wrong(&member, "say why, and who decided".to_owned()));
            }
            if decision.outcome == DecidedOutcome::Accept && decision.until.is_none() {
                return Err(wrong(
                    &member,
                    "nothing is accepted for ever: give until".to_owned(),
                ));
            }
        }
        Ok(())
    }
}

fn wrong(member: &str, what: String) -> ProfileError {
    ProfileError::Member {
        member: member.to_owned(),
        what,
    }
}

fn years(member: &str, value: u32) -> Result<(), ProfileError> {
    if value > MAX_YEARS {
        return Err(wrong(member, format!("is to be at most {MAX_YEARS}")));
    }
    Ok(())
}

fn importance(member: &str, value: u8) -> Result<(), ProfileError> {
    if !(1..=5).contains(&value) {
        return Err(wrong(member, "is a number from 1 to 5".to_owned()));
    }
    Ok(())
}

/// What a profile says about one asset, with what is a default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Known<'a> {
    pub(crate) owner: Option<&'a str>,
    pub(crate) exposure: Option<&'a str>,
    pub(crate) confidentiality_years: Option<u32>,
    pub(crate) signature_years: Option<u32>,
    pub(crate) migration_months: Option<u32>,
    pub(crate) importance: Option<u8>,
    pub(crate) categories: BTreeMap<&'a str, &'a str>,
    pub(crate) decision: Option<&'a Decision>,
}

/// A profile's rules with their queries understood.
pub(crate) struct Rules<'a>(Vec<(Query, &'a AssetRule)>);

impl<'a> Rules<'a> {
    pub(crate) fn of(profile: &'a Profile) -> Self {
        // Queries were checked when the profile was read; one that was made by a program and cannot be understood
        // speaks of nothing.
        let rules = profile.assets.iter();
        Self(
            rules
                .filter_map(|rule| Some((rule.which.parse().ok()?, rule)))
                .collect(),
        )
    }

    pub(crate) fn about(&self, inventory: &Inventory, asset: &Asset) -> Known<'a> {
        let mut known = Known::default();
        for (query, rule) in &self.0 {
            if !query.matches(inventory, asset) {
                continue;
            }
            known.owner = rule.owner.as_deref().or(known.owner);
            known.exposure = rule.exposure.as_deref().or(known.exposure);
            known.confidentiality_years = rule.confidentiality_years.or(known.confidentiality_years);
            known.signature_years = rule.signature_years.or(known.signature_years);
            known.migration_months = rule.migration_months.or(known.migration_months);
            known.importance = rule.importance.or(known.importance);
            known.decision = rule.decision.as_ref().or(known.decision);
            for (regime, category) in &rule.categories {
                known.categories.insert(regime, category);
            }
        }
        known
    }
}
