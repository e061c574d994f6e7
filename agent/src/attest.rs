//! Becoming an agent, and staying one: attestation and renewal.

mod bootstrap;
mod evidence;
mod exchange;
mod insecure;
mod methods;
mod outside;

pub(crate) use self::bootstrap::trusted_bundle;
pub use self::evidence::{ConfiguredEvidence, EvidenceError, EvidenceSource};
pub(crate) use self::exchange::{Granted, attest_agent, post_status, renew_agent};
