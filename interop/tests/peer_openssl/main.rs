//! OpenSSL as a verifier of what we issue, a reader of our keys, a maker of requests, and the other end of mutual TLS:
//! its library of 3.6, built from source, and its command of 3.5, as Debian 13 has it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod command;
mod handshakes;
mod library;
mod revocation;
mod server;

use symbolon_interop::chain::Chain;
use symbolon_pki::suite::Suite;

/// The peer's name in the interop table.
const NAME: &str = "openssl";

/// The suites of ours that OpenSSL has: all but the composites.
fn known() -> impl Iterator<Item = Suite> {
    Suite::DEFAULTS.into_iter().filter(|suite| !suite.is_composite())
}

/// A chain of every form that OpenSSL can have a part in: of a pair both, of a catalyst chain the native half.
fn chains() -> Vec<Chain> {
    let mut chains: Vec<Chain> = known().map(|suite| Chain::issue(suite).unwrap()).collect();
    chains.extend(Chain::paired(Suite::EcdsaP256, Suite::MlDsa65).unwrap());
    chains.push(Chain::catalyst(Suite::EcdsaP256, Suite::MlDsa65).unwrap());
    chains
}

/// What the table says of a chain's form: OpenSSL does not look at the other half of a catalyst certificate.
fn result(form: &str) -> &'static str {
    match form.starts_with("catalyst/") {
        true => "ok, native half",
        false => "ok",
    }
}
