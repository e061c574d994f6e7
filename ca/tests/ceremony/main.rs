//! The key ceremony as a library: roots made and used, transcripts changed, sessions interrupted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod dry_run;
mod forged;
mod interference;
mod refusals;
mod support;
mod tamper;
#[cfg(feature = "tpm")]
mod tpm;
mod whole;
