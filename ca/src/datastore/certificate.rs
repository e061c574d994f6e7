//! The record of every certificate: what was about to be signed, and what then was.
//!
//! A certificate is recorded twice. The *intent* is committed before anything is signed, the signed bytes before
//! they are handed out. An intent that stays alone means that the server died, or signing failed, in between: such
//! a certificate may exist, but nobody was given it by this server.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::SpiffeId;
use symbolon_pki::suite::{Form, Suite};

use super::{DatastoreError, Page, PageRequest, Result, SerialNumber};

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub enum CertificateProfile {
    /// A signing authority.
    Authority,
    /// The server's own identity.
    Server,
    /// A node agent.
    Agent,
    /// A workload.
    Workload,
}

impl CertificateProfile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Authority, Self::Server, Self::Agent, Self::Workload];

    /// The name used in the record and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Server => "server",
            Self::Agent => "agent",
            Self::Workload => "workload",
        }
    }
}

impl fmt::Display for CertificateProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CertificateProfile {
    type Err = DatastoreError;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || DatastoreError::invalid("the certificate profile", format!("{name:?} is not one"));
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(unknown)
    }
}

/// What is known of a certificate before it is signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateIntent {
    /// Its serial number, unique in a datastore.
    pub serial: SerialNumber,
    /// What it is for.
    pub profile: CertificateProfile,
    /// Whose identity it states; the trust domain's own for an authority.
    pub spiffe_id: SpiffeId,
    /// The form of the subject's key.
    pub form: Form,
    /// What the issuer signs it with.
    pub suite: Suite,
    /// The subject's key algorithm, by name: a suite's, or RSA with its size.
    pub key_algorithm: String,
    /// The algorithm of the alternative key in the same words, where the certificate has one.
    pub alternative_algorithm: Option<String>,
    /// The authority id of the issuer.
    pub issuer: String,
    /// Start of validity.
    pub not_before: SystemTime,
    /// End of validity.
    pub not_after: SystemTime,
    /// The registration entry by which a workload gets it.
    pub entry_id: Option<String>,
    /// The agent that asked for it, if one did.
    pub agent_id: Option<SpiffeId>,
    /// When the server decided to sign it.
    pub recorded_at: SystemTime,
}

/// The signed bytes of a certificate whose intent is recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuedRecord {
    /// The serial number of the intent.
    pub serial: SerialNumber,
    /// SHA-256 of `der`.
    pub sha256: [u8; 32],
    /// The certificate.
    pub der: Vec<u8>,
}

/// How far a recorded certificate got.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum CertificateState {
    /// About to be signed when it was last heard of.
    Intent,
    /// Signed, and its bytes are on record.
    Issued,
}

impl CertificateState {
    /// The name used in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Issued => "issued",
        }
    }
}

/// One line of a listing: all but the bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateSummary {
    /// What was recorded before signing.
    pub intent: CertificateIntent,
    /// SHA-256 of the certificate; `None` when only the intent is on record.
    pub sha256: Option<[u8; 32]>,
}

impl CertificateSummary {
    /// How far it got.
    pub fn state(&self) -> CertificateState {
        if self.sha256.is_some() {
            CertificateState::Issued
        } else {
            CertificateState::Intent
        }
    }
}

/// Everything on record about one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateRecord {
    /// All but the bytes.
    pub summary: CertificateSummary,
    /// The certificate, DER; there whenever the state is [`CertificateState::Issued`].
    pub der: Option<Vec<u8>>,
}

/// The claim of a public key on its components: none of them is part of any other key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubjectKeyClaim {
    /// SHA-256 of the whole key's SubjectPublicKeyInfo, and of an alternative key's after it where there is one. The same
    /// key may be certified again, as at a renewal.
    pub key_sha256: [u8; 32],
    /// SHA-256 of each component's SubjectPublicKeyInfo.
    pub components: Vec<[u8; 32]>,
}

impl SubjectKeyClaim {
    /// The owner under which the components are claimed.
    pub fn owner(&self) -> String {
        format!("key/{}", hex::encode(self.key_sha256))
    }
}

/// Something to be recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateWrite {
    /// A certificate is about to be signed whose key was claimed before: an authority's.
    Intent(CertificateIntent),
    /// A certificate is about to be signed, and the components of its key are claimed with that.
    IntentWithKey(CertificateIntent, SubjectKeyClaim),
    /// It has been.
    Issued(IssuedRecord),
}

impl CertificateWrite {
    pub(crate) fn intent(&self) -> Option<&CertificateIntent> {
        match self {
            Self::Intent(intent) | Self::IntentWithKey(intent, _) => Some(intent),
            Self::Issued(_) => None,
        }
    }

    pub(crate) fn claim(&self) -> Option<&SubjectKeyClaim> {
        match self {
            Self::IntentWithKey(_, claim) => Some(claim),
            Self::Intent(_) | Self::Issued(_) => None,
        }
    }

    pub(crate) fn issued(&self) -> Option<&IssuedRecord> {
        match self {
            Self::Intent(_) | Self::IntentWithKey(..) => None,
            Self::Issued(issued) => Some(issued),
        }
    }
}

/// Which certificates a listing shows; every condition that is given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateFilter {
    /// Of this profile.
    pub profile: Option<CertificateProfile>,
    /// Of this identity.
    pub spiffe_id: Option<SpiffeId>,
    /// Of this form.
    pub form: Option<Form>,
    /// Issued by this authority.
    pub issuer: Option<String>,
    /// By this registration entry.
    pub entry_id: Option<String>,
    /// As far as this.
    pub state: Option<CertificateState>,
    /// Ending at this moment or later: the ones that are still good, when it is now.
    pub not_after_from: Option<SystemTime>,
    /// Ending before this moment.
    pub not_after_before: Option<SystemTime>,
}

/// The record of certificates.
#[async_trait]
pub trait CertificateStore: Send + Sync {
    /// Records `writes` in one transaction, all intents before all bytes, and returns only when it is durable.
    ///
    /// The answer has one result for each write, in the order of `writes`. A write that cannot be recorded does not keep the
    /// others from being: [`DatastoreError::AlreadyExists`] for a serial number whose intent, or whose bytes, are
    /// on record; [`DatastoreError::NotFound`] for bytes without an intent. A component that another key, or an
    /// authority, has claimed is [`DatastoreError::AlreadyExists`] of a
    /// [`ComponentKey`](super::RecordKind::ComponentKey): then neither intent nor claims of that write are recorded.
    ///
    /// # Errors
    /// When nothing at all was recorded.
    async fn record_certificates(&self, writes: &[CertificateWrite]) -> Result<Vec<Result<()>>>;

    /// Everything about the certificate with this serial number.
    async fn certificate(&self, serial: &SerialNumber) -> Result<Option<CertificateRecord>>;

    /// A page of the record, newest first.
    async fn list_certificates(
        &self,
        filter: &CertificateFilter,
        page: &PageRequest,
    ) -> Result<Page<CertificateSummary>>;

    /// How many certificates `filter` lets through.
    async fn count_certificates(&self, filter: &CertificateFilter) -> Result<u64>;

    /// Forgets at most `limit` certificates that ended before `expired_before`, the ones that ended first; returns
    /// how many there were. The limit keeps each transaction short: call it until it returns less.
    async fn prune_certificates(&self, expired_before: SystemTime, limit: u32) -> Result<u64>;
}
