//! The node's half.

use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::METHOD;
use super::message::Evidence;
use crate::http::{HttpClient, Request, Verb};
use crate::{Prover, ProverError};

/// Amazon's metadata service.
pub const DEFAULT_METADATA: &str = "http://169.254.169.254";

/// Longest answer of the metadata service, in bytes.
const MAX_ANSWER: usize = 32 * 1024;
/// How long the session with the metadata service may last, in seconds: for three requests.
const SESSION: &str = "60";

/// Proves a node by what the metadata service says.
#[derive(Debug)]
pub struct AwsIidProver {
    metadata: String,
    client: Arc<dyn HttpClient>,
}

impl AwsIidProver {
    /// Asks the metadata service at `metadata` (scheme and host).
    pub fn new(metadata: &str, client: Arc<dyn HttpClient>) -> Self {
        Self {
            metadata: metadata.trim_end_matches('/').to_owned(),
            client,
        }
    }

    async fn ask(&self, request: Request) -> Result<Zeroizing<String>, ProverError> {
        let url = request.url.clone();
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|error| unusable(format!("the metadata service: {error}")))?;
        match (answer.status, String::from_utf8(answer.body)) {
            (200, Ok(text)) => Ok(Zeroizing::new(text)),
            (status, _) => Err(unusable(format!(
                "the metadata service answered {status} for {url}, not with text"
            ))),
        }
    }
}

#[async_trait]
impl Prover for AwsIidProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        let mut session = Request::get(format!("{}/latest/api/token", self.metadata), MAX_ANSWER)
            .with("x-aws-ec2-metadata-token-ttl-seconds", SESSION);
        session.verb = Verb::Put;
        let session = self.ask(session).await?;
        let get = async |name: &str| {
            let url = format!("{}/latest/dynamic/instance-identity/{name}", self.metadata);
            let request = Request::get(url, MAX_ANSWER).with("x-aws-ec2-metadata-token", session.trim());
            self.ask(request).await.map(|text| text.to_string())
        };
        let document = get("document").await?;
        let (old, new) = (get("signature").await?, get("rsa2048").await?);
        Ok(Zeroizing::new(Evidence::new(document, old, new).to_json()))
    }

    async fn respond(&mut self, _challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        Err(ProverError::UnexpectedChallenge { method: METHOD })
    }
}

fn unusable(reason: String) -> ProverError {
    ProverError::Evidence {
        method: METHOD,
        reason,
    }
}
