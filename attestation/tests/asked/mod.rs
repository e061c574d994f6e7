//! What stands for the connection between a verifier and a node.

use async_trait::async_trait;
use symbolon_attestation::{AttestationError, Challenger, Occasion, Prover};

/// What nodes ask for in tests.
pub(crate) fn occasion() -> Occasion {
    Occasion {
        csr_sha256: [7; 32],
        address: None,
    }
}

/// The node at the other end of a challenge; one that cannot answer is gone.
pub(crate) struct Asked<'a>(pub(crate) &'a mut dyn Prover);

#[async_trait]
impl Challenger for Asked<'_> {
    fn occasion(&self) -> Occasion {
        occasion()
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        let answer = self.0.respond(&challenge).await;
        answer.map_err(|_| AttestationError::Abandoned)
    }
}

/// Nobody asks it anything: the evidence alone must be enough to know.
pub(crate) struct NeverAsked;

#[async_trait]
impl Challenger for NeverAsked {
    fn occasion(&self) -> Occasion {
        occasion()
    }

    async fn challenge(&mut self, _: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        panic!("it is known without asking")
    }
}
