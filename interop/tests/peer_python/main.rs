//! PyPI's `cryptography` as a verifier of what we issue and a reader of our keys; PyPI's `spiffe` as a workload.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod certificates;
mod composites;
mod requests;
mod stock;

use serde_json::Value;
use symbolon_interop::cells::Peer;
use symbolon_interop::chain::Chain;
use symbolon_interop::programs;
use symbolon_interop::revocation::Revocable;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Suite;
use tempfile::TempDir;

/// The suites that `cryptography` has: all but the composites.
fn known() -> impl Iterator<Item = Suite> {
    Suite::DEFAULTS.into_iter().filter(|suite| !suite.is_composite())
}

fn composites() -> impl Iterator<Item = Suite> {
    Suite::DEFAULTS.into_iter().filter(|suite| suite.is_composite())
}

/// Chains, each under a name, and what a script says of each under that name.
fn report<'a>(script: &str, chains: impl IntoIterator<Item = (String, &'a Chain)>) -> Value {
    let folder = TempDir::new().unwrap();
    let mut command = programs::python(script).unwrap();
    for (name, chain) in chains {
        let folder = folder.path().join(name);
        chain.write(&folder).unwrap();
        command.arg(folder);
    }
    programs::json(&mut command).unwrap()
}

fn issue(suites: impl Iterator<Item = Suite>) -> Vec<Chain> {
    suites.map(|suite| Chain::issue(suite).unwrap()).collect()
}

fn by_suite(chains: &[Chain]) -> impl Iterator<Item = (String, &Chain)> {
    chains.iter().map(|chain| (chain.suite.name().to_owned(), chain))
}

/// `cryptography`, in the version that it says it is.
fn peer() -> Peer {
    let version = programs::json(&mut programs::python("version.py").unwrap()).unwrap();
    Peer::new("python", version["cryptography"].as_str().unwrap())
}

fn form(suite: Suite) -> String {
    format!("{}/{suite}", suite.form())
}

/// The chain with one bit turned in one certificate.
fn turned(chain: &Chain, name: &str, place: impl FnOnce(&Certificate) -> usize) -> Chain {
    let mut chain = chain.clone();
    let der = match name {
        "leaf" => &mut chain.leaf,
        "intermediate" => &mut chain.intermediate,
        _ => &mut chain.root,
    };
    let place = place(&Certificate::from_der(der).unwrap());
    der[place] ^= 1;
    chain
}

/// Where in a certificate its SPIFFE ID's last byte stands.
fn in_the_id(certificate: &Certificate) -> usize {
    let id = certificate.spiffe_id().unwrap().to_string();
    let der = certificate.der();
    let found = der.windows(id.len()).position(|window| window == id.as_bytes());
    found.unwrap() + id.len() - 1
}

fn in_the_signature(certificate: &Certificate, offset: usize) -> usize {
    certificate.der().len() - certificate.signature().len() + offset
}

/// Lists of authorities, written as `Revocable::write` does, and what a script says of each under its number.
fn report_lists(script: &str, all: &[Revocable]) -> Value {
    let folder = TempDir::new().unwrap();
    let mut command = programs::python(script).unwrap();
    for (number, revocable) in all.iter().enumerate() {
        let folder = folder.path().join(number.to_string());
        revocable.write(&folder).unwrap();
        command.arg(folder);
    }
    programs::json(&mut command).unwrap()
}
