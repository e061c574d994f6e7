//! What is not in any inventory: when the quantum computer may come, who demands what by when, what is broken
//! already, what work takes. All of it is data with its source, in `data/`, and can be replaced entry by entry.

mod builtin;
mod check;
mod regime;
mod source;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::regime::{Binding, Condition, Construction, Effect, Kind, Regime, Rule, Status};
pub use self::source::{Confidence, Source};
use super::Day;
use super::purpose::Purpose;

/// Everything that is known beforehand.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Catalogue {
    /// When a quantum computer that breaks today's public keys may be there.
    pub scenarios: Vec<Scenario>,
    /// Who demands what by when.
    pub regimes: Vec<Regime>,
    /// What is broken without any quantum computer.
    pub weaknesses: Vec<Weakness>,
    /// Which libraries can do what is to come, and since when.
    pub libraries: Vec<LibrarySupport>,
    /// How long work takes.
    pub efforts: Vec<EffortBase>,
    /// What makes it longer.
    pub factors: Vec<EffortFactor>,
    /// What to move to.
    pub targets: Vec<TargetRule>,
}

/// One guess of when the quantum computer will be there. No scenario is the right one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is referred to by.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// The first day on which such a computer is assumed to be there.
    pub arrives: Day,
    /// Why one would assume it.
    pub why: String,
    /// Who says so.
    pub source: Source,
    /// When somebody last looked at the source.
    pub verified_on: Day,
    /// How well the source is known.
    pub confidence: Confidence,
}

/// Something that is broken, or withdrawn, without any quantum computer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weakness {
    /// What it is referred to by.
    pub id: String,
    /// What is wrong with it.
    pub says: String,
    /// The algorithms: canonical names or, ending in `*`, beginnings of them.
    #[serde(default)]
    pub names: Vec<String>,
    /// Only when used for one of these; anything if there is none.
    #[serde(default)]
    pub purposes: BTreeSet<Purpose>,
    /// Also when it is a part of an algorithm that serves one of the purposes, as SHA-1 of a signature.
    #[serde(default)]
    pub as_part: bool,
    /// Public keys weaker than so many bits.
    #[serde(default)]
    pub below_bits: Option<u32>,
    /// Protocols, as `tls 1.0`.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Cipher suites by IANA's names or, ending in `*`, beginnings of them.
    #[serde(default)]
    pub suites: Vec<String>,
    /// It is only noted: what it is used for decides whether it is weak, and no inventory tells that.
    #[serde(default)]
    pub note: bool,
    /// Who says so.
    pub source: Source,
    /// When somebody last looked at the source.
    pub verified_on: Day,
    /// How well the source is known.
    pub confidence: Confidence,
}

/// Since which version a library can do what is to come.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LibrarySupport {
    /// What it is referred to by.
    pub id: String,
    /// Beginnings of package URLs without version, as `pkg:cargo/rustls`.
    pub packages: Vec<String>,
    /// Names by which source scanners know it.
    #[serde(default)]
    pub names: Vec<String>,
    /// The first version with ML-KEM or a hybrid of it; absent when there is none that is known of.
    #[serde(default)]
    pub key_establishment_since: Option<String>,
    /// The first version with ML-DSA; absent when there is none that is known of.
    #[serde(default)]
    pub signature_since: Option<String>,
    /// What else is to be known.
    #[serde(default)]
    pub note: String,
    /// Who says so.
    pub source: Source,
    /// When somebody last looked at the source.
    pub verified_on: Day,
    /// How well the source is known.
    pub confidence: Confidence,
}

/// How long one kind of work takes by itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EffortBase {
    /// The kind of work, as roadmaps have it: `replace-issuer`, `enable-post-quantum` …
    pub id: String,
    /// Months.
    pub months: u32,
    /// Why.
    pub why: String,
}

/// What makes work longer. The longest product of the factors that apply counts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EffortFactor {
    /// When it applies; one of the conditions that [`super::effort`] knows.
    pub id: String,
    /// Hundredths: 150 is half as long again.
    pub percent: u32,
    /// What it says to a reader.
    pub says: String,
}

/// What to move to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRule {
    /// What it is referred to by.
    pub id: String,
    /// For what.
    pub purpose: Purpose,
    /// Hybrid or by itself.
    pub construction: Construction,
    /// NIST's category that it reaches.
    pub level: u8,
    /// Where it can be used: `tls`, `ssh`, `x509`, `code`, `pgp`, `any`.
    pub medium: String,
    /// The algorithm by canonical name.
    pub algorithm: String,
    /// What is to be known about it.
    #[serde(default)]
    pub note: String,
    /// Who defines it.
    pub source: Source,
    /// When somebody last looked at the source.
    pub verified_on: Day,
    /// How well the source is known.
    pub confidence: Confidence,
}

/// Why a file of facts was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// It is no TOML, or has members that mean nothing.
    #[error("the file of facts is wrong: {0}")]
    Toml(Box<toml::de::Error>),
    /// An entry that cannot be.
    #[error("the file of facts is wrong: {list} entry {id:?}: {what}")]
    Entry {
        /// The list.
        list: &'static str,
        /// The entry's id.
        id: String,
        /// What is wrong and what to do.
        what: String,
    },
}

impl Catalogue {
    /// The facts that come with this crate.
    ///
    /// # Errors
    ///
    /// Never with the files that were released: a test reads them.
    pub fn builtin() -> Result<Self, CatalogueError> {
        builtin::read()
    }

    /// Reads a file of facts, all lists of which may be absent.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] names the entry and what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, CatalogueError> {
        let catalogue: Self = toml::from_str(text).map_err(|error| CatalogueError::Toml(Box::new(error)))?;
        catalogue.check()?;
        Ok(catalogue)
    }

    /// These facts with those of another file in place of the ones with the same id. Where the first that fits is
    /// taken, of weaknesses, libraries and targets, the new ones come first, so that they are.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        replace(&mut self.scenarios, other.scenarios, |entry| &entry.id);
        replace(&mut self.regimes, other.regimes, |entry| &entry.id);
        prefer(&mut self.weaknesses, other.weaknesses, |entry| &entry.id);
        prefer(&mut self.libraries, other.libraries, |entry| &entry.id);
        replace(&mut self.efforts, other.efforts, |entry| &entry.id);
        replace(&mut self.factors, other.factors, |entry| &entry.id);
        prefer(&mut self.targets, other.targets, |entry| &entry.id);
        self
    }

    /// The scenario of this id.
    #[must_use]
    pub fn scenario(&self, id: &str) -> Option<&Scenario> {
        self.scenarios.iter().find(|scenario| scenario.id == id)
    }

    /// The regime of this id.
    #[must_use]
    pub fn regime(&self, id: &str) -> Option<&Regime> {
        self.regimes.iter().find(|regime| regime.id == id)
    }

    fn check(&self) -> Result<(), CatalogueError> {
        unique("scenarios", self.scenarios.iter().map(|entry| entry.id.as_str()))?;
        unique("regimes", self.regimes.iter().map(|entry| entry.id.as_str()))?;
        unique(
            "weaknesses",
            self.weaknesses.iter().map(|entry| entry.id.as_str()),
        )?;
        unique("libraries", self.libraries.iter().map(|entry| entry.id.as_str()))?;
        unique("efforts", self.efforts.iter().map(|entry| entry.id.as_str()))?;
        unique("factors", self.factors.iter().map(|entry| entry.id.as_str()))?;
        unique("targets", self.targets.iter().map(|entry| entry.id.as_str()))?;
        check::that_all_do_something(self)?;
        for factor in &self.factors {
            if !(1..=10_000).contains(&factor.percent) {
                return Err(wrong(
                    "factors",
                    &factor.id,
                    "percent is to be between 1 and 10000",
                ));
            }
        }
        for effort in &self.efforts {
            if effort.months > 1_200 {
                return Err(wrong("efforts", &effort.id, "months is to be at most 1200"));
            }
        }
        for regime in &self.regimes {
            regime
                .check()
                .map_err(|what| wrong("regimes", &regime.id, &what))?;
        }
        Ok(())
    }
}

fn wrong(list: &'static str, id: &str, what: &str) -> CatalogueError {
    CatalogueError::Entry {
        list,
        id: id.to_owned(),
        what: what.to_owned(),
    }
}

fn unique<'a>(list: &'static str, ids: impl Iterator<Item = &'a str>) -> Result<(), CatalogueError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        let fits = !id.is_empty()
            && id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte));
        if !fits {
            return Err(wrong(
                list,
                id,
                "an id is lower case letters, digits, dots and dashes",
            ));
        }
        if !seen.insert(id) {
            return Err(wrong(list, id, "there are two of this id; remove one"));
        }
    }
    Ok(())
}

fn prefer<T>(ours: &mut Vec<T>, theirs: Vec<T>, id: fn(&T) -> &str) {
    let mut new = Vec::new();
    for entry in theirs {
        match ours.iter_mut().find(|known| id(known) == id(&entry)) {
            Some(known) => *known = entry,
            None => new.push(entry),
        }
    }
    new.append(ours);
    *ours = new;
}

fn replace<T>(ours: &mut Vec<T>, theirs: Vec<T>, id: fn(&T) -> &str) {
    for entry in theirs {
        match ours.iter_mut().find(|known| id(known) == id(&entry)) {
            Some(known) => *known = entry,
            None => ours.push(entry),
        }
    }
}
