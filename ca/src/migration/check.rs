//! Who is ready for a stage.

use std::collections::BTreeMap;
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_tls::MigrationStage;

/// Most parties that a check names.
pub const MAX_PARTIES: usize = 100;

/// How somebody stands to a stage.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Readiness {
    /// It would be cut off, or what the stage rests on is not there.
    NotReady,
    /// Nothing is known.
    Unknown,
    /// The stage may come.
    Ready,
    /// Nothing of it can fail.
    Idle,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counted {
    /// Agents.
    Agents,
    /// Entries.
    Entries,
}

impl Counted {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Entries => "entries",
        }
    }
}

/// Somebody who is not ready, or of whom nothing is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Party {
    /// The entry; empty for an agent.
    pub entry_id: String,
    /// Its identity.
    pub spiffe_id: SpiffeId,
    /// How it stands.
    pub readiness: Readiness,
    /// Why.
    pub reason: String,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Check {
    /// The stage.
    pub stage: MigrationStage,
    /// What holds it up as a whole; empty if nothing does.
    pub obstacle: String,
    /// What is counted.
    pub counted: Counted,
    /// How many there are of each.
    pub counts: BTreeMap<Readiness, u64>,
    /// Those who hold it up first; [`MAX_PARTIES`] at most.
    pub parties: Vec<Party>,
    /// For how long nothing may have been seen that the last stage refuses, where that is the stage.
    pub quiet: Option<Duration>,
}

impl Check {
    pub(super) fn new(stage: MigrationStage, counted: Counted) -> Self {
        Self {
            stage,
            obstacle: String::new(),
            counted,
            counts: BTreeMap::new(),
            parties: Vec::new(),
            quiet: None,
        }
    }

    /// How many there are.
    pub fn count(&self, readiness: Readiness) -> u64 {
        self.counts.get(&readiness).copied().unwrap_or_default()
    }

    /// Whether the stage may be set without force. Of whom nothing is known is cut off by the last one alone.
    pub fn is_ready(&self) -> bool {
        let may_be_unknown = self.stage != MigrationStage::Require;
        self.obstacle.is_empty()
            && self.count(Readiness::NotReady) == 0
            && (may_be_unknown || self.count(Readiness::Unknown) == 0)
    }

    /// Adds `count` of those who stand like this.
    pub(super) fn add(&mut self, readiness: Readiness, count: u64) {
        *self.counts.entry(readiness).or_default() += count;
    }

    pub(super) fn party(&mut self, party: Party) {
        self.add(party.readiness, 1);
        // Those who are not ready push out those of whom nothing is known.
        if self.parties.len() >= MAX_PARTIES {
            let unknown = |other: &Party| other.readiness > party.readiness;
            match self.parties.iter().rposition(unknown) {
                Some(at) => drop(self.parties.remove(at)),
                None => return,
            }
        }
        let at = self
            .parties
            .partition_point(|other| other.readiness <= party.readiness);
        self.parties.insert(at, party);
    }

    /// In words, with the first few of those who hold it up.
    pub fn summary(&self) -> String {
        let mut words = match self.obstacle.is_empty() {
            true => format!(
                "{} {} are not ready for `{}`, {} unknown, {} ready",
                self.count(Readiness::NotReady),
                self.counted.name(),
                self.stage,
                self.count(Readiness::Unknown),
                self.count(Readiness::Ready),
            ),
            false => self.obstacle.clone(),
        };
        for party in self.parties.iter().take(3) {
            words.push_str(&format!("; {}: {}", party.spiffe_id, party.reason));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::tests::entry;
    use super::*;
    use MigrationStage::Require;

    #[test]
    fn lists_are_bounded_counts_are_not_and_the_unready_come_first() {
        let mut check = Check::new(Require, Counted::Entries);
        let party = |number: usize, readiness| Party {
            entry_id: number.to_string(),
            spiffe_id: entry("web", "/web").spiffe_id,
            readiness,
            reason: "so".to_owned(),
        };
        (0..150).for_each(|number| check.party(party(number, Readiness::Unknown)));
        (0..30).for_each(|number| check.party(party(number, Readiness::NotReady)));
        assert_eq!(
            (check.count(Readiness::Unknown), check.count(Readiness::NotReady)),
            (150, 30)
        );
        assert_eq!(check.parties.len(), MAX_PARTIES);
        let unready = check
            .parties
            .iter()
            .take_while(|party| party.readiness == Readiness::NotReady);
        assert_eq!(unready.count(), 30);
        assert!(
            check.parties[30..]
                .iter()
                .all(|party| party.readiness == Readiness::Unknown)
        );
        (0..200).for_each(|number| check.party(party(number, Readiness::NotReady)));
        assert!(
            check
                .parties
                .iter()
                .all(|party| party.readiness == Readiness::NotReady)
        );
        assert!(
            check.summary().contains("230 entries are not ready"),
            "{}",
            check.summary()
        );
    }
}
