//! Certificate signing requests (PKCS#10, RFC 2986): read with their proof of possession checked, and built.
//!
//! There is no way to get a [`Csr`] whose signature was not verified by its own key, both halves of it for a
//! composite, and by its alternative key if it has one. That the first certificate of a pair is the sender's is shown
//! by [`RelatedRequest::prove`], which needs that certificate. Reading stands on the issuance hot path: it walks the request once, in place, copies only what it
//! keeps, and verifies over the very bytes that came.

mod build;
mod parse;

use const_oid::ObjectIdentifier;
use spiffe::SpiffeId;

pub use self::build::{CsrBuildError, CsrBuilder};
pub(crate) use self::parse::{Attributes, CsrParts};
use crate::catalyst::{Alternative, CatalystError, Part, pre_request_info};
use crate::key::{Half, KeyError, SubjectKey};
use crate::related::RelatedRequest;
use crate::signature::{AlgorithmError, SignatureAlgorithm, VerificationError};
use crate::suite::Form;
use crate::text;

/// The largest request read, in bytes. ML-DSA-87 with P-384 and the longest SPIFFE ID needs about 9600.
pub const MAX_CSR_LEN: usize = 16 * 1024;
/// The most attributes a request may have.
pub const MAX_ATTRIBUTES: usize = 16;
/// The most extensions a request may ask for.
pub const MAX_REQUESTED_EXTENSIONS: usize = 32;
/// The most alternative names a request may ask for.
pub const MAX_NAMES: usize = 128;

/// A request whose sender holds the private key to the public key in it.
#[derive(Clone, Debug)]
pub struct Csr {
    key: SubjectKey,
    algorithm: SignatureAlgorithm,
    subject: Box<[u8]>,
    uri_sans: Vec<String>,
    dns_sans: Vec<String>,
    alternative: Option<SubjectKey>,
    related: Option<RelatedRequest>,
}

/// What is wrong with a request. Always the sender's fault.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrError {
    /// More than [`MAX_CSR_LEN`] bytes.
    #[error("the certificate request has {len} bytes, more than the {MAX_CSR_LEN} that are read")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// The bytes do not have the structure of a request.
    #[error("not a DER certificate request: {0}")]
    Malformed(#[from] der::Error),
    /// A version other than 0, the only one there is.
    #[error("the certificate request's version is not 0 (PKCS#10 v1)")]
    Version,
    /// The public key cannot be certified.
    #[error("the certificate request's key is not accepted: {0}")]
    Key(KeyError),
    /// The request is signed with an algorithm that cannot be verified.
    #[error("the certificate request's proof of possession cannot be checked: {0}")]
    Algorithm(AlgorithmError),
    /// The signature is not a whole number of bytes.
    #[error("the certificate request's signature is not a whole number of bytes")]
    SignatureBits,
    /// The signature is wrong; for a composite it says in which half.
    #[error("the certificate request's proof of possession is wrong: {0}")]
    ProofOfPossession(VerificationError),
    /// More than [`MAX_ATTRIBUTES`] attributes, [`MAX_REQUESTED_EXTENSIONS`] extensions or [`MAX_NAMES`] names.
    #[error("the certificate request has more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
    /// An attribute that must be single is there twice or does not have exactly one value.
    #[error("the certificate request has more or less than one value of the attribute {oid}")]
    Attribute {
        /// The attribute.
        oid: ObjectIdentifier,
    },
    /// One of the attributes that make up an alternative key is malformed.
    #[error("the certificate request's {name} attribute is wrong: {reason}")]
    AlternativePart {
        /// The attribute's name.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The alternative key cannot be certified, its proof of possession is wrong, or part of it is missing.
    #[error("the certificate request's alternative key is not accepted: {0}")]
    Alternative(CatalystError),
    /// The relatedCertRequest attribute is malformed.
    #[error("the certificate request's relatedCertRequest attribute is not valid DER: {0}")]
    RelatedRequest(der::Error),
    /// An alternative key and a certificate to be paired with.
    #[error(
        "the certificate request asks for two forms at once: it has an alternative key (catalyst), and names a \
         certificate to be paired with"
    )]
    TwoForms,
    /// The same extension is asked for twice.
    #[error("the certificate request asks for the extension {oid} twice")]
    DuplicateExtension {
        /// The extension.
        oid: ObjectIdentifier,
    },
    /// More than one URI among the alternative names.
    #[error("the certificate request has {count} URI subjectAltNames; an SVID has exactly one")]
    ManyUris {
        /// How many.
        count: usize,
    },
    /// The URI among the alternative names is no SPIFFE ID.
    #[error("the certificate request's URI {uri:?} is not a SPIFFE ID: {problem}")]
    NotSpiffe {
        /// The URI, fit for a log.
        uri: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl CsrError {
    /// The half of a hybrid proof of possession that was wrong, if that was it.
    #[must_use]
    pub fn half(&self) -> Option<Half> {
        match self {
            Self::ProofOfPossession(error) => error.half(),
            Self::Alternative(error) => Some(error.half()),
            _ => None,
        }
    }
}

impl Csr {
    /// Reads a DER request and verifies its proof of possession.
    ///
    /// Accepts keys and signatures of every suite that [is for SVIDs](crate::suite::Suite::is_for_svids), and of stock
    /// clients RSA with 2048, 3072 or 4096 bits (PKCS#1 v1.5 or PSS) and ECDSA P-256 or P-384 with any SHA-2 hash.
    ///
    /// # Errors
    /// [`CsrError`] naming what is wrong; [`CsrError::ProofOfPossession`] names the half.
    pub fn from_der(der: &[u8]) -> Result<Self, CsrError> {
        let parts = CsrParts::read(der)?;
        let algorithm = SignatureAlgorithm::from_der(parts.algorithm).map_err(CsrError::Algorithm)?;
        let key = SubjectKey::from_spki_der(parts.spki).map_err(CsrError::Key)?;
        if let SubjectKey::Suite(key) = &key
            && !key.suite().is_for_svids()
        {
            return Err(CsrError::Key(KeyError::ForRoots(key.suite())));
        }
        let names = parts.names()?;
        let attributes = parts.attributes()?;
        let alternative = alternative(&attributes, &key)?;
        let related = attributes.related_request.map(RelatedRequest::from_der);
        let related = related.transpose().map_err(CsrError::RelatedRequest)?;
        if alternative.is_some() && related.is_some() {
            return Err(CsrError::TwoForms);
        }
        // Last, because it costs a hundred times what all of the above does.
        algorithm
            .verify(&key, parts.signed, parts.signature)
            .map_err(CsrError::ProofOfPossession)?;
        if let Some(proof) = &alternative {
            proof.verify(parts.signed)?;
        }
        Ok(Self {
            key,
            algorithm,
            subject: parts.subject.into(),
            uri_sans: names.uris,
            dns_sans: names.dns,
            alternative: alternative.map(|proof| proof.key),
            related,
        })
    }

    /// The key to certify.
    #[must_use]
    pub fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// The form of identity that is asked for: told by an alternative key, or by a certificate to be paired with, and
    /// otherwise by the key.
    #[must_use]
    pub fn form(&self) -> Form {
        match (&self.alternative, &self.related) {
            (Some(_), _) => Form::Catalyst,
            (_, Some(_)) => Form::Paired,
            _ => self.key.form(),
        }
    }

    /// The alternative key to certify, whose possession was proven as well.
    #[must_use]
    pub fn alternative_key(&self) -> Option<&SubjectKey> {
        self.alternative.as_ref()
    }

    /// What says which certificate the new one is to be paired with (RFC 9763). It is not proven yet.
    #[must_use]
    pub fn related_request(&self) -> Option<&RelatedRequest> {
        self.related.as_ref()
    }

    /// How the proof of possession was made.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// DER of the subject's name, which was not looked into: nobody is called what he calls himself.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        &self.subject
    }

    /// Every URI that the request asks for, in order.
    #[must_use]
    pub fn uri_sans(&self) -> &[String] {
        &self.uri_sans
    }

    /// Every DNS name that the request asks for, in order.
    #[must_use]
    pub fn dns_sans(&self) -> &[String] {
        &self.dns_sans
    }

    /// The SPIFFE ID that the request asks for; `None` when it asks for no URI at all.
    ///
    /// # Errors
    /// [`CsrError::ManyUris`] for more than one URI, [`CsrError::NotSpiffe`] for one that is no SPIFFE ID.
    pub fn spiffe_id(&self) -> Result<Option<SpiffeId>, CsrError> {
        match self.uri_sans.as_slice() {
            [] => Ok(None),
            [uri] => text::canonical_spiffe_id(uri)
                .map(Some)
                .map_err(|problem| CsrError::NotSpiffe {
                    uri: text::printable(uri),
                    problem,
                }),
            uris => Err(CsrError::ManyUris { count: uris.len() }),
        }
    }
}

/// An alternative key with the signature that shows its possession, which is not verified yet.
struct AlternativeProof {
    key: SubjectKey,
    algorithm: SignatureAlgorithm,
    signature: Box<[u8]>,
}

/// Reads the attributes that BouncyCastle puts an alternative key into: named as the extensions are, all three of them or
/// none.
fn alternative(
    attributes: &Attributes<'_>,
    native: &SubjectKey,
) -> Result<Option<AlternativeProof>, CsrError> {
    if attributes.alternative().all(|(_, value)| value.is_none()) {
        return Ok(None);
    }
    let mut read = Alternative::default();
    for (part, value) in attributes.alternative() {
        let value = value.ok_or(CsrError::Alternative(CatalystError::Missing(part)))?;
        read.read(part, value, false)
            .map_err(|reason| CsrError::AlternativePart {
                name: part.name(),
                reason,
            })?;
    }
    read.finish(Some(native))
        .map_err(|part: Part| CsrError::Alternative(CatalystError::Missing(part)))?;
    let proof = || {
        Ok(AlternativeProof {
            key: read.key()?.clone(),
            algorithm: read.algorithm()?,
            signature: read.signature()?.into(),
        })
    };
    proof().map(Some).map_err(CsrError::Alternative)
}

impl AlternativeProof {
    fn verify(&self, info: &[u8]) -> Result<(), CsrError> {
        let signed = pre_request_info(info)?;
        self.algorithm
            .verify(&self.key, &signed, &self.signature)
            .map_err(|error| CsrError::Alternative(CatalystError::Signature(error)))
    }
}
