//! `@noble/post-quantum`: signatures in JavaScript against ours, and composites put together from its parts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};
use symbolon_interop::cells::Peer;
use symbolon_interop::chain::Chain;
use symbolon_interop::programs;
use symbolon_interop::raw::{CONTEXTS, ML_DSA, NO_CONTEXT, Signer, slh_dsa};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Suite;
use tempfile::TempDir;

static PEER: LazyLock<Peer> = LazyLock::new(|| {
    let version = run(&mut signatures("version"));
    Peer::new("noble", version.as_str().unwrap())
});

fn script(name: &str) -> Command {
    let mut command = programs::named_by("SYMBOLON_NODE").unwrap();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("noble").join(name));
    command
}

fn run(command: &mut Command) -> Value {
    programs::json(command).unwrap()
}

fn signer() -> Signer<'static> {
    Signer {
        peer: &PEER,
        verify: &|| signatures("verify"),
        sign: &|| signatures("sign"),
    }
}

fn signatures(subcommand: &str) -> Command {
    let mut command = script("signatures.mjs");
    command.arg(subcommand);
    command
}

#[test]
#[ignore = "needs Node.js and npm; run by cargo xtask interop"]
fn ml_dsa_signatures_have_their_contexts() {
    signer().exchange(&ML_DSA, &CONTEXTS, "/with context").unwrap();
}

#[test]
#[ignore = "needs Node.js and npm; run by cargo xtask interop"]
fn slh_dsa_signatures_that_are_made_fast() {
    let components = slh_dsa("f");
    assert_eq!(components.len(), 6);
    signer().exchange(&components, &NO_CONTEXT, "").unwrap();
}

#[test]
#[ignore = "needs Node.js and npm; run by cargo xtask interop"]
fn slh_dsa_signatures_that_are_small() {
    let components = slh_dsa("s");
    assert_eq!(components.len(), 6);
    signer().exchange(&components, &NO_CONTEXT, "").unwrap();
}

fn composites() -> impl Iterator<Item = Suite> {
    Suite::ALL.into_iter().filter(|suite| suite.is_composite())
}

/// What the script says of chains, by their names.
fn halves<'a>(chains: impl IntoIterator<Item = (String, &'a Chain)>) -> Value {
    let folder = TempDir::new().unwrap();
    let mut command = script("composites.mjs");
    for (name, chain) in chains {
        let folder = folder.path().join(name);
        chain.write(&folder).unwrap();
        command.arg(folder);
    }
    run(&mut command)
}

#[test]
#[ignore = "needs Node.js and npm; run by cargo xtask interop"]
fn both_halves_of_composites_are_verified() {
    let chains: Vec<Chain> = composites().map(|suite| Chain::issue(suite).unwrap()).collect();
    let reports = halves(chains.iter().map(|chain| (chain.suite.name().to_owned(), chain)));
    let both = json!({ "post_quantum": true, "classical": true });
    let mut bad = Vec::new();
    for chain in &chains {
        let expected = json!({ "leaf": both, "intermediate": both, "root": both });
        assert_eq!(reports[chain.suite.name()], expected, "{}", chain.suite);

        // The ML-DSA half comes first; the other one ends the certificate.
        let leaf = Certificate::from_der(&chain.leaf).unwrap();
        let end = leaf.der().len();
        let first = end - leaf.signature().len() + 100;
        for (name, place, halves) in [("first", first, (false, true)), ("last", end - 10, (true, false))] {
            let mut turned = chain.clone();
            turned.leaf[place] ^= 1;
            bad.push((format!("{}-{name}", chain.suite), halves, turned));
        }
    }
    let reports = halves(bad.iter().map(|(name, _, chain)| (name.clone(), chain)));
    for (name, (post_quantum, classical), _) in &bad {
        let expected = json!({ "post_quantum": post_quantum, "classical": classical });
        assert_eq!(reports[name]["leaf"], expected, "{name}");
    }
    for suite in composites() {
        let result = "both halves verified";
        PEER.shows("chain", &format!("composite/{suite}"), result)
            .unwrap();
    }
}
