//! What can be wrong with a list's bytes.

use const_oid::ObjectIdentifier;

use super::{MAX_CRL_ENTRIES, MAX_CRL_EXTENSIONS, MAX_CRL_LEN, MAX_CRL_NUMBER_LEN};
use crate::signature::AlgorithmError;

/// Why bytes are not a revocation list that this software reads.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// More than [`MAX_CRL_LEN`] bytes.
    #[error("the revocation list has {len} bytes, more than the {MAX_CRL_LEN} that are read")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// The bytes do not have the structure of a list, or are not in DER.
    #[error("not a DER certificate revocation list: {0}")]
    Malformed(#[from] der::Error),
    /// A version before 2, which has no extensions.
    #[error("the revocation list is not of version 2")]
    Version,
    /// The signed part names another signature algorithm than the outside.
    #[error("the revocation list names one signature algorithm inside and another outside")]
    AlgorithmMismatch,
    /// A signature algorithm that is not known, or that has parameters it may not have.
    #[error("the revocation list cannot be verified: {0}")]
    Algorithm(AlgorithmError),
    /// The signature is not a whole number of bytes.
    #[error("the revocation list's signature is not a whole number of bytes")]
    SignatureBits,
    /// The issuer has no name.
    #[error("the revocation list's issuer has no name")]
    NoIssuer,
    /// A time that is not a UTCTime to 2049 or a GeneralizedTime after (RFC 5280, sections 5.1.2.4 to 5.1.2.6).
    #[error("the revocation list's {which} is not written as RFC 5280 asks for its year")]
    Time {
        /// Which time.
        which: &'static str,
    },
    /// No time of the next update, which RFC 5280 (section 5.1.2.5) requires.
    #[error("the revocation list does not say when the next one is due")]
    NoNextUpdate,
    /// The next update is not after this one.
    #[error("the revocation list's next update is not after this one")]
    UpdateOrder,
    /// A list of no entries where there is to be no list (RFC 5280, section 5.1.2.6).
    #[error("the revocation list has an empty list of certificates")]
    EmptyList,
    /// More than [`MAX_CRL_ENTRIES`] certificates.
    #[error("the revocation list has more than {MAX_CRL_ENTRIES} certificates")]
    TooManyEntries,
    /// A serial number that is negative or has more than 20 octets.
    #[error("the revocation list has a serial number that is negative or longer than 20 octets")]
    Serial,
    /// The same certificate twice.
    #[error("the revocation list has the serial number {serial} twice")]
    DuplicateSerial {
        /// The serial number, in hex.
        serial: String,
    },
    /// More than [`MAX_CRL_EXTENSIONS`] extensions in one place.
    #[error("the revocation list has more than {MAX_CRL_EXTENSIONS} extensions in one place")]
    TooManyExtensions,
    /// The same extension twice.
    #[error("the revocation list has the extension {oid} twice")]
    DuplicateExtension {
        /// The extension.
        oid: ObjectIdentifier,
    },
    /// A critical extension, of the list or of an entry, that is not known (RFC 5280, section 5.2).
    #[error("the revocation list has the critical extension {oid}, which this software does not process")]
    CriticalExtension {
        /// The extension.
        oid: ObjectIdentifier,
    },
    /// An extension that RFC 5280 requires is not there.
    #[error("the revocation list has no {0} extension")]
    Missing(&'static str),
    /// An extension's content is wrong.
    #[error("the revocation list's {name} extension is wrong: {reason}")]
    Extension {
        /// The extension's usual name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A CRL number that is negative or has more than [`MAX_CRL_NUMBER_LEN`] octets.
    #[error("the revocation list's number is negative or longer than {MAX_CRL_NUMBER_LEN} octets")]
    Number,
    /// Only the changes since another list (RFC 5280, section 5.2.4).
    #[error("the revocation list is a delta, and only complete lists are read")]
    Delta,
    /// A list that speaks of less, or of others, than all certificates of its issuer (RFC 5280, section 5.2.5).
    #[error("the revocation list is {0}, which is not read")]
    Partial(&'static str),
    /// An entry with a reason that is none, or that deltas alone have.
    #[error("the revocation list has the reason code {0} on an entry, which no complete list has")]
    Reason(u8),
}
