//! Opening the key stores that the configuration names.

use std::sync::Arc;

use symbolon_hsm::{SoftwareStore, Stores};

use super::ServerError;
use crate::config::{ServerConfig, StoreConfig};

/// Opens every store. Stretching a passphrase takes a while, so it is not done on the async threads.
pub(super) async fn open(config: &ServerConfig) -> Result<Stores, ServerError> {
    let config = config.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let mut stores = Stores::new();
        for (name, store) in config.effective_stores() {
            let kek = config.kek_of(&store).map_err(|source| ServerError::Passphrase {
                store: name.clone(),
                source,
            })?;
            let StoreConfig::Software { dir, .. } = &store;
            let dir = config.store_dir(&name, dir.as_ref());
            let opened = SoftwareStore::open(&dir, &kek).map_err(|source| ServerError::Store {
                store: name.clone(),
                source,
            })?;
            stores.add(name, Arc::new(opened))?;
        }
        Ok(stores)
    });
    opening.await.map_err(ServerError::Task)?
}
