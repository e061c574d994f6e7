//! Opening the key stores that the configuration names.

use std::sync::Arc;
use std::time::SystemTime;

use symbolon_hsm::location::{Wanted, nobody_to_ask};
use symbolon_hsm::{Passphrase, PassphraseError, Stores};

use super::ServerError;
use crate::authorities::AuthoritiesError;
use crate::config::ServerConfig;
use crate::datastore::{AuthorityState, Datastore};

/// Asks a person for a PIN or a passphrase, where the configuration says `prompt`.
pub type Prompt = Arc<dyn Fn(&Wanted) -> Result<Passphrase, PassphraseError> + Send + Sync>;

/// For servers with nobody at their terminal.
pub(super) fn no_prompt() -> Prompt {
    Arc::new(nobody_to_ask)
}

/// Opens every store. Tokens are asked and passphrases stretched, which takes a while, so it is not done on the async
/// threads. What makes nothing is opened first: a wrong PIN leaves nothing behind.
pub(super) async fn open(config: &ServerConfig, prompt: Prompt) -> Result<Stores, ServerError> {
    let stores = config.effective_stores();
    let mut locations: Vec<_> = stores
        .iter()
        .map(|(name, store)| (name.clone(), config.location(name, store)))
        .collect();
    locations.sort_by_key(|(_, location)| location.dir().is_some());
    let opening = tokio::task::spawn_blocking(move || {
        let mut stores = Stores::new();
        for (name, location) in locations {
            let opened = location.open(&*prompt).map_err(|source| ServerError::Store {
                store: name.clone(),
                source,
            })?;
            stores.add(name, opened)?;
        }
        Ok(stores)
    });
    opening.await.map_err(ServerError::Task)?
}

/// Makes sure that the stores of the keys that sign `now` are among the configured ones, before any is opened. What has
/// expired is replaced wherever its key is.
pub(super) async fn check(
    config: &ServerConfig,
    datastore: &dyn Datastore,
    now: SystemTime,
) -> Result<(), ServerError> {
    let stores = config.effective_stores();
    let families = config.families();
    for record in datastore.authorities(None).await? {
        let is_used = record.state == AuthorityState::Active
            && now < record.not_after
            && families.iter().any(|plan| plan.family == record.family);
        let gone = record.keys.iter().find(|key| !stores.contains_key(&key.store));
        if let Some(key) = gone.filter(|_| is_used) {
            let names: Vec<&str> = stores.keys().map(|name| name.as_str()).collect();
            let gone = AuthoritiesError::StoreGone {
                family: record.family,
                authority_id: record.authority_id,
                store: key.store.clone(),
                known: format!("there is {}", names.join(", ")),
            };
            return Err(gone.into());
        }
    }
    Ok(())
}
