//! Node attestation: how a node proves to a server which node it is.
//!
//! Each method is one module with both halves: the [`Prover`] that runs in the agent and the [`Verifier`] that runs in
//! the server. They meet over whatever carries their messages; [`Challenger`] is the verifier's end of it.
//! [`conformance`] is the suite that every method passes.
//!
//! This crate must not know how messages travel, where records are kept, or what an SVID is: what a method needs to
//! look up or use up is passed in as a trait of its own.

mod aside;
pub mod aws_iid;
pub mod azure_msi;
mod bytes;
mod certificates;
pub mod conformance;
mod ecdsa;
mod first_use;
pub mod gcp_iit;
pub mod http;
pub mod http_challenge;
pub mod join_token;
pub mod k8s_psat;
mod key_set;
mod path_template;
mod selectors;
pub mod sshpop;
pub mod tpm;
pub mod tpm_devid;
pub mod x509pop;

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::SpiffeId;
use zeroize::Zeroizing;

pub use self::first_use::KnownAgents;
pub use self::path_template::{PathTemplate, TemplateError};

/// Longest evidence, challenge or response in bytes. The longest of a method in sight is a TPM's: a few certificates
/// and quotes.
pub const MAX_MESSAGE: usize = 128 * 1024;

/// What attestation found out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attested {
    /// Who the node is: `spiffe://<trust domain>/spire/agent/<method>/…`.
    pub agent_id: SpiffeId,
    /// Who else it could have said to be with what is the same evidence, written otherwise. None of them may be on record:
    /// it is the same node.
    pub siblings: Vec<SpiffeId>,
    /// What was observed of it, as pairs of type and value.
    pub selectors: BTreeSet<(String, String)>,
    /// Whether the node can do it again with the same evidence, rather than renew what it was given.
    pub can_reattest: bool,
}

/// The node's half of a method.
#[async_trait]
pub trait Prover: Send {
    /// The name of the method, as it stands in `AttestationData.type`.
    fn method(&self) -> &'static str;

    /// What the node opens with. May be a secret.
    ///
    /// # Errors
    /// [`ProverError`] when the node does not have what the method needs.
    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError>;

    /// Tells it before anything else which request for a certificate comes with its evidence, by SHA-256 of its DER. A
    /// method whose messages have room for that binds its answers to it: nobody in between can then put another request in
    /// its place.
    fn bind(&mut self, _csr_sha256: [u8; 32]) {}

    /// Answers a challenge of the server.
    ///
    /// # Errors
    /// [`ProverError::UnexpectedChallenge`] for methods without challenges.
    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, ProverError>;
}

/// What a node wants, and where it comes from, beside its evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Occasion {
    /// SHA-256 of the DER of its request for a certificate.
    pub csr_sha256: [u8; 32],
    /// Where it calls from, as far as that is known.
    pub address: Option<IpAddr>,
}

/// The verifier's way to the node while attestation goes on.
#[async_trait]
pub trait Challenger: Send {
    /// What the node wants, and where it comes from.
    fn occasion(&self) -> Occasion;

    /// Sends a challenge and waits for the answer.
    ///
    /// # Errors
    /// [`AttestationError::Abandoned`] when the node does not answer.
    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError>;
}

/// The server's half of a method.
#[async_trait]
pub trait Verifier: Send + Sync + Debug {
    /// The name of the method, as it stands in `AttestationData.type`.
    fn method(&self) -> &'static str;

    /// Verifies what a node brings forward at the moment `now`. Evidence that counts once is used up by this,
    /// and never unless it is good.
    ///
    /// # Errors
    /// [`AttestationError`], which says whose fault it is.
    async fn verify(
        &self,
        evidence: &[u8],
        challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError>;
}

/// Why a node cannot prove itself. The fault is on its side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProverError {
    /// What the node was given to prove itself with is unusable.
    #[error("the {method} evidence is unusable: {reason}")]
    Evidence {
        /// Which method.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The server asked something that this method has no answer to.
    #[error("the server sent a challenge, and {method} has none")]
    UnexpectedChallenge {
        /// Which method.
        method: &'static str,
    },
}

/// Why a node was not attested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// What the node sent does not have the method's format.
    #[error("{field} is malformed: {reason}")]
    Malformed {
        /// Which part of what it sent.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// What the node sent proves nothing.
    #[error("{0}")]
    Refused(String),
    /// What the node sent is well-formed, and it is not to be let in for it: its certificate is not accepted, its proof fails.
    #[error("{0}")]
    Denied(String),
    /// The node went away, or took too long.
    #[error("the node did not answer the challenge")]
    Abandoned,
    /// As much of what it takes goes on as may, or went on just before, here in words; the node may be right, and should come
    /// again.
    #[error("{0}; try again later")]
    Busy(String),
    /// What the verifier depends on failed; the node may be right.
    #[error("the evidence could not be checked")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

/// Refuses messages longer than [`MAX_MESSAGE`].
///
/// # Errors
/// [`AttestationError::Malformed`], naming `field`.
pub fn check_len(field: &'static str, message: &[u8]) -> Result<(), AttestationError> {
    if message.len() > MAX_MESSAGE {
        let reason = format!("it has {} bytes; {MAX_MESSAGE} are allowed", message.len());
        return Err(AttestationError::Malformed { field, reason });
    }
    Ok(())
}
