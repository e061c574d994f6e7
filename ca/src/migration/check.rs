//! Who is ready for a stage.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::seen::Workload;
use crate::datastore::EntryRecord;

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

/// What entries are looked at by.
pub(super) struct Look<'a> {
    pub(super) target: MigrationTarget,
    pub(super) living: &'a BTreeMap<String, BTreeSet<Form>>,
    pub(super) workloads: &'a HashMap<SpiffeId, Vec<Workload>>,
    /// For how long no peer may have been seen that the last stage would refuse.
    pub(super) quiet: Duration,
    pub(super) now: SystemTime,
}

impl Look<'_> {
    /// Looks at these entries for `stage`.
    pub(super) fn entries(&self, stage: MigrationStage, entries: &[Arc<EntryRecord>]) -> Check {
        let mut check = Check::new(stage, Counted::Entries);
        let nothing = BTreeSet::new();
        for entry in entries {
            let living = self.living.get(&entry.id).unwrap_or(&nothing);
            let (readiness, reason) = match living.is_empty() {
                true => (Readiness::Idle, String::new()),
                false => self.entry(stage, living, &entry.spiffe_id),
            };
            match readiness {
                Readiness::Ready | Readiness::Idle => check.add(readiness, 1),
                Readiness::NotReady | Readiness::Unknown => check.party(Party {
                    entry_id: entry.id.clone(),
                    spiffe_id: entry.spiffe_id.clone(),
                    readiness,
                    reason,
                }),
            }
        }
        check
    }

    fn entry(&self, stage: MigrationStage, living: &BTreeSet<Form>, id: &SpiffeId) -> (Readiness, String) {
        let form = self.target.form();
        let not_ready = |reason: String| (Readiness::NotReady, reason);
        match stage {
            MigrationStage::Publish if living.iter().all(|other| *other == form) => not_ready(format!(
                "its only SVIDs are of the form {form}, which peers would not take before the stage `accept`"
            )),
            MigrationStage::Accept if !living.contains(&form) => {
                not_ready(format!("it has no living SVID of the form {form}"))
            }
            MigrationStage::Publish | MigrationStage::Issue | MigrationStage::Accept => {
                (Readiness::Ready, String::new())
            }
            MigrationStage::Prefer | MigrationStage::Require => {
                let Some(reported) = self.workloads.get(id) else {
                    return (
                        Readiness::Unknown,
                        "its workloads have not reported; stock software does not".to_owned(),
                    );
                };
                let held_up = reported.iter().find_map(|workload| self.held_up(stage, workload));
                held_up.map_or((Readiness::Ready, String::new()), not_ready)
            }
        }
    }

    /// What keeps a workload from a stage.
    fn held_up(&self, stage: MigrationStage, workload: &Workload) -> Option<String> {
        let needed = match stage {
            MigrationStage::Require => MigrationStage::Prefer,
            _ => MigrationStage::Accept,
        };
        let Some(followed) = workload.stage else {
            let form = self.target.form();
            return Some(format!(
                "a process of it follows no migration: it does not ask its agent for the form {form}, or is told not to"
            ));
        };
        if followed < needed {
            return Some(format!("a process of it is at the stage `{followed}`"));
        }
        if stage != MigrationStage::Require {
            return None;
        }
        let since = workload.preferring_since?;
        let refused = workload
            .peers
            .iter()
            .filter(|(form, _)| !self.satisfies(**form))
            .max_by_key(|(_, at)| **at);
        if let Some((form, at)) = refused
            && self.is_recent(*at)
        {
            let at = rfc3339(*at);
            return Some(format!("it took a peer whose proof is {form} at {at}"));
        }
        self.is_recent(since).then(|| {
            format!(
                "it has reported the stage `prefer` since {}, for less than {} s",
                rfc3339(since),
                self.quiet.as_secs()
            )
        })
    }

    /// Whether the last stage would take a peer whose proof is this. Who presents a catalyst chain signs the handshake as one
    /// of the classical form does.
    fn satisfies(&self, form: Form) -> bool {
        form != Form::Catalyst && self.target.policy().accepts(form)
    }

    fn is_recent(&self, at: SystemTime) -> bool {
        // A clock that was set back makes everything recent.
        self.now.duration_since(at).map_or(true, |ago| ago < self.quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::tests::entry;
    use super::*;
    use MigrationStage::{Accept, Issue, Prefer, Publish, Require};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn workload(stage: Option<MigrationStage>, since: Option<u64>, peers: &[(Form, u64)]) -> Workload {
        Workload {
            stage,
            preferring_since: since.map(at),
            peers: peers
                .iter()
                .map(|(form, seconds)| (*form, at(*seconds)))
                .collect(),
        }
    }

    /// How one entry stands at second 1000, with a quiet time of 600.
    fn stands(
        target: MigrationTarget,
        stage: MigrationStage,
        living: &[Form],
        workloads: Option<Vec<Workload>>,
    ) -> (Readiness, bool, String) {
        let web = Arc::new(entry("web", "/web"));
        let living = BTreeMap::from([("web".to_owned(), living.iter().copied().collect())]);
        let workloads = workloads
            .map(|all| (web.spiffe_id.clone(), all))
            .into_iter()
            .collect();
        let look = Look {
            target,
            living: &living,
            workloads: &workloads,
            quiet: Duration::from_secs(600),
            now: at(1000),
        };
        let check = look.entries(stage, &[web]);
        let (readiness, count) = check.counts.iter().next().unwrap();
        assert_eq!((*count, check.counts.len()), (1, 1));
        let reason = check.parties.first().map(|party| party.reason.clone());
        (*readiness, check.is_ready(), reason.unwrap_or_default())
    }

    #[test]
    fn svids_on_record_decide_about_the_first_stages() {
        use Form::{Classical, Composite, MlDsa};
        let hybrid = |stage, living: &[Form]| {
            let (readiness, may, _) = stands(MigrationTarget::Hybrid, stage, living, None);
            (readiness, may)
        };
        for stage in MigrationStage::ALL {
            assert_eq!(hybrid(stage, &[]), (Readiness::Idle, true), "{stage}");
        }
        assert_eq!(hybrid(Publish, &[Classical]), (Readiness::Ready, true));
        assert_eq!(hybrid(Publish, &[Composite, Classical]), (Readiness::Ready, true));
        assert_eq!(hybrid(Publish, &[Composite]), (Readiness::NotReady, false));
        assert_eq!(hybrid(Issue, &[Classical]), (Readiness::Ready, true));
        assert_eq!(hybrid(Accept, &[Classical]), (Readiness::NotReady, false));
        assert_eq!(hybrid(Accept, &[Classical, MlDsa]), (Readiness::NotReady, false));
        assert_eq!(hybrid(Accept, &[Classical, Composite]), (Readiness::Ready, true));
    }

    #[test]
    fn what_workloads_report_decides_about_the_last_two() {
        let forms = [Form::Classical, Form::Composite];
        let at = |stage, workloads| stands(MigrationTarget::Hybrid, stage, &forms, workloads);
        let one = |stage, since, peers: &[_]| Some(vec![workload(stage, since, peers)]);
        // Stock software is unknown: it is in nobody's way until it would be cut off.
        assert_eq!(at(Prefer, None).0, Readiness::Unknown);
        assert!(at(Prefer, None).1 && !at(Require, None).1);
        assert_eq!(at(Require, None).0, Readiness::Unknown);

        assert!(at(Prefer, one(Some(Accept), None, &[])).1);
        assert!(at(Prefer, one(Some(Issue), None, &[])).2.contains("`issue`"));
        assert!(at(Prefer, one(None, None, &[])).2.contains("composite"));

        assert!(at(Require, one(Some(Prefer), Some(400), &[])).1);
        assert!(
            at(Require, one(Some(Prefer), Some(401), &[]))
                .2
                .contains("less than 600 s")
        );
        assert!(at(Require, one(Some(Accept), None, &[])).2.contains("`accept`"));
        assert!(
            at(Require, one(Some(Prefer), Some(0), &[(Form::Classical, 401)]))
                .2
                .contains("classical")
        );
        assert!(
            at(Require, one(Some(Prefer), Some(0), &[(Form::Catalyst, 999)]))
                .2
                .contains("catalyst")
        );
        assert!(
            at(
                Require,
                one(
                    Some(Prefer),
                    Some(0),
                    &[(Form::Classical, 400), (Form::Composite, 999)]
                )
            )
            .1
        );
        // One process of many is enough.
        let mut many = vec![workload(Some(Prefer), Some(0), &[]); 3];
        assert!(at(Require, Some(many.clone())).1);
        many.push(workload(None, None, &[]));
        assert!(!at(Require, Some(many)).1);
    }

    #[test]
    fn a_composite_peer_is_good_enough_for_either_target_and_ml_dsa_for_one() {
        let forms = [Form::Classical, Form::Composite, Form::MlDsa];
        let may = |target, peer| {
            let workloads = vec![workload(Some(Prefer), Some(0), &[(peer, 999)])];
            stands(target, Require, &forms, Some(workloads)).1
        };
        assert!(may(MigrationTarget::Hybrid, Form::Composite));
        assert!(!may(MigrationTarget::Hybrid, Form::MlDsa));
        assert!(may(MigrationTarget::PostQuantum, Form::MlDsa));
        assert!(may(MigrationTarget::PostQuantum, Form::Composite));
        assert!(!may(MigrationTarget::PostQuantum, Form::Classical));
    }

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
