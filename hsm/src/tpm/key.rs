//! Keys that a TPM holds.
//!
//! Neither kind calls itself this process's own software: callers verify what they sign before they use it. For a
//! sealed seed that is more than is due, since our own library signs and the seed is checked against the public key
//! each time; but a promise that is the same for all of a store is easier to keep.

use std::fmt;
use std::sync::Arc;

use symbolon_crypto::digest::{sha256, sha384};
use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey, SignError, SoftwareKey};

use super::access::{Tpm, in_reach, locked};
use super::config::Authorization;
use super::error::TpmError;
use super::policy::PcrValues;
use super::records::{Blob, Secret};

/// An ECDSA key that signs in the TPM.
pub(super) struct TpmKey {
    tpm: Tpm,
    public_key: PublicKey,
    signing: Arc<Signing>,
}

/// What it takes to sign.
pub(super) struct Signing {
    pub(super) blob: Blob,
    pub(super) password: Secret,
    pub(super) handle: Option<u32>,
    pub(super) authorization: Authorization,
}

impl TpmKey {
    pub(super) fn new(tpm: Tpm, public_key: PublicKey, signing: Signing) -> Self {
        Self {
            tpm,
            public_key,
            signing: Arc::new(signing),
        }
    }
}

impl HeldKey for TpmKey {
    fn component(&self) -> Component {
        self.public_key.component()
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8], _context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        let component = self.component();
        let digest = match component {
            Component::EcdsaP256Sha256 => sha256(message).to_vec(),
            Component::EcdsaP384Sha384 => sha384(message).to_vec(),
            component => {
                return Err(SignError::Unsupported {
                    component,
                    operation: "signing in a TPM",
                });
            }
        };
        let signing = Arc::clone(&self.signing);
        self.tpm
            .call("sign", move |connection| {
                let key = in_reach(connection, &signing.blob, &signing.password, signing.handle)?;
                connection.sign(key, signing.authorization, component, &digest)
            })
            .map_err(backend)
    }
}

/// An ML-DSA key whose seed the TPM gives out for each signature, while the PCRs are as they were.
pub(super) struct SealedKey {
    tpm: Tpm,
    public_key: PublicKey,
    blob: Blob,
    mask: Secret,
    pcrs: PcrValues,
}

impl SealedKey {
    pub(super) fn new(tpm: Tpm, public_key: PublicKey, blob: Blob, mask: Secret, pcrs: PcrValues) -> Self {
        Self {
            tpm,
            public_key,
            blob,
            mask,
            pcrs,
        }
    }

    /// The key for one signature. The library wipes what it makes of the seed when the key is dropped.
    fn unsealed(&self) -> Result<SoftwareKey, SignError> {
        let (blob, mask, pcrs) = (self.blob.clone(), self.mask.clone(), self.pcrs.clone());
        let seed = self
            .tpm
            .call("unseal a key", move |connection| {
                let secret = connection.unseal_by_policy(&blob, &pcrs)?;
                locked(secret.value(), Some(mask.as_bytes()))
            })
            .map_err(backend)?;
        let component = self.component();
        let mismatch = || backend(TpmError::Mismatch { component });
        let key = SoftwareKey::from_raw(component, seed.get()).map_err(|_| mismatch())?;
        if *key.public_key() == self.public_key {
            Ok(key)
        } else {
            Err(mismatch())
        }
    }
}

impl HeldKey for SealedKey {
    fn component(&self) -> Component {
        self.public_key.component()
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        self.unsealed()?.sign(message, context)
    }

    fn sign_mu(&self, mu: &[u8; 64]) -> Result<Vec<u8>, SignError> {
        self.unsealed()?.sign_mu(mu)
    }
}

fn backend(error: TpmError) -> SignError {
    SignError::Backend(Box::new(error))
}

impl fmt::Debug for TpmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("TpmKey", self, f)
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("SealedKey", self, f)
    }
}

fn describe(name: &str, key: &dyn HeldKey, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("public_key", key.public_key())
        .finish_non_exhaustive()
}
