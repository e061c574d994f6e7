//! The entries in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use spiffe::{SpiffeId, TrustDomain};

use super::Grants;
use crate::datastore::{DeleteMode, EntryRecord, Selector};

/// Entries by id, with the ways to them.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_id: HashMap<String, Arc<EntryRecord>>,
    by_parent: HashMap<SpiffeId, BTreeSet<String>>,
    by_spiffe_id: HashMap<SpiffeId, BTreeSet<String>>,
}

impl Index {
    /// Adds an entry, or replaces the one with its id.
    pub(super) fn put(&mut self, entry: EntryRecord) {
        self.remove(&entry.id);
        self.by_parent
            .entry(entry.parent_id.clone())
            .or_default()
            .insert(entry.id.clone());
        self.by_spiffe_id
            .entry(entry.spiffe_id.clone())
            .or_default()
            .insert(entry.id.clone());
        self.by_id.insert(entry.id.clone(), Arc::new(entry));
    }

    /// Removes the entry with this id, if there is one.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(entry) = self.by_id.remove(id) else {
            return;
        };
        for (map, key) in [
            (&mut self.by_parent, &entry.parent_id),
            (&mut self.by_spiffe_id, &entry.spiffe_id),
        ] {
            if let Some(ids) = map.get_mut(key) {
                ids.remove(id);
                if ids.is_empty() {
                    map.remove(key);
                }
            }
        }
    }

    /// The entry with this id.
    #[cfg(test)]
    pub(super) fn get(&self, id: &str) -> Option<Arc<EntryRecord>> {
        self.by_id.get(id).cloned()
    }

    /// Does what the datastore did about entries that federated with a trust domain whose bundle is gone.
    pub(super) fn part_from(&mut self, trust_domain: &TrustDomain, mode: DeleteMode) {
        let federates = |entry: &&Arc<EntryRecord>| entry.federates_with.contains(trust_domain);
        let entries: Vec<_> = self.by_id.values().filter(federates).cloned().collect();
        for entry in entries {
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
        let entries = self.entries(self.by_spiffe_id.get(spiffe_id), now);
        entries.fold(Grants::default(), |grants, entry| Grants {
            admin: grants.admin || entry.admin,
            downstream: grants.downstream || entry.downstream,
        })
    }

    /// The entries that make an identity a server below this one, ordered by id.
    pub(super) fn downstream(&self, spiffe_id: &SpiffeId, now: SystemTime) -> Vec<Arc<EntryRecord>> {
        let entries = self.entries(self.by_spiffe_id.get(spiffe_id), now);
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
        let mut found: BTreeMap<&str, Arc<EntryRecord>> = BTreeMap::new();
        let mut seen: HashSet<&SpiffeId> = HashSet::new();
        let mut parents = vec![agent];
        let nodes = server.and_then(|server| self.by_parent.get(server));
        for alias in self
            .entries(nodes, now)
            .filter(|alias| alias.selectors.is_subset(selectors))
        {
            parents.push(&alias.spiffe_id);
            found.insert(&alias.id, Arc::clone(alias));
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
            for entry in self.entries(self.by_parent.get(parent), now) {
                parents.push(&entry.spiffe_id);
                found.insert(&entry.id, Arc::clone(entry));
            }
        }
        found.into_values().collect()
    }

    /// The entries with these ids that are in effect.
    fn entries<'a>(
        &'a self,
        ids: Option<&'a BTreeSet<String>>,
        now: SystemTime,
    ) -> impl Iterator<Item = &'a Arc<EntryRecord>> {
        let ids = ids.into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id))
            .filter(move |entry| entry.is_in_effect(now))
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
        let found = index.reachable(&id(agent), &selectors(values), Some(&server), NOW);
        found.iter().map(|entry| entry.id.clone()).collect()
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
