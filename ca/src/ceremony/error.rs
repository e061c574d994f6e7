//! Why a ceremony did not go on.

use std::io;
use std::path::PathBuf;

use symbolon_crypto::random::RandomError;
use symbolon_crypto::{Component, SignError};
use symbolon_hsm::{NameError, PassphraseError, StoreError, StoreName};
use symbolon_issuance::{IssuanceError, SerialError};
use symbolon_pki::key::{KeyError, SignatureError};
use symbolon_pki::pem::PemError;
use symbolon_pki::verify::ChainError;

use super::audit::AuditError;
use super::plan::{Name, PlanError};
use super::policy::PolicyError;
use super::quorum::QuorumError;
use super::shamir::ShamirError;
use super::share::ShareError;
use super::transcript::TranscriptError;

/// Why a ceremony did not go on. What had been written by then says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// The ceremony's file is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The transcript cannot be read or written.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// The transcript is not to be believed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The custodians are not those that it takes.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// A custodian's share is wrong, or could not be written.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// A secret was not given.
    #[error(transparent)]
    Secret(#[from] PassphraseError),
    /// A store cannot be opened, or cannot do what it is asked.
    #[error("store {store}: {source}")]
    Store {
        /// Its name in the ceremony's file.
        store: StoreName,
        /// What is wrong.
        source: Box<StoreError>,
    },
    /// A request that the root does not sign.
    #[error("the request {path} is refused: {source}", path = path.display())]
    Request {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: Box<PolicyError>,
    },
    /// A file that is no request.
    #[error("{path} is no certificate request: {source}", path = path.display())]
    NoRequest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PemError,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Issuance(Box<IssuanceError>),
    /// A certificate that was made does not verify.
    #[error("the certificate of {name} that was made does not verify: {source}")]
    Unverified {
        /// Whose.
        name: Name,
        /// Why.
        source: Box<ChainError>,
    },
    /// The root did not sign.
    #[error("the root did not sign")]
    Sign(#[from] SignError),
    /// What the root's keys signed is no signature of the root.
    #[error("what the root's keys signed is wrong, so a token or this machine has a fault: {0}")]
    Signature(#[from] SignatureError),
    /// The clock is where the root does not live.
    #[error("the clock of this machine says {now}, and the root lives from {from} to {until}; set the clock")]
    Clock {
        /// What it says.
        now: String,
        /// When the root's life begins.
        from: String,
        /// When it ends.
        until: String,
    },
    /// The keys do not make up the root.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key in a store is not the root's, although the store has it under the root's id.
    #[error("the {component} key in the store {store} is not the root's")]
    WrongKey {
        /// The store.
        store: StoreName,
        /// Which key.
        component: Component,
    },
    /// The shares are those that were given out, and yet do not open the root's store.
    #[error("the shares do not open the root's keys: is {path} the directory of this ceremony?", path = .0.display())]
    OtherKeys(PathBuf),
    /// There is something already where the ceremony would write.
    #[error("{path} exists already, and a ceremony overwrites nothing; choose another output directory", path = .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("cannot {doing} {path}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody said no.
    #[error("nothing was done: it was not confirmed")]
    Declined,
    /// Nobody said what to sign.
    #[error("there is nothing to sign: name at least one request")]
    NothingToSign,
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// No serial number could be made.
    #[error(transparent)]
    Serial(#[from] SerialError),
    /// A key's label could not be made.
    #[error(transparent)]
    Label(#[from] NameError),
    /// The secret could not be shared or put together.
    #[error("cannot share the secret that opens the root's keys: {0}")]
    Sharing(String),
}

impl From<IssuanceError> for CeremonyError {
    fn from(error: IssuanceError) -> Self {
        Self::Issuance(Box::new(error))
    }
}

impl From<ShamirError> for CeremonyError {
    fn from(error: ShamirError) -> Self {
        Self::Sharing(error.to_string())
    }
}

impl CeremonyError {
    /// Names what was tried and where, for use with `map_err`.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
