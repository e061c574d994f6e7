//! What the server remembers: authorities, certificates, entries, agents, join tokens, other trust domains, and facts
//! about itself.
//!
//! [`Datastore`] is what a backend must do, in one part for each kind of record, so that a caller can ask for no
//! more than it needs. [`sqlite`] is the embedded backend; [`conformance`] is the suite that every backend passes.
//!
//! Rules that hold for every operation:
//!
//! * It is one transaction. When it returns, the change is durable; when it fails, nothing has changed.
//! * Moments are kept in whole seconds since 1970, like the protocols that show them; fractions are dropped.
//! * Clocks and randomness are the caller's.
//! * Listings are bounded ([`MAX_PAGE_SIZE`]); a page token continues after the last record shown.
//!
//! This module does not know how certificates are made, who may call what, or how records look on the wire.

mod agent;
mod authority;
mod certificate;
mod checks;
mod choice;
pub mod conformance;
mod entry;
mod error;
mod federation;
mod join_token;
mod migration;
mod page;
mod selectors;
mod serial;
pub mod sqlite;

use std::fmt::Debug;

use async_trait::async_trait;

pub use agent::{AgentCertificate, AgentChange, AgentFilter, AgentRecord, AgentStore};
pub use authority::{
    AuthorityMaterial, AuthorityRecord, AuthorityRequest, AuthorityState, AuthorityStore,
    AuthorityTransition, ComponentKeyClaim, KeyReference, KeyRole, PublishedAuthorities, UpstreamPath,
};
pub use certificate::{
    CertificateFilter, CertificateIntent, CertificateProfile, CertificateRecord, CertificateState,
    CertificateStore, CertificateSummary, CertificateWrite, IssuedRecord, SubjectKeyClaim,
};
pub use choice::{ChoiceStore, FamilyChoice, FamilyShape};
pub use entry::{EntryCreation, EntryFilter, EntryRecord, EntryStore, Selector};
pub use error::{DatastoreError, RecordKind, Result};
pub(crate) use federation::is_seen;
pub use federation::{
    AppendedAuthorities, AuthorityKind, BundleParts, DeleteMode, FederationChange, FederationProfile,
    FederationRecord, FederationStore, FetchedBundle, LeftBehind, MAX_APPENDED, MAX_APPENDED_LEN,
    MAX_FEDERATED_BUNDLE, MAX_PUBLISHED, RootOrigin, UpstreamRoot, X509Part,
};
pub use join_token::{JoinTokenRecord, JoinTokenStore, TokenUse};
pub use migration::{LivingForms, MigrationChange, MigrationSetting, MigrationStore};
pub use page::{MAX_PAGE_SIZE, Page, PageRequest, PageToken, SetFilter, SetMatch};
pub use selectors::Selectors;
pub use serial::SerialNumber;

/// Keys of the facts that a server keeps about itself ([`MetadataStore`]).
pub mod metadata {
    /// The name of the trust domain that the datastore belongs to. Written once.
    pub const TRUST_DOMAIN: &str = "trust-domain";
    /// When the datastore was made, RFC 3339. Written once.
    pub const CREATED_AT: &str = "created-at";
    /// Eight random hexadecimal digits that tell this datastore's server from others of its name. Written once.
    pub const SERVER_ID: &str = "server-id";
}

/// Facts about the server itself, by key.
#[async_trait]
pub trait MetadataStore: Send + Sync {
    /// The value of `key`.
    async fn metadata(&self, key: &str) -> Result<Option<String>>;

    /// Sets `key` to `value`, whatever it was.
    async fn set_metadata(&self, key: &str, value: &str) -> Result<()>;

    /// Sets `key` to `value` unless it has one, and returns the value it has now. Two servers that start at once
    /// on one datastore thus agree, for example, about whose trust domain it is.
    async fn claim_metadata(&self, key: &str, value: &str) -> Result<String>;
}

/// Everything a server remembers. Several tasks use one at the same time.
#[async_trait]
pub trait Datastore:
    AuthorityStore
    + ChoiceStore
    + CertificateStore
    + EntryStore
    + AgentStore
    + JoinTokenStore
    + FederationStore
    + MigrationStore
    + MetadataStore
    + Debug
{
    /// Asks the backend for a real answer: an error means that it cannot serve.
    async fn ping(&self) -> Result<()>;

    /// Finishes what is under way and lets go of the backend. Later operations fail.
    async fn close(&self);
}
