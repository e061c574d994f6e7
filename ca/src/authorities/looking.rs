//! Whether the keys that sign are there.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use symbolon_hsm::{StoreError, StoreName};

use super::{Authorities, AuthoritiesError, is_valid};
use crate::datastore::{AuthorityState, KeyReference};

/// A key store that does not give a key that signs.
#[derive(Debug)]
pub struct UnwellStore {
    /// The store.
    pub store: StoreName,
    /// What it says; `None` if the thread that asked it broke off.
    pub error: Option<StoreError>,
}

impl std::fmt::Display for UnwellStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "key store {} is unwell", self.store)?;
        let mut cause = self.error.as_ref().map(|error| error as &dyn std::error::Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Authorities {
    /// Makes sure that what signs now has its keys, before anything is made or destroyed: a store that leads to another
    /// token than it did is to stay as it is. What has expired needs its key no more.
    pub(super) async fn find_signing_keys(&self) -> Result<(), AuthoritiesError> {
        let now = self.clock.now();
        let families: Vec<_> = self.families().collect();
        for record in self.datastore.authorities(None).await? {
            let signs = record.state == AuthorityState::Active && is_valid(&record, now);
            if signs && families.contains(&record.family) {
                self.load(&record).await?;
            }
        }
        Ok(())
    }

    /// Asks every store for the keys that sign now, all stores at once, and tells which do not give one. A store that
    /// hangs takes as long as its deadline.
    pub async fn unwell_stores(&self) -> Vec<UnwellStore> {
        let mut asked: BTreeMap<StoreName, Vec<KeyReference>> = BTreeMap::new();
        let families: Vec<_> = self.families().collect();
        for record in self.journal() {
            if record.state == AuthorityState::Active && families.contains(&record.family) {
                for key in record.keys {
                    asked.entry(key.store.clone()).or_default().push(key);
                }
            }
        }
        let asking = asked.into_iter().filter_map(|(name, keys)| {
            // One that is not configured was refused when the server started.
            let store = self.stores.get(&name).ok()?.clone();
            let open = move || keys.iter().try_for_each(|key| store.open(&key.key_id).map(drop));
            let opened = tokio::task::spawn_blocking(open);
            Some(async move {
                let error = match opened.await {
                    Ok(Ok(())) => return None,
                    Ok(Err(error)) => Some(error),
                    Err(_) => None,
                };
                Some(UnwellStore { store: name, error })
            })
        });
        join_all(asking).await.into_iter().flatten().collect()
    }
}
