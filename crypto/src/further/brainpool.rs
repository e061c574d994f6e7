//! ECDSA on the brainpool curves (RFC 5639), by RustCrypto's `bp256` and `bp384`.
//!
//! Field and scalar arithmetic there is fiat-crypto's, and nonces are made from key and message (RFC 6979).

use std::sync::Arc;

use ecdsa::signature::{Signer, Verifier};
use zeroize::Zeroizing;

use super::{Refused, Signing, Verifying};
use crate::{Component, random};

/// How often a scalar is drawn before the generator is taken to have failed. The order of either curve is more than
/// half of its power of two, so this is never reached by chance.
const DRAWS: usize = 128;

type Key<C> = ecdsa::SigningKey<C>;

/// The implementations for one curve.
macro_rules! curve {
    ($module:ident, $curve:path, $signature:path, $len:literal) => {
        mod $module {
            use super::*;

            pub(super) struct Public(ecdsa::VerifyingKey<$curve>);

            impl Verifying for Public {
                fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
                    <$signature>::from_bytes(signature)
                        .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
                }
            }

            pub(super) struct Private(Key<$curve>);

            impl Signing for Private {
                fn public(&self) -> Vec<u8> {
                    self.0
                        .verifying_key()
                        .to_sec1_point(false)
                        .as_bytes()
                        .to_vec()
                }

                fn raw(&self) -> Zeroizing<Vec<u8>> {
                    let scalar = Zeroizing::new(<[u8; $len]>::from(self.0.to_bytes()));
                    Zeroizing::new(scalar.to_vec())
                }

                fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Refused> {
                    let signature: $signature = self.0.try_sign(message).map_err(|_| Refused)?;
                    Ok(signature.as_bytes().to_vec())
                }
            }

            pub(super) fn public(point: &[u8]) -> Option<Arc<dyn Verifying>> {
                let key = ecdsa::VerifyingKey::from_sec1_bytes(point).ok()?;
                Some(Arc::new(Public(key)))
            }

            pub(super) fn private(scalar: &[u8]) -> Option<Box<dyn Signing>> {
                Some(Box::new(Private(Key::from_slice(scalar).ok()?)))
            }

            pub(super) fn generate() -> Option<Box<dyn Signing>> {
                let mut scalar = Zeroizing::new([0; $len]);
                (0..DRAWS).find_map(|_| {
                    random::fill(scalar.as_mut()).ok()?;
                    private(scalar.as_ref())
                })
            }
        }
    };
}

curve!(p256, bp256::BrainpoolP256r1, bp256::r1::ecdsa::DerSignature, 32);
curve!(p384, bp384::BrainpoolP384r1, bp384::r1::ecdsa::DerSignature, 48);

pub(super) fn public(component: Component, point: &[u8]) -> Option<Arc<dyn Verifying>> {
    match component {
        Component::EcdsaBrainpoolP256r1Sha256 => p256::public(point),
        Component::EcdsaBrainpoolP384r1Sha384 => p384::public(point),
        _ => None,
    }
}

pub(super) fn private(component: Component, scalar: &[u8]) -> Option<Box<dyn Signing>> {
    match component {
        Component::EcdsaBrainpoolP256r1Sha256 => p256::private(scalar),
        Component::EcdsaBrainpoolP384r1Sha384 => p384::private(scalar),
        _ => None,
    }
}

pub(super) fn generate(component: Component) -> Option<Box<dyn Signing>> {
    match component {
        Component::EcdsaBrainpoolP256r1Sha256 => p256::generate(),
        Component::EcdsaBrainpoolP384r1Sha384 => p384::generate(),
        _ => None,
    }
}
