//! The node's half.

use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{AUDIENCE, METHOD};
use crate::http::{HttpClient, Request, percent_encoded};
use crate::{MAX_MESSAGE, Prover, ProverError};

/// Google's metadata server.
pub const DEFAULT_HOST: &str = "metadata.google.internal";

/// The service account that a machine has unless told otherwise.
pub const DEFAULT_SERVICE_ACCOUNT: &str = "default";

/// Proves a node by what the metadata server says.
#[derive(Debug)]
pub struct GcpIitProver {
    url: String,
    client: Arc<dyn HttpClient>,
}

impl GcpIitProver {
    /// Asks the metadata server at `host` for the token of `service_account`.
    pub fn new(host: &str, service_account: &str, client: Arc<dyn HttpClient>) -> Self {
        let url = format!(
            "http://{host}/computeMetadata/v1/instance/service-accounts/{}/identity?audience={AUDIENCE}&format=full",
            percent_encoded(service_account)
        );
        Self { url, client }
    }
}

#[async_trait]
impl Prover for GcpIitProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        let unusable = |reason: String| ProverError::Evidence {
            method: METHOD,
            reason,
        };
        let request = Request::get(self.url.clone(), MAX_MESSAGE).with("metadata-flavor", "Google");
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|error| unusable(format!("the metadata server: {error}")))?;
        match answer.status {
            200 => Ok(Zeroizing::new(answer.body.trim_ascii().to_vec())),
            status => Err(unusable(format!(
                "the metadata server answered {status}, not with a token"
            ))),
        }
    }

    async fn respond(&mut self, _challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        Err(ProverError::UnexpectedChallenge { method: METHOD })
    }
}
