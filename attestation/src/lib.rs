//! Node attestation: per method one module with both halves, prover and verifier.
