//! Catalyst certificates: a second, post-quantum key and signature in extensions (X.509, 2019, sections 7.2.2 and 9.8).
//!
//! To software that does not look for them such a certificate is an ordinary classical one, and believed for its native
//! signature alone. Who looks finds the subject's alternative key in one extension, and in two others the issuer's
//! signature by *its* alternative key, so a chain is worth its post-quantum half only where every certificate on it has
//! one. This module says what the extensions hold and whether one certificate's alternative signature is right; what a
//! whole chain needs is `verify`'s business.

mod signed_bytes;

use const_oid::ObjectIdentifier;
use der::Decode;
use der::asn1::BitStringRef;

pub(crate) use self::signed_bytes::pre_request_info;
pub use self::signed_bytes::{append_crl_signature, append_signature, pre_tbs, pre_tbs_crl, strip_signature};
use crate::certificate::Certificate;
use crate::key::{Half, KeyError, SubjectKey};
use crate::signature::{AlgorithmError, SignatureAlgorithm, VerificationError};
use crate::suite::Form;

/// subjectAltPublicKeyInfo: the alternative key, as a SubjectPublicKeyInfo.
pub const ALTERNATIVE_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.72");
/// altSignatureAlgorithm: how the alternative signature was made, as an AlgorithmIdentifier.
pub const ALTERNATIVE_ALGORITHM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.73");
/// altSignatureValue: the alternative signature, as a BIT STRING.
pub const ALTERNATIVE_SIGNATURE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.74");

/// One of the three extensions that make a catalyst certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The subject's alternative key.
    Key,
    /// The algorithm of the issuer's alternative signature.
    Algorithm,
    /// The issuer's alternative signature.
    Signature,
}

impl Part {
    /// The three of them.
    pub const ALL: [Self; 3] = [Self::Key, Self::Algorithm, Self::Signature];

    /// Its name in X.509.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "subjectAltPublicKeyInfo",
            Self::Algorithm => "altSignatureAlgorithm",
            Self::Signature => "altSignatureValue",
        }
    }

    /// Its OID: of the extension, and in requests of the attribute.
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Key => ALTERNATIVE_KEY,
            Self::Algorithm => ALTERNATIVE_ALGORITHM,
            Self::Signature => ALTERNATIVE_SIGNATURE,
        }
    }

    pub(crate) fn of_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.oid() == oid)
    }
}

/// Why the post-quantum half of a catalyst certificate is not to be believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalystError {
    /// One of the three extensions is not there; whoever can forge the native signature can leave it out.
    #[error(
        "the post-quantum half is missing: there is no {name} extension ({oid})",
        name = .0.name(), oid = .0.oid()
    )]
    Missing(Part),
    /// The alternative key cannot be used.
    #[error("the alternative key cannot be used: {0}")]
    Key(KeyError),
    /// The alternative key is none that a quantum attacker has to fear.
    #[error("the alternative key of type {0} is no post-quantum key")]
    NotPostQuantum(String),
    /// The two keys share a component: the signature of the one could be passed off as that of the other.
    #[error("the alternative key and the native key are the same, or have a component in common")]
    SharedKey,
    /// The alternative signature's algorithm cannot be verified.
    #[error("the alternative signature cannot be checked: {0}")]
    Algorithm(AlgorithmError),
    /// The alternative signature is wrong.
    #[error("the alternative signature, the post-quantum half, is wrong: {0}")]
    Signature(VerificationError),
    /// The certificate's bytes cannot be taken apart to see what was signed.
    #[error("what the alternative signature is over cannot be told: {0}")]
    Encoding(der::Error),
    /// The issuer's certificate lacks a usable alternative key.
    #[error("the issuer cannot have made an alternative signature: {0}")]
    Issuer(Box<Self>),
}

impl CatalystError {
    /// The half of the certificate that this is about.
    #[must_use]
    pub fn half(&self) -> Half {
        match self {
            Self::SharedKey => Half::Both,
            _ => Half::PostQuantum,
        }
    }
}

/// What the three extensions say, as far as they are there.
#[derive(Clone, Debug, Default)]
pub struct Alternative {
    key: Option<Result<SubjectKey, CatalystError>>,
    algorithm: Option<Result<SignatureAlgorithm, AlgorithmError>>,
    signature: Option<Box<[u8]>>,
    critical: bool,
}

impl Alternative {
    /// The subject's alternative key.
    ///
    /// # Errors
    /// [`CatalystError`] if there is none, none that this build can use, no post-quantum one, or one that shares a
    /// component with the native key.
    pub fn key(&self) -> Result<&SubjectKey, CatalystError> {
        match &self.key {
            None => Err(CatalystError::Missing(Part::Key)),
            Some(key) => key.as_ref().map_err(Clone::clone),
        }
    }

    /// How the issuer's alternative signature was made.
    ///
    /// # Errors
    /// [`CatalystError`] if that is not said, or is no algorithm to verify with.
    pub fn algorithm(&self) -> Result<SignatureAlgorithm, CatalystError> {
        match &self.algorithm {
            None => Err(CatalystError::Missing(Part::Algorithm)),
            Some(algorithm) => algorithm.clone().map_err(CatalystError::Algorithm),
        }
    }

    /// The issuer's alternative signature.
    ///
    /// # Errors
    /// [`CatalystError::Missing`].
    pub fn signature(&self) -> Result<&[u8], CatalystError> {
        self.signature
            .as_deref()
            .ok_or(CatalystError::Missing(Part::Signature))
    }

    /// Whether there is an alternative key, usable or not.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Whether there is an alternative signature, right or wrong.
    #[must_use]
    pub fn has_signature(&self) -> bool {
        self.signature.is_some()
    }

    /// Whether all three parts are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.has_key() && self.algorithm.is_some() && self.has_signature()
    }

    /// Whether any of the extensions is marked critical: then the certificate is not for who passes over them.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.critical
    }

    /// Takes in one part's content.
    ///
    /// # Errors
    /// What is wrong with it. A key or an algorithm that is not known is no fault of the encoding.
    pub(crate) fn read(&mut self, part: Part, content: &[u8], critical: bool) -> Result<(), String> {
        self.critical |= critical;
        match part {
            Part::Key => {
                self.key = Some(match SubjectKey::from_spki_der(content) {
                    Err(KeyError::Malformed(reason)) => return Err(reason),
                    Err(error) => Err(CatalystError::Key(error)),
                    Ok(key) if key.form() == Form::Classical => {
                        Err(CatalystError::NotPostQuantum(key.algorithm_name()))
                    }
                    Ok(key) => Ok(key),
                });
            }
            Part::Algorithm => {
                self.algorithm = Some(match SignatureAlgorithm::from_der(content) {
                    Err(error @ (AlgorithmError::Malformed(_) | AlgorithmError::Parameters { .. })) => {
                        return Err(error.to_string());
                    }
                    read => read,
                });
            }
            Part::Signature => {
                let bits = BitStringRef::from_der(content).map_err(|error| error.to_string())?;
                let bytes = bits.as_bytes().ok_or("it is not a whole number of bytes")?;
                self.signature = Some(bytes.into());
            }
        }
        Ok(())
    }

    /// Looks at the parts together once all of them were read.
    ///
    /// # Errors
    /// The part that is missing beside its fellow: a signature is nothing without its algorithm, nor the other way.
    pub(crate) fn finish(&mut self, native: Option<&SubjectKey>) -> Result<(), Part> {
        match (&self.algorithm, &self.signature) {
            (Some(_), None) => return Err(Part::Signature),
            (None, Some(_)) => return Err(Part::Algorithm),
            _ => {}
        }
        if let (Some(Ok(key)), Some(native)) = (&self.key, native)
            && key.shares_a_component(native)
        {
            self.key = Some(Err(CatalystError::SharedKey));
        }
        Ok(())
    }
}

/// Checks the alternative signature of `certificate` with the alternative key of `issuer`, and that `certificate` has
/// all three extensions. Names, validity and the native signature are not looked at.
///
/// # Errors
/// [`CatalystError`]; [`CatalystError::Issuer`] where it is the issuer's certificate that is at fault.
pub fn verify_alternative(certificate: &Certificate, issuer: &Certificate) -> Result<(), CatalystError> {
    let key = issuer
        .alternative()
        .ok_or(CatalystError::Missing(Part::Key))
        .and_then(Alternative::key)
        .map_err(|error| CatalystError::Issuer(Box::new(error)))?;
    verify_alternative_with(certificate, key)
}

/// As [`verify_alternative`], with the issuer's alternative key by itself.
///
/// # Errors
/// [`CatalystError`].
pub fn verify_alternative_with(certificate: &Certificate, key: &SubjectKey) -> Result<(), CatalystError> {
    let alternative = certificate
        .alternative()
        .ok_or(CatalystError::Missing(Part::Key))?;
    alternative.key()?;
    let algorithm = alternative.algorithm()?;
    let signature = alternative.signature()?;
    let signed = pre_tbs(certificate.tbs_der()).map_err(CatalystError::Encoding)?;
    algorithm
        .verify(key, &signed, signature)
        .map_err(CatalystError::Signature)
}
