//! What the benches share: a certificate authority in memory for any suite, keys on tokens and TPMs, measurements
//! that hold on a noisy machine, the load on a server that loses its token, workloads under load while their trust domain
//! migrates, and SPIRE's server beside ours.
//!
//! Nothing here is asserted by a timed test. Absolute figures drift from minute to minute on shared machines, so
//! what counts is the ratio of things measured in turns within one run ([`paired`], [`rate`]).

pub mod bare;
pub mod beside;
pub mod held;
pub mod issuer;
pub mod migration;
pub mod outage;
pub mod paired;
pub mod rate;
