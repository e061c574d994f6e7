//! What can keep a server from having authorities.

use std::time::SystemTime;

use symbolon_crypto::Component;
use symbolon_hsm::{KeyId, NameError, RegistryError, StoreError, StoreName, Unsupported};
use symbolon_issuance::{IssuanceError, SerialError};
use symbolon_pki::key::KeyError;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::rfc3339;

use crate::datastore::DatastoreError;
use crate::record::RecordError;
use crate::upstream::{UpstreamError, UpstreamName};

/// Why the authorities could not be opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoritiesError {
    /// The configuration asks for a suite that the family does not sign with.
    #[error("the {family} family cannot sign with {suite}; choose one of {allowed}")]
    WrongSuite {
        /// The family.
        family: Family,
        /// The suite configured.
        suite: Suite,
        /// What it may be.
        allowed: String,
    },
    /// An alternative key where there is to be none, none where there has to be one, or one that is not ML-DSA.
    #[error(
        "the {family} family cannot have {}; the catalyst family has an alternative key of ML-DSA, and no other family \
         has one",
        .alternative.map_or("no alternative key".to_owned(), |suite| format!("an alternative key of {suite}"))
    )]
    Alternative {
        /// The family.
        family: Family,
        /// The alternative suite configured.
        alternative: Option<Suite>,
    },
    /// The configuration names no store, or more stores than the suite has components.
    #[error(
        "the {family} family signs with {suite}, whose key has {components} components, and names {found} stores"
    )]
    Stores {
        /// The family.
        family: Family,
        /// The suite configured.
        suite: Suite,
        /// How many components it has.
        components: usize,
        /// How many stores were named.
        found: usize,
    },
    /// A store that is not configured.
    #[error("the {family} family keeps a key in a store that is not configured")]
    UnknownStore {
        /// The family.
        family: Family,
        /// Which store, and which there are.
        source: RegistryError,
    },
    /// None of the stores that a key may go to can make it.
    #[error(
        "the {family} family signs with {suite}, and no key store offers {component} for it ({lacks}); add a store that \
         does, or choose another suite"
    )]
    NoStoreOffers {
        /// The family.
        family: Family,
        /// The suite configured.
        suite: Suite,
        /// The component that nobody offers.
        component: Component,
        /// What each store lacks, in words.
        lacks: String,
    },
    /// The key of an authority that still signs is in a store that is not configured any more.
    #[error(
        "the {family} authority {authority_id} has its key in the key store {store}, which is not configured ({known}); \
         configure it under that name until the authority has been replaced"
    )]
    StoreGone {
        /// The family.
        family: Family,
        /// The authority.
        authority_id: String,
        /// The store, by the name that the journal has.
        store: StoreName,
        /// The stores that are configured, in words.
        known: String,
    },
    /// A store that cannot make such keys.
    #[error("the {family} family cannot keep its key in store {store}")]
    StoreLacks {
        /// The family.
        family: Family,
        /// The store.
        store: StoreName,
        /// What it lacks.
        source: Unsupported,
    },
    /// A key store failed.
    #[error("key store {store} failed")]
    Store {
        /// The store.
        store: StoreName,
        /// How.
        source: StoreError,
    },
    /// A name that does not fit a key label.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A key that is not the one the journal names.
    #[error("key {key_id} in store {store} is not the key that authority {authority_id} was made with")]
    WrongKey {
        /// The authority.
        authority_id: String,
        /// The store.
        store: StoreName,
        /// The key's id there.
        key_id: KeyId,
    },
    /// A key of another type or parameter set than its authority's certificate has.
    #[error(
        "key {key_id} in store {store} is {found}, and authority {authority_id} was made with a key of {expected}"
    )]
    WrongKeyType {
        /// The authority.
        authority_id: String,
        /// The store.
        store: StoreName,
        /// The key's id there.
        key_id: KeyId,
        /// What it is.
        found: Component,
        /// What it was.
        expected: Component,
    },
    /// A journal line that makes no sense.
    #[error("the journal's line about authority {authority_id} is damaged: {reason}")]
    Journal {
        /// The authority.
        authority_id: String,
        /// What is wrong.
        reason: String,
    },
    /// The machine's clock is behind.
    #[error(
        "the clock says {}, before the {family} authority {authority_id} begins at {}; set the clock",
        rfc3339(*.now),
        rfc3339(*.not_before)
    )]
    ClockInThePast {
        /// The family.
        family: Family,
        /// The authority.
        authority_id: String,
        /// When it begins.
        not_before: SystemTime,
        /// What the clock says.
        now: SystemTime,
    },
    /// Keys that do not make up the suite.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The authority's certificate could not be made.
    #[error("the certificate of the new {family} authority could not be made")]
    Issuance {
        /// The family.
        family: Family,
        /// Why.
        source: Box<IssuanceError>,
    },
    /// Whoever is to certify the family's authorities did not, or its certificate is of no use.
    #[error("the upstream {upstream} made no {family} authority")]
    Upstream {
        /// The family.
        family: Family,
        /// The upstream.
        upstream: UpstreamName,
        /// Why.
        source: UpstreamError,
    },
    /// Somebody is to bring the certificate of the family's next authority.
    #[error(
        "the certificate of the next {family} authority is awaited: its request is in {family}.csr.pem in the upstream's \
         directory; have it signed, and put the certificate, with what leads up to the root and the root after it, beside it as \
         {family}.chain.pem"
    )]
    Awaited {
        /// The family.
        family: Family,
    },
    /// The datastore failed.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
    /// The authority's certificate could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// No serial number could be drawn.
    #[error(transparent)]
    Serial(#[from] SerialError),
    /// A thread that worked on keys did not finish.
    #[error("a key operation did not finish")]
    Interrupted,
}

impl AuthoritiesError {
    /// Whether the store was reached, and does not have the key that the journal names.
    pub(super) fn is_lost_key(&self) -> bool {
        let store = match self {
            Self::WrongKey { .. } | Self::WrongKeyType { .. } => return true,
            Self::Store { source, .. } => source,
            _ => return false,
        };
        matches!(store, StoreError::UnknownKey { .. })
    }
}
