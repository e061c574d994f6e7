//! What agents have said lately: which authorities they hold, and what their workloads follow and have seen.
//!
//! It is kept in memory. Agents say everything anew at each sync, so after a start it is there again within one; until then
//! nothing is known, which is never taken for ready.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_pki::suite::{Family, Form};
use symbolon_tls::MigrationStage;

/// Most identities of which something is kept; those of the agents that were silent longest give way.
pub(super) const MAX_IDENTITIES: usize = 65_536;
/// An agent that said nothing for so long is forgotten. Its longest pause between two tries is shorter.
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// What an agent says of one identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reported {
    /// Whether processes of it have reported.
    pub reports: bool,
    /// Whether somebody has an SVID of it without having named a form, as stock software does.
    pub stock: bool,
    /// The earliest stage that one of its processes follows; `None` where one follows none.
    pub stage: Option<MigrationStage>,
    /// Handshakes that ended well: the peer's form, and the stage that was followed by then.
    pub peers: Vec<(Form, Option<MigrationStage>)>,
}

/// What is known of one identity on one agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Workload {
    pub(super) reports: bool,
    pub(super) stock: bool,
    pub(super) stage: Option<MigrationStage>,
    /// Since when it is known to have shown the target's form without a break; `None` while it does not.
    pub(super) preferring_since: Option<SystemTime>,
    /// When a peer of each form was last seen in that time.
    pub(super) peers: BTreeMap<Form, SystemTime>,
    /// When its agent last spoke of it. What came after is not known.
    pub(super) said_at: SystemTime,
}

/// Authorities by family.
pub(super) type Held = BTreeMap<Family, BTreeSet<String>>;

/// What is known of one agent.
#[derive(Clone, Debug)]
struct Agent {
    at: SystemTime,
    held: Held,
    workloads: HashMap<SpiffeId, Workload>,
}

impl Agent {
    /// What it takes of [`MAX_IDENTITIES`].
    fn weight(&self) -> usize {
        self.workloads.len().max(1)
    }
}

/// What agents have said lately, at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Which authorities each of them holds.
    pub(super) agents: BTreeMap<SpiffeId, Held>,
    /// What is known of identities, agent by agent.
    pub(super) workloads: HashMap<SpiffeId, Vec<Workload>>,
}

/// What all agents have said.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    agents: HashMap<SpiffeId, Agent>,
    /// Of all agents together.
    weight: usize,
}

impl Table {
    fn remove(&mut self, id: &SpiffeId) -> Option<Agent> {
        let agent = self.agents.remove(id)?;
        self.weight = self.weight.saturating_sub(agent.weight());
        Some(agent)
    }

    fn insert(&mut self, id: SpiffeId, agent: Agent) {
        self.weight = self.weight.saturating_add(agent.weight());
        if let Some(before) = self.agents.insert(id, agent) {
            self.weight = self.weight.saturating_sub(before.weight());
        }
    }
}

impl Seen {
    /// Takes what an agent says. What it does not speak of any more is forgotten. As long as there is room it costs as much as
    /// is said, however many agents there are.
    pub(super) fn note(
        &self,
        agent: &SpiffeId,
        held: Held,
        reports: Vec<(SpiffeId, Reported)>,
        now: SystemTime,
    ) {
        let mut table = self.table();
        let mut before = table
            .remove(agent)
            .filter(|agent| !is_stale(agent.at, now))
            .map(|agent| agent.workloads)
            .unwrap_or_default();
        let workloads = reports.into_iter().take(MAX_IDENTITIES).map(|(id, reported)| {
            let workload = merged(before.remove(&id), reported, now);
            (id, workload)
        });
        let known = Agent {
            at: now,
            held,
            workloads: workloads.collect(),
        };
        let room = MAX_IDENTITIES.saturating_sub(known.weight());
        while table.weight > room {
            let oldest = table.agents.iter().min_by_key(|(_, agent)| agent.at);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                break;
            };
            table.remove(&oldest);
        }
        table.insert(agent.clone(), known);
    }

    /// What was said lately.
    pub(super) fn said(&self, now: SystemTime) -> Said {
        let table = self.table();
        let mut said = Said::default();
        for (id, agent) in table.agents.iter().filter(|(_, agent)| !is_stale(agent.at, now)) {
            said.agents.insert(id.clone(), agent.held.clone());
            for (id, workload) in &agent.workloads {
                said.workloads
                    .entry(id.clone())
                    .or_default()
                    .push(workload.clone());
            }
        }
        said
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is complete before anything in it can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_stale(at: SystemTime, now: SystemTime) -> bool {
    now.duration_since(at).is_ok_and(|silence| silence > FORGET_AFTER)
}

fn merged(before: Option<Workload>, reported: Reported, now: SystemTime) -> Workload {
    let Reported {
        reports,
        stock,
        stage,
        peers,
    } = reported;
    if !prefers(stage) {
        return Workload {
            reports,
            stock,
            stage,
            preferring_since: None,
            peers: BTreeMap::new(),
            said_at: now,
        };
    }
    let before = before.filter(|before| before.preferring_since.is_some());
    let (since, mut seen) = before.map_or((Some(now), BTreeMap::new()), |before| {
        (before.preferring_since, before.peers)
    });
    let late = peers.into_iter().filter(|(_, stage)| prefers(*stage));
    seen.extend(late.map(|(form, _)| (form, now)));
    Workload {
        reports,
        stock,
        stage,
        preferring_since: since,
        peers: seen,
        said_at: now,
    }
}

fn prefers(stage: Option<MigrationStage>) -> bool {
    stage.is_some_and(|stage| stage >= MigrationStage::Prefer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use MigrationStage::{Accept, Prefer};

    fn id(path: &str) -> SpiffeId {
        SpiffeId::new(format!("spiffe://example.org{path}")).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn report(
        stage: Option<MigrationStage>,
        peers: &[(Form, Option<MigrationStage>)],
    ) -> Vec<(SpiffeId, Reported)> {
        let peers = peers.to_vec();
        let reported = Reported {
            reports: true,
            stock: false,
            stage,
            peers,
        };
        vec![(id("/web"), reported)]
    }

    fn web(seen: &Seen, now: SystemTime) -> Option<Workload> {
        seen.said(now)
            .workloads
            .remove(&id("/web"))
            .map(|mut all| all.remove(0))
    }

    #[test]
    fn what_peers_were_counts_from_when_the_target_is_preferred() {
        let seen = Seen::default();
        let note = |second, reports| seen.note(&id("/agent"), BTreeMap::new(), reports, at(second));
        note(0, report(Some(Accept), &[(Form::Classical, Some(Accept))]));
        let known = web(&seen, at(0)).unwrap();
        assert_eq!((known.preferring_since, known.peers.len()), (None, 0));
        // Counted by the stage before, told in this one.
        note(
            5,
            report(
                Some(Prefer),
                &[(Form::Classical, Some(Accept)), (Form::Composite, Some(Prefer))],
            ),
        );
        note(10, report(Some(Prefer), &[]));
        let known = web(&seen, at(10)).unwrap();
        assert_eq!(known.preferring_since, Some(at(5)));
        assert_eq!(known.peers, [(Form::Composite, at(5))].into());
        note(15, report(Some(Prefer), &[(Form::Classical, Some(Prefer))]));
        assert_eq!(web(&seen, at(15)).unwrap().peers[&Form::Classical], at(15));
        // Back, and there again: it begins anew.
        note(20, report(None, &[]));
        note(25, report(Some(Prefer), &[]));
        let known = web(&seen, at(25)).unwrap();
        assert_eq!((known.preferring_since, known.peers.len()), (Some(at(25)), 0));
    }

    #[test]
    fn who_is_silent_or_not_spoken_of_is_forgotten() {
        let seen = Seen::default();
        let held = BTreeMap::from([(Family::Composite, BTreeSet::from(["c0ffee".to_owned()]))]);
        seen.note(&id("/agent"), held, report(Some(Prefer), &[]), at(0));
        assert_eq!(seen.said(at(900)).agents.len(), 1);
        assert!(seen.said(at(901)).agents.is_empty());
        assert!(web(&seen, at(901)).is_none());
        seen.note(&id("/agent"), BTreeMap::new(), Vec::new(), at(1));
        assert!(web(&seen, at(1)).is_none());
        assert_eq!(seen.said(at(1)).agents[&id("/agent")], BTreeMap::new());
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let seen = Seen::default();
        let many = |name: &str| -> Vec<(SpiffeId, Reported)> {
            let all = 0..MAX_IDENTITIES / 2;
            all.map(|number| {
                let reported = Reported {
                    reports: true,
                    stock: false,
                    stage: None,
                    peers: Vec::new(),
                };
                (id(&format!("/{name}/{number}")), reported)
            })
            .collect()
        };
        for (second, agent) in ["a", "b", "c"].into_iter().enumerate() {
            seen.note(
                &id(&format!("/{agent}")),
                BTreeMap::new(),
                many(agent),
                at(second as u64),
            );
        }
        let said = seen.said(at(3));
        assert_eq!(said.workloads.len(), MAX_IDENTITIES);
        let left: Vec<_> = said.agents.into_keys().collect();
        assert_eq!(left, [id("/b"), id("/c")], "the one that was silent longest went");
        // Who has no workloads takes room as well.
        seen.note(&id("/d"), BTreeMap::new(), Vec::new(), at(4));
        let left: Vec<_> = seen.said(at(4)).agents.into_keys().collect();
        assert_eq!(left, [id("/c"), id("/d")]);
        // The sum is that of who is there.
        seen.note(&id("/c"), BTreeMap::new(), Vec::new(), at(5));
        assert_eq!(seen.table().weight, 2);
    }
}
