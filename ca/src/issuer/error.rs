//! What can keep something from being issued, and whose doing it is.

use symbolon_crypto::{SignError, random};
use symbolon_issuance::{IssuanceError, SerialError, SigningError};
use symbolon_pki::suite::Family;

use crate::datastore::{DatastoreError, RecordKind};
use crate::record::RecordError;

/// Why something was not issued. Nothing was handed out then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The request, the profile or the authority forbids it, or signing failed; the error says whose fault it is.
    #[error(transparent)]
    Issuance(#[from] IssuanceError),
    /// The token or TPM that holds the authority's key did not sign.
    #[error("the key store of the {family} authority cannot sign now; try again later")]
    KeyStore {
        /// The authority's family.
        family: Family,
        /// How it failed.
        source: IssuanceError,
    },
    /// The family is not configured on this server.
    #[error("this server has no {0} authority; add the family to its configuration")]
    NoAuthority(Family),
    /// The key belongs to an authority, or half of it does.
    #[error("the key, or half of it, is the key of an authority; make a new one")]
    AuthorityKey,
    /// A part of the key is, or was, part of another key that was certified.
    #[error(
        "the key, or half of it, is part of another key that this server has certified; a component key serves in one \
         key only: make a new one"
    )]
    KeyInUse,
    /// It could not be recorded.
    #[error(transparent)]
    Record(RecordError),
    /// No serial number could be drawn.
    #[error(transparent)]
    Serial(#[from] SerialError),
    /// The random generator failed.
    #[error(transparent)]
    Randomness(#[from] random::RandomError),
    /// The signer threads are gone: the server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl IssueError {
    /// A failure to sign with a family's authority.
    pub(super) fn signing(family: Family, error: IssuanceError) -> Self {
        match error {
            source @ IssuanceError::Signing(SigningError::Key(SignError::Backend(_))) => {
                Self::KeyStore { family, source }
            }
            other => Self::Issuance(other),
        }
    }
}

impl From<RecordError> for IssueError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Datastore(DatastoreError::AlreadyExists {
                kind: RecordKind::ComponentKey,
                ..
            }) => Self::KeyInUse,
            other => Self::Record(other),
        }
    }
}
