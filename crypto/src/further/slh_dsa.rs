//! SLH-DSA (FIPS 205), by `fips205`. Hedged, and with the empty context, as certificates have it (RFC 9909).

use std::sync::Arc;

use fips205::traits::{SerDes, Signer, Verifier};
use fips205::{CryptoRng, RngCore, RngError};
use zeroize::Zeroizing;

use super::{Refused, Signing, Verifying};
use crate::{Component, random};

/// Our generator, as the library wants one.
struct Random;

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    #[allow(
        clippy::expect_used,
        reason = "a trait without a way to fail; key generation and signing call `try_fill_bytes` alone"
    )]
    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.try_fill_bytes(out).expect("the system's random generator");
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), RngError> {
        random::fill(out).map_err(|_| RngError::from(std::num::NonZeroU32::MIN))
    }
}

impl CryptoRng for Random {}

/// The implementations for one parameter set.
macro_rules! set {
    ($set:ident) => {
        mod $set {
            use fips205::$set::{PrivateKey, PublicKey};

            use super::*;

            pub(super) struct Public(PublicKey);

            impl Verifying for Public {
                fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
                    signature
                        .try_into()
                        .is_ok_and(|signature| self.0.verify(message, signature, &[]))
                }
            }

            pub(super) struct Private {
                key: PrivateKey,
                raw: Zeroizing<Vec<u8>>,
            }

            impl Signing for Private {
                fn public(&self) -> Vec<u8> {
                    self.key.get_public_key().into_bytes().to_vec()
                }

                fn raw(&self) -> Zeroizing<Vec<u8>> {
                    self.raw.clone()
                }

                fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Refused> {
                    let signature = self.key.try_sign_with_rng(&mut Random, message, &[], true);
                    signature.map(|bytes| bytes.to_vec()).map_err(|_| Refused)
                }
            }

            pub(super) fn public(bytes: &[u8]) -> Option<Arc<dyn Verifying>> {
                let key = PublicKey::try_from_bytes(bytes.try_into().ok()?).ok()?;
                Some(Arc::new(Public(key)))
            }

            /// The library computes the public key anew and refuses one that differs.
            pub(super) fn private(raw: &[u8]) -> Option<Box<dyn Signing>> {
                let key = PrivateKey::try_from_bytes(raw.try_into().ok()?).ok()?;
                let raw = Zeroizing::new(raw.to_vec());
                Some(Box::new(Private { key, raw }))
            }

            pub(super) fn generate() -> Option<Box<dyn Signing>> {
                let (_, key) = fips205::$set::try_keygen_with_rng(&mut Random).ok()?;
                let bytes = Zeroizing::new(key.clone().into_bytes());
                let raw = Zeroizing::new(bytes.to_vec());
                Some(Box::new(Private { key, raw }))
            }
        }
    };
}

macro_rules! sets {
    ($($component:ident => $set:ident,)*) => {
        $(set!($set);)*

        pub(super) fn public(component: Component, bytes: &[u8]) -> Option<Arc<dyn Verifying>> {
            match component {
                $(Component::$component => $set::public(bytes),)*
                _ => None,
            }
        }

        pub(super) fn private(component: Component, raw: &[u8]) -> Option<Box<dyn Signing>> {
            match component {
                $(Component::$component => $set::private(raw),)*
                _ => None,
            }
        }

        pub(super) fn generate(component: Component) -> Option<Box<dyn Signing>> {
            match component {
                $(Component::$component => $set::generate(),)*
                _ => None,
            }
        }
    };
}

sets! {
    SlhDsaSha2_128s => slh_dsa_sha2_128s,
    SlhDsaSha2_128f => slh_dsa_sha2_128f,
    SlhDsaSha2_192s => slh_dsa_sha2_192s,
    SlhDsaSha2_192f => slh_dsa_sha2_192f,
    SlhDsaSha2_256s => slh_dsa_sha2_256s,
    SlhDsaSha2_256f => slh_dsa_sha2_256f,
    SlhDsaShake128s => slh_dsa_shake_128s,
    SlhDsaShake128f => slh_dsa_shake_128f,
    SlhDsaShake192s => slh_dsa_shake_192s,
    SlhDsaShake192f => slh_dsa_shake_192f,
    SlhDsaShake256s => slh_dsa_shake_256s,
    SlhDsaShake256f => slh_dsa_shake_256f,
}
