//! What ends an agent.

use std::io;
use std::path::PathBuf;

use spiffe::SpiffeId;
use symbolon_host::pages::ListenError;
use symbolon_host::{DataDirError, SocketError};
use symbolon_hsm::{NameError, PassphraseError, StoreError};

use crate::attest::EvidenceError;
use crate::config::Problem;
use crate::identity::NotAnSvid;
use crate::server::CallError;

/// Why an agent does not start, or has stopped by itself. What passes by itself is retried and is none of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The configuration makes no sense.
    #[error("the agent's configuration is wrong")]
    Config(#[from] Problem),
    /// A file or directory of the agent's cannot be used.
    #[error("cannot use {path}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the agent's cannot be written.
    #[error(transparent)]
    Write(#[from] DataDirError),
    /// A file of the agent's says nothing that can be understood.
    #[error("{path} is damaged: {reason}; remove it to attest this node anew", path = .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The bundle that the server is to be recognised by cannot be used.
    #[error("the bootstrap bundle {path} cannot be used: {reason}", path = .path.display())]
    Bootstrap {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The name of the trust domain leaves no room for the server's identity.
    #[error("the trust domain's name is too long for the server to have an identity in it")]
    TrustDomain,
    /// The passphrase for the agent's key cannot be had.
    #[error("the passphrase for the agent's key cannot be had")]
    Passphrase(#[from] PassphraseError),
    /// The key store failed.
    #[error("the agent's key store cannot be used")]
    Keys(#[from] StoreError),
    /// A key's label would not be one.
    #[error("a key of the agent cannot be named")]
    KeyLabel(#[source] NameError),
    /// A key does not do what keys do.
    #[error("the agent's key cannot be used: {0}")]
    Key(String),
    /// The Workload API's socket cannot be bound.
    #[error("the Workload API cannot be served")]
    Socket(#[from] SocketError),
    /// An address of `[health]` or `[metrics]` cannot be had.
    #[error("the agent cannot be watched as configured")]
    Watch(#[from] ListenError),
    /// The node has nothing to attest with, or nothing fresh.
    #[error("this node cannot attest")]
    Evidence(#[from] EvidenceError),
    /// The server does not take this node for an agent, or is not the server it should be.
    #[error("this node was not attested")]
    Attestation(#[source] CallError),
    /// The server gave something that is no agent's SVID.
    #[error("this node was not attested: what the server gave is not an agent's SVID")]
    Granted(#[source] NotAnSvid),
    /// The server has shut this agent out for good; its SVID and key are destroyed.
    #[error(
        "the server has banned {spiffe_id}; its SVID and key were deleted, and this node can attest only as a new agent"
    )]
    Banned {
        /// Who it was.
        spiffe_id: SpiffeId,
    },
    /// The Workload API stopped.
    #[error("the Workload API stopped")]
    Serve(#[source] tonic::transport::Error),
    /// A task of the agent broke down: a defect.
    #[error("a part of the agent broke down: {0}")]
    Defect(String),
}
