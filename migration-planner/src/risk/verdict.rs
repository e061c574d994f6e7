//! What the regimes that bind the reader say about an asset.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::Day;
use super::catalogue::{Condition, Construction, Effect, Kind, Regime, Rule};
use super::uses::{Use, names_match};
use crate::algorithm::{Algorithm, Primitive, Quantum};

/// What one rule of one regime says about an asset that does not meet it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Verdict {
    /// The regime, by id.
    pub regime: Arc<str>,
    /// Its rule, by id.
    pub rule: Arc<str>,
    /// How it stands.
    pub finding: Finding,
    /// The last day on which it may stay as it is; absent when it may not even today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
    /// What happens after it.
    pub effect: Effect,
    /// Whether the profile does not say of which category the asset is, so that the rule may not be about it.
    pub category_assumed: bool,
    /// The algorithms that it is about.
    pub algorithms: BTreeSet<Arc<str>>,
}

/// How an asset stands to a rule.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Its day has passed.
    Overdue,
    /// Its day is to come.
    Due,
    /// Nobody knows the algorithm or its strength, so it is taken to be one that has to go.
    Unknown,
}

impl Finding {
    /// It in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::Due => "due",
            Self::Unknown => "unknown, taken to be due",
        }
    }
}

/// What judges: the regimes that apply, and what algorithms are made of.
pub(crate) struct Judge<'a> {
    regimes: Vec<&'a Regime>,
    today: Day,
    described: HashMap<Arc<str>, Described>,
}

#[derive(Clone, Debug)]
struct Described {
    names: Vec<String>,
    combined: bool,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(regimes: Vec<&'a Regime>, today: Day) -> Self {
        Self {
            regimes,
            today,
            described: HashMap::new(),
        }
    }

    /// What each regime says, by regime and day. An asset that meets every rule gets nothing.
    pub(crate) fn of(&mut self, uses: &BTreeSet<Use>, categories: &BTreeMap<&str, &str>) -> Vec<Verdict> {
        for used in uses {
            if !self.described.contains_key(&used.algorithm) {
                let described = describe(&used.algorithm);
                self.described.insert(Arc::clone(&used.algorithm), described);
            }
        }
        let mut verdicts = Vec::new();
        for regime in &self.regimes {
            let category = categories.get(regime.id.as_str()).copied();
            let mut said: Vec<Verdict> = regime
                .rules
                .iter()
                .filter_map(|rule| self.rule(regime, rule, category, uses))
                .collect();
            said.sort_by_key(|verdict| verdict.until);
            // Of the rules that may or may not be about it, the earliest is shown: the others would be later.
            let mut assumed = BTreeSet::new();
            said.retain(|verdict| !verdict.category_assumed || assumed.insert(verdict.algorithms.clone()));
            verdicts.append(&mut said);
        }
        verdicts
    }

    fn rule(
        &self,
        regime: &Regime,
        rule: &Rule,
        category: Option<&str>,
        uses: &BTreeSet<Use>,
    ) -> Option<Verdict> {
        let when = &rule.when;
        if when.organisation {
            return None;
        }
        let category_assumed = match category {
            Some(category) if !when.categories.is_empty() => {
                if !when.categories.contains(category) {
                    return None;
                }
                false
            }
            _ => !when.categories.is_empty(),
        };
        let about: Vec<&Use> = uses.iter().filter(|used| self.matches(when, used)).collect();
        // Neither an algorithm nor a strength that nobody knows meets a rule, nor is it known to break it.
        let guessed = |used: &&Use| {
            used.quantum == Quantum::Unknown || (when.below_bits.is_some() && used.classical_bits.is_none())
        };
        let all_unknown = about.iter().all(guessed);
        let algorithms: BTreeSet<Arc<str>> = about.iter().map(|used| Arc::clone(&used.algorithm)).collect();
        if algorithms.is_empty() {
            return None;
        }
        let passed = rule.until.is_none_or(|until| until < self.today);
        Some(Verdict {
            regime: Arc::from(regime.id.as_str()),
            rule: Arc::from(rule.id.as_str()),
            finding: match (all_unknown, passed) {
                (true, _) => Finding::Unknown,
                (false, true) => Finding::Overdue,
                (false, false) => Finding::Due,
            },
            until: rule.until,
            effect: rule.effect,
            category_assumed,
            algorithms,
        })
    }

    fn matches(&self, when: &Condition, used: &Use) -> bool {
        let Some(described) = self.described.get(&used.algorithm) else {
            return false;
        };
        let kind = match used.quantum {
            Quantum::Broken | Quantum::Unknown => Kind::Broken,
            Quantum::Resistant => Kind::Resistant,
            Quantum::Symmetric => Kind::Symmetric,
        };
        let any = |list: &[String]| described.names.iter().any(|name| names_match(list, name));
        let construction = if described.combined {
            Construction::Hybrid
        } else {
            Construction::Pure
        };
        (when.purposes.is_empty() || when.purposes.contains(&used.purpose))
            && (when.kinds.is_empty() || when.kinds.contains(&kind))
            && (when.names.is_empty() || any(&when.names))
            && !any(&when.except)
            && when.construction.is_none_or(|wanted| wanted == construction)
            && when
                .below_bits
                .is_none_or(|least| used.classical_bits.is_none_or(|bits| bits < least))
    }
}

fn describe(name: &str) -> Described {
    let algorithm = Algorithm::named(name);
    let mut names = algorithm.parts;
    names.push(algorithm.name);
    Described {
        names,
        combined: algorithm.primitive == Primitive::Combiner,
    }
}
