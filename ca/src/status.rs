//! From what went wrong inside to what a caller is told.
//!
//! Callers learn in full what was wrong with what they sent. Of the server's own failures they learn that there was
//! one; its causes are for the log.

use std::error::Error;
use std::time::Duration;

use symbolon_api::resource_exhausted;
use symbolon_attestation::AttestationError;
use symbolon_issuance::IssuanceError;
use tonic::Status;

use crate::datastore::DatastoreError;
use crate::issuer::IssueError;

/// A node that comes while others are looked at is asked to wait this long.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

impl From<DatastoreError> for Status {
    fn from(error: DatastoreError) -> Self {
        let message = error.to_string();
        match error {
            DatastoreError::NotFound { .. } => Self::not_found(message),
            DatastoreError::AlreadyExists { .. } => Self::already_exists(message),
            DatastoreError::Conflict { .. } => Self::failed_precondition(message),
            DatastoreError::Invalid { .. } => Self::invalid_argument(message),
            DatastoreError::Busy => Self::unavailable(message),
            other => failure("the datastore failed", &other),
        }
    }
}

impl From<IssueError> for Status {
    fn from(error: IssueError) -> Self {
        let message = error.to_string();
        match error {
            IssueError::AuthorityKey | IssueError::KeyInUse => Self::invalid_argument(message),
            IssueError::NoAuthority(_) => Self::failed_precondition(message),
            IssueError::Stopping => Self::unavailable(message),
            IssueError::Issuance(IssuanceError::Request(_) | IssuanceError::Profile(_)) => {
                Self::invalid_argument(message)
            }
            // The clock is wrong, or the authority could not be replaced in time: neither lasts.
            IssueError::Issuance(IssuanceError::Authority(_) | IssuanceError::Clock) => {
                Self::unavailable(message)
            }
            error @ IssueError::KeyStore { .. } => {
                tracing::error!(error = &error as &dyn Error, "a key store did not sign");
                Self::unavailable(message)
            }
            IssueError::Record(error) => {
                tracing::error!(
                    error = &error as &dyn Error,
                    "a certificate could not be recorded"
                );
                Self::unavailable("the certificate could not be recorded, so it was not issued")
            }
            other => failure("issuance failed", &other),
        }
    }
}

/// The status for a node that was not attested; as in SPIRE what is wrong with the evidence is the caller's argument.
pub(crate) fn of_attestation(error: AttestationError) -> Status {
    let message = error.to_string();
    match error {
        AttestationError::Malformed { .. } | AttestationError::Refused(_) => {
            Status::invalid_argument(message)
        }
        AttestationError::Denied(_) => Status::permission_denied(message),
        AttestationError::Abandoned => Status::deadline_exceeded(message),
        AttestationError::Busy(_) => resource_exhausted(message, BUSY_PAUSE),
        other => failure("attestation failed", &other),
    }
}

/// Logs a failure of the server's own with its causes, and tells the caller that there was one.
pub(crate) fn failure(what: &'static str, error: &(dyn Error + 'static)) -> Status {
    tracing::error!(error, "{what}");
    Status::internal(format!("{what}; the server's log says why"))
}
