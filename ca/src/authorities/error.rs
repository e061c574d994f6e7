//! What can keep a server from having authorities.

use std::time::SystemTime;

use symbolon_crypto::Component;
use symbolon_hsm::{KeyId, NameError, RegistryError, StoreError, StoreName, Unsupported};
use symbolon_issuance::{IssuanceError, SerialError};
use symbolon_pki::key::KeyError;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::rfc3339;

use super::Step;
use crate::datastore::{AuthorityState, DatastoreError};
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
    /// Servers below this one have as many keys at an upstream as may be.
    #[error(
        "servers below this one have {count} keys at {upstream} that have not expired, and the rest of what it takes is kept \
         for this server's own; let servers below publish elsewhere, or wait until some have expired"
    )]
    NoRoomAbove {
        /// The upstream.
        upstream: UpstreamName,
        /// How many.
        count: usize,
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

/// Why a command changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The server has no such family.
    #[error("this server has no {0} authorities; add the family to its configuration")]
    NotConfigured(Family),
    /// The family has no authority that signs yet.
    #[error("the {0} family has no authority that signs yet; the server is still starting")]
    NotReady(Family),
    /// The family has no authority of that id.
    #[error("{authority_id:?} is no {family} authority of this server")]
    Unknown {
        /// The family.
        family: Family,
        /// The id, cut to a printable length.
        authority_id: String,
    },
    /// It stands elsewhere in its life than the step needs.
    #[error("only {} authorities can be {}, and {authority_id} is {state}", .step.from(), .step.done())]
    WrongState {
        /// What was to be done with it.
        step: Step,
        /// Which authority.
        authority_id: String,
        /// Where it stands.
        state: AuthorityState,
    },
    /// It was prepared later than it is now by the clock.
    #[error(
        "{authority_id} begins at {}, and the clock says it is earlier; set the clock",
        rfc3339(*.not_before)
    )]
    NotYet {
        /// Which authority.
        authority_id: String,
        /// When it begins.
        not_before: SystemTime,
    },
    /// It was prepared, and its validity is over.
    #[error("{authority_id} has expired and cannot be activated; prepare another")]
    Expired {
        /// Which authority.
        authority_id: String,
    },
    /// It was prepared, and whoever stands above does not believe it any more.
    #[error(
        "{authority_id} is not believed above this server any more and cannot be activated; prepare another"
    )]
    Fallen {
        /// Which authority.
        authority_id: String,
    },
    /// The family cannot be what was chosen.
    #[error(transparent)]
    Unsuitable(AuthoritiesError),
    /// The family is what was chosen.
    #[error(
        "{}",
        match .is_like {
            true => format!("the {family} family signs with that already, where that is; to replace its authority by another of the kind, prepare one and activate it"),
            false => format!("the {family} family is on its way there already; its prepared authority signs when it has been published long enough, or when it is activated"),
        }
    )]
    Already {
        /// The family.
        family: Family,
        /// Whether the authority that signs is like that; if not, the next one will be.
        is_like: bool,
    },
    /// The family is to be something else while somebody is to bring a certificate for what it was to be.
    #[error(
        "the certificate of the next {family} authority, of {suite}, was requested at {} and has yet to be brought; bring it \
         first, or say that the request is given up: what is signed for it is of no use then",
        rfc3339(*.requested_at)
    )]
    Requested {
        /// The family.
        family: Family,
        /// What it was requested for.
        suite: Suite,
        /// When.
        requested_at: SystemTime,
    },
    /// Too many authorities of the family were prepared and let go of.
    #[error(
        "{count} {family} authorities are in the bundle that never signed and never will; revoke them, or wait until {until}"
    )]
    TooMany {
        /// The family.
        family: Family,
        /// How many.
        count: usize,
        /// When the first of them expires.
        until: String,
    },
    /// It stands below an authority that is none of this server's.
    #[error(
        "{authority_id} stands below another authority, and what it signed is believed for that one's sake: prepare and \
         activate another, and where the one above is not to be trusted either, taint and revoke that"
    )]
    BelowUpstream {
        /// Which authority.
        authority_id: String,
    },
    /// Nobody stands above this server.
    #[error("upstream authority is not configured")]
    NoUpstream,
    /// No authority of that subject key identifier stands above this server.
    #[error("{root_id:?} is no upstream authority in this server's bundle")]
    UnknownUpstream {
        /// The subject key identifier, cut to a printable length.
        root_id: String,
    },
    /// An authority above this server's that it still needs.
    #[error("{root_id} is above the {state} authority {authority_id}; activate one below another root first")]
    UpstreamInUse {
        /// The subject key identifier of the one above.
        root_id: String,
        /// Which one is below it.
        authority_id: String,
        /// Where that one stands.
        state: AuthorityState,
    },
    /// A key store or the datastore failed, or something in the journal is wrong.
    #[error(transparent)]
    Failed(#[from] AuthoritiesError),
}
