//! What every method must do, whatever it proves by. A method's tests describe it as a [`Scenario`] and [`run`] it.

use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::TrustDomain;

use crate::{AttestationError, Attested, Challenger, MAX_MESSAGE, Occasion, Prover, Verifier};

/// What nodes ask for here.
const OCCASION: Occasion = Occasion {
    csr_sha256: [0xc5; 32],
    address: None,
};

/// In how many places one answer is changed, about.
const MOST_CHANGES: usize = 100;

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

    /// Whether the node's answers are bound to its request for a certificate.
    fn binds_request(&self) -> bool {
        false
    }
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

    let mut prover = honest(scenario).await;
    if prover.method() != method {
        return Err(broken("both halves have one name", &prover.method()));
    }
    let (evidence, answers, outcome) = attest(scenario, prover.as_mut()).await;
    let attested = outcome.map_err(|error| broken("an honest node is let in", &error))?;
    check_identity(scenario, &attested)
        .map_err(|found| broken("agents are named below their method", &found))?;

    // The same bytes once more, by someone who overheard them.
    let again = verifier.verify(&evidence, &mut Silent, scenario.now()).await;
    if !attested.can_reattest && again.is_ok() {
        return Err(broken("what counts once does not count twice", &again));
    }
    if attested.can_reattest {
        let (_, _, outcome) = attest(scenario, prover.as_mut()).await;
        match outcome {
            Ok(again) if again == attested => {}
            other => return Err(broken("who attests again is who it was", &other)),
        }
    }
    if !answers.is_empty() {
        check_answers(scenario, prover.as_mut(), &answers)
            .await
            .map_err(|(rule, found)| broken(rule, &found))?;
    }
    for (rule, evidence) in [
        ("empty evidence is refused", Vec::new()),
        ("noise is refused", vec![0xff; 64]),
        ("oversized evidence is refused", vec![b'a'; MAX_MESSAGE + 1]),
    ] {
        match verifier.verify(&evidence, &mut Silent, scenario.now()).await {
            Err(
                AttestationError::Malformed { .. }
                | AttestationError::Refused(_)
                | AttestationError::Denied(_),
            ) => {}
            other => return Err(broken(rule, &other)),
        }
    }
    // One bit of good evidence changed, at each end: another node's evidence, or nobody's.
    for position in [0, usize::MAX] {
        let mut prover = honest(scenario).await;
        let evidence = prover
            .evidence()
            .await
            .map_err(|error| broken("honest nodes have evidence", &error))?;
        let mut changed = evidence.to_vec();
        let position = position.min(changed.len().saturating_sub(1));
        if let Some(byte) = changed.get_mut(position) {
            *byte ^= 1;
        }
        let mut challenger = Honest::new(prover.as_mut());
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

/// A node with its request.
async fn honest(scenario: &dyn Scenario) -> Box<dyn Prover> {
    let mut prover = scenario.honest().await;
    prover.bind(OCCASION.csr_sha256);
    prover
}

/// Lets a node prove itself; returns what it opened with, what it answered, and how it went.
async fn attest(
    scenario: &dyn Scenario,
    prover: &mut dyn Prover,
) -> (Vec<u8>, Vec<Vec<u8>>, Result<Attested, AttestationError>) {
    let evidence = match prover.evidence().await {
        Ok(evidence) => evidence.to_vec(),
        Err(error) => {
            let refused = AttestationError::Refused(error.to_string());
            return (Vec::new(), Vec::new(), Err(refused));
        }
    };
    let mut node = Honest::new(prover);
    let outcome = scenario
        .verifier()
        .verify(&evidence, &mut node, scenario.now())
        .await;
    (evidence, node.answers, outcome)
}

/// For methods that ask: an answer is good for its own challenge alone, and as it is.
async fn check_answers(
    scenario: &dyn Scenario,
    prover: &mut dyn Prover,
    answers: &[Vec<u8>],
) -> Result<(), (&'static str, Result<Attested, AttestationError>)> {
    // What it was asked before may have been about evidence that it has made anew since.
    let evidence = match prover.evidence().await {
        Ok(evidence) => evidence.to_vec(),
        Err(error) => {
            let refused = AttestationError::Refused(error.to_string());
            return Err(("honest nodes have evidence", Err(refused)));
        }
    };
    let longest = answers.iter().map(Vec::len).max().unwrap_or_default();
    let mut meddlers = vec![
        (
            "an answer counts for its own challenge",
            Meddling::Overheard(answers.to_vec()),
        ),
        ("an empty answer is refused", Meddling::Saying(Vec::new())),
        ("noise for an answer is refused", Meddling::Saying(vec![0xff; 64])),
        (
            "an oversized answer is refused",
            Meddling::Saying(vec![b'a'; MAX_MESSAGE + 1]),
        ),
    ];
    if scenario.binds_request() {
        meddlers.push((
            "an answer counts for its own request alone",
            Meddling::Asking([0xc6; 32]),
        ));
    }
    // The whole answer, evenly, and its end. A long one has more places than a TPM has time for.
    let step = longest / MOST_CHANGES + 1;
    for position in (0..longest).step_by(step).chain([longest.saturating_sub(1)]) {
        meddlers.push(("a changed answer is refused", Meddling::Changing(position)));
    }
    for (rule, meddling) in meddlers {
        let mut node = Meddler {
            prover: &mut *prover,
            meddling,
        };
        let outcome = scenario
            .verifier()
            .verify(&evidence, &mut node, scenario.now())
            .await;
        match outcome {
            Err(
                AttestationError::Malformed { .. }
                | AttestationError::Refused(_)
                | AttestationError::Denied(_),
            ) => {}
            other => return Err((rule, other)),
        }
    }
    Ok(())
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

/// A node that answers its challenges, and what it answered.
struct Honest<'a> {
    prover: &'a mut dyn Prover,
    answers: Vec<Vec<u8>>,
}

impl<'a> Honest<'a> {
    fn new(prover: &'a mut dyn Prover) -> Self {
        let answers = Vec::new();
        Self { prover, answers }
    }
}

#[async_trait]
impl Challenger for Honest<'_> {
    fn occasion(&self) -> Occasion {
        OCCASION
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        let answer = self.prover.respond(&challenge).await;
        let answer = answer.map_err(|_| AttestationError::Abandoned)?;
        self.answers.push(answer.clone());
        Ok(answer)
    }
}

/// Someone between a node and its server.
struct Meddler<'a> {
    prover: &'a mut dyn Prover,
    meddling: Meddling,
}

enum Meddling {
    /// Gives the answers of another time.
    Overheard(Vec<Vec<u8>>),
    /// Always says the same.
    Saying(Vec<u8>),
    /// Changes one bit of the byte at this place, if the answer is so long.
    Changing(usize),
    /// Puts its own request for a certificate in the place of the node's.
    Asking([u8; 32]),
}

#[async_trait]
impl Challenger for Meddler<'_> {
    fn occasion(&self) -> Occasion {
        match self.meddling {
            Meddling::Asking(csr_sha256) => Occasion {
                csr_sha256,
                ..OCCASION
            },
            _ => OCCASION,
        }
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        match &mut self.meddling {
            Meddling::Overheard(answers) if answers.is_empty() => Err(AttestationError::Abandoned),
            Meddling::Overheard(answers) => Ok(answers.remove(0)),
            Meddling::Saying(answer) => Ok(answer.clone()),
            Meddling::Asking(_) => {
                let answer = self.prover.respond(&challenge).await;
                answer.map_err(|_| AttestationError::Abandoned)
            }
            Meddling::Changing(position) => {
                let answer = self.prover.respond(&challenge).await;
                let mut answer = answer.map_err(|_| AttestationError::Abandoned)?;
                let position = (*position).min(answer.len().saturating_sub(1));
                if let Some(byte) = answer.get_mut(position) {
                    *byte ^= 1;
                }
                Ok(answer)
            }
        }
    }
}

/// Someone who has evidence and nothing else.
struct Silent;

#[async_trait]
impl Challenger for Silent {
    fn occasion(&self) -> Occasion {
        OCCASION
    }

    async fn challenge(&mut self, _challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        Err(AttestationError::Abandoned)
    }
}
