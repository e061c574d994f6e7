//! A workload as anyone would write it with PyPI's `spiffe`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use symbolon_interop::chain::{TRUST_DOMAIN, WORKLOAD};
use symbolon_interop::document::{AUDIENCE, Documents, JWT_KEY_ID};
use symbolon_interop::programs;
use symbolon_interop::up::Up;
use tempfile::TempDir;

use crate::peer;

fn verify_token(folder: &Path, jwks: &str, token: &str, audience: &str) -> Result<Value, String> {
    let (bundle, file) = (folder.join("bundle.json"), folder.join("token"));
    fs::write(&bundle, jwks).unwrap();
    fs::write(&file, token).unwrap();
    let mut command = programs::python("documents.py").unwrap();
    command.arg("example.org").args([&bundle, &file]).arg(audience);
    programs::json(&mut command).map_err(|error| format!("{error:#}"))
}

#[test]
fn tokens_are_verified_with_our_key_sets() {
    let folder = TempDir::new().unwrap();
    let documents = Documents::issue().unwrap();
    let jwks = documents.bundle.to_jwt_jwks();
    let said = verify_token(folder.path(), &jwks, &documents.token, AUDIENCE).unwrap();
    let expected = json!({
        "authorities": [JWT_KEY_ID],
        "spiffe_id": WORKLOAD,
        "audience": [AUDIENCE],
        "seconds": 300,
    });
    assert_eq!(said, expected);

    let error = verify_token(folder.path(), &jwks, &documents.token, "someone-else").unwrap_err();
    assert!(error.contains("InvalidTokenError: Audience"), "{error}");
    let (content, signature) = documents.token.rsplit_once('.').unwrap();
    let turned = match signature.strip_prefix('A') {
        Some(rest) => format!("{content}.B{rest}"),
        None => format!("{content}.A{}", &signature[1..]),
    };
    let error = verify_token(folder.path(), &jwks, &turned, AUDIENCE).unwrap_err();
    assert!(error.contains("Signature verification failed"), "{error}");
    let other = Documents::issue().unwrap().bundle.to_jwt_jwks();
    let error = verify_token(folder.path(), &other, &documents.token, AUDIENCE).unwrap_err();
    assert!(error.contains("Signature verification failed"), "{error}");
}

#[test]
fn a_stock_workload_gets_everything_classical_and_nothing_else() {
    let up = Up::start().unwrap();
    let id = up.workload().unwrap();
    let mut command = programs::python("workload.py").unwrap();
    let got = programs::json(command.args([up.workload_api().unwrap(), AUDIENCE])).unwrap();

    let svid = &got["svids"][0];
    assert_eq!(svid["spiffe_id"], id, "{got}");
    assert_eq!(svid["key"], "ECPrivateKey", "{got}");
    let chain = svid["chain"].as_array().unwrap();
    assert!(chain.iter().all(|key| key == "ECPublicKey"), "{got}");
    assert_eq!(got["svids"], json!([svid]), "{got}");
    assert_eq!(got["context"], got["svids"], "{got}");
    assert_eq!(got["live"], *svid, "{got}");

    assert_eq!(got["bundles"].as_object().unwrap().len(), 1, "{got}");
    let roots = got["bundles"][TRUST_DOMAIN].as_object().unwrap();
    // The classical authority, and the catalyst one, which is an ECDSA root to it.
    assert_eq!(
        roots.values().collect::<Vec<_>>(),
        ["ECPublicKey", "ECPublicKey"],
        "{got}"
    );
    assert_eq!(got["context_bundles"], got["bundles"], "{got}");

    assert_eq!(got["token"], json!([id, id, id, id]), "{got}");
    assert_eq!(got["authorities"].as_array().unwrap().len(), 1, "{got}");
    // It does not wrap what this call fails with, so the refusal is gRPC's own.
    assert!(
        got["misused"].as_str().unwrap().contains("INVALID_ARGUMENT"),
        "{got}"
    );
    peer().shows("workload-api", "classical", "ok").unwrap();
}
