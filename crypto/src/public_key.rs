//! Public keys of single components.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, VerificationAlgorithm};

use crate::ffi::MlDsaKey;
use crate::{Component, KeyError, MlDsaContext, VerifyError};

const WHAT: &str = "a public key";

/// A public key that was checked to be one: right length, on its curve.
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
}

/// How aws-lc-rs calls a classical component; `None` for ML-DSA.
fn classical(component: Component) -> Option<&'static dyn VerificationAlgorithm> {
    match component {
        Component::EcdsaP256Sha256 => Some(&signature::ECDSA_P256_SHA256_ASN1),
        Component::EcdsaP384Sha384 => Some(&signature::ECDSA_P384_SHA384_ASN1),
        Component::Ed25519 => Some(&signature::ED25519),
        Component::MlDsa44 | Component::MlDsa65 | Component::MlDsa87 => None,
    }
}

impl PublicKey {
    /// Reads the raw encoding of a `component`'s public key (see [`Component`]).
    ///
    /// # Errors
    /// [`KeyError::Length`] or [`KeyError::Invalid`]; compressed points are invalid.
    pub fn parse(component: Component, bytes: &[u8]) -> Result<Self, KeyError> {
        let expected = component.public_key_len();
        if bytes.len() != expected {
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
        let parsed = match classical(component) {
            Some(algorithm) => {
                Parsed::Classical(ParsedPublicKey::new(algorithm, bytes).map_err(|_| invalid)?)
            }
            None => Parsed::MlDsa(Arc::new(
                MlDsaKey::from_public(component, bytes).map_err(|_| invalid)?,
            )),
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
            Parsed::Classical(_) => false,
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
