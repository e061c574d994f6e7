//! How an agent is doing.

use std::sync::Arc;
use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_pki::suite::Form;

use crate::error::AgentError;

/// Where an agent stands.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Phase {
    /// It has not been in sync with its server since it started. The Workload API answers `Unavailable`.
    #[default]
    Starting,
    /// It serves what it has, whether or not the server can be reached at this moment.
    Ready,
    /// It serves what it has, and its own SVID is at an end: it has to attest again and has nothing fresh to do it
    /// with. It keeps asking its [`EvidenceSource`](crate::EvidenceSource).
    NeedsEvidence(String),
    /// It has stopped, by itself if there is an error.
    Stopped(Option<Arc<AgentError>>),
}

/// How an agent is doing at one moment.
#[derive(Clone, Debug, Default)]
pub struct AgentStatus {
    /// Where it stands.
    pub phase: Phase,
    /// Who it is, once it has attested.
    pub spiffe_id: Option<SpiffeId>,
    /// The form of its own SVID.
    pub form: Option<Form>,
    /// When its own SVID ends.
    pub not_after: Option<SystemTime>,
    /// How many entries it may serve.
    pub entries: usize,
    /// When it was last in sync with its server.
    pub synced_at: Option<SystemTime>,
    /// How often it was in sync.
    pub syncs: u64,
    /// What has gone wrong since then, if anything.
    pub last_error: Option<String>,
    /// Seconds by which this machine's clock is ahead of the server's, if the server tells the time.
    pub clock_offset_seconds: Option<i64>,
}
