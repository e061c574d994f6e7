//! X.509 certificates: read once, strictly, and then only looked at.
//!
//! A [`Certificate`] keeps the bytes it came from, which are what signatures and digests are computed over, beside
//! what they mean. Reading accepts version 3 in DER and nothing else: whatever would be encoded differently, is
//! said twice, or has bytes after it, is refused, so that no two programs can read the same certificate two ways.
//! Whether a certificate is to be *believed* is `verify`'s business.

mod constraints;
mod error;
mod extensions;
mod parse;

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use const_oid::ObjectIdentifier;
use spiffe::SpiffeId;
use symbolon_crypto::digest;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::KeyUsage;

pub(crate) use self::constraints::is_domain;
pub use self::constraints::{MAX_SUBTREES, NameConstraints, NameKind, Subtree, is_comparable_host};
pub use self::error::{CertificateError, SvidError};
use self::extensions::Extensions;
use crate::bundle::MAX_AUTHORITIES;
use crate::catalyst::Alternative;
use crate::key::{KeyError, SubjectKey};
use crate::names;
use crate::related::RelatedCertificate;
use crate::signature::{AlgorithmError, SignatureAlgorithm, VerificationError};
use crate::skid::Skid;
use crate::suite::{Form, Suite};
use crate::text;

/// The largest certificate read, in bytes. The largest that this project issues has about 8000.
pub const MAX_CERTIFICATE_LEN: usize = 64 * 1024;
/// The most extensions a certificate may have.
pub const MAX_EXTENSIONS: usize = 64;
/// The most certificates [`split_chain`] takes apart: all the authorities that a bundle may hold, so that the Workload
/// API can pass on every bundle that can be read. A chain never has so many.
pub const MAX_CERTIFICATES: usize = MAX_AUTHORITIES;
/// The longest serial number, in octets of the INTEGER (RFC 5280 §4.1.2.2).
pub const MAX_SERIAL_LEN: usize = 20;

/// A certificate that was read; cheap to clone.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Box<[u8]>,
    inner: x509_cert::Certificate,
    layout: Layout,
    subject_key: Result<SubjectKey, KeyError>,
    algorithm: Result<SignatureAlgorithm, AlgorithmError>,
    extensions: Extensions,
    not_before: SystemTime,
    not_after: SystemTime,
}

/// Where in the DER the parts are that are compared or signed as bytes.
struct Layout {
    tbs: Range<usize>,
    serial: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    inner_algorithm: Range<usize>,
    outer_algorithm: Range<usize>,
}

impl Certificate {
    /// Reads one DER certificate.
    ///
    /// A certificate with a key or a signature of an unknown algorithm is read all the same, so that it can be
    /// named: see [`subject_key`](Self::subject_key) and [`algorithm`](Self::algorithm).
    ///
    /// # Errors
    /// [`CertificateError`] naming the rule of RFC 5280 (or of DER) that the bytes break.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        parse::parse(der).map(|parsed| Self(Arc::new(parsed)))
    }

    /// The certificate's bytes, exactly as they were read.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The content octets of the serial number's INTEGER, big-endian, 1 to 20 of them.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.slice(&self.0.layout.serial)
    }

    /// [`serial`](Self::serial) in lower-case hex: how records are looked up.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        hex::encode(self.serial())
    }

    /// The serial number in decimal, as SPIRE and Go write it.
    #[must_use]
    pub fn serial_decimal(&self) -> String {
        names::decimal(self.serial())
    }

    /// The SPIFFE ID: the one URI among the subject's alternative names.
    ///
    /// # Errors
    /// [`SvidError`] when there is no URI, more than one, or one that is no SPIFFE ID.
    pub fn spiffe_id(&self) -> Result<SpiffeId, SvidError> {
        match self.uri_sans() {
            [] => Err(SvidError::NoUri),
            [uri] => text::canonical_spiffe_id(uri).map_err(|problem| SvidError::NotSpiffe {
                uri: text::printable(uri),
                problem,
            }),
            uris => Err(SvidError::ManyUris { count: uris.len() }),
        }
    }

    /// Every URI among the subject's alternative names, in order.
    #[must_use]
    pub fn uri_sans(&self) -> &[String] {
        &self.0.extensions.uri_sans
    }

    /// Every DNS name among the subject's alternative names, in order.
    #[must_use]
    pub fn dns_sans(&self) -> &[String] {
        &self.0.extensions.dns_sans
    }

    /// Every IP address among the subject's alternative names, in order. What is neither of 4 nor of 16 bytes is none.
    #[must_use]
    pub fn ip_sans(&self) -> &[IpAddr] {
        &self.0.extensions.ip_sans
    }

    /// The certified key.
    ///
    /// # Errors
    /// Why the key cannot be used: its algorithm is unknown, its encoding wrong, or it is too small.
    pub fn subject_key(&self) -> Result<&SubjectKey, &KeyError> {
        self.0.subject_key.as_ref()
    }

    /// The form of identity that it is for: told by an alternative key, or by being the second of a pair, and otherwise
    /// by its key. `None` if this build cannot use that key.
    #[must_use]
    pub fn form(&self) -> Option<Form> {
        let key = self.subject_key().ok()?;
        Some(match (self.alternative(), self.related()) {
            (Some(alternative), _) if alternative.has_key() => Form::Catalyst,
            (_, Some(_)) => Form::Paired,
            _ => key.form(),
        })
    }

    /// The alternative key and signature, as far as there are any (X.509, 2019).
    #[must_use]
    pub fn alternative(&self) -> Option<&Alternative> {
        self.0.extensions.alternative.as_ref()
    }

    /// What says which certificate this one is paired with (RFC 9763).
    #[must_use]
    pub fn related(&self) -> Option<&RelatedCertificate> {
        self.0.extensions.related.as_ref()
    }

    /// How the certificate is signed.
    ///
    /// # Errors
    /// Why that signature cannot be verified.
    pub fn algorithm(&self) -> Result<SignatureAlgorithm, &AlgorithmError> {
        self.0.algorithm.as_ref().copied()
    }

    /// The suite whose signature algorithm this is, if it is one of ours. For ECDSA that is the suite with this
    /// hash; the curve is known from the issuer's key only.
    #[must_use]
    pub fn signature_suite(&self) -> Option<Suite> {
        Suite::from_signature_oid(&self.signature_oid())
    }

    /// The OID of the signature algorithm.
    #[must_use]
    pub fn signature_oid(&self) -> ObjectIdentifier {
        self.0.inner.signature_algorithm().oid
    }

    /// The subject key identifier, if it has the usual 20 bytes.
    #[must_use]
    pub fn skid(&self) -> Option<&Skid> {
        self.0.extensions.skid.as_ref()
    }

    /// The key identifier of the authority that signed this, if it has the usual 20 bytes.
    #[must_use]
    pub fn akid(&self) -> Option<&Skid> {
        self.0.extensions.akid.as_ref()
    }

    /// The subject key identifier's bytes, of any length.
    #[must_use]
    pub fn skid_bytes(&self) -> Option<&[u8]> {
        self.0.extensions.skid_bytes.as_deref()
    }

    /// The authority key identifier's bytes, of any length.
    #[must_use]
    pub fn akid_bytes(&self) -> Option<&[u8]> {
        self.0.extensions.akid_bytes.as_deref()
    }

    /// The first moment at which the certificate is valid.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.0.not_before
    }

    /// The last moment at which the certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.0.not_after
    }

    /// Whether basicConstraints says that this is an authority.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.0.extensions.is_ca
    }

    /// How many intermediates may stand below this authority; `None` is no limit.
    #[must_use]
    pub fn path_len(&self) -> Option<u8> {
        self.0.extensions.path_len
    }

    /// The key usage, if there is that extension.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.0.extensions.key_usage
    }

    /// The extended key usages; empty without that extension.
    #[must_use]
    pub fn extended_key_usages(&self) -> &[ObjectIdentifier] {
        &self.0.extensions.extended_key_usages
    }

    /// The names that this authority may certify, if it is constrained (RFC 5280 §4.2.1.10).
    #[must_use]
    pub fn name_constraints(&self) -> Option<&NameConstraints> {
        self.0.extensions.name_constraints.as_ref()
    }

    /// The extensions that are marked critical and that this software does not process. A verifier must refuse a
    /// certificate that has any (RFC 5280 §4.2), and `verify` does.
    #[must_use]
    pub fn unprocessed_critical_extensions(&self) -> &[ObjectIdentifier] {
        &self.0.extensions.unprocessed_critical
    }

    /// Every extension, in order.
    #[must_use]
    pub fn extensions(&self) -> &[Extension] {
        self.0
            .inner
            .tbs_certificate()
            .extensions()
            .map_or(&[], Vec::as_slice)
    }

    /// The extension with this OID.
    #[must_use]
    pub fn extension(&self, oid: ObjectIdentifier) -> Option<&Extension> {
        self.extensions()
            .iter()
            .find(|extension| extension.extn_id == oid)
    }

    /// DER of the issuer's name.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        self.slice(&self.0.layout.issuer)
    }

    /// DER of the subject's name.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        self.slice(&self.0.layout.subject)
    }

    /// The issuer's name as text (RFC 4514).
    #[must_use]
    pub fn issuer(&self) -> String {
        names::text(self.0.inner.tbs_certificate().issuer())
    }

    /// The subject's name as text (RFC 4514).
    #[must_use]
    pub fn subject(&self) -> String {
        names::text(self.0.inner.tbs_certificate().subject())
    }

    /// DER of the subjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        self.slice(&self.0.layout.spki)
    }

    /// The bytes that are signed: DER of the tbsCertificate.
    #[must_use]
    pub fn tbs_der(&self) -> &[u8] {
        self.slice(&self.0.layout.tbs)
    }

    /// The signature's bytes.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.0.inner.signature().raw_bytes()
    }

    /// Whether issuer and subject have the same name. That says nothing about the signature.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.issuer_der() == self.subject_der()
    }

    /// Checks this certificate's signature, and nothing else, with the issuer's key.
    ///
    /// # Errors
    /// [`VerificationError`], which for a composite names the half that is wrong. A signature of an unknown
    /// algorithm goes with no key.
    pub fn verify_signature(&self, issuer: &SubjectKey) -> Result<(), VerificationError> {
        match self.algorithm() {
            Ok(algorithm) => algorithm.verify(issuer, self.tbs_der(), self.signature()),
            Err(error) => Err(VerificationError::Algorithm(error.clone())),
        }
    }

    /// SHA-256 of the whole certificate.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        digest::sha256(self.der())
    }

    /// The certificate as `x509-cert` reads it, for what has no accessor here.
    #[must_use]
    pub fn inner(&self) -> &x509_cert::Certificate {
        &self.0.inner
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        // The ranges were cut out of these very bytes.
        self.0.der.get(range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("serial", &self.serial_hex())
            .field("uris", &self.uri_sans())
            .finish_non_exhaustive()
    }
}

/// Takes concatenated DER certificates apart, as SPIFFE's Workload API sends chains (leaf first) and bundles.
///
/// # Errors
/// [`CertificateError`] of the first certificate that cannot be read, wrapped with its position; and for no
/// certificate at all or more than [`MAX_CERTIFICATES`].
pub fn split_chain(concatenated: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    parse::split(concatenated)
}
