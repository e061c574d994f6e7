//! The entries in memory.

mod keys;
mod reach;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::SystemTime;

use spiffe::{SpiffeId, TrustDomain};

use self::keys::{ById, ByIdentity, ByParent};
use self::reach::Reach;
use super::Grants;
use crate::datastore::{DeleteMode, EntryRecord, Selector};

/// Entries by id, with the ways to them. An entry is in memory once: what leads to it are pointers, since there may be
/// a great many.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_id: HashSet<ById>,
    by_parent: HashMap<ByParent, BTreeSet<ById>>,
    by_spiffe_id: HashMap<ByIdentity, BTreeSet<ById>>,
}

impl Index {
    /// Adds an entry, or replaces the one with its id.
    pub(super) fn put(&mut self, entry: EntryRecord) {
        self.remove(&entry.id);
        let entry = Arc::new(entry);
        add(&mut self.by_parent, ByParent(Arc::clone(&entry)), &entry);
        add(&mut self.by_spiffe_id, ByIdentity(Arc::clone(&entry)), &entry);
        self.by_id.insert(ById(entry));
    }

    /// Removes the entry with this id, if there is one.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(ById(entry)) = self.by_id.take(id) else {
            return;
        };
        take(&mut self.by_parent, ByParent, &entry);
        take(&mut self.by_spiffe_id, ByIdentity, &entry);
    }

    /// Every entry, ordered by id.
    pub(super) fn all(&self) -> Vec<Arc<EntryRecord>> {
        let mut entries: Vec<_> = self.by_id.iter().map(|entry| Arc::clone(&entry.0)).collect();
        entries.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        entries
    }

    /// The entry with this id.
    #[cfg(test)]
    pub(super) fn get(&self, id: &str) -> Option<Arc<EntryRecord>> {
        self.by_id.get(id).map(|entry| Arc::clone(&entry.0))
    }

    /// Does what the datastore did about entries that federated with a trust domain whose bundle is gone.
    pub(super) fn part_from(&mut self, trust_domain: &TrustDomain, mode: DeleteMode) {
        let federates = |entry: &&ById| entry.0.federates_with.contains(trust_domain);
        let entries: Vec<_> = self.by_id.iter().filter(federates).cloned().collect();
        for ById(entry) in entries {
            if mode == DeleteMode::Delete {
                self.remove(&entry.id);
                continue;
            }
            let mut entry = EntryRecord::clone(&entry);
            entry.federates_with.remove(trust_domain);
            entry.revision_number = entry.revision_number.saturating_add(1);
            self.put(entry);
        }
    }

    /// What the entries of an identity grant it.
    pub(super) fn grants(&self, spiffe_id: &SpiffeId, now: SystemTime) -> Grants {
        let entries = self.of_identity(spiffe_id, now);
        entries.fold(Grants::default(), |grants, entry| Grants {
            admin: grants.admin || entry.admin,
            downstream: grants.downstream || entry.downstream,
        })
    }

    /// The entries that make an identity a server below this one, ordered by id.
    pub(super) fn downstream(&self, spiffe_id: &SpiffeId, now: SystemTime) -> Vec<Arc<EntryRecord>> {
        let entries = self.of_identity(spiffe_id, now);
        entries.filter(|entry| entry.downstream).cloned().collect()
    }

    /// The entries that an agent with this identity and these selectors may serve, ordered by id.
    pub(super) fn reachable(
        &self,
        agent: &SpiffeId,
        selectors: &BTreeSet<Selector>,
        server: Option<&SpiffeId>,
        now: SystemTime,
    ) -> Vec<Arc<EntryRecord>> {
        let mut found: Vec<&Arc<EntryRecord>> = Vec::new();
        let mut seen: HashSet<&SpiffeId> = HashSet::new();
        let mut parents = vec![agent];
        for alias in server.into_iter().flat_map(|server| self.below(server, now)) {
            if alias.selectors.is_subset(selectors) {
                parents.push(&alias.spiffe_id);
                found.push(alias);
            }
        }
        while let Some(parent) = parents.pop() {
            // Entries may name each other as parents; each identity is walked once.
            if !seen.insert(parent) {
                continue;
            }
            // Whoever is given the server's own identity as parent is not thereby every node.
            if Some(parent) == server {
                continue;
            }
            for entry in self.below(parent, now) {
                parents.push(&entry.spiffe_id);
                found.push(entry);
            }
        }
        // An entry has one parent, so none is found twice.
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        found.into_iter().cloned().collect()
    }

    /// Of the entries with these ids those that such an agent may serve, as [`reachable`](Self::reachable) has it, and
    /// `None` for the others. It looks at what leads to these alone, however many there are beside them.
    pub(super) fn reachable_of<'a>(
        &self,
        ids: impl Iterator<Item = &'a str>,
        agent: &SpiffeId,
        selectors: &BTreeSet<Selector>,
        server: Option<&SpiffeId>,
        now: SystemTime,
    ) -> Vec<Option<Arc<EntryRecord>>> {
        let mut reach = Reach::new(self, agent, selectors, server, now);
        let entries = ids.map(|id| self.by_id.get(id).map(|entry| &entry.0));
        let reached = entries.map(|entry| entry.filter(|entry| reach.has(entry)));
        reached.map(|entry| entry.cloned()).collect()
    }

    /// The entries in effect that have this parent, ordered by id.
    fn below(&self, parent: &SpiffeId, now: SystemTime) -> impl Iterator<Item = &Arc<EntryRecord>> {
        in_effect(self.by_parent.get(parent), now)
    }

    /// The entries in effect that give this identity, ordered by id.
    fn of_identity(&self, spiffe_id: &SpiffeId, now: SystemTime) -> impl Iterator<Item = &Arc<EntryRecord>> {
        in_effect(self.by_spiffe_id.get(spiffe_id), now)
    }
}

fn in_effect(entries: Option<&BTreeSet<ById>>, now: SystemTime) -> impl Iterator<Item = &Arc<EntryRecord>> {
    let entries = entries.into_iter().flatten().map(|entry| &entry.0);
    entries.filter(move |entry| entry.is_in_effect(now))
}

fn add<K: Eq + Hash>(groups: &mut HashMap<K, BTreeSet<ById>>, key: K, entry: &Arc<EntryRecord>) {
    groups.entry(key).or_default().insert(ById(Arc::clone(entry)));
}

/// Takes an entry out of its group. The group may be kept under the very entry that goes, so another stands in for it.
fn take<K: Eq + Hash>(
    groups: &mut HashMap<K, BTreeSet<ById>>,
    key: impl Fn(Arc<EntryRecord>) -> K,
    entry: &Arc<EntryRecord>,
) {
    let Some(mut left) = groups.remove(&key(Arc::clone(entry))) else {
        return;
    };
    left.remove(entry.id.as_str());
    if let Some(ById(other)) = left.first() {
        groups.insert(key(Arc::clone(other)), left);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn id(path: &str) -> SpiffeId {
        SpiffeId::new(format!("spiffe://example.org{path}")).unwrap()
    }

    fn selectors(values: &[&str]) -> BTreeSet<Selector> {
        values.iter().map(|value| Selector::new("k", *value)).collect()
    }

    fn entry(name: &str, parent: &str, spiffe_id: &str, values: &[&str]) -> EntryRecord {
        EntryRecord::new(name, id(spiffe_id), id(parent), selectors(values), NOW)
    }

    fn index(entries: impl IntoIterator<Item = EntryRecord>) -> Index {
        let mut index = Index::default();
        entries.into_iter().for_each(|entry| index.put(entry));
        index
    }

    fn reachable(index: &Index, agent: &str, values: &[&str]) -> Vec<String> {
        let server = id("/spire/server");
        let (agent, selectors) = (id(agent), selectors(values));
        let found = index.reachable(&agent, &selectors, Some(&server), NOW);
        let found: Vec<String> = found.iter().map(|entry| entry.id.clone()).collect();
        // From wherever one looks.
        let mut all: Vec<&str> = index.by_id.iter().map(|entry| entry.0.id.as_str()).collect();
        all.sort_unstable();
        let one_by_one = index.reachable_of(all.into_iter(), &agent, &selectors, Some(&server), NOW);
        let one_by_one: Vec<String> = one_by_one
            .into_iter()
            .flatten()
            .map(|entry| entry.id.clone())
            .collect();
        assert_eq!(found, one_by_one);
        found
    }

    const A: &str = "/spire/agent/x/a";

    #[test]
    fn an_agent_reaches_what_stands_below_it_and_nothing_else() {
        let index = index([
            entry("1", A, "/web", &["u"]),
            entry("2", "/web", "/web/child", &["u"]),
            entry("3", "/spire/agent/x/b", "/other", &["u"]),
            entry("4", "/other", "/other/child", &["u"]),
        ]);
        assert_eq!(reachable(&index, A, &[]), ["1", "2"]);
        assert_eq!(reachable(&index, "/spire/agent/x/b", &[]), ["3", "4"]);
        assert_eq!(reachable(&index, "/spire/agent/x/c", &[]), [""; 0]);
    }

    #[test]
    fn node_entries_apply_to_agents_that_show_all_their_selectors() {
        let index = index([
            entry("node", "/spire/server", "/rack", &["r1", "r2"]),
            entry("web", "/rack", "/web", &["u"]),
        ]);
        assert_eq!(reachable(&index, A, &["r1", "r2", "r3"]), ["node", "web"]);
        assert_eq!(reachable(&index, A, &["r1"]), [""; 0]);
        assert_eq!(
            reachable(&index, "/spire/server", &["r1"]),
            [""; 0],
            "the server is no agent"
        );
    }

    #[test]
    fn loops_end() {
        let index = index([
            entry("1", A, "/a", &["u"]),
            entry("2", "/a", "/b", &["u"]),
            entry("3", "/b", "/a", &["u"]),
            entry("4", "/c", "/c", &["u"]),
        ]);
        assert_eq!(reachable(&index, A, &[]), ["1", "2", "3"]);
    }

    #[test]
    fn looking_up_from_entries_and_down_from_the_agent_agree() {
        let names = [A, "/spire/server", "/a", "/b", "/c", "/d"];
        let mut state = 1_u64;
        let mut pick = |count: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((state >> 33) % count).unwrap()
        };
        let mut reached = 0;
        for _ in 0..1000 {
            let entries: Vec<_> = (0..1 + pick(10))
                .map(|number| {
                    let (parent, spiffe_id) = (names[pick(6)], names[pick(6)]);
                    entry(&number.to_string(), parent, spiffe_id, &[["r1", "r2"][pick(2)]])
                })
                .collect();
            // Which looks both ways.
            reached += reachable(&index(entries), A, &["r1"]).len();
        }
        assert!(reached > 1000, "{reached}");
    }

    #[test]
    fn an_entry_that_has_ended_gives_nothing() {
        let mut ended = entry("1", A, "/a", &["u"]);
        ended.expires_at = Some(NOW);
        ended.admin = true;
        let mut index = index([ended.clone(), entry("2", "/a", "/b", &["u"])]);
        assert_eq!(reachable(&index, A, &[]), [""; 0]);
        assert_eq!(index.grants(&id("/a"), NOW), Grants::default());

        ended.expires_at = Some(NOW + Duration::from_secs(1));
        index.put(ended);
        assert_eq!(reachable(&index, A, &[]), ["1", "2"]);
        assert!(index.grants(&id("/a"), NOW).admin && !index.grants(&id("/a"), NOW).downstream);
    }

    #[test]
    fn an_entry_gives_what_it_gives_in_its_window_alone() {
        let second = |n| NOW + Duration::from_secs(n);
        let mut windowed = entry("1", A, "/a", &["u"]);
        windowed.not_before = Some(second(10));
        windowed.not_after = Some(second(20));
        windowed.admin = true;
        let index = index([windowed, entry("2", "/a", "/b", &["u"])]);
        for (now, open) in [(9, false), (10, true), (19, true), (20, false)] {
            let found = index.reachable(&id(A), &selectors(&[]), None, second(now));
            assert_eq!(
                found.len(),
                if open { 2 } else { 0 },
                "{now}: what hangs on it goes with it"
            );
            assert_eq!(index.grants(&id("/a"), second(now)).admin, open, "{now}");
        }
    }

    #[test]
    fn an_entry_that_moved_is_found_where_it_is() {
        let mut index = index([entry("1", A, "/a", &["u"])]);
        index.put(entry("1", "/spire/agent/x/b", "/c", &["u"]));
        assert_eq!(reachable(&index, A, &[]), [""; 0]);
        assert_eq!(reachable(&index, "/spire/agent/x/b", &[]), ["1"]);
        index.remove("1");
        assert!(index.by_id.is_empty() && index.by_parent.is_empty() && index.by_spiffe_id.is_empty());
    }
}
