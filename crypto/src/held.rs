//! What it means to hold a key.

use std::fmt::Debug;

use crate::{Component, MlDsaContext, PublicKey, SignError};

/// A private key that somebody holds: this process, a PKCS#11 token, a TPM.
///
/// `sign` takes the whole message, since neither Ed25519 nor ML-DSA can sign a digest, and blocks, since tokens
/// and rustls' signer do; callers on async executors move it to a thread of its own.
pub trait HeldKey: Send + Sync + Debug {
    /// Which component this key is.
    fn component(&self) -> Component;

    /// The public key that belongs to it.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message`. `context` goes into ML-DSA signatures and is ignored by all others.
    ///
    /// # Errors
    /// [`SignError`] if the library refuses or the backend fails or does not answer in time.
    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError>;

    /// Signs the 64-byte message representative μ (FIPS 204, algorithm 7, line 6) that the caller computed over
    /// public key, context and message. Backends with a small input limit need this path.
    ///
    /// # Errors
    /// [`SignError::Unsupported`] unless the component is ML-DSA and the backend can; else as [`sign`](Self::sign).
    fn sign_mu(&self, mu: &[u8; 64]) -> Result<Vec<u8>, SignError> {
        let _ = mu;
        Err(SignError::Unsupported {
            component: self.component(),
            operation: "signing a precomputed mu",
        })
    }

    /// Whether signatures come from this process's own library. Those of any other backend are verified before use.
    fn is_own_software(&self) -> bool {
        false
    }
}
