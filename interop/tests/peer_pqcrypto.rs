//! PQClean's ML-DSA, by the crate `pqcrypto-mldsa`: signatures on plain messages.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

use symbolon_interop::cells::Peer;
use symbolon_interop::programs;
use symbolon_interop::raw::{CONTEXTS, ML_DSA, Signer};

/// The program of `interop/pqcrypto/`.
fn program(subcommand: &str) -> Command {
    let mut command = programs::named_by("SYMBOLON_PQCRYPTO").unwrap();
    command.arg(subcommand);
    command
}

#[test]
#[ignore = "needs C code that takes long to compile; run by cargo xtask interop"]
fn ml_dsa_signatures_have_their_contexts() {
    let version = programs::json(&mut program("version")).unwrap();
    let signer = Signer {
        peer: &Peer::new("pqcrypto", version.as_str().unwrap()),
        verify: &|| program("verify"),
        sign: &|| program("sign"),
    };
    signer.exchange(&ML_DSA, &CONTEXTS, "/with context").unwrap();
}
