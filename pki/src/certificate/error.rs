//! What can be wrong with a certificate's bytes, and with its claim to be an SVID.

use const_oid::ObjectIdentifier;

use super::{MAX_CERTIFICATE_LEN, MAX_CERTIFICATES, MAX_EXTENSIONS, MAX_SERIAL_LEN};

/// Why bytes are not a certificate that this software reads.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// More than [`MAX_CERTIFICATE_LEN`] bytes.
    #[error("the certificate has {len} bytes, more than the {MAX_CERTIFICATE_LEN} that are read")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// The bytes do not have the structure of a certificate.
    #[error("not a DER certificate: {0}")]
    Malformed(der::Error),
    /// The bytes mean a certificate but are not its one encoding.
    #[error("the certificate is not in DER: it would be encoded differently")]
    NotDer,
    /// A version before 3, which has no extensions.
    #[error("the certificate has X.509 version {0}, not 3")]
    Version(u8),
    /// A negative serial number.
    #[error("the certificate's serial number is negative")]
    NegativeSerial,
    /// A serial number of more than [`MAX_SERIAL_LEN`] octets.
    #[error("the certificate's serial number has {len} octets, more than {MAX_SERIAL_LEN}")]
    LongSerial {
        /// Its length, in octets.
        len: usize,
    },
    /// The signed part names another signature algorithm than the outside.
    #[error("the certificate names two signature algorithms, {signed} inside and {outer} outside")]
    AlgorithmMismatch {
        /// The OID inside the signed part.
        signed: ObjectIdentifier,
        /// The OID beside the signature (the same, when only parameters differ).
        outer: ObjectIdentifier,
    },
    /// The signature algorithm has parameters that its specification does not allow.
    #[error("the certificate's signature algorithm {oid} has wrong parameters: {reason}")]
    Parameters {
        /// The algorithm.
        oid: ObjectIdentifier,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The signature is not a whole number of bytes.
    #[error("the certificate's signature is not a whole number of bytes")]
    SignatureBits,
    /// The subject's public key is not a whole number of octets (RFC 5280 §4.1.2.7: every algorithm's is).
    #[error("the certificate's public key is not a whole number of octets")]
    KeyBits,
    /// More than [`MAX_EXTENSIONS`] extensions.
    #[error("the certificate has {count} extensions, more than {MAX_EXTENSIONS}")]
    TooManyExtensions {
        /// How many.
        count: usize,
    },
    /// The same extension twice (RFC 5280 §4.2).
    #[error("the certificate has the extension {oid} twice")]
    DuplicateExtension {
        /// The extension.
        oid: ObjectIdentifier,
    },
    /// An extension's content is wrong.
    #[error("the certificate's {name} extension is wrong: {reason}")]
    Extension {
        /// The extension's usual name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A list of certificates is empty.
    #[error("there is no certificate")]
    Empty,
    /// A list of more than [`MAX_CERTIFICATES`] certificates.
    #[error("there are more than {MAX_CERTIFICATES} certificates")]
    TooMany,
    /// One certificate of a list cannot be read.
    #[error("certificate {position} of the list: {error}")]
    InList {
        /// Which one, counted from 1.
        position: usize,
        /// What is wrong with it.
        error: Box<Self>,
    },
}

/// Why a certificate has no SPIFFE ID (X.509-SVID §2).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SvidError {
    /// No URI among the subject's alternative names.
    #[error("the certificate has no URI subjectAltName, so no SPIFFE ID")]
    NoUri,
    /// More than one URI.
    #[error("the certificate has {count} URI subjectAltNames; an SVID has exactly one")]
    ManyUris {
        /// How many.
        count: usize,
    },
    /// The URI is not a SPIFFE ID.
    #[error("the certificate's URI {uri:?} is not a SPIFFE ID: {problem}")]
    NotSpiffe {
        /// The URI.
        uri: String,
        /// What is wrong with it.
        problem: String,
    },
}
