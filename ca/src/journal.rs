//! What the journal of a data directory says of keys, for whoever is about to touch one: read, whether a server runs
//! there or not.

use std::fmt;
use std::path::Path;

use symbolon_host::data_dir::trust_domain_of;
use symbolon_pki::suite::Family;

use crate::client::ClientError;
use crate::datastore::sqlite::SqliteDatastore;
use crate::datastore::{AuthorityState, AuthorityStore as _, Datastore as _};
use crate::server::DATASTORE_FILE;

/// An authority that has a component key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyUse {
    /// Whose authority it is.
    pub trust_domain: String,
    /// Its family.
    pub family: Family,
    /// Its id.
    pub authority_id: String,
    /// Where it stands in its life.
    pub state: AuthorityState,
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trust_domain,
            family,
            authority_id,
            state,
        } = self;
        write!(
            f,
            "the {state} {family} authority {authority_id} of {trust_domain}"
        )
    }
}

/// The authorities of a data directory that have the component key whose SubjectPublicKeyInfo has this SHA-256, other
/// than revoked ones. Nothing is locked or changed.
///
/// # Errors
/// [`ClientError::DataDir`] and [`ClientError::Datastore`] where there is none, or none of a server.
pub async fn key_uses(data_dir: &Path, spki_sha256: &[u8; 32]) -> Result<Vec<KeyUse>, ClientError> {
    let trust_domain = trust_domain_of(data_dir)?;
    let file = data_dir.join("server").join(DATASTORE_FILE);
    let datastore = SqliteDatastore::open_read_only(&file).await?;
    let found = datastore.authorities(None).await;
    datastore.close().await;
    let has_it =
        |keys: &[crate::datastore::KeyReference]| keys.iter().any(|key| key.spki_sha256 == *spki_sha256);
    Ok(found?
        .into_iter()
        .filter(|record| record.state != AuthorityState::Revoked && has_it(&record.keys))
        .map(|record| KeyUse {
            trust_domain: trust_domain.clone(),
            family: record.family,
            authority_id: record.authority_id,
            state: record.state,
        })
        .collect())
}
