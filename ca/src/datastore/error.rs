//! What can go wrong in a datastore, told so that a service can choose the right gRPC status from it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use symbolon_pki::text::printable;

/// What a record is, for messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RecordKind {
    /// A signing authority.
    Authority,
    /// A component key's claim (see [`AuthorityStore::claim_component_keys`](super::AuthorityStore::claim_component_keys)).
    ComponentKey,
    /// A certificate's record.
    Certificate,
    /// A registration entry.
    Entry,
    /// An attested agent.
    Agent,
    /// A join token.
    JoinToken,
    /// The bundle of another trust domain.
    FederatedBundle,
    /// A relationship with another trust domain.
    Federation,
    /// The bundle of the server's own trust domain.
    Bundle,
    /// A setting of the server itself.
    Metadata,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "authority",
            Self::ComponentKey => "component key",
            Self::Certificate => "certificate",
            Self::Entry => "entry",
            Self::Agent => "agent",
            Self::JoinToken => "join token",
            Self::FederatedBundle => "bundle of trust domain",
            Self::Federation => "federation relationship with",
            Self::Bundle => "bundle",
            Self::Metadata => "setting",
        })
    }
}

/// Why a datastore did not do what was asked. An operation that fails has changed nothing.
///
/// It can be cloned because one failed commit is told to every caller whose record was in it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatastoreError {
    /// There is no such record. The caller named something that is not there.
    #[error("{kind} {id:?} does not exist")]
    NotFound {
        /// What was looked for.
        kind: RecordKind,
        /// What it was looked for by.
        id: String,
    },
    /// There is one already, and two are not allowed.
    #[error("{kind} {id:?} exists already")]
    AlreadyExists {
        /// What there is already.
        kind: RecordKind,
        /// Which one.
        id: String,
    },
    /// The record is there, but not in a state that allows the change.
    #[error("{kind} {id:?} cannot be changed so: {reason}")]
    Conflict {
        /// What was to be changed.
        kind: RecordKind,
        /// Which one.
        id: String,
        /// What stands in the way.
        reason: String,
    },
    /// The caller's own argument makes no sense, whatever the datastore holds.
    #[error("{field} is not acceptable: {reason}")]
    Invalid {
        /// Which argument, in words.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no datastore where one was to be opened, and none may be made there.
    #[error("there is no datastore at {}", path.display())]
    Missing {
        /// Where it should have been.
        path: PathBuf,
    },
    /// A newer version of the program has been here; this one would misread what it wrote.
    #[error(
        "the datastore has schema version {found}, and this program knows only {known}: use a newer program"
    )]
    NewerSchema {
        /// The schema version found.
        found: i64,
        /// The newest one this program knows.
        known: i64,
    },
    /// An older version of the program was here last, and a read-only view may not bring the schema up to date.
    #[error(
        "the datastore has schema version {found}, older than {known}: start the server once to update it"
    )]
    OlderSchema {
        /// The schema version found; 0 for a datastore in which nothing was ever set up.
        found: i64,
        /// The one this program needs.
        known: i64,
    },
    /// What is stored is not what was written: damaged, or not written by this program.
    #[error("the datastore is damaged: {what}: {reason}")]
    Corrupt {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A change was asked of a view that only reads.
    #[error("the datastore is open for reading only")]
    ReadOnly,
    /// Someone else held the datastore for longer than this caller waits. Trying again may help.
    #[error("the datastore is busy: another process or a long transaction holds it")]
    Busy,
    /// The backend failed: disk full, I/O error, connection lost.
    #[error("the datastore failed to {action}")]
    Unavailable {
        /// What was being done, in words.
        action: &'static str,
        /// What the backend said.
        #[source]
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl DatastoreError {
    pub(crate) fn not_found(kind: RecordKind, id: impl fmt::Display) -> Self {
        Self::NotFound {
            kind,
            id: printable(&id.to_string()),
        }
    }

    pub(crate) fn already_exists(kind: RecordKind, id: impl fmt::Display) -> Self {
        Self::AlreadyExists {
            kind,
            id: printable(&id.to_string()),
        }
    }

    pub(crate) fn conflict(kind: RecordKind, id: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::Conflict {
            kind,
            id: printable(&id.to_string()),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn invalid(field: &'static str, reason: impl fmt::Display) -> Self {
        Self::Invalid {
            field,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn corrupt(what: &'static str, reason: impl fmt::Display) -> Self {
        Self::Corrupt {
            what,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn unavailable(action: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable {
            action,
            source: Arc::new(source),
        }
    }
}

/// Short for what every operation of a datastore returns.
pub type Result<T, E = DatastoreError> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_s_own_words_are_not_repeated_at_length() {
        let (kind, long) = (RecordKind::Entry, "\u{1}".repeat(1_000_000));
        for error in [
            DatastoreError::not_found(kind, &long),
            DatastoreError::already_exists(kind, &long),
            DatastoreError::conflict(kind, &long, "it is so"),
        ] {
            assert!(error.to_string().len() < 2048, "{}", error.to_string().len());
        }
    }
}
