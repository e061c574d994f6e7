//! How entries stand to a stage.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::check::{Check, Counted, Party, Readiness};
use super::seen::{Said, Workload};
use crate::datastore::{EntryRecord, LivingForms};

/// The living SVIDs of one entry, by the agent that asked for them.
type Living = BTreeMap<Option<SpiffeId>, BTreeSet<Form>>;

/// What entries are looked at by.
pub(super) struct Look<'a> {
    pub(super) target: MigrationTarget,
    pub(super) living: &'a LivingForms,
    pub(super) said: &'a Said,
    /// For how long no peer may have been seen that the last stage would refuse.
    pub(super) quiet: Duration,
}

impl Look<'_> {
    /// Looks at these entries for `stage`.
    pub(super) fn entries(&self, stage: MigrationStage, entries: &[Arc<EntryRecord>]) -> Check {
        let mut check = Check::new(stage, Counted::Entries);
        let nothing = Living::new();
        let has_svids = |entry: &&Arc<EntryRecord>| self.living.contains_key(&entry.id);
        let alive = entries.iter().filter(has_svids).map(|entry| &entry.spiffe_id);
        let (alive, follows): (BTreeSet<_>, _) = (alive.collect(), stage >= MigrationStage::Prefer);
        for entry in entries {
            let (living, id) = (self.living.get(&entry.id).unwrap_or(&nothing), &entry.spiffe_id);
            // What agents say of an identity no entry of which has SVIDs is of one before these.
            let is_spoken_of = follows && self.said.workloads.contains_key(id) && !alive.contains(id);
            let (readiness, reason) = match living.is_empty() && !is_spoken_of {
                true => (Readiness::Idle, String::new()),
                false => self.entry(stage, living, id),
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

    fn entry(&self, stage: MigrationStage, living: &Living, id: &SpiffeId) -> (Readiness, String) {
        match stage {
            MigrationStage::Publish | MigrationStage::Issue => (Readiness::Ready, String::new()),
            MigrationStage::Accept => self.issued(living),
            MigrationStage::Prefer | MigrationStage::Require => self.followed(stage, living, id),
        }
    }

    /// Whether each agent that has SVIDs of the entry has one of the target's form.
    fn issued(&self, living: &Living) -> (Readiness, String) {
        let form = self.target.form();
        let not_ready = |words: String| (Readiness::NotReady, words);
        let mut without = living
            .iter()
            .filter(|(_, forms)| !forms.contains(&form))
            .peekable();
        if without.peek().is_none() {
            return (Readiness::Ready, String::new());
        }
        if !living.values().any(|forms| forms.contains(&form)) {
            return not_ready(format!("it has no living SVID of the form {form}"));
        }
        let mut unknown = None;
        for (agent, _) in without {
            match agent {
                Some(agent) if self.said.agents.contains_key(agent) => {
                    return not_ready(format!("{agent} has no living SVID of the form {form} for it"));
                }
                other => unknown = Some(other),
            }
        }
        let reason = unknown.map(|agent| whose(agent.as_ref())).unwrap_or_default();
        (Readiness::Unknown, reason)
    }

    /// Whether everybody who has an SVID of the entry says that it follows.
    fn followed(&self, stage: MigrationStage, living: &Living, id: &SpiffeId) -> (Readiness, String) {
        let unknown = |words: String| (Readiness::Unknown, words);
        let reported = self.said.workloads.get(id).map_or(&[][..], Vec::as_slice);
        if let Some(reason) = reported.iter().find_map(|workload| self.held_up(stage, workload)) {
            return (Readiness::NotReady, reason);
        }
        if !reported.iter().any(|workload| workload.reports) {
            return unknown("its workloads have not reported; stock software does not".to_owned());
        }
        if reported.iter().any(|workload| workload.stock) {
            let words =
                "software that names no form or does not report, as stock software does, has an SVID of it";
            return unknown(words.to_owned());
        }
        let is_silent = |agent: &&Option<SpiffeId>| {
            agent
                .as_ref()
                .is_none_or(|agent| !self.said.agents.contains_key(agent))
        };
        match living.keys().find(is_silent) {
            Some(silent) => unknown(whose(silent.as_ref())),
            None => (Readiness::Ready, String::new()),
        }
    }

    /// What keeps a workload from a stage.
    fn held_up(&self, stage: MigrationStage, workload: &Workload) -> Option<String> {
        if !workload.reports {
            return None;
        }
        let needed = match stage {
            MigrationStage::Require => MigrationStage::Prefer,
            _ => MigrationStage::Accept,
        };
        let Some(followed) = workload.stage else {
            let form = self.target.form();
            return Some(format!(
                "a process of it follows no migration: it has no authorities of the form {form}, or is told not to follow"
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
            && self.is_recent(*at, workload.said_at)
        {
            let at = rfc3339(*at);
            return Some(format!("it took a peer whose proof is {form} at {at}"));
        }
        self.is_recent(since, workload.said_at).then(|| {
            format!(
                "it reported the stage `prefer` from {} to {}, for less than {} s",
                rfc3339(since),
                rfc3339(workload.said_at),
                self.quiet.as_secs()
            )
        })
    }

    /// Whether the last stage would take a peer whose proof is this. Who presents a catalyst chain signs the handshake as one
    /// of the classical form does.
    fn satisfies(&self, form: Form) -> bool {
        form != Form::Catalyst && self.target.policy().accepts(form)
    }

    /// Whether the quiet time from `at` on had not passed when the agent last spoke: its silence is not quiet.
    fn is_recent(&self, at: SystemTime, said_at: SystemTime) -> bool {
        // A clock that was set back makes everything recent.
        said_at.duration_since(at).map_or(true, |ago| ago < self.quiet)
    }
}

/// Why nothing is known of SVIDs that went to an agent.
fn whose(agent: Option<&SpiffeId>) -> String {
    match agent {
        Some(agent) => format!("{agent}, which does not report, has a living SVID of it"),
        None => "a living SVID of it is on record, and not which agent has it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::scope::tests::entry;
    use super::*;
    use MigrationStage::{Accept, Issue, Prefer, Publish, Require};

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn workload(stage: Option<MigrationStage>, since: Option<u64>, peers: &[(Form, u64)]) -> Workload {
        Workload {
            reports: true,
            stock: false,
            stage,
            preferring_since: since.map(at),
            peers: peers
                .iter()
                .map(|(form, seconds)| (*form, at(*seconds)))
                .collect(),
            said_at: at(1000),
        }
    }

    fn agent(name: &str) -> SpiffeId {
        SpiffeId::new(format!("spiffe://example.org/spire/agent/{name}")).unwrap()
    }

    /// How one entry stands with a quiet time of 600 s, whose SVIDs these agents have; only the first speaks.
    fn among(
        target: MigrationTarget,
        stage: MigrationStage,
        living: &[(Option<&str>, &[Form])],
        workloads: Vec<Workload>,
    ) -> (Readiness, bool, String) {
        let web = Arc::new(entry("web", "/web"));
        let by_agent: Living = living
            .iter()
            .map(|(name, forms)| (name.map(agent), forms.iter().copied().collect()))
            .collect();
        let living: LivingForms = match by_agent.is_empty() {
            true => LivingForms::new(),
            false => [("web".to_owned(), by_agent)].into(),
        };
        let spoken = !workloads.is_empty();
        let said = Said {
            agents: [(agent("ours"), BTreeMap::new())].into(),
            workloads: HashMap::from_iter(spoken.then(|| (web.spiffe_id.clone(), workloads))),
        };
        let look = Look {
            target,
            living: &living,
            said: &said,
            quiet: Duration::from_secs(600),
        };
        let check = look.entries(stage, &[web]);
        let (readiness, count) = check.counts.iter().next().unwrap();
        assert_eq!((*count, check.counts.len()), (1, 1));
        let reason = check.parties.first().map(|party| party.reason.clone());
        (*readiness, check.is_ready(), reason.unwrap_or_default())
    }

    fn stands(
        target: MigrationTarget,
        stage: MigrationStage,
        living: &[Form],
        workloads: Option<Vec<Workload>>,
    ) -> (Readiness, bool, String) {
        let ours = [(Some("ours"), living)];
        let living = match living.is_empty() {
            true => &[][..],
            false => &ours[..],
        };
        among(target, stage, living, workloads.unwrap_or_default())
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
        assert_eq!(hybrid(Publish, &[Composite]), (Readiness::Ready, true));
        assert_eq!(hybrid(Issue, &[Classical]), (Readiness::Ready, true));
        assert_eq!(hybrid(Accept, &[Classical]), (Readiness::NotReady, false));
        assert_eq!(hybrid(Accept, &[Classical, MlDsa]), (Readiness::NotReady, false));
        assert_eq!(hybrid(Accept, &[Classical, Composite]), (Readiness::Ready, true));
    }

    #[test]
    fn one_node_with_the_new_form_does_not_make_the_others_ready() {
        use Form::{Classical, Composite};
        let (both, old): (&[Form], &[Form]) = (&[Classical, Composite], &[Classical]);
        let accept = |living: &[_]| among(MigrationTarget::Hybrid, Accept, living, Vec::new());
        let (readiness, may, reason) = accept(&[(Some("ours"), old), (Some("other"), both)]);
        assert_eq!((readiness, may), (Readiness::NotReady, false));
        assert!(reason.contains("/spire/agent/ours"), "{reason}");
        // Of an agent that does not speak nothing is known, and it is in nobody's way yet.
        let (readiness, may, reason) = accept(&[(Some("ours"), both), (Some("stock"), old)]);
        assert_eq!((readiness, may), (Readiness::Unknown, true));
        assert!(reason.contains("/spire/agent/stock"), "{reason}");
        assert_eq!(accept(&[(Some("stock"), old)]).0, Readiness::NotReady);
        assert_eq!(accept(&[(Some("ours"), both), (None, both)]).0, Readiness::Ready);
    }

    #[test]
    fn stock_processes_of_an_identity_that_reports_elsewhere_are_unknown() {
        let forms: &[Form] = &[Form::Classical, Form::Composite];
        let ready = || vec![workload(Some(Prefer), Some(0), &[])];
        let require = |living: &[_], workloads| among(MigrationTarget::Hybrid, Require, living, workloads);
        assert_eq!(require(&[(Some("ours"), forms)], ready()).0, Readiness::Ready);
        // The same agent gave an SVID to somebody who named no form.
        let stock = Workload {
            stock: true,
            ..workload(Some(Prefer), Some(0), &[])
        };
        let (readiness, may, reason) = require(&[(Some("ours"), forms)], vec![stock]);
        assert_eq!((readiness, may), (Readiness::Unknown, false));
        assert!(reason.contains("names no form"), "{reason}");
        let only_stock = Workload {
            reports: false,
            stock: true,
            ..workload(None, None, &[])
        };
        assert_eq!(
            require(&[(Some("ours"), forms)], vec![only_stock.clone()]).0,
            Readiness::Unknown
        );
        let beside = [ready(), vec![only_stock]].concat();
        assert_eq!(require(&[(Some("ours"), forms)], beside).0, Readiness::Unknown);
        // Another agent has one, and says nothing; or nobody knows which.
        for silent in [Some("stock"), None] {
            let living = [(Some("ours"), forms), (silent, &[Form::Classical][..])];
            let (readiness, may, _) = require(&living, ready());
            assert_eq!((readiness, may), (Readiness::Unknown, false), "{silent:?}");
        }
    }

    #[test]
    fn who_has_svids_of_the_entry_before_is_found_by_its_identity() {
        let stock = Workload {
            reports: false,
            stock: true,
            ..workload(None, None, &[])
        };
        let anew = |stage, workloads| stands(MigrationTarget::Hybrid, stage, &[], workloads).0;
        assert_eq!(anew(Require, Some(vec![stock])), Readiness::Unknown);
        assert_eq!(anew(Require, None), Readiness::Idle);
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
        let reason = |workloads| at(Require, workloads).2;
        assert!(reason(one(Some(Prefer), Some(401), &[])).contains("less than 600 s"));
        assert!(reason(one(Some(Accept), None, &[])).contains("`accept`"));
        for peer in [Form::Classical, Form::Catalyst] {
            let reason = reason(one(Some(Prefer), Some(0), &[(peer, 401)]));
            assert!(reason.contains(peer.name()), "{reason}");
        }
        let late = [(Form::Classical, 400), (Form::Composite, 999)];
        assert!(at(Require, one(Some(Prefer), Some(0), &late)).1);
        // One process of many is enough.
        let mut many = vec![workload(Some(Prefer), Some(0), &[]); 3];
        assert!(at(Require, Some(many.clone())).1);
        many.push(workload(None, None, &[]));
        assert!(!at(Require, Some(many)).1);
    }

    #[test]
    fn an_agents_silence_is_not_taken_for_quiet() {
        let forms = [Form::Classical, Form::Composite];
        let at = |workload| stands(MigrationTarget::Hybrid, Require, &forms, Some(vec![workload]));
        for (said_at, may) in [(400, false), (599, false), (600, true), (1000, true)] {
            for peers in [&[][..], &[(Form::Classical, 0)]] {
                let workload = Workload {
                    said_at: self::at(said_at),
                    ..workload(Some(Prefer), Some(0), peers)
                };
                let (_, found, reason) = at(workload);
                assert_eq!(found, may, "{said_at} {peers:?}: {reason}");
            }
        }
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
}
