//! Requests as `cryptography` makes them.

use std::fs;
use std::time::SystemTime;

use serde_json::json;
use symbolon_interop::chain::{self, WORKLOAD};
use symbolon_interop::programs;
use symbolon_pki::suite::Suite;
use tempfile::TempDir;

use crate::peer;

/// Requests as `cryptography` makes them, answered and verified by it.
#[test]
fn their_requests_are_answered_with_chains_that_they_verify() {
    let peer = peer();
    let folder = TempDir::new().unwrap();
    let mut request = programs::python("csrs.py").unwrap();
    let made = programs::json(request.arg("make").arg(folder.path())).unwrap();
    for (kind, suite) in [
        ("ecdsa-p256", Suite::EcdsaP256),
        ("ecdsa-p384", Suite::EcdsaP384),
        ("ed25519", Suite::Ed25519),
        ("rsa-2048", Suite::EcdsaP256),
        ("rsa-3072", Suite::EcdsaP256),
        ("rsa-4096", Suite::EcdsaP384),
        ("ml-dsa-44", Suite::MlDsa44),
        ("ml-dsa-65", Suite::MlDsa65),
        ("ml-dsa-87", Suite::MlDsa87),
    ] {
        let csr = hex::decode(made[kind].as_str().unwrap()).unwrap();
        let authority = chain::self_signed(suite, SystemTime::now()).unwrap();
        let leaf = chain::sign_csr(&authority, &csr).unwrap();
        let (leaf_file, root_file) = (folder.path().join("leaf.der"), folder.path().join("root.der"));
        fs::write(&leaf_file, leaf).unwrap();
        fs::write(&root_file, authority.certificate().der()).unwrap();
        let mut verify = programs::python("csrs.py").unwrap();
        verify.arg("verify").arg(folder.path()).arg(kind);
        let said = programs::json(&mut verify).unwrap();
        let expected = json!({ "issued": true, "is_their_key": true, "uris": [WORKLOAD] });
        assert_eq!(said, expected, "{kind}");
        let form = format!("{}/{kind}", suite.form());
        peer.shows("request", &form, "ok").unwrap();
    }
}
