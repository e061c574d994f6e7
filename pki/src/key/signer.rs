//! Signing as a suite, with keys that may be held in different places.

use std::sync::Arc;

use symbolon_crypto::{HeldKey, MlDsaContext, SignError};

use super::{KeyError, SuitePublicKey};
use crate::suite::Suite;

/// A suite's private key: one held key, or for a composite two, which may be in different stores. Copies share them.
#[derive(Clone, Debug)]
pub struct SuiteSigner {
    keys: Arc<[Arc<dyn HeldKey>]>,
    public: Arc<SuitePublicKey>,
}

impl SuiteSigner {
    /// Puts held keys together as a `suite`, in its order (a composite's ML-DSA key first).
    ///
    /// # Errors
    /// [`KeyError::Components`] if they are not the suite's components.
    pub fn new(suite: Suite, keys: Vec<Arc<dyn HeldKey>>) -> Result<Self, KeyError> {
        let public = keys.iter().map(|key| key.public_key().clone()).collect();
        let public = SuitePublicKey::from_components(suite, public)?;
        Ok(Self {
            keys: keys.into(),
            public: Arc::new(public),
        })
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.public.suite()
    }

    /// The public key.
    pub fn public_key(&self) -> &SuitePublicKey {
        &self.public
    }

    /// The held keys, in the suite's order.
    pub fn keys(&self) -> &[Arc<dyn HeldKey>] {
        &self.keys
    }

    /// Signs `message` with an empty context, as certificates, CSRs and TLS want it. Blocks as long as the slowest
    /// key does.
    ///
    /// # Errors
    /// [`SignError`] from the key that failed.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_with_context(message, &[])
    }

    /// As [`sign`](Self::sign) with an application context of at most 255 bytes: FIPS 204's for ML-DSA alone, the
    /// draft's for a composite.
    ///
    /// # Errors
    /// As [`sign`](Self::sign); [`SignError::Unsupported`] for a context where the suite has none.
    pub fn sign_with_context(&self, message: &[u8], context: &[u8]) -> Result<Vec<u8>, SignError> {
        match (self.suite().composite(), &*self.keys) {
            (Some(spec), [ml_dsa, traditional]) => {
                let representative = spec
                    .representative(message, context)
                    .map_err(|e| SignError::Backend(Box::new(e)))?;
                let mut signature = ml_dsa.sign(&representative, spec.ml_dsa_context)?;
                signature.extend_from_slice(&traditional.sign(&representative, MlDsaContext::EMPTY)?);
                Ok(signature)
            }
            (None, [single]) => {
                if !context.is_empty() && !single.component().is_ml_dsa() {
                    return Err(SignError::Unsupported {
                        component: single.component(),
                        operation: "signing with a context",
                    });
                }
                let context = MlDsaContext::new(context).map_err(|e| SignError::Backend(Box::new(e)))?;
                single.sign(message, context)
            }
            // The constructor matches keys to the suite.
            (_, keys) => Err(SignError::Unsupported {
                component: keys
                    .first()
                    .map_or(self.suite().components()[0], |key| key.component()),
                operation: "signing with keys that do not make up the suite",
            }),
        }
    }

    /// Whether every key is in this process's own software, whose signatures need no second look.
    pub fn is_own_software(&self) -> bool {
        self.keys.iter().all(|key| key.is_own_software())
    }
}
