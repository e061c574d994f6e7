//! The join-token method against the conformance suite and its own rules.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_attestation::conformance::{self, Scenario};
use symbolon_attestation::join_token::{JoinToken, TokenProver, TokenStore, TokenUse, TokenVerifier};
use symbolon_attestation::{AttestationError, Attested, Challenger, Occasion, Prover, Verifier};

/// Tokens in memory, with their ends.
#[derive(Debug, Default)]
struct Tokens {
    open: Mutex<HashMap<[u8; 32], SystemTime>>,
    broken: bool,
}

#[async_trait]
impl TokenStore for Tokens {
    async fn spend(
        &self,
        sha256: &[u8; 32],
        now: SystemTime,
    ) -> Result<TokenUse, Box<dyn Error + Send + Sync>> {
        if self.broken {
            return Err("the disk is full".into());
        }
        let mut open = self.open.lock().unwrap();
        match open.get(sha256) {
            None => Ok(TokenUse::Unknown),
            Some(ends) if *ends <= now => Ok(TokenUse::Expired),
            Some(_) => {
                open.remove(sha256);
                Ok(TokenUse::Spent)
            }
        }
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn trust_domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

struct Nobody;

#[async_trait]
impl Challenger for Nobody {
    fn occasion(&self) -> Occasion {
        Occasion {
            csr_sha256: [7; 32],
            address: None,
        }
    }

    async fn challenge(&mut self, _: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        panic!("join_token has no challenges")
    }
}

struct Method {
    trust_domain: TrustDomain,
    tokens: Arc<Tokens>,
    verifier: TokenVerifier,
}

impl Method {
    fn new(tokens: Tokens) -> Self {
        let tokens = Arc::new(tokens);
        let verifier = TokenVerifier::new(trust_domain(), tokens.clone());
        Self {
            trust_domain: trust_domain(),
            tokens,
            verifier,
        }
    }

    fn make(&self, ttl: Duration) -> JoinToken {
        let token = JoinToken::generate().unwrap();
        self.tokens
            .open
            .lock()
            .unwrap()
            .insert(token.sha256(), now() + ttl);
        token
    }

    async fn verify(&self, evidence: &[u8], at: SystemTime) -> Result<Attested, AttestationError> {
        self.verifier.verify(evidence, &mut Nobody, at).await
    }
}

#[async_trait]
impl Scenario for Method {
    fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    fn verifier(&self) -> &dyn Verifier {
        &self.verifier
    }

    async fn honest(&self) -> Box<dyn Prover> {
        Box::new(TokenProver::new(self.make(Duration::from_secs(60))))
    }

    fn now(&self) -> SystemTime {
        now()
    }
}

#[tokio::test]
async fn it_conforms() {
    conformance::run(&Method::new(Tokens::default())).await.unwrap();
}

#[tokio::test]
async fn a_late_token_is_refused_and_stays() {
    let method = Method::new(Tokens::default());
    let token = method.make(Duration::from_secs(10));
    let evidence = token.expose().as_bytes();
    let error = method
        .verify(evidence, now() + Duration::from_secs(10))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, AttestationError::Refused(reason) if reason.contains("expired")),
        "{error}"
    );
    let attested = method
        .verify(evidence, now() + Duration::from_secs(9))
        .await
        .unwrap();
    assert_eq!(attested.agent_id, token.agent_id(&trust_domain()).unwrap());
    assert!(attested.selectors.is_empty() && !attested.can_reattest);
}

#[tokio::test]
async fn of_many_who_try_at_once_one_gets_in() {
    let method = Arc::new(Method::new(Tokens::default()));
    let token = method.make(Duration::from_secs(60));
    let tries = (0..16).map(|_| {
        let (method, token) = (method.clone(), token.clone());
        tokio::spawn(async move { method.verify(token.expose().as_bytes(), now()).await.is_ok() })
    });
    let mut admitted = 0;
    for attempt in tries.collect::<Vec<_>>() {
        admitted += usize::from(attempt.await.unwrap());
    }
    assert_eq!(admitted, 1);
}

#[tokio::test]
async fn a_store_that_fails_is_not_the_nodes_fault() {
    let method = Method::new(Tokens {
        broken: true,
        ..Tokens::default()
    });
    let error = method.verify(b"anything", now()).await.unwrap_err();
    assert!(matches!(error, AttestationError::Unavailable(_)), "{error}");
}
