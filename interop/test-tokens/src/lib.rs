//! Tokens and TPMs to test on, each made anew for one test and gone with it: SoftHSM 2, the PQ token of
//! `interop/pq-token/`, SoftHSM behind `p11-kit server`, and swtpm.
//!
//! They are other people's programs and modules, driven from outside; so this crate knows nothing of ours, and what it
//! gives is paths, labels, PINs and environment variables. Two ways to use a PKCS#11 token:
//!
//! - in the test's own process: [`on`], which runs the test again in a child process with the token's environment,
//!   because a module reads its configuration from there and there is one copy of a module in a process;
//! - in a program that the test starts: [`Token::new`], and the program gets [`Token::environment`].
//!
//! Without the tools and modules, tests say that they are skipped and pass; with `SYMBOLON_REQUIRE_TOKENS=1` they fail.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod child;
mod memory;
mod p11_kit;
mod pkcs11;
mod swtpm;

use std::io::Write as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub use self::child::{on, on_all};
pub use self::memory::{finds, following, resident};
pub use self::p11_kit::P11KitServer;
pub use self::pkcs11::{Kind, LABEL, PIN, SO_PIN, Token};
pub use self::swtpm::Swtpm;

/// More than anything that is waited for here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A test cannot run because something is not on this machine. Says so where it is seen, and lets the test pass, unless
/// tokens are required.
///
/// # Panics
/// With `SYMBOLON_REQUIRE_TOKENS=1`.
pub fn skip(test: &str, reason: &str) {
    let required = std::env::var("SYMBOLON_REQUIRE_TOKENS").is_ok_and(|value| value == "1");
    assert!(!required, "{test}: tokens are required, and {reason}");
    // Straight to the stream: what `eprintln!` writes is hidden when a test passes.
    let skipped = format!("SKIPPED: {test}: {reason}\n");
    std::io::stderr().write_all(skipped.as_bytes()).expect("stderr");
}

/// Waits until `holds`.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || if holds() { Ok(()) } else { Err("not so") });
}

/// Waits until `attempt` succeeds, and gives what it came to.
///
/// # Panics
/// With its last error, when it does not within [`PATIENCE`].
pub fn eventually<T, E: std::fmt::Debug>(what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    // Nobody ever sends: a wait that leaves the machine to what is waited for.
    let (_never, tick) = mpsc::channel::<()>();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(outcome) => return outcome,
            Err(error) => assert!(Instant::now() < deadline, "{what} does not come about: {error:?}"),
        }
        tick.recv_timeout(Duration::from_millis(2)).ok();
    }
}
