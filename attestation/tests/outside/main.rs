//! The methods that go by a node's name, or by what a service outside says of it, against the conformance suite and their
//! own rules. The services are stand-ins that answer as their documentation says.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../asked/mod.rs"]
mod asked;
mod aws_iid;
mod azure_msi;
mod gcp_iit;
mod http_challenge;
mod k8s_psat;
mod key_sets;
mod sshpop;
mod tokens;

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_attestation::conformance::{self, Scenario};
use symbolon_attestation::http::{HttpClient, Request, Response};
use symbolon_attestation::{AttestationError, Attested, KnownAgents, Prover, Verifier};

use self::asked::{Asked, NeverAsked};

fn trust_domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Agents on record: each from the moment that it is asked for.
#[derive(Debug, Default)]
struct Record {
    agents: Mutex<HashSet<String>>,
    broken: bool,
}

#[async_trait]
impl KnownAgents for Record {
    async fn is_known(&self, agent_id: &SpiffeId) -> Result<bool, Box<dyn Error + Send + Sync>> {
        match self.broken {
            true => Err("the disk is full".into()),
            false => Ok(!self.agents.lock().unwrap().insert(agent_id.to_string())),
        }
    }
}

type Answering = Box<dyn Fn(&Request) -> Result<Response, String> + Send + Sync>;

/// A service.
#[derive(Clone)]
struct Service(Arc<Answering>);

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl Service {
    fn new(answering: impl Fn(&Request) -> Result<Response, String> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Arc::new(Box::new(answering))))
    }
}

#[async_trait]
impl HttpClient for Service {
    async fn send(&self, request: Request) -> Result<Response, Box<dyn Error + Send + Sync>> {
        let answer = (self.0)(&request)?;
        assert!(answer.body.len() <= request.most, "more than is read");
        Ok(answer)
    }
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Result<Response, String> {
    Ok(Response {
        status,
        body: body.into(),
    })
}

fn field<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let found = request.fields.iter().find(|(found, _)| *found == name);
    found.map(|(_, value)| value.as_str())
}

async fn attest(verifier: &dyn Verifier, prover: &mut dyn Prover) -> Result<Attested, AttestationError> {
    let evidence = prover.evidence().await.unwrap();
    verifier.verify(&evidence, &mut Asked(prover), now()).await
}

/// A refusal without asking, in words, and whether it is the node's fault.
async fn refusal(verifier: &dyn Verifier, evidence: &[u8]) -> String {
    match verifier.verify(evidence, &mut NeverAsked, now()).await {
        Err(AttestationError::Unavailable(error)) => panic!("the node's fault, and not: {error}"),
        Err(error) => error.to_string(),
        Ok(attested) => panic!("{attested:?} was let in"),
    }
}

fn words(attested: &Attested) -> Vec<String> {
    attested
        .selectors
        .iter()
        .map(|(kind, value)| format!("{kind}:{value}"))
        .collect()
}

type Making = Box<dyn Fn() -> Box<dyn Prover> + Send + Sync>;

/// A method with its nodes.
struct Method {
    trust_domain: TrustDomain,
    verifier: Box<dyn Verifier>,
    make: Making,
}

impl Method {
    fn new<P: Prover + 'static>(
        verifier: impl Verifier + 'static,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        Self {
            trust_domain: trust_domain(),
            verifier: Box::new(verifier),
            make: Box::new(move || Box::new(make())),
        }
    }

    async fn conforms(&self) {
        conformance::run(self).await.unwrap();
    }
}

#[async_trait]
impl Scenario for Method {
    fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    fn verifier(&self) -> &dyn Verifier {
        &*self.verifier
    }

    async fn honest(&self) -> Box<dyn Prover> {
        (self.make)()
    }

    fn now(&self) -> SystemTime {
        now()
    }
}
