//! What the benches share: a certificate authority in memory for any suite, and a measurement that holds on a noisy
//! machine.
//!
//! Nothing here is asserted by a timed test. Absolute figures drift from minute to minute on shared machines, so
//! what counts is the ratio of two things measured in turns within one run ([`paired`]).

pub mod issuer;
pub mod paired;
