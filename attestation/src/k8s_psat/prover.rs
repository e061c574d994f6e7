//! The node's half.

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::METHOD;
use super::message::Evidence;
use crate::{Prover, ProverError};

/// Where the token is projected when nothing else is said, as in SPIRE.
pub const DEFAULT_TOKEN_PATH: &str = "/var/run/secrets/tokens/spire-agent";

/// Proves a node by its pod's token.
#[derive(Debug)]
pub struct K8sPsatProver(Evidence);

impl K8sPsatProver {
    /// Proves the node of this cluster by a token as it lies in a file.
    ///
    /// # Errors
    /// [`ProverError::Evidence`]: there is no token in it.
    pub fn new(cluster: &str, token: &[u8]) -> Result<Self, ProverError> {
        let text = std::str::from_utf8(token.trim_ascii()).unwrap_or_default();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ProverError::Evidence {
                method: METHOD,
                reason: "there is no token in it".to_owned(),
            });
        }
        Ok(Self(Evidence::new(cluster, text)))
    }
}

#[async_trait]
impl Prover for K8sPsatProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        Ok(Zeroizing::new(self.0.to_json()))
    }

    async fn respond(&mut self, _challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        Err(ProverError::UnexpectedChallenge { method: METHOD })
    }
}
