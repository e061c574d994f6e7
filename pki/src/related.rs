//! Related certificates (RFC 9763): two certificates of one holder, of which the second names the first.
//!
//! Either is an ordinary certificate to software that does not look, and each can be used by itself. Who holds the first
//! asks for the second with an attribute that is signed with the first's key; the second has an extension with the hash
//! of the whole first one. Together they are worth both halves, to a verifier that wants both ([`verify_pair`]) and has seen
//! the holder sign with both keys.

mod link;
mod pair;
mod request;

use std::time::SystemTime;

use const_oid::ObjectIdentifier;

pub use self::link::RelatedCertificate;
pub use self::pair::{PairError, VerifiedPair, verify_pair};
pub(crate) use self::request::attribute;
pub use self::request::{MAX_LOCATIONS, MAX_REQUEST_AGE, MAX_REQUEST_AHEAD, Related, RelatedRequest};
use crate::key::KeyError;
use crate::suite::Form;
use crate::time::rfc3339;

/// id-pe-relatedCert: the extension.
pub const EXTENSION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.36");
/// id-aa-relatedCertRequest: the request attribute.
pub const REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.60");

/// Why two certificates are not a pair, or a second one is not issued.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RelatedError {
    /// The certificate at hand is not the one that the request names, or not the key's.
    #[error("the first certificate is another one than the request names by issuer and serial number")]
    OtherCertificate,
    /// Authorities are not paired.
    #[error("the first certificate is an authority's; only leaves are paired")]
    Authority,
    /// The first certificate's key is of no use.
    #[error("the first certificate's key cannot be used: {0}")]
    Key(KeyError),
    /// The first half must be the classical one.
    #[error("the first certificate is of form {0}; the first of a pair is classical")]
    NotClassical(Form),
    /// The first certificate is nobody's identity.
    #[error("the first certificate is no SVID: {0}")]
    NoSpiffeId(String),
    /// The first certificate has ended or not begun.
    #[error(
        "the first certificate is valid from {from} to {to}, and it is {now}",
        from = rfc3339(*not_before), to = rfc3339(*not_after), now = rfc3339(*now)
    )]
    NotValid {
        /// First second of its validity.
        not_before: SystemTime,
        /// Last second of its validity.
        not_after: SystemTime,
        /// The present moment.
        now: SystemTime,
    },
    /// The request was made too long ago, or later than now.
    #[error(
        "the request to be paired is dated {at}, and it is {now}: at most {MAX_REQUEST_AGE:?} old and \
         {MAX_REQUEST_AHEAD:?} ahead is accepted",
        at = rfc3339(*requested_at), now = rfc3339(*now)
    )]
    NotFresh {
        /// When it says it was made.
        requested_at: SystemTime,
        /// The present moment.
        now: SystemTime,
    },
    /// The request was not signed with the first certificate's key.
    #[error("the request to be paired is not signed with the first certificate's key ({key})")]
    Signature {
        /// The type of that key.
        key: String,
    },
    /// The link's hash function is not known.
    #[error("the relatedCertificate extension has a hash of an unknown algorithm, {0}")]
    UnknownHash(ObjectIdentifier),
    /// The link is to another certificate.
    #[error("the second certificate names another one: its {hash} is not the first certificate's")]
    OtherHash {
        /// The hash function.
        hash: &'static str,
    },
}
