//! Evidence that the caller supplies, as a program does that hosts server and agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use spiffe::SpiffeId;
use symbolon_agent::{Agent, Environment, EvidenceError, EvidenceSource};
use symbolon_attestation::Prover;
use symbolon_attestation::join_token::{JoinToken, TokenProver};
use symbolon_ca::client::Client;

use crate::support::{Site, status_of, within};

/// Has the server make a token each time that one is needed.
#[derive(Debug)]
struct Minting {
    socket: std::path::PathBuf,
    made: AtomicUsize,
}

#[async_trait]
impl EvidenceSource for Minting {
    async fn prover(&self, _last: Option<&SpiffeId>) -> Result<Box<dyn Prover>, EvidenceError> {
        let other = |error: &dyn std::fmt::Display| EvidenceError::Other(error.to_string());
        let client = Client::over_socket(&self.socket).await.map_err(|e| other(&e))?;
        let token = client
            .create_join_token(Duration::from_secs(60), None)
            .await
            .map_err(|e| other(&e))?;
        self.made.fetch_add(1, Ordering::Relaxed);
        let token = JoinToken::parse(token.token.as_bytes()).map_err(|e| other(&e))?;
        Ok(Box::new(TokenProver::new(token)))
    }
}

#[tokio::test]
async fn a_source_is_asked_each_time_that_the_node_has_to_attest() {
    let site = Site::start().await;
    let source = Arc::new(Minting {
        socket: site.server().socket_path().to_owned(),
        made: AtomicUsize::new(0),
    });
    let environment = Environment {
        clock: site.time.clone(),
        timer: site.time.clone(),
        evidence: source.clone(),
        passphrase: None,
    };
    let agent = Agent::start_in(site.agent_config(), environment).await.unwrap();
    within(agent.ready()).await.unwrap();
    let first = agent.spiffe_id().unwrap();
    assert_eq!(source.made.load(Ordering::Relaxed), 1);

    site.client().delete_agent(&first).await.unwrap();
    let again = status_of(&agent, |status| status.spiffe_id.as_ref() != Some(&first));
    site.time.pass(Duration::from_secs(5), again).await;
    assert_eq!(source.made.load(Ordering::Relaxed), 2);
}
