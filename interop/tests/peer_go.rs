//! go-spiffe and Go's own TLS as a workload of ours.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};
use symbolon_interop::chain::{Chain, TRUST_DOMAIN, WORKLOAD};
use symbolon_interop::document::{AUDIENCE, Documents, JWT_KEY_ID};
use symbolon_interop::programs::{self, GoProgram};
use symbolon_pki::suite::{Form, Suite};
use tempfile::TempDir;

static PROGRAM: LazyLock<GoProgram> =
    LazyLock::new(|| GoProgram::build("go", Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap());

fn go(subcommand: &str) -> Command {
    let mut command = PROGRAM.command();
    command.arg(subcommand);
    command
}

fn outcome(command: &mut Command) -> Result<Value, String> {
    programs::json(command).map_err(|error| format!("{error:#}"))
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn a_bundle_with_post_quantum_authorities_reads_as_the_classical_one() {
    let folder = TempDir::new().unwrap();
    let documents = Documents::issue().unwrap();
    let file = folder.path().join("bundle.json");
    let document = documents.bundle.to_jwks();
    fs::write(&file, &document).unwrap();
    let seen = outcome(go("bundle").arg(TRUST_DOMAIN).arg(&file)).unwrap();

    let classical: Vec<String> = documents
        .bundle
        .authorities_of(Form::Classical)
        .map(|authority| hex::encode(authority.certificate.sha256()))
        .collect();
    assert_eq!(classical.len(), 3);
    assert_eq!(seen["x509"], json!(classical));
    assert_eq!(seen["keys"], json!(["ECDSA", "ECDSA", "Ed25519"]));
    assert_eq!(seen["jwt"], json!([JWT_KEY_ID]));
    assert_eq!(seen["sequence"], 7);
    assert_eq!(seen["hint"], 300.0);

    // Why they are not among the others: one there, and all is lost.
    let mut document: Value = serde_json::from_str(&document).unwrap();
    let hidden = document["pq_keys"].as_array().unwrap().clone();
    assert_eq!(hidden.len(), Suite::ALL.len() - classical.len());
    document["keys"].as_array_mut().unwrap().push(hidden[0].clone());
    fs::write(&file, document.to_string()).unwrap();
    outcome(go("bundle").arg(TRUST_DOMAIN).arg(&file)).unwrap_err();
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn classical_chains_are_verified() {
    for suite in [Suite::EcdsaP256, Suite::EcdsaP384] {
        let folder = TempDir::new().unwrap();
        let chain = Chain::issue(suite).unwrap();
        chain.write(folder.path()).unwrap();
        let seen = outcome(go("chain").arg(TRUST_DOMAIN).arg(folder.path())).unwrap();
        assert_eq!(seen, json!({ "spiffe_id": WORKLOAD, "length": 3 }), "{suite}");

        let other = Chain::issue(suite).unwrap();
        let mixed = Chain {
            root: other.root,
            ..chain
        };
        mixed.write(folder.path()).unwrap();
        let error = outcome(go("chain").arg(TRUST_DOMAIN).arg(folder.path())).unwrap_err();
        assert!(error.contains("verify: "), "{suite}: {error}");
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn tokens_are_verified_with_our_bundles() {
    let folder = TempDir::new().unwrap();
    let documents = Documents::issue().unwrap();
    let (bundle, token) = (folder.path().join("bundle.json"), folder.path().join("token"));
    fs::write(&bundle, documents.bundle.to_jwks()).unwrap();
    fs::write(&token, &documents.token).unwrap();
    let verify = |audience: &str| {
        let files = [&bundle, &token];
        outcome(go("token").arg(TRUST_DOMAIN).args(files).arg(audience))
    };
    let seen = verify(AUDIENCE).unwrap();
    assert_eq!(seen, json!({ "spiffe_id": WORKLOAD, "audience": [AUDIENCE] }));
    let error = verify("someone-else").unwrap_err();
    assert!(error.contains("expected audience"), "{error}");

    fs::write(&bundle, Documents::issue().unwrap().bundle.to_jwks()).unwrap();
    let error = verify(AUDIENCE).unwrap_err();
    assert!(error.contains("unable to get claims from token"), "{error}");
}

/// Post-quantum roots do no harm among X.509 authorities on the gRPC API, which is why they may stand there.
#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn post_quantum_roots_are_skipped_in_x509_bundles() {
    let folder = TempDir::new().unwrap();
    let mut chain = Chain::issue(Suite::EcdsaP256).unwrap();
    for suite in Suite::ALL {
        chain.root.extend(Chain::issue(suite).unwrap().root);
    }
    chain.write(folder.path()).unwrap();
    let seen = outcome(go("chain").arg(TRUST_DOMAIN).arg(folder.path())).unwrap();
    assert_eq!(seen, json!({ "spiffe_id": WORKLOAD, "length": 3 }));
}
