//! Whose turn it is to change the journal.
//!
//! One changes it at a time. While an upstream is asked, which may take as long as it likes, others have their turn: whoever
//! revokes one authority must not wait for somebody who is to certify another. What was asked for is entered afterwards, in a
//! turn of its own; and nobody else makes a next authority of the same family meanwhile.

use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use symbolon_pki::suite::Family;
use tokio::sync::{Mutex, MutexGuard};

use crate::datastore::KeyReference;

/// The turns.
#[derive(Debug)]
pub(super) struct Turns {
    journal: Mutex<()>,
    families: BTreeMap<Family, Mutex<()>>,
}

impl Turns {
    pub(super) fn new(families: impl Iterator<Item = Family>) -> Self {
        Self {
            journal: Mutex::new(()),
            families: families.map(|family| (family, Mutex::new(()))).collect(),
        }
    }

    /// Waits until the journal may be changed.
    pub(super) async fn journal(&self) -> Changing<'_> {
        Changing {
            journal: &self.journal,
            held: Some(self.journal.lock().await),
            _family: None,
        }
    }

    /// Waits until a next authority of this family may be made, and the journal changed.
    pub(super) async fn making(&self, family: Family) -> Changing<'_> {
        // This one first: who has a turn at the journal waits for nobody.
        let of_family = match self.families.get(&family) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        };
        Changing {
            _family: of_family,
            ..self.journal().await
        }
    }
}

/// A turn: the journal may be changed as long as it lasts.
#[derive(Debug)]
pub(super) struct Changing<'a> {
    journal: &'a Mutex<()>,
    held: Option<MutexGuard<'a, ()>>,
    _family: Option<MutexGuard<'a, ()>>,
}

impl Changing<'_> {
    /// Waits for somebody else while others may change the journal. What was read of it before may not be so any more after
    /// that.
    pub(super) async fn apart<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.held = None;
        let done = work.await;
        self.held = Some(self.journal.lock().await);
        done
    }
}

/// Keys that were made for authorities which the journal does not know of yet: nobody sweeps them away.
#[derive(Debug, Default)]
pub(super) struct InMaking(std::sync::Mutex<HashSet<[u8; 32]>>);

impl InMaking {
    /// Spares these keys as long as the value lives. `are_left` is set at its end: somebody has to look whether the journal
    /// names them by then.
    pub(super) fn spare<'a>(&'a self, keys: &[KeyReference], are_left: &'a AtomicBool) -> Spared<'a> {
        let keys: Vec<_> = keys.iter().map(|key| key.spki_sha256).collect();
        let mut spared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spared.extend(&keys);
        Spared {
            of: self,
            keys,
            are_left: Some(are_left),
        }
    }

    /// The SPKI hashes of all of them.
    pub(super) fn hashes(&self) -> HashSet<[u8; 32]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keys in the making.
#[derive(Debug)]
pub(super) struct Spared<'a> {
    of: &'a InMaking,
    keys: Vec<[u8; 32]>,
    are_left: Option<&'a AtomicBool>,
}

impl Spared<'_> {
    /// Whoever holds them has its turn at the journal, and looks after them.
    pub(super) fn settle(mut self) {
        self.are_left = None;
    }
}

impl Drop for Spared<'_> {
    fn drop(&mut self) {
        let mut spared = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            spared.remove(key);
        }
        if let Some(are_left) = self.are_left {
            are_left.store(true, Ordering::Relaxed);
        }
    }
}
