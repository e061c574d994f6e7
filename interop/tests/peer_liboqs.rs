//! liboqs: signatures on plain messages. ML-DSA by the crate that builds it; SLH-DSA, which the release there does not have
//! yet, by the WebAssembly of a later one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use symbolon_interop::cells::Peer;
use symbolon_interop::programs;
use symbolon_interop::raw::{CONTEXTS, ML_DSA, NO_CONTEXT, Signer, slh_dsa};

/// The program of `interop/liboqs/`.
fn program(subcommand: &str) -> Command {
    let mut command = programs::named_by("SYMBOLON_LIBOQS").unwrap();
    command.arg(subcommand);
    command
}

#[test]
#[ignore = "needs C code that takes long to compile; run by cargo xtask interop"]
fn ml_dsa_signatures_have_their_contexts() {
    let version = programs::json(&mut program("version")).unwrap();
    let signer = Signer {
        peer: &Peer::new("liboqs", version.as_str().unwrap()),
        verify: &|| program("verify"),
        sign: &|| program("sign"),
    };
    signer.exchange(&ML_DSA, &CONTEXTS, "/with context").unwrap();
}

/// The script of `interop/liboqs/`.
fn script(subcommand: &str) -> Command {
    let mut command = programs::named_by("SYMBOLON_NODE").unwrap();
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("liboqs/slh_dsa.mjs"))
        .arg(subcommand);
    command
}

#[test]
#[ignore = "needs Node.js and npm; run by cargo xtask interop"]
fn slh_dsa_signatures_agree() {
    let version = programs::json(&mut script("version")).unwrap();
    let signer = Signer {
        peer: &Peer::new("liboqs", version.as_str().unwrap()),
        verify: &|| script("verify"),
        sign: &|| script("sign"),
    };
    let components = [slh_dsa("f"), slh_dsa("s")].concat();
    assert_eq!(components.len(), 12);
    signer.exchange(&components, &NO_CONTEXT, "").unwrap();
}
