//! Keys held in this process's memory.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use crate::ffi::{self, MlDsaKey};
use crate::further::{self, Signing};
use crate::{Component, HeldKey, KeyError, MlDsaContext, PublicKey, SignError, random};

const WHAT: &str = "a private key";

/// A private key in memory. Copies share it.
#[derive(Clone)]
pub struct SoftwareKey {
    public: PublicKey,
    secret: Arc<Secret>,
}

enum Secret {
    /// ECDSA on NIST's curves.
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa {
        key: MlDsaKey,
        seed: Zeroizing<[u8; 32]>,
    },
    /// Everything outside the hot path.
    Further(Box<dyn Signing>),
}

fn curve(component: Component) -> Option<&'static EcdsaSigningAlgorithm> {
    match component {
        Component::EcdsaP256Sha256 => Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        Component::EcdsaP384Sha384 => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        Component::EcdsaP521Sha512 => Some(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        _ => None,
    }
}

impl SoftwareKey {
    /// Makes a new key from the system's random generator.
    ///
    /// # Errors
    /// [`KeyError::Generation`] if the generator or the library fails.
    pub fn generate(component: Component) -> Result<Self, KeyError> {
        let failed = KeyError::Generation { component };
        if let Some(algorithm) = curve(component) {
            let pair = EcdsaKeyPair::generate(algorithm).map_err(|_| failed)?;
            return Self::new(
                component,
                pair.public_key().as_ref().to_vec(),
                Secret::Ecdsa(pair),
            );
        }
        if !(component.is_ml_dsa() || component == Component::Ed25519) {
            return Self::further(component, further::generate(component)?);
        }
        let mut seed = Zeroizing::new([0; 32]);
        random::fill(seed.as_mut()).map_err(|_| failed)?;
        Self::from_raw(component, seed.as_ref())
    }

    /// Rebuilds a key from what [`raw`](Self::raw) gave: the big-endian scalar of an ECDSA key, the seed of an EdDSA or
    /// ML-DSA key, the four parts of an SLH-DSA key (checked by making the public key anew), the DER `RSAPrivateKey`.
    ///
    /// # Errors
    /// [`KeyError::Length`], [`KeyError::Invalid`] for a scalar that is zero or not below the group order, or for RSA
    /// as [`PublicKey::parse`].
    pub fn from_raw(component: Component, private: &[u8]) -> Result<Self, KeyError> {
        let expected = component.private_key_len();
        if component.has_one_length() && private.len() != expected {
            return Err(KeyError::Length {
                component,
                what: WHAT,
                expected,
                found: private.len(),
            });
        }
        let invalid = KeyError::Invalid {
            component,
            what: WHAT,
        };
        match component {
            Component::EcdsaP256Sha256 | Component::EcdsaP384Sha384 | Component::EcdsaP521Sha512 => {
                let algorithm = curve(component).ok_or(invalid)?;
                let der = ec_private_key(private);
                let pair = EcdsaKeyPair::from_private_key_der(algorithm, &der).map_err(|_| invalid)?;
                Self::new(
                    component,
                    pair.public_key().as_ref().to_vec(),
                    Secret::Ecdsa(pair),
                )
            }
            Component::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(private).map_err(|_| invalid)?;
                Self::new(
                    component,
                    pair.public_key().as_ref().to_vec(),
                    Secret::Ed25519(pair),
                )
            }
            Component::MlDsa44 | Component::MlDsa65 | Component::MlDsa87 => {
                let mut seed = Zeroizing::new([0; 32]);
                seed.copy_from_slice(private);
                let key = MlDsaKey::from_private(component, private).map_err(|_| invalid)?;
                let public = key.public(component).map_err(|_| invalid)?;
                Self::new(component, public, Secret::MlDsa { key, seed })
            }
            _ => Self::further(component, further::private(component, private)?),
        }
    }

    fn further(component: Component, key: Box<dyn Signing>) -> Result<Self, KeyError> {
        Self::new(component, key.public(), Secret::Further(key))
    }

    fn new(component: Component, public: Vec<u8>, secret: Secret) -> Result<Self, KeyError> {
        Ok(Self {
            public: PublicKey::parse(component, &public)?,
            secret: Arc::new(secret),
        })
    }

    /// What this key is made from: see [`from_raw`](Self::from_raw). Whoever calls this is writing it to a place that protects it.
    ///
    /// # Errors
    /// [`KeyError::Export`] if the library cannot give it out.
    pub fn raw(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let failed = KeyError::Export {
            component: self.component(),
        };
        match &*self.secret {
            Secret::Ecdsa(pair) => {
                let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| failed)?;
                Ok(Zeroizing::new(scalar.as_ref().to_vec()))
            }
            Secret::Ed25519(pair) => {
                let seed = pair.seed().map_err(|_| failed)?;
                let seed = seed.as_be_bytes().map_err(|_| failed)?;
                Ok(Zeroizing::new(seed.as_ref().to_vec()))
            }
            Secret::MlDsa { seed, .. } => Ok(Zeroizing::new(seed.to_vec())),
            Secret::Further(key) => Ok(key.raw()),
        }
    }
}

impl SoftwareKey {
    /// See [`sign_ecdsa_sha256`](crate::stock::sign_ecdsa_sha256).
    pub(crate) fn ecdsa_with_sha256(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let component = self.component();
        let failed = SignError::Library { component };
        match &*self.secret {
            Secret::Ecdsa(pair) => {
                let pkcs8 = pair.to_pkcs8v1().map_err(|_| failed)?;
                ffi::sign_with_sha256(pkcs8.as_ref(), message).map_err(|_| SignError::Library { component })
            }
            _ => Err(SignError::Unsupported {
                component,
                operation: "ECDSA with SHA-256",
            }),
        }
    }
}

/// The RFC 5915 structure that aws-lc-rs wants a bare scalar in: version 1 and the scalar, nothing else. The
/// caller has checked the length, which is below 128 for every curve.
fn ec_private_key(scalar: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut der = Zeroizing::new(Vec::with_capacity(scalar.len() + 7));
    let len = scalar.len() as u8;
    der.extend_from_slice(&[0x30, len + 5, 0x02, 0x01, 0x01, 0x04, len]);
    der.extend_from_slice(scalar);
    der
}

impl HeldKey for SoftwareKey {
    fn component(&self) -> Component {
        self.public.component()
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        let failed = || SignError::Library {
            component: self.component(),
        };
        match &*self.secret {
            Secret::Ecdsa(pair) => pair
                .sign(&aws_lc_rs::rand::SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| failed()),
            Secret::Ed25519(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| failed()),
            Secret::MlDsa { key, .. } => key.sign(message, context).map_err(|_| failed()),
            Secret::Further(key) => key.sign(message).map_err(|_| failed()),
        }
    }

    fn sign_mu(&self, mu: &[u8; 64]) -> Result<Vec<u8>, SignError> {
        let component = self.component();
        match &*self.secret {
            Secret::MlDsa { key, .. } => key.sign_mu(mu).map_err(|_| SignError::Library { component }),
            Secret::Ecdsa(_) | Secret::Ed25519(_) | Secret::Further(_) => Err(SignError::Unsupported {
                component,
                operation: "signing a precomputed mu",
            }),
        }
    }

    fn is_own_software(&self) -> bool {
        true
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey({}, secret)", self.component())
    }
}
