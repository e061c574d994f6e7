//! Registration entries as the hot paths see them: in memory, indexed by what they are asked for.
//!
//! Every change of an entry goes through here: into the datastore first, then into the index, one at a time. What an
//! agent may serve, and whom an entry makes an administrator, is then answered without a query.

mod index;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use spiffe::{SpiffeId, TrustDomain};
use tokio::sync::Mutex;

use self::index::Index;
use crate::datastore::{
    AgentRecord, Datastore, DatastoreError, EntryCreation, EntryFilter, EntryRecord, MAX_PAGE_SIZE,
    PageRequest, Result as StoreResult, Selector,
};

/// How often a change is tried again that another server's change got in the way of.
const ATTEMPTS: usize = 5;

/// What entries grant an identity beyond SVIDs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Grants {
    /// It may administer the server.
    pub admin: bool,
    /// It is a server below this one.
    pub downstream: bool,
}

/// The entries of a server.
#[derive(Debug)]
pub struct Registrations {
    datastore: Arc<dyn Datastore>,
    /// The parent of entries that describe nodes.
    server_id: Option<SpiffeId>,
    index: RwLock<Index>,
    /// Held from the datastore's change to the index's, so that both see changes in one order.
    changing: Mutex<()>,
}

impl Registrations {
    /// Reads all entries.
    ///
    /// # Errors
    /// The datastore's.
    pub async fn open(datastore: Arc<dyn Datastore>, trust_domain: &TrustDomain) -> StoreResult<Arc<Self>> {
        let registrations = Self {
            datastore,
            server_id: SpiffeId::new(format!("spiffe://{trust_domain}/spire/server")).ok(),
            index: RwLock::default(),
            changing: Mutex::new(()),
        };
        registrations.reload().await?;
        Ok(Arc::new(registrations))
    }

    /// Creates an entry, unless there is one like it.
    ///
    /// # Errors
    /// As [`EntryStore::create_entry`](crate::datastore::EntryStore::create_entry).
    pub async fn create(&self, entry: &EntryRecord) -> StoreResult<EntryCreation> {
        let _changing = self.changing.lock().await;
        let outcome = self.datastore.create_entry(entry).await;
        if let Ok(EntryCreation::Created(created)) = &outcome {
            self.write().put(created.clone());
        }
        self.settle(outcome).await
    }

    /// Changes an entry: `change` is given what it is now and returns what it is to be. It may be called again if
    /// another server changed the entry in between.
    ///
    /// # Errors
    /// What `change` says, or as [`EntryStore::update_entry`](crate::datastore::EntryStore::update_entry).
    pub async fn change<E: From<DatastoreError>>(
        &self,
        id: &str,
        change: impl Fn(EntryRecord) -> Result<EntryRecord, E>,
    ) -> Result<EntryRecord, E> {
        let _changing = self.changing.lock().await;
        let mut attempt = 1;
        loop {
            let missing = || DatastoreError::not_found(crate::datastore::RecordKind::Entry, id);
            let current = self.datastore.entry(id).await?.ok_or_else(missing)?;
            let wanted = change(current)?;
            match self.datastore.update_entry(&wanted).await {
                Err(DatastoreError::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
                Ok(updated) => {
                    self.write().put(updated.clone());
                    return Ok(updated);
                }
                failed => return Ok(self.settle(failed).await?),
            }
        }
    }

    /// Deletes an entry and returns it as it last was.
    ///
    /// # Errors
    /// As [`EntryStore::delete_entry`](crate::datastore::EntryStore::delete_entry).
    pub async fn delete(&self, id: &str) -> StoreResult<EntryRecord> {
        let _changing = self.changing.lock().await;
        let outcome = self.datastore.delete_entry(id).await;
        if outcome.is_ok() {
            self.write().remove(id);
        }
        self.settle(outcome).await
    }

    /// Deletes the entries that ended before `expired_before`; returns how many.
    ///
    /// # Errors
    /// The datastore's.
    pub async fn prune(&self, expired_before: SystemTime) -> StoreResult<u64> {
        let _changing = self.changing.lock().await;
        let pruned = self.datastore.prune_entries(expired_before).await?;
        if pruned > 0 {
            self.reload().await?;
        }
        Ok(pruned)
    }

    /// The entries that an agent may serve at the moment `now`, ordered by id: those below its own identity, below
    /// the node entries whose selectors it shows, and below any of these in turn. As in SPIRE the node entries that
    /// apply to the agent are among them.
    pub fn authorized(&self, agent: &AgentRecord, now: SystemTime) -> Vec<Arc<EntryRecord>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let selectors: BTreeSet<Selector> = agent.selectors.clone();
        index.reachable(&agent.spiffe_id, &selectors, self.server_id.as_ref(), now)
    }

    /// What entries of this identity grant at the moment `now`.
    pub fn grants(&self, spiffe_id: &SpiffeId, now: SystemTime) -> Grants {
        self.index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .grants(spiffe_id, now)
    }

    /// A failure that does not say that nothing was changed leaves the index in doubt, so it is read anew.
    async fn settle<T>(&self, outcome: StoreResult<T>) -> StoreResult<T> {
        if let Err(DatastoreError::Unavailable { .. }) = &outcome {
            self.reload().await?;
        }
        outcome
    }

    async fn reload(&self) -> StoreResult<()> {
        let mut index = Index::default();
        let mut request = PageRequest::first(MAX_PAGE_SIZE);
        loop {
            let page = self
                .datastore
                .list_entries(&EntryFilter::default(), &request)
                .await?;
            page.items.into_iter().for_each(|entry| index.put(entry));
            match page.next {
                Some(next) => request = request.after(next),
                None => break,
            }
        }
        *self.write() = index;
        Ok(())
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Index> {
        // Each change of the index is complete before anything in it can panic.
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}
