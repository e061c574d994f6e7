//! Registration entries: which workload, on which agent, gets which identity.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::digest::sha256;
use symbolon_pki::suite::Form;
use symbolon_pki::time::unix_seconds;

use super::{Page, PageRequest, Result, Selectors, SetFilter};

/// Something that an attestor found out: `unix:uid:1000` has the kind `unix` and the value `uid:1000`.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Selector {
    /// Which attestor vouches for it (SPIRE's `type`).
    pub kind: String,
    /// What it found.
    pub value: String,
}

impl Selector {
    /// The selector `kind:value`.
    pub fn new(kind: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            value: value.into(),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// A registration entry, with every field of SPIRE's `types.Entry` and those that we add.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntryRecord {
    /// Its id, chosen by whoever created it; unique in a datastore.
    pub id: String,
    /// The identity it gives.
    pub spiffe_id: SpiffeId,
    /// The agent, or the node alias, whose workloads it is about.
    pub parent_id: SpiffeId,
    /// What a workload must all have; never empty.
    pub selectors: Selectors,
    /// Lifetime of its X.509-SVIDs, whole seconds; `None` for the server's default.
    pub x509_svid_ttl: Option<Duration>,
    /// Lifetime of its JWT-SVIDs, whole seconds; `None` for the server's default.
    pub jwt_svid_ttl: Option<Duration>,
    /// The foreign trust domains whose bundles its workloads get.
    pub federates_with: BTreeSet<TrustDomain>,
    /// Whether its identity may administer the server.
    pub admin: bool,
    /// Whether its identity may ask for an intermediate authority.
    pub downstream: bool,
    /// When it ends; `None` for never.
    pub expires_at: Option<SystemTime>,
    /// DNS names for its X.509-SVIDs, in order: the first is the common name.
    pub dns_names: Vec<String>,
    /// 0 when created, one more with every update. Kept by the datastore.
    pub revision_number: u64,
    /// Whether its SVIDs go to a store instead of the Workload API.
    pub store_svid: bool,
    /// Tells a workload with several identities which is meant for what.
    pub hint: String,
    /// When it was created.
    pub created_at: SystemTime,
    /// Whether agents leave its X.509-SVID until someone asks for it.
    pub disable_x509_svid_prefetch: bool,
    /// Whether its JWT-SVIDs carry a `jti`.
    pub jwt_svid_include_jti: bool,
    /// The forms in which its X.509-SVIDs may be issued; empty for every form.
    pub allowed_forms: BTreeSet<Form>,
    /// The algorithms that keys in its X.509-SVIDs may have, by name; empty for all.
    pub leaf_key_algorithms: BTreeSet<String>,
    /// The first moment at which it has effect; `None` for at once.
    pub not_before: Option<SystemTime>,
    /// The first moment at which it has none any more, and when its SVIDs end at the latest; `None` for never.
    pub not_after: Option<SystemTime>,
    /// Whose declarations keep it; empty where nobody's do.
    pub owner: String,
}

impl EntryRecord {
    /// An entry with nothing but what every entry has.
    pub fn new(
        id: impl Into<String>,
        spiffe_id: SpiffeId,
        parent_id: SpiffeId,
        selectors: BTreeSet<Selector>,
        created_at: SystemTime,
    ) -> Self {
        Self {
            id: id.into(),
            spiffe_id,
            parent_id,
            selectors: selectors.into(),
            x509_svid_ttl: None,
            jwt_svid_ttl: None,
            federates_with: BTreeSet::new(),
            admin: false,
            downstream: false,
            expires_at: None,
            dns_names: Vec::new(),
            revision_number: 0,
            store_svid: false,
            hint: String::new(),
            created_at,
            disable_x509_svid_prefetch: false,
            jwt_svid_include_jti: false,
            allowed_forms: BTreeSet::new(),
            leaf_key_algorithms: BTreeSet::new(),
            not_before: None,
            not_after: None,
            owner: String::new(),
        }
    }

    /// Whether it has effect at the moment `now`: it has not ended, and its window is open.
    pub fn is_in_effect(&self, now: SystemTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
            && self.not_before.is_none_or(|begin| begin <= now)
            && self.not_after.is_none_or(|end| now < end)
    }

    /// Lifetime of an X.509-SVID that is issued at the moment `now`: its own or `default`, and no longer than its
    /// window is open.
    pub fn x509_svid_ttl(&self, default: Duration, now: SystemTime) -> Duration {
        self.within_window(self.x509_svid_ttl.unwrap_or(default), now)
    }

    /// Lifetime of a JWT-SVID, likewise.
    pub fn jwt_svid_ttl(&self, default: Duration, now: SystemTime) -> Duration {
        self.within_window(self.jwt_svid_ttl.unwrap_or(default), now)
    }

    /// Lifetime of an SVID of another kind that is to live for `wanted`, no longer than the window is open.
    pub fn within_window(&self, wanted: Duration, now: SystemTime) -> Duration {
        // Certificates end at whole seconds, counted from the one that `now` is in.
        let open = |end| Duration::from_secs(unix_seconds(end).saturating_sub(unix_seconds(now)));
        self.not_after.map_or(wanted, |end| wanted.min(open(end)))
    }

    /// SHA-256 over parent, identity and selectors: two entries that agree in all three are the same registration.
    pub(crate) fn likeness(&self) -> [u8; 32] {
        let mut text = Vec::new();
        // Each part has its length before it, so that no two lists of parts run together to the same bytes.
        let mut add = |part: &str| {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        };
        add(&self.parent_id.to_string());
        add(&self.spiffe_id.to_string());
        for selector in &self.selectors {
            add(&selector.kind);
            add(&selector.value);
        }
        sha256(&text)
    }
}

/// What creating an entry came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EntryCreation {
    /// It is there now.
    Created(EntryRecord),
    /// There was one with the same parent, identity and selectors; this is it, unchanged. SPIRE answers
    /// `AlreadyExists` and shows it.
    Existing(EntryRecord),
}

/// Which entries a listing shows; every condition that is given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EntryFilter {
    /// With this identity.
    pub spiffe_id: Option<SpiffeId>,
    /// Under this parent.
    pub parent_id: Option<SpiffeId>,
    /// With selectors that match.
    pub selectors: Option<SetFilter<Selector>>,
    /// Federating with trust domains that match.
    pub federates_with: Option<SetFilter<TrustDomain>>,
    /// With this hint.
    pub hint: Option<String>,
    /// Downstream, or not.
    pub downstream: Option<bool>,
}

/// The registration entries.
#[async_trait]
pub trait EntryStore: Send + Sync {
    /// Creates an entry, with revision number 0 whatever `entry` says, unless there is one with the same parent,
    /// identity and selectors.
    ///
    /// # Errors
    /// [`DatastoreError::AlreadyExists`](super::DatastoreError::AlreadyExists) when an unlike entry has its id;
    /// [`DatastoreError::Invalid`](super::DatastoreError::Invalid) without an id or selectors, since an entry
    /// without selectors would match every workload.
    async fn create_entry(&self, entry: &EntryRecord) -> Result<EntryCreation>;

    /// Replaces the entry that has `entry.id`, provided that it is still at `entry.revision_number`, and returns
    /// it with the next one. `created_at` stays what it was.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`](super::DatastoreError::NotFound);
    /// [`DatastoreError::Conflict`](super::DatastoreError::Conflict) when someone else updated it first: read it
    /// again; [`DatastoreError::AlreadyExists`](super::DatastoreError::AlreadyExists), naming it, when another
    /// entry has the new parent, identity and selectors; and as for [`EntryStore::create_entry`].
    async fn update_entry(&self, entry: &EntryRecord) -> Result<EntryRecord>;

    /// Deletes an entry and returns it as it last was.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`](super::DatastoreError::NotFound).
    async fn delete_entry(&self, id: &str) -> Result<EntryRecord>;

    /// The entry with this id.
    async fn entry(&self, id: &str) -> Result<Option<EntryRecord>>;

    /// A page of the entries, oldest first.
    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<EntryRecord>>;

    /// How many entries `filter` lets through.
    async fn count_entries(&self, filter: &EntryFilter) -> Result<u64>;

    /// Deletes the entries that ended before `expired_before`; returns how many there were.
    async fn prune_entries(&self, expired_before: SystemTime) -> Result<u64>;
}
