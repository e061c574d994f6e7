//! What every method must do, whatever it proves by. A method's tests describe it as a [`Scenario`] and [`run`] it.

use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::TrustDomain;

use crate::{AttestationError, Attested, Challenger, MAX_MESSAGE, Prover, Verifier};

/// One method, set up so that one node can prove itself.
#[async_trait]
pub trait Scenario: Send + Sync {
    /// The trust domain in which agents are named.
    fn trust_domain(&self) -> &TrustDomain;

    /// The server's half.
    fn verifier(&self) -> &dyn Verifier;

    /// The node's half, for a node that the verifier will let in. Each call is another node, or the same one
    /// with fresh evidence.
    async fn honest(&self) -> Box<dyn Prover>;

    /// The moment at which everything is valid.
    fn now(&self) -> SystemTime;
}

/// A rule that a method breaks.
#[derive(Debug, thiserror::Error)]
#[error("{method}: {rule}: {found}")]
pub struct Violation {
    method: &'static str,
    rule: &'static str,
    found: String,
}

/// Checks a method against every rule.
///
/// # Errors
/// The first rule that is broken.
pub async fn run(scenario: &dyn Scenario) -> Result<(), Violation> {
    let verifier = scenario.verifier();
    let method = verifier.method();
    let broken = |rule, found: &dyn std::fmt::Debug| Violation {
        method,
        rule,
        found: format!("{found:?}"),
    };

    let mut prover = scenario.honest().await;
    if prover.method() != method {
        return Err(broken("both halves have one name", &prover.method()));
    }
    let (evidence, outcome) = attest(scenario, prover.as_mut()).await;
    let attested = outcome.map_err(|error| broken("an honest node is let in", &error))?;
    check_identity(scenario, &attested)
        .map_err(|found| broken("agents are named below their method", &found))?;

    // The same bytes once more, by someone who overheard them.
    let again = verifier.verify(&evidence, &mut Silent, scenario.now()).await;
    if !attested.can_reattest && again.is_ok() {
        return Err(broken("what counts once does not count twice", &again));
    }
    for (rule, evidence) in [
        ("empty evidence is refused", Vec::new()),
        ("noise is refused", vec![0xff; 64]),
        ("oversized evidence is refused", vec![b'a'; MAX_MESSAGE + 1]),
    ] {
        match verifier.verify(&evidence, &mut Silent, scenario.now()).await {
            Err(AttestationError::Malformed { .. } | AttestationError::Refused(_)) => {}
            other => return Err(broken(rule, &other)),
        }
    }
    // One bit of good evidence changed, at each end: another node's evidence, or nobody's.
    for position in [0, usize::MAX] {
        let mut prover = scenario.honest().await;
        let evidence = prover
            .evidence()
            .await
            .map_err(|error| broken("honest nodes have evidence", &error))?;
        let mut changed = evidence.to_vec();
        let position = position.min(changed.len().saturating_sub(1));
        if let Some(byte) = changed.get_mut(position) {
            *byte ^= 1;
        }
        let mut challenger = Honest(prover.as_mut());
        if let Ok(found) = verifier.verify(&changed, &mut challenger, scenario.now()).await {
            return Err(broken("changed evidence is refused", &found));
        }
        // A failed attempt by someone else must not cost the node its evidence.
        verifier
            .verify(&evidence, &mut challenger, scenario.now())
            .await
            .map_err(|error| broken("a failed attempt uses nothing up", &error))?;
    }
    Ok(())
}

/// Lets a node prove itself; returns what it opened with and how it went.
async fn attest(
    scenario: &dyn Scenario,
    prover: &mut dyn Prover,
) -> (Vec<u8>, Result<Attested, AttestationError>) {
    let evidence = match prover.evidence().await {
        Ok(evidence) => evidence.to_vec(),
        Err(error) => return (Vec::new(), Err(AttestationError::Refused(error.to_string()))),
    };
    let outcome = scenario
        .verifier()
        .verify(&evidence, &mut Honest(prover), scenario.now())
        .await;
    (evidence, outcome)
}

fn check_identity(scenario: &dyn Scenario, attested: &Attested) -> Result<(), String> {
    let prefix = format!("/spire/agent/{}/", scenario.verifier().method());
    let id = &attested.agent_id;
    if id.is_member_of(scenario.trust_domain()) && id.path().starts_with(&prefix) {
        Ok(())
    } else {
        Err(id.to_string())
    }
}

/// A node that answers its challenges.
struct Honest<'a>(&'a mut dyn Prover);

#[async_trait]
impl Challenger for Honest<'_> {
    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        self.0
            .respond(&challenge)
            .await
            .map_err(|_| AttestationError::Abandoned)
    }
}

/// Someone who has evidence and nothing else.
struct Silent;

#[async_trait]
impl Challenger for Silent {
    async fn challenge(&mut self, _challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        Err(AttestationError::Abandoned)
    }
}
