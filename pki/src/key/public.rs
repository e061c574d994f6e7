//! Public keys: of a suite, or the RSA keys that stock clients bring.

use const_oid::ObjectIdentifier;
use der::asn1::{BitStringRef, UintRef};
use der::{Decode, Reader, SliceReader};
use symbolon_crypto::rsa::RsaPublicKey;
use symbolon_crypto::{self as crypto, Component, MlDsaContext, digest};

use super::algorithm::{RSA, component_spki_hash};
use super::{Half, SignatureError};
use crate::composite;
use crate::describe;
use crate::encode;
use crate::skid::Skid;
use crate::suite::{Form, Suite};

/// Longest SubjectPublicKeyInfo that is read, in bytes: ML-DSA-87 with RSA-4096 takes 3,139.
const MAX_SPKI_LEN: usize = 8 * 1024;

/// A public key that cannot be used, and why.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The SubjectPublicKeyInfo is not DER of the right shape.
    #[error("the SubjectPublicKeyInfo is malformed: {0}")]
    Malformed(String),
    /// Longer than any key that is known.
    #[error("the SubjectPublicKeyInfo has {0} bytes, at most {MAX_SPKI_LEN} are read")]
    TooLong(usize),
    /// An algorithm that this build does not know.
    #[error("unknown key algorithm {}", describe::oid_in_words(*.0))]
    UnknownAlgorithm(ObjectIdentifier),
    /// A known algorithm with parameters it may not have, such as a curve that is not offered.
    #[error("key algorithm {0} with parameters that are not accepted for it")]
    Parameters(ObjectIdentifier),
    /// A key of a suite that is for roots ([`Suite::is_for_svids`]) where something below a root is asked for.
    #[error("keys of {0} are for roots alone, and this is a request for something below one")]
    ForRoots(Suite),
    /// The key's bits are no key of the single-component algorithm.
    #[error(transparent)]
    Component(crypto::KeyError),
    /// A half of a composite key is no key of its component.
    #[error("the {half} of the {suite} key is wrong: {source}")]
    HalfInvalid {
        /// The composite.
        suite: Suite,
        /// Which half.
        half: Half,
        /// What is wrong with it.
        source: crypto::KeyError,
    },
    /// Held keys that are not the components of the suite they were put together for.
    #[error("{suite} is made of {expected}, not of {found}")]
    Components {
        /// The suite asked for.
        suite: Suite,
        /// Its components.
        expected: String,
        /// The components of the keys given.
        found: String,
    },
}

impl KeyError {
    fn of(suite: Suite, source: crypto::KeyError, component: Component) -> Self {
        if suite.is_composite() {
            Self::HalfInvalid {
                suite,
                half: Half::of(component),
                source,
            }
        } else {
            Self::Component(source)
        }
    }
}

/// A public key of a suite, each component checked to be one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SuitePublicKey {
    suite: Suite,
    components: Vec<crypto::PublicKey>,
    bytes: Vec<u8>,
}

impl SuitePublicKey {
    /// Reads the content of a subjectPublicKey BIT STRING.
    ///
    /// # Errors
    /// [`KeyError::Component`] or [`KeyError::HalfInvalid`].
    pub fn parse(suite: Suite, bytes: &[u8]) -> Result<Self, KeyError> {
        let mut rest = bytes;
        let mut components = Vec::with_capacity(suite.components().len());
        for (index, &component) in suite.components().iter().enumerate() {
            let last = index + 1 == suite.components().len();
            // The last component takes all that is left, so that a wrong total length is its error.
            let cut = if last {
                rest.len()
            } else {
                component.public_key_len().min(rest.len())
            };
            let (own, others) = rest.split_at(cut);
            rest = others;
            components.push(
                crypto::PublicKey::parse(component, own).map_err(|e| KeyError::of(suite, e, component))?,
            );
        }
        Ok(Self {
            suite,
            components,
            bytes: bytes.to_vec(),
        })
    }

    pub(crate) fn from_components(
        suite: Suite,
        components: Vec<crypto::PublicKey>,
    ) -> Result<Self, KeyError> {
        if !components
            .iter()
            .map(crypto::PublicKey::component)
            .eq(suite.components().iter().copied())
        {
            let names = |components: &mut dyn Iterator<Item = Component>| {
                components.map(Component::name).collect::<Vec<_>>().join(" and ")
            };
            return Err(KeyError::Components {
                suite,
                expected: names(&mut suite.components().iter().copied()),
                found: names(&mut components.iter().map(crypto::PublicKey::component)),
            });
        }
        let bytes = components
            .iter()
            .flat_map(|key| key.as_bytes().iter().copied())
            .collect();
        Ok(Self {
            suite,
            components,
            bytes,
        })
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The component keys, in the suite's order.
    pub fn components(&self) -> &[crypto::PublicKey] {
        &self.components
    }

    /// The content of the subjectPublicKey BIT STRING.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> Vec<u8> {
        encode::spki(self.suite.key_algorithm_der(), &self.bytes)
    }

    /// The key identifier.
    pub fn skid(&self) -> Skid {
        Skid::of(&self.bytes)
    }

    /// Checks `signature` over `message` with an empty context, as certificates, CSRs and TLS have it. Both halves of
    /// a composite are always checked, so that the error names every half that is wrong.
    ///
    /// # Errors
    /// [`SignatureError`], naming the half for a composite.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        self.verify_with_context(message, signature, &[])
    }

    /// As [`verify`](Self::verify) with an application context of at most 255 bytes: FIPS 204's for ML-DSA alone,
    /// the draft's for a composite.
    ///
    /// # Errors
    /// As `verify`, and [`SignatureError::NoContext`] if the suite has none.
    pub fn verify_with_context(
        &self,
        message: &[u8],
        signature: &[u8],
        context: &[u8],
    ) -> Result<(), SignatureError> {
        match (self.suite.composite(), self.components.as_slice()) {
            (Some(spec), [ml_dsa, traditional]) => {
                let (first, second) =
                    composite::split_signature(ml_dsa.component(), traditional.component(), signature)?;
                let representative = spec.representative(message, context)?;
                let post_quantum = ml_dsa.verify(&representative, first, spec.ml_dsa_context);
                let classical = traditional.verify(&representative, second, MlDsaContext::EMPTY);
                match (post_quantum, classical) {
                    (Ok(()), Ok(())) => Ok(()),
                    (Err(_), Ok(())) => Err(SignatureError::HalfRejected(Half::PostQuantum)),
                    (Ok(()), Err(_)) => Err(SignatureError::HalfRejected(Half::Classical)),
                    (Err(_), Err(_)) => Err(SignatureError::HalfRejected(Half::Both)),
                }
            }
            (None, [single]) => {
                if !context.is_empty() && !single.component().is_ml_dsa() {
                    return Err(SignatureError::NoContext(self.suite));
                }
                let context = MlDsaContext::new(context)?;
                single
                    .verify(message, signature, context)
                    .map_err(|_| SignatureError::Rejected)
            }
            // Both constructors match components to the suite.
            _ => Err(SignatureError::Rejected),
        }
    }
}

/// The public key of a certificate or CSR: of one of our suites, or a stock client's RSA key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SubjectKey {
    /// A key of a suite.
    Suite(SuitePublicKey),
    /// An RSA key, which we certify and verify with but never sign with.
    Rsa(RsaPublicKey),
}

impl SubjectKey {
    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KeyError`]; trailing bytes, unused bits and non-minimal DER are errors.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() > MAX_SPKI_LEN {
            return Err(KeyError::TooLong(der.len()));
        }
        let (algorithm, bits) = split_spki(der).map_err(|e| KeyError::Malformed(e.to_string()))?;
        if algorithm == RSA {
            return rsa_public_key(bits).map(Self::Rsa);
        }
        if let Some(suite) = Suite::from_key_algorithm(algorithm) {
            return SuitePublicKey::parse(suite, bits).map(Self::Suite);
        }
        let parsed = spki::AlgorithmIdentifierRef::from_der(algorithm)
            .map_err(|e| KeyError::Malformed(format!("its AlgorithmIdentifier: {e}")))?;
        let known =
            parsed.oid == const_oid::db::rfc5912::RSA_ENCRYPTION || Suite::is_key_algorithm(parsed.oid);
        Err(if known {
            KeyError::Parameters(parsed.oid)
        } else {
            KeyError::UnknownAlgorithm(parsed.oid)
        })
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> Vec<u8> {
        match self {
            Self::Suite(key) => key.spki_der(),
            Self::Rsa(key) => encode::spki(RSA, key.as_bytes()),
        }
    }

    /// The content of the subjectPublicKey BIT STRING.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Suite(key) => key.as_bytes(),
            Self::Rsa(key) => key.as_bytes(),
        }
    }

    /// The form of identity that this key belongs to.
    pub fn form(&self) -> Form {
        match self {
            Self::Suite(key) => key.suite().form(),
            Self::Rsa(_) => Form::Classical,
        }
    }

    /// The suite's name, or `rsa-2048` and the like.
    pub fn algorithm_name(&self) -> String {
        match self {
            Self::Suite(key) => key.suite().name().to_owned(),
            Self::Rsa(key) => format!("rsa-{}", key.bits()),
        }
    }

    /// The key identifier (RFC 7093, method 1).
    pub fn skid(&self) -> Skid {
        Skid::of(self.as_bytes())
    }

    /// SHA-256 over the SubjectPublicKeyInfo of each component as if it stood alone: what must never appear twice,
    /// neither alone nor in a composite.
    pub fn component_spki_hashes(&self) -> Vec<[u8; 32]> {
        match self {
            Self::Suite(key) => key.components().iter().map(component_spki_hash).collect(),
            Self::Rsa(_) => vec![digest::sha256(&self.spki_der())],
        }
    }

    /// Whether it has a component key in common with `other`, or is the same key.
    pub fn shares_a_component(&self, other: &Self) -> bool {
        let others = other.component_spki_hashes();
        self.component_spki_hashes()
            .iter()
            .any(|hash| others.contains(hash))
    }
}

impl From<SuitePublicKey> for SubjectKey {
    fn from(key: SuitePublicKey) -> Self {
        Self::Suite(key)
    }
}

/// The AlgorithmIdentifier's DER and the key's bits.
fn split_spki(der: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut outer = SliceReader::new(der)?;
    let parts = outer.sequence(|reader| -> der::Result<_> {
        let algorithm = reader.tlv_bytes()?;
        let bits = BitStringRef::decode(reader)?;
        let bits = bits.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?;
        Ok((algorithm, bits))
    })?;
    outer.finish()?;
    Ok(parts)
}

/// Reads a PKCS#1 RSAPublicKey.
pub(crate) fn rsa_public_key(pkcs1: &[u8]) -> Result<RsaPublicKey, KeyError> {
    // For the sake of the reason: the library says no and nothing else.
    let mut outer = SliceReader::new(pkcs1).map_err(|e| KeyError::Malformed(e.to_string()))?;
    outer
        .sequence(|reader| -> der::Result<_> {
            UintRef::decode(reader)?;
            UintRef::decode(reader)?;
            Ok(())
        })
        .and_then(|()| outer.finish())
        .map_err(|e| KeyError::Malformed(format!("its RSAPublicKey: {e}")))?;
    RsaPublicKey::parse(pkcs1).map_err(KeyError::Component)
}
