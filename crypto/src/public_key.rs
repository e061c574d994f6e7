//! Public keys of single components.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};

use crate::ffi::MlDsaKey;
use crate::further::{self, Verifying};
use crate::{Component, KeyError, MlDsaContext, VerifyError};

const WHAT: &str = "a public key";

/// A public key that was checked to be one, in the one encoding it has: of the right length, an ECDSA point
/// uncompressed and on its curve, an EdDSA key reduced and not of small order, an RSA key of the component's size in
/// minimal DER with an exponent that FIPS 186-5 allows.
///
/// One key has one encoding here, so keys that differ in bytes differ; whoever looks for a key that is used twice
/// relies on that. Ed25519 bytes that no point has are let through: nothing ever verifies under them.
#[derive(Clone)]
pub struct PublicKey {
    component: Component,
    bytes: Arc<[u8]>,
    parsed: Parsed,
}

/// The key as the library wants it, made once so that verifying costs no parsing.
#[derive(Clone)]
enum Parsed {
    Classical(ParsedPublicKey),
    MlDsa(Arc<MlDsaKey>),
    /// Everything outside the hot path.
    Further(Arc<dyn Verifying>),
}

/// How aws-lc-rs calls a classical component of the hot path, or one that is as easily had; `None` for the others.
fn classical(component: Component) -> Option<&'static dyn VerificationAlgorithm> {
    match component {
        Component::EcdsaP256Sha256 => Some(&signature::ECDSA_P256_SHA256_ASN1),
        Component::EcdsaP384Sha384 => Some(&signature::ECDSA_P384_SHA384_ASN1),
        Component::Ed25519 => Some(&signature::ED25519),
        Component::EcdsaP521Sha512 => Some(&signature::ECDSA_P521_SHA512_ASN1),
        _ => None,
    }
}

/// The first byte of an uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// Encodings of the Ed25519 points whose order divides the cofactor 8, up to the sign in the topmost bit. A signature
/// under such a key can be made without any private key, so it proves nothing (RFC 8032, section 8; compare the
/// list of libsodium and RFC 7748, section 6.1, on the same matter for X25519).
const SMALL_ORDER: [[u8; 32]; 5] = [
    // y = 0, of order 4; y = 1, the neutral element; y = -1, of order 2.
    little_endian(0, 0, 0),
    little_endian(1, 0, 0),
    little_endian(0xec, 0xff, 0x7f),
    // The two of order 8.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// 32 bytes: the first, 30 times the middle one, the last.
const fn little_endian(first: u8, middle: u8, last: u8) -> [u8; 32] {
    let mut bytes = [middle; 32];
    bytes[0] = first;
    bytes[31] = last;
    bytes
}

/// What the library takes and nobody should: ECDSA points in the hybrid form of X9.62, a second encoding of the same
/// key; Ed25519 coordinates that are not reduced, another second encoding, or of small order.
fn is_acceptable(component: Component, bytes: &[u8]) -> bool {
    match component {
        _ if component.is_ecdsa() => bytes.first() == Some(&UNCOMPRESSED),
        Component::Ed25519 => {
            let Ok(mut y) = <[u8; 32]>::try_from(bytes) else {
                return false;
            };
            y[31] &= 0x7f;
            // The field's prime is 2^255 - 19, so only its 19 lowest residues have a second encoding.
            let [first, middle @ .., last] = &y;
            let reduced = *first < 0xed || *last != 0x7f || middle.iter().any(|byte| *byte != 0xff);
            reduced && !SMALL_ORDER.contains(&y)
        }
        _ => true,
    }
}

impl PublicKey {
    /// Reads the raw encoding of a `component`'s public key (see [`Component`]).
    ///
    /// # Errors
    /// [`KeyError::Length`] or [`KeyError::Invalid`]; compressed and hybrid points are invalid, and so are EdDSA keys
    /// under which anybody can sign. For RSA [`KeyError::RsaInvalid`], [`KeyError::RsaSize`], [`KeyError::RsaModulus`]
    /// or [`KeyError::RsaExponent`].
    pub fn parse(component: Component, bytes: &[u8]) -> Result<Self, KeyError> {
        let expected = component.public_key_len();
        if component.has_one_length() && bytes.len() != expected {
            return Err(KeyError::Length {
                component,
                what: WHAT,
                expected,
                found: bytes.len(),
            });
        }
        let invalid = KeyError::Invalid {
            component,
            what: WHAT,
        };
        if !is_acceptable(component, bytes) {
            return Err(invalid);
        }
        let parsed = match classical(component) {
            Some(algorithm) => {
                Parsed::Classical(ParsedPublicKey::new(algorithm, bytes).map_err(|_| invalid)?)
            }
            None if component.is_ml_dsa() => Parsed::MlDsa(Arc::new(
                MlDsaKey::from_public(component, bytes).map_err(|_| invalid)?,
            )),
            None => Parsed::Further(further::public(component, bytes)?),
        };
        Ok(Self {
            component,
            bytes: bytes.into(),
            parsed,
        })
    }

    /// Which component this is a key of.
    pub fn component(&self) -> Component {
        self.component
    }

    /// The raw encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks `signature` over `message`; `context` counts for ML-DSA only.
    ///
    /// # Errors
    /// [`VerifyError`] if it does not verify, for whatever reason.
    pub fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
        context: MlDsaContext<'_>,
    ) -> Result<(), VerifyError> {
        let verified = match &self.parsed {
            Parsed::Classical(key) => key.verify_sig(message, signature).is_ok(),
            Parsed::MlDsa(key) => key.verify(message, signature, context).is_ok(),
            Parsed::Further(key) => key.verifies(message, signature),
        };
        if verified {
            Ok(())
        } else {
            Err(VerifyError {
                component: self.component,
            })
        }
    }

    /// Checks an ML-DSA `signature` over a precomputed μ (FIPS 204, algorithm 8, line 7).
    ///
    /// # Errors
    /// [`VerifyError`] if it does not verify or this is no ML-DSA key.
    pub fn verify_mu(&self, mu: &[u8; 64], signature: &[u8]) -> Result<(), VerifyError> {
        let verified = match &self.parsed {
            Parsed::Classical(_) | Parsed::Further(_) => false,
            Parsed::MlDsa(key) => key.verify_mu(mu, signature).is_ok(),
        };
        if verified {
            Ok(())
        } else {
            Err(VerifyError {
                component: self.component,
            })
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.component == other.component && self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {} bytes)", self.component, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::UnparsedPublicKey;

    use super::*;
    use crate::{HeldKey, SoftwareKey};

    /// A signature that nobody's key made: R is the neutral element and S is 0.
    fn forged() -> [u8; 64] {
        let mut signature = [0; 64];
        signature[0] = 1;
        signature
    }

    #[test]
    fn keys_that_anybody_can_sign_with_are_refused() {
        for y in SMALL_ORDER {
            let forgeable = [0, 0x80].into_iter().any(|sign| {
                let mut key = y;
                key[31] |= sign;
                let error = PublicKey::parse(Component::Ed25519, &key).unwrap_err();
                assert!(matches!(error, KeyError::Invalid { .. }), "{error}");
                // The library itself takes the key, and one message in eight at the worst.
                (0..=255_u8).any(|message| {
                    UnparsedPublicKey::new(&signature::ED25519, key)
                        .verify(&[message], &forged())
                        .is_ok()
                })
            });
            assert!(forgeable, "{y:02x?} is not of small order");
        }
    }

    #[test]
    fn coordinates_that_are_not_reduced_are_refused() {
        for first in 0xed..=0xff {
            for last in [0x7f, 0xff] {
                assert!(
                    PublicKey::parse(Component::Ed25519, &little_endian(first, 0xff, last)).is_err(),
                    "{first:x} {last:x}"
                );
            }
        }
        assert!(PublicKey::parse(Component::Ed25519, &little_endian(0xeb, 0xff, 0x7f)).is_ok());
    }

    #[test]
    fn a_point_has_one_encoding() {
        for component in [Component::EcdsaP256Sha256, Component::EcdsaP384Sha384] {
            let key = SoftwareKey::generate(component).unwrap();
            for tag in 0..=255 {
                let mut point = key.public_key().as_bytes().to_vec();
                point[0] = tag;
                assert_eq!(
                    PublicKey::parse(component, &point).is_ok(),
                    tag == 4,
                    "{component} {tag}"
                );
            }
        }
    }
}
