//! Private keys in PKCS#8 (RFC 5958), as files and the Workload API carry them.
//!
//! ML-DSA keys are written as their seed and read in the three forms of RFC 9881, section 6; composites hold the
//! ML-DSA seed and then the traditional key in the encoding the draft gives it.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::asn1::{BitStringRef, ContextSpecific, OctetStringRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber};
use symbolon_crypto::{self as crypto, Component, ExpandedMlDsaKey, HeldKey, SoftwareKey};
use zeroize::Zeroizing;

use super::algorithm::named_curve;
use super::{Half, KeyError, PrivateKey};
use crate::describe;
use crate::encode;
use crate::suite::Suite;

/// Longest PKCS#8 document that is read, in bytes: an ML-DSA-87 key in both forms takes 4,962.
pub const MAX_PKCS8_LEN: usize = 8 * 1024;

const SEED_LEN: usize = 32;
const SEED_TAG: u8 = 0x80;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// A PKCS#8 document that is no usable private key, and why. Never holds key bytes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs8Error {
    /// Longer than any key that is known.
    #[error("the PKCS#8 document has {0} bytes, at most {MAX_PKCS8_LEN} are read")]
    TooLong(usize),
    /// Not DER of the right shape.
    #[error("the PKCS#8 document is malformed: {0}")]
    Malformed(String),
    /// A version other than 0 and 1.
    #[error("PKCS#8 version {0} is unknown")]
    Version(u8),
    /// An algorithm that this build has no private keys for.
    #[error("unknown private key algorithm {}", describe::oid_in_words(*.0))]
    UnknownAlgorithm(ObjectIdentifier),
    /// A known algorithm with parameters it may not have, such as a curve that is not offered.
    #[error("private key algorithm {0} with parameters that are not accepted for it")]
    Parameters(ObjectIdentifier),
    /// The private key field is not what its algorithm says.
    #[error("the {algorithm} private key is malformed: {reason}")]
    PrivateKey {
        /// The suite or component whose encoding it should be.
        algorithm: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The library refused the key's bytes.
    #[error(transparent)]
    Key(#[from] crypto::KeyError),
    /// Seed and expanded key contradict each other (RFC 9881, section 6: such a key must be refused).
    #[error("the seed and the expanded key of this {0} private key contradict each other")]
    SeedMismatch(Component),
    /// The public key in the document is not the private key's.
    #[error("the public key in the PKCS#8 document does not belong to its private key")]
    PublicKeyMismatch,
    /// An expanded-only ML-DSA key can be neither written nor made half of a composite.
    #[error("this {0} key has no seed, only its expanded form: it can sign, but is never stored")]
    NoSeed(Component),
    /// The components do not make up the suite.
    #[error(transparent)]
    Suite(#[from] KeyError),
}

impl PrivateKey {
    /// Reads a DER PKCS#8 document. A public key beside the private key must belong to it; attributes are passed over.
    ///
    /// # Errors
    /// [`Pkcs8Error`].
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, Pkcs8Error> {
        if der.len() > MAX_PKCS8_LEN {
            return Err(Pkcs8Error::TooLong(der.len()));
        }
        let document = Document::parse(der)?;
        let Some(suite) = Suite::from_key_algorithm(document.algorithm) else {
            let algorithm = spki::AlgorithmIdentifierRef::from_der(document.algorithm).map_err(malformed)?;
            return Err(if Suite::is_key_algorithm(algorithm.oid) {
                Pkcs8Error::Parameters(algorithm.oid)
            } else {
                Pkcs8Error::UnknownAlgorithm(algorithm.oid)
            });
        };
        let key = match suite.components() {
            [component] if component.is_ml_dsa() => ml_dsa(suite, *component, document.private_key)?,
            [component @ Component::Ed25519] => {
                // RFC 8410, section 7: CurvePrivateKey is an OCTET STRING of its own.
                let inner = <&OctetStringRef>::from_der(document.private_key).map_err(private_key(suite))?;
                Self::software(suite, vec![SoftwareKey::from_raw(*component, inner.as_bytes())?])
            }
            [component] if component.is_ecdsa() => {
                Self::software(suite, vec![ec_private_key(*component, document.private_key)?])
            }
            // RFC 9909, section 7: the raw bytes without any wrapping.
            [component] => Self::software(
                suite,
                vec![SoftwareKey::from_raw(*component, document.private_key)?],
            ),
            [ml_dsa, traditional] => composite(suite, *ml_dsa, *traditional, document.private_key)?,
            _ => return Err(Pkcs8Error::UnknownAlgorithm(suite.signature_oid())),
        };
        match document.public_key {
            Some(public) if public != key.public_key()?.as_bytes() => Err(Pkcs8Error::PublicKeyMismatch),
            _ => Ok(key),
        }
    }

    /// Writes a DER PKCS#8 document: version 0, ML-DSA as its seed, SLH-DSA as its raw bytes, ECDSA with its public
    /// key inside as stock parsers want it, composites as the draft says.
    ///
    /// # Errors
    /// [`Pkcs8Error::NoSeed`] for an expanded-only key.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, Pkcs8Error> {
        let content = match self.components() {
            [single] if single.component().is_ml_dsa() => encode::secret(SEED_TAG, &[&single.raw()?]),
            [single] if single.component() == Component::Ed25519 => {
                encode::secret(OCTET_STRING, &[&single.raw()?])
            }
            [single] if single.component().is_slh_dsa() => single.raw()?,
            [single] => {
                let mut bits = vec![0];
                bits.extend_from_slice(single.public_key().as_bytes());
                let public = encode::secret(0xa1, &[&encode::secret(0x03, &[&bits])]);
                encode::secret(
                    SEQUENCE,
                    &[
                        &[2, 1, 1],
                        &encode::secret(OCTET_STRING, &[&single.raw()?]),
                        &public,
                    ],
                )
            }
            [ml_dsa, traditional] => {
                // Both at once: a buffer that grew would leave the seed behind in the old one.
                let (seed, traditional) = (ml_dsa.raw()?, traditional_private_key(traditional)?);
                let mut content = Zeroizing::new(Vec::with_capacity(seed.len() + traditional.len()));
                content.extend_from_slice(&seed);
                content.extend_from_slice(&traditional);
                content
            }
            // Components are missing where there is no seed to be one.
            _ => {
                return Err(match self.suite().components() {
                    [component] => Pkcs8Error::NoSeed(*component),
                    _ => Pkcs8Error::UnknownAlgorithm(self.suite().signature_oid()),
                });
            }
        };
        Ok(encode::secret(
            SEQUENCE,
            &[
                &[2, 1, 0],
                self.suite().key_algorithm_der(),
                &encode::secret(OCTET_STRING, &[&content]),
            ],
        ))
    }
}

/// The fields of OneAsymmetricKey that matter here, as slices of the document.
struct Document<'a> {
    algorithm: &'a [u8],
    private_key: &'a [u8],
    public_key: Option<&'a [u8]>,
}

impl<'a> Document<'a> {
    fn parse(der: &'a [u8]) -> Result<Self, Pkcs8Error> {
        let mut outer = SliceReader::new(der).map_err(malformed)?;
        let (version, document) = outer
            .sequence(|reader| -> der::Result<_> {
                let version = u8::decode(reader)?;
                let algorithm = reader.tlv_bytes()?;
                let private_key = <&'a OctetStringRef>::decode(reader)?.as_bytes();
                if reader.peek_byte() == Some(0xa0) {
                    reader.tlv_bytes()?;
                }
                let public_key = ContextSpecific::<BitStringRef<'a>>::decode_implicit(reader, TagNumber(1))?;
                let public_key = public_key
                    .map(|field| field.value.as_bytes().ok_or_else(|| Tag::BitString.value_error()))
                    .transpose()?;
                Ok((
                    version,
                    Document {
                        algorithm,
                        private_key,
                        public_key,
                    },
                ))
            })
            .map_err(malformed)?;
        outer.finish().map_err(malformed)?;
        if version > 1 {
            return Err(Pkcs8Error::Version(version));
        }
        Ok(document)
    }
}

fn malformed(error: der::Error) -> Pkcs8Error {
    Pkcs8Error::Malformed(error.to_string())
}

fn private_key<E: fmt::Display>(suite: Suite) -> impl Fn(E) -> Pkcs8Error {
    move |error| Pkcs8Error::PrivateKey {
        algorithm: suite.name(),
        reason: error.to_string(),
    }
}

/// RFC 9881, section 6: `[0]` seed, or an OCTET STRING with the expanded key, or a SEQUENCE of both.
fn ml_dsa(suite: Suite, component: Component, content: &[u8]) -> Result<PrivateKey, Pkcs8Error> {
    let seed = |seed: &[u8]| SoftwareKey::from_raw(component, seed).map_err(Pkcs8Error::Key);
    match content.first() {
        Some(&SEED_TAG) => {
            let mut reader = SliceReader::new(content).map_err(malformed)?;
            let field = ContextSpecific::<&OctetStringRef>::decode_implicit(&mut reader, TagNumber(0))
                .and_then(|field| reader.finish().map(|()| field))
                .map_err(private_key(suite))?;
            let Some(field) = field else {
                return Err(private_key(suite)("its seed is missing"));
            };
            Ok(PrivateKey::software(suite, vec![seed(field.value.as_bytes())?]))
        }
        Some(&OCTET_STRING) => {
            let expanded = <&OctetStringRef>::from_der(content).map_err(private_key(suite))?;
            let key = ExpandedMlDsaKey::parse(component, expanded.as_bytes())?;
            Ok(PrivateKey::expanded(suite, key))
        }
        Some(&SEQUENCE) => {
            let mut reader = SliceReader::new(content).map_err(malformed)?;
            let (first, second) = reader
                .sequence(|reader| -> der::Result<_> {
                    Ok((
                        <&OctetStringRef>::decode(reader)?.as_bytes(),
                        <&OctetStringRef>::decode(reader)?.as_bytes(),
                    ))
                })
                .and_then(|both| reader.finish().map(|()| both))
                .map_err(private_key(suite))?;
            let key = seed(first)?;
            let mut seed_bytes = Zeroizing::new([0; SEED_LEN]);
            seed_bytes.copy_from_slice(first); // `seed` has checked the length
            if ExpandedMlDsaKey::expand(component, &seed_bytes)?.as_slice() != second {
                return Err(Pkcs8Error::SeedMismatch(component));
            }
            Ok(PrivateKey::seed_and_expanded(suite, key))
        }
        _ => Err(private_key(suite)(
            "it is neither a seed nor an expanded key nor both",
        )),
    }
}

/// A composite's private key: the 32-byte seed and then the traditional key, joined without any wrapping.
fn composite(
    suite: Suite,
    ml_dsa: Component,
    traditional: Component,
    content: &[u8],
) -> Result<PrivateKey, Pkcs8Error> {
    let Some((seed, rest)) = content.split_at_checked(SEED_LEN) else {
        return Err(private_key(suite)(format!(
            "the {} is cut short",
            Half::PostQuantum
        )));
    };
    let first = SoftwareKey::from_raw(ml_dsa, seed)?;
    let second = match traditional.is_ecdsa() {
        true => {
            let key = ec_private_key(traditional, rest)?;
            // The draft fixes one encoding (named curve in, public key out), so a second one is not this key.
            if traditional_private_key(&key)?.as_slice() != rest {
                return Err(private_key(suite)(format!(
                    "the {} is not in the composite's encoding",
                    Half::Classical
                )));
            }
            key
        }
        // Raw, or for RSA the PKCS#1 key in the one encoding that it has.
        false => SoftwareKey::from_raw(traditional, rest)?,
    };
    Ok(PrivateKey::software(suite, vec![first, second]))
}

/// The traditional half as the draft's section 4 encodes it: raw for EdDSA, PKCS#1 for RSA, RFC 5915 with the named curve
/// and without the public key for ECDSA.
fn traditional_private_key(key: &SoftwareKey) -> Result<Zeroizing<Vec<u8>>, Pkcs8Error> {
    let Some(curve) = named_curve(key.component()) else {
        return Ok(key.raw()?);
    };
    let parameters = encode::secret(0xa0, &[curve]);
    Ok(encode::secret(
        SEQUENCE,
        &[
            &[2, 1, 1],
            &encode::secret(OCTET_STRING, &[&key.raw()?]),
            &parameters,
        ],
    ))
}

/// Reads an ECPrivateKey (RFC 5915). A curve or public key inside must be the right one.
fn ec_private_key(component: Component, der: &[u8]) -> Result<SoftwareKey, Pkcs8Error> {
    let wrong = |reason: String| Pkcs8Error::PrivateKey {
        algorithm: component.name(),
        reason,
    };
    let parsed = sec1::EcPrivateKey::from_der(der).map_err(|e| wrong(e.to_string()))?;
    if let Some(parameters) = parsed.parameters {
        let curve = parameters.named_curve().map(|oid| oid.as_bytes().to_vec());
        let expected = named_curve(component)
            .and_then(|curve| curve.get(2..))
            .map(<[u8]>::to_vec);
        if curve != expected {
            return Err(wrong("it names another curve".to_owned()));
        }
    }
    let key = SoftwareKey::from_raw(component, parsed.private_key)?;
    match parsed.public_key {
        Some(public) if public != key.public_key().as_bytes() => Err(Pkcs8Error::PublicKeyMismatch),
        _ => Ok(key),
    }
}
