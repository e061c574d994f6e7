//! The node's half.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{Evidence, METHOD};
use crate::http::{HttpClient, Request, percent_encoded};
use crate::x509pop::message::write;
use crate::{MAX_MESSAGE, Prover, ProverError};

/// Azure's metadata service.
pub const DEFAULT_METADATA: &str = "http://169.254.169.254";

/// Proves a node by what the metadata service says.
#[derive(Debug)]
pub struct AzureMsiProver {
    url: String,
    client: Arc<dyn HttpClient>,
}

#[derive(Deserialize, ZeroizeOnDrop)]
struct Answer {
    #[serde(default)]
    access_token: String,
}

impl AzureMsiProver {
    /// Asks the metadata service at `metadata` (scheme and host) for a token for `resource`.
    pub fn new(metadata: &str, resource: &str, client: Arc<dyn HttpClient>) -> Self {
        let url = format!(
            "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={}",
            metadata.trim_end_matches('/'),
            percent_encoded(resource)
        );
        Self { url, client }
    }
}

#[async_trait]
impl Prover for AzureMsiProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        let unusable = |reason: String| ProverError::Evidence {
            method: METHOD,
            reason,
        };
        let request = Request::get(self.url.clone(), MAX_MESSAGE).with("metadata", "true");
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|error| unusable(format!("the metadata service: {error}")))?;
        let body = Zeroizing::new(answer.body);
        if answer.status != 200 {
            let status = answer.status;
            return Err(unusable(format!(
                "the metadata service answered {status}, not with a token"
            )));
        }
        // What is wrong with it is not repeated: it may be the token.
        let mut answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| unusable("the metadata service's answer is no token in JSON".to_owned()))?;
        if answer.access_token.is_empty() {
            return Err(unusable(
                "the metadata service's answer has no token in it".to_owned(),
            ));
        }
        Ok(Zeroizing::new(write(&Evidence {
            token: std::mem::take(&mut answer.access_token),
        })))
    }

    async fn respond(&mut self, _challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        Err(ProverError::UnexpectedChallenge { method: METHOD })
    }
}
