//! Whether an agent reaches an entry, found out from the entry upwards.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::SystemTime;

use spiffe::SpiffeId;

use super::Index;
use crate::datastore::{EntryRecord, Selector};

/// What one agent reaches at one moment. It says the same of an entry as the walk down from the agent in
/// [`Index::reachable`].
pub(super) struct Reach<'a> {
    index: &'a Index,
    agent: &'a SpiffeId,
    selectors: &'a BTreeSet<Selector>,
    server: Option<&'a SpiffeId>,
    now: SystemTime,
    /// Identities of which it is known by now.
    known: HashMap<&'a SpiffeId, bool>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(
        index: &'a Index,
        agent: &'a SpiffeId,
        selectors: &'a BTreeSet<Selector>,
        server: Option<&'a SpiffeId>,
        now: SystemTime,
    ) -> Self {
        Self {
            index,
            agent,
            selectors,
            server,
            now,
            known: HashMap::new(),
        }
    }

    /// Whether the agent may serve this entry.
    pub(super) fn has(&mut self, entry: &'a EntryRecord) -> bool {
        entry.is_in_effect(self.now)
            && match self.is_of_node(entry) {
                true => self.applies(entry),
                false => self.reaches(&entry.parent_id),
            }
    }

    /// Whether the entry describes nodes.
    fn is_of_node(&self, entry: &EntryRecord) -> bool {
        Some(&entry.parent_id) == self.server
    }

    /// Whether the node that the entry describes is this agent.
    fn applies(&self, entry: &EntryRecord) -> bool {
        entry.selectors.is_subset(self.selectors)
    }

    /// Whether the agent is this identity, or is given it by entries that it reaches.
    fn reaches(&mut self, identity: &'a SpiffeId) -> bool {
        if let Some(known) = self.known.get(identity) {
            return *known;
        }
        let mut above: HashSet<&SpiffeId> = HashSet::new();
        let reached = self.is_reached_from(identity, &mut above);
        match reached {
            true => {
                self.known.insert(identity, true);
            }
            // Then nothing above it is reached either, for all of it was walked.
            false => self
                .known
                .extend(above.into_iter().map(|identity| (identity, false))),
        }
        reached
    }

    /// Walks up from an identity until something is reached; notes in `above` what it came by. Entries may name each other
    /// as parents; each identity is walked once.
    fn is_reached_from(&self, identity: &'a SpiffeId, above: &mut HashSet<&'a SpiffeId>) -> bool {
        let mut identities = vec![identity];
        while let Some(identity) = identities.pop() {
            if identity == self.agent || self.known.get(identity) == Some(&true) {
                return true;
            }
            if !above.insert(identity) {
                continue;
            }
            for entry in self.index.of_identity(identity, self.now) {
                match self.is_of_node(entry) {
                    true if self.applies(entry) => return true,
                    true => {}
                    false => identities.push(&entry.parent_id),
                }
            }
        }
        false
    }
}
