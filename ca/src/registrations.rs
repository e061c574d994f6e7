//! Registration entries as the hot paths see them: in memory, indexed by what they are asked for.
//!
//! Every change of an entry goes through here: into the datastore first, then into the index, one at a time. What an
//! agent may serve, and whom an entry makes an administrator, is then answered without a query.

mod index;

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use spiffe::{SpiffeId, TrustDomain};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::Instrument;

use self::index::Index;
use crate::datastore::{
    AgentRecord, Datastore, DatastoreError, DeleteMode, EntryCreation, EntryFilter, EntryRecord,
    MAX_PAGE_SIZE, PageRequest, Result as StoreResult,
};

pub use crate::wire::new_entry;

/// How often a change is tried again that another server's change got in the way of.
const ATTEMPTS: usize = 5;

/// The turn to change entries.
type Turn = OwnedMutexGuard<()>;

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
    /// The parent of entries that describe nodes.
    server_id: Option<SpiffeId>,
    shared: Arc<Shared>,
    /// Held from the datastore's change to the index's, so that both see changes in one order.
    changing: Arc<Mutex<()>>,
}

/// What a change works on, whether or not whoever asked for it still waits.
#[derive(Debug)]
struct Shared {
    datastore: Arc<dyn Datastore>,
    index: RwLock<Index>,
}

impl Registrations {
    /// Reads all entries.
    ///
    /// # Errors
    /// The datastore's.
    pub async fn open(datastore: Arc<dyn Datastore>, trust_domain: &TrustDomain) -> StoreResult<Arc<Self>> {
        let shared = Shared {
            datastore,
            index: RwLock::default(),
        };
        shared.reload().await?;
        Ok(Arc::new(Self {
            server_id: SpiffeId::new(format!("spiffe://{trust_domain}/spire/server")).ok(),
            shared: Arc::new(shared),
            changing: Arc::default(),
        }))
    }

    /// Creates an entry, unless there is one like it.
    ///
    /// # Errors
    /// As [`EntryStore::create_entry`](crate::datastore::EntryStore::create_entry).
    pub async fn create(&self, entry: &EntryRecord) -> StoreResult<EntryCreation> {
        let (shared, entry) = (Arc::clone(&self.shared), entry.clone());
        let work = async move {
            let outcome = shared.datastore.create_entry(&entry).await;
            if let Ok(EntryCreation::Created(created)) = &outcome {
                shared.write().put(created.clone());
            }
            shared.settle(outcome).await
        };
        to_the_end(self.turn().await, work).await?.1
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
        let mut turn = self.turn().await;
        let mut attempt = 1;
        loop {
            let missing = || DatastoreError::not_found(crate::datastore::RecordKind::Entry, id);
            let current = self.shared.datastore.entry(id).await?.ok_or_else(missing)?;
            let wanted = change(current)?;
            let shared = Arc::clone(&self.shared);
            let work = async move {
                let outcome = shared.datastore.update_entry(&wanted).await;
                if let Ok(updated) = &outcome {
                    shared.write().put(updated.clone());
                }
                shared.settle(outcome).await
            };
            let (again, outcome) = to_the_end(turn, work).await?;
            match outcome {
                Err(DatastoreError::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
                outcome => return Ok(outcome?),
            }
            turn = again;
        }
    }

    /// Deletes an entry and returns it as it last was.
    ///
    /// # Errors
    /// As [`EntryStore::delete_entry`](crate::datastore::EntryStore::delete_entry).
    pub async fn delete(&self, id: &str) -> StoreResult<EntryRecord> {
        let (shared, id) = (Arc::clone(&self.shared), id.to_owned());
        let work = async move {
            let outcome = shared.datastore.delete_entry(&id).await;
            if outcome.is_ok() {
                shared.write().remove(&id);
            }
            shared.settle(outcome).await
        };
        to_the_end(self.turn().await, work).await?.1
    }

    /// Deletes the entries that ended before `expired_before`; returns how many.
    ///
    /// # Errors
    /// The datastore's.
    pub async fn prune(&self, expired_before: SystemTime) -> StoreResult<u64> {
        let shared = Arc::clone(&self.shared);
        let work = async move {
            let pruned = shared.datastore.prune_entries(expired_before).await?;
            if pruned > 0 {
                shared.reload().await?;
            }
            Ok(pruned)
        };
        to_the_end(self.turn().await, work).await?.1
    }

    /// Deletes the bundle of another trust domain, and does about entries that federate with it what `mode` says. Returns
    /// how many those were.
    ///
    /// # Errors
    /// As [`FederationStore::delete_federated_bundle`](crate::datastore::FederationStore::delete_federated_bundle).
    pub async fn delete_federated_bundle(
        &self,
        trust_domain: &TrustDomain,
        mode: DeleteMode,
    ) -> StoreResult<u64> {
        let (shared, trust_domain) = (Arc::clone(&self.shared), trust_domain.clone());
        let work = async move {
            let outcome = shared
                .datastore
                .delete_federated_bundle(&trust_domain, mode)
                .await;
            // Not read anew: that could fail, and what was deleted would go on entitling.
            if matches!(outcome, Ok(1..)) {
                shared.write().part_from(&trust_domain, mode);
            }
            shared.settle(outcome).await
        };
        to_the_end(self.turn().await, work).await?.1
    }

    async fn turn(&self) -> Turn {
        Arc::clone(&self.changing).lock_owned().await
    }

    /// The entries that an agent may serve at the moment `now`, ordered by id: those below its own identity, below
    /// the node entries whose selectors it shows, and below any of these in turn. As in SPIRE the node entries that
    /// apply to the agent are among them.
    pub fn authorized(&self, agent: &AgentRecord, now: SystemTime) -> Vec<Arc<EntryRecord>> {
        let index = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        index.reachable(&agent.spiffe_id, &agent.selectors, self.server_id.as_ref(), now)
    }

    /// Of the entries with these ids, in their order, those that an agent may serve at the moment `now`; `None` for what is
    /// not there or not the agent's.
    pub fn authorized_of<'a>(
        &self,
        ids: impl Iterator<Item = &'a str>,
        agent: &AgentRecord,
        now: SystemTime,
    ) -> Vec<Option<Arc<EntryRecord>>> {
        let index = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        index.reachable_of(
            ids,
            &agent.spiffe_id,
            &agent.selectors,
            self.server_id.as_ref(),
            now,
        )
    }

    /// Every entry, ordered by id.
    pub fn all(&self) -> Vec<Arc<EntryRecord>> {
        let index = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        index.all()
    }

    /// The entries that make this identity a server below this one at the moment `now`, ordered by id.
    pub fn downstream(&self, spiffe_id: &SpiffeId, now: SystemTime) -> Vec<Arc<EntryRecord>> {
        let index = self.shared.index.read().unwrap_or_else(PoisonError::into_inner);
        index.downstream(spiffe_id, now)
    }

    /// What entries of this identity grant at the moment `now`.
    pub fn grants(&self, spiffe_id: &SpiffeId, now: SystemTime) -> Grants {
        self.shared
            .index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .grants(spiffe_id, now)
    }
}

/// Makes a change on a task of its own, and returns the turn in which it was made. A caller may leave at any moment,
/// and a change that reached the datastore and not the index would be half made: an entry that was deleted would go
/// on entitling.
async fn to_the_end<T: Send + 'static>(
    turn: Turn,
    change: impl Future<Output = StoreResult<T>> + Send + 'static,
) -> StoreResult<(Turn, StoreResult<T>)> {
    let work = async move {
        let outcome = change.await;
        (turn, outcome)
    };
    tokio::spawn(work.in_current_span())
        .await
        .map_err(|error| DatastoreError::unavailable("finish a change", error))
}

impl Shared {
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use sqlx::Connection as _;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

    use symbolon_pki::bundle::TrustBundle;

    use super::*;
    use crate::datastore::sqlite::SqliteDatastore;
    use crate::datastore::{BundleParts, EntryStore as _, FederationStore as _, Selector};

    #[tokio::test]
    async fn a_change_whose_caller_leaves_is_made_to_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let datastore = Arc::new(SqliteDatastore::open(&path).await.unwrap());
        let domain = TrustDomain::new("example.org").unwrap();
        let registrations = Registrations::open(datastore.clone(), &domain).await.unwrap();
        let id = |path: &str| SpiffeId::new(format!("spiffe://example.org{path}")).unwrap();
        let selectors = [Selector::new("k", "v")].into();
        let entry = EntryRecord {
            admin: true,
            ..EntryRecord::new(
                "1",
                id("/root"),
                id("/spire/agent/x/a"),
                selectors,
                SystemTime::UNIX_EPOCH,
            )
        };
        registrations.create(&entry).await.unwrap();
        let is_admin = || registrations.grants(&id("/root"), SystemTime::UNIX_EPOCH).admin;
        assert!(is_admin());

        // Somebody else holds the file, so the deletion has begun and cannot be over when its caller leaves.
        let options = SqliteConnectOptions::new().filename(&path);
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        let holding = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        {
            let mut deleting = pin!(registrations.delete("1"));
            poll_fn(|cx| {
                assert!(deleting.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        holding.rollback().await.unwrap();

        // Its turn is over when the change is.
        let _turn = registrations.turn().await;
        assert_eq!(datastore.entry("1").await.unwrap(), None);
        assert!(!is_admin(), "what is gone from the datastore entitles nobody");
    }

    #[tokio::test]
    async fn entries_that_go_with_a_bundle_entitle_nobody_even_if_the_rest_cannot_be_read() {
        for (mode, stays) in [(DeleteMode::Delete, false), (DeleteMode::Dissociate, true)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("db");
            let datastore = Arc::new(SqliteDatastore::open(&path).await.unwrap());
            let domain = TrustDomain::new("example.org").unwrap();
            let other = TrustDomain::new("other.org").unwrap();
            let registrations = Registrations::open(datastore.clone(), &domain).await.unwrap();
            let bundle = TrustBundle::new(other.clone());
            datastore
                .set_federated_bundle(&bundle, &BundleParts::WHOLE)
                .await
                .unwrap();
            let id = |path: &str| SpiffeId::new(format!("spiffe://example.org{path}")).unwrap();
            let entry = |name: &str| {
                let selectors = [Selector::new("k", "v")].into();
                let (parent, now) = (id("/spire/agent/x/a"), SystemTime::UNIX_EPOCH);
                EntryRecord::new(name, id(&format!("/{name}")), parent, selectors, now)
            };
            let mut root = entry("root");
            root.admin = true;
            root.federates_with = [other.clone()].into();
            registrations.create(&root).await.unwrap();
            registrations.create(&entry("damaged")).await.unwrap();
            let options = SqliteConnectOptions::new().filename(&path);
            let mut beside = SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::query("UPDATE entry SET parent_id = 'nonsense' WHERE id = 'damaged'")
                .execute(&mut beside)
                .await
                .unwrap();
            assert!(registrations.shared.reload().await.is_err());

            let left = registrations.delete_federated_bundle(&other, mode).await;
            assert_eq!(left.unwrap(), 1);
            let now = SystemTime::UNIX_EPOCH;
            assert_eq!(registrations.grants(&id("/root"), now).admin, stays);
            let kept = datastore.entry("root").await.unwrap();
            let shown = registrations.shared.index.read().unwrap().get("root");
            assert_eq!(kept.as_ref(), shown.as_deref());
        }
    }
}
