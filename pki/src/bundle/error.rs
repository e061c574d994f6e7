//! What can be wrong with a bundle document.

use super::read::{MAX_AUTHORITIES, MAX_BUNDLE_LEN};
use crate::certificate::CertificateError;
use crate::key::KeyError;

/// A document that is no trust bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Longer than any bundle that is read.
    #[error("the bundle document has {0} bytes; at most {MAX_BUNDLE_LEN} are read")]
    TooLong(usize),
    /// Not JSON, or its top-level members have the wrong types.
    #[error("the bundle document is not a SPIFFE bundle: {0}")]
    Json(#[from] serde_json::Error),
    /// SPIFFE Trust Domain and Bundle, section 4.1: `keys` must be there, if only empty.
    #[error("the bundle document has no `keys`")]
    NoKeys,
    /// More entries than are read.
    #[error("the bundle document has {0} keys; at most {MAX_AUTHORITIES} are read")]
    TooManyKeys(usize),
    /// One of its entries is wrong.
    #[error("{member}[{index}] of the bundle document: {problem}")]
    Entry {
        /// The list it stands in: `keys` or `pq_keys`.
        member: &'static str,
        /// Its place there, from 0.
        index: usize,
        /// What is wrong with it.
        problem: EntryError,
    },
}

/// What is wrong with one entry of a bundle document.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Not a JSON object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A member of the wrong type, or text that is not what the member holds.
    #[error("its `{member}` is not {expected}")]
    Member {
        /// The member's name.
        member: &'static str,
        /// What ought to be there.
        expected: &'static str,
    },
    /// A member that its `use` and `kty` call for (RFC 7518, section 6; SPIFFE Trust Domain and Bundle, section 4.2).
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// The members are no key.
    #[error("its key is invalid: {0}")]
    Key(KeyError),
    /// The certificate in `x5c` cannot be read.
    #[error("its certificate is invalid: {0}")]
    Certificate(CertificateError),
    /// `kty` names one type of key, and the certificate holds another.
    #[error("its `kty` is {kty:?}, and its certificate holds a key of type {certificate}")]
    KeyType {
        /// The `kty`.
        kty: String,
        /// The type of the certificate's key.
        certificate: String,
    },
    /// The key in the members is not the certificate's.
    #[error("its key is not that of its certificate")]
    OtherKey,
    /// Two authorities that sign tokens of one kind cannot be told apart.
    #[error("another key of the document has the same `kid`, {0:?}")]
    SameKeyId(String),
}
