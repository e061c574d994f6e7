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
    /// The earliest stage that one of its processes follows; `None` where one follows none.
    pub stage: Option<MigrationStage>,
    /// Handshakes that ended well: the peer's form, and the stage that was followed by then.
    pub peers: Vec<(Form, Option<MigrationStage>)>,
}

/// What is known of one identity on one agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Workload {
    pub(super) stage: Option<MigrationStage>,
    /// Since when it is known to have shown the target's form without a break; `None` while it does not.
    pub(super) preferring_since: Option<SystemTime>,
    /// When a peer of each form was last seen in that time.
    pub(super) peers: BTreeMap<Form, SystemTime>,
}

/// What is known of one agent.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) at: SystemTime,
    pub(super) held: BTreeMap<Family, BTreeSet<String>>,
    workloads: HashMap<SpiffeId, Workload>,
}

/// What all agents have said.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<SpiffeId, Agent>>);

impl Seen {
    /// Takes what an agent says. What it does not speak of any more is forgotten.
    pub(super) fn note(
        &self,
        agent: &SpiffeId,
        held: BTreeMap<Family, BTreeSet<String>>,
        reports: Vec<(SpiffeId, Reported)>,
        now: SystemTime,
    ) {
        let mut agents = self.agents();
        agents.retain(|_, agent| !is_stale(agent.at, now));
        let mut before = agents
            .remove(agent)
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
        let mut room = MAX_IDENTITIES.saturating_sub(known.workloads.len());
        let mut others: Vec<_> = agents.iter().map(|(id, agent)| (agent.at, id.clone())).collect();
        others.sort_unstable_by_key(|other| std::cmp::Reverse(other.0));
        for (_, id) in others {
            let size = agents.get(&id).map_or(0, |agent| agent.workloads.len());
            match room.checked_sub(size) {
                Some(left) => room = left,
                None => drop(agents.remove(&id)),
            }
        }
        agents.insert(agent.clone(), known);
    }

    /// The agents that have said something lately, and which authorities of a family they hold.
    pub(super) fn holders(&self, family: Family, now: SystemTime) -> Vec<(SpiffeId, BTreeSet<String>)> {
        let agents = self.agents();
        let recent = agents.iter().filter(|(_, agent)| !is_stale(agent.at, now));
        let mut holders: Vec<_> = recent
            .map(|(id, agent)| (id.clone(), agent.held.get(&family).cloned().unwrap_or_default()))
            .collect();
        holders.sort_by_key(|holder| holder.0.to_string());
        holders
    }

    /// What is known of identities, agent by agent.
    pub(super) fn workloads(&self, now: SystemTime) -> HashMap<SpiffeId, Vec<Workload>> {
        let agents = self.agents();
        let mut found: HashMap<SpiffeId, Vec<Workload>> = HashMap::new();
        for agent in agents.values().filter(|agent| !is_stale(agent.at, now)) {
            for (id, workload) in &agent.workloads {
                found.entry(id.clone()).or_default().push(workload.clone());
            }
        }
        found
    }

    fn agents(&self) -> MutexGuard<'_, HashMap<SpiffeId, Agent>> {
        // Every change is complete before anything in it can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_stale(at: SystemTime, now: SystemTime) -> bool {
    now.duration_since(at).is_ok_and(|silence| silence > FORGET_AFTER)
}

fn merged(before: Option<Workload>, reported: Reported, now: SystemTime) -> Workload {
    let Reported { stage, peers } = reported;
    if !prefers(stage) {
        return Workload {
            stage,
            preferring_since: None,
            peers: BTreeMap::new(),
        };
    }
    let before = before.filter(|before| before.preferring_since.is_some());
    let (since, mut seen) = before.map_or((Some(now), BTreeMap::new()), |before| {
        (before.preferring_since, before.peers)
    });
    let late = peers.into_iter().filter(|(_, stage)| prefers(*stage));
    seen.extend(late.map(|(form, _)| (form, now)));
    Workload {
        stage,
        preferring_since: since,
        peers: seen,
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
        vec![(id("/web"), Reported { stage, peers })]
    }

    fn web(seen: &Seen, now: SystemTime) -> Option<Workload> {
        seen.workloads(now)
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
        assert_eq!(seen.holders(Family::Composite, at(900)).len(), 1);
        assert!(seen.holders(Family::Composite, at(901)).is_empty());
        assert!(web(&seen, at(901)).is_none());
        seen.note(&id("/agent"), BTreeMap::new(), Vec::new(), at(1));
        assert!(web(&seen, at(1)).is_none());
        assert!(seen.holders(Family::Composite, at(1))[0].1.is_empty());
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let seen = Seen::default();
        let many = |name: &str| -> Vec<(SpiffeId, Reported)> {
            let all = 0..MAX_IDENTITIES / 2;
            all.map(|number| {
                let reported = Reported {
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
        assert_eq!(seen.workloads(at(3)).len(), MAX_IDENTITIES);
        let left: Vec<_> = seen
            .holders(Family::Composite, at(3))
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        assert_eq!(left, [id("/b"), id("/c")], "the one that was silent longest went");
    }
}
