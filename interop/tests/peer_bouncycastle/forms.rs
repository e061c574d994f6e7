//! Certificates of more than one key, both ways: catalyst ones, pairs, deltas. And keys that sign nothing.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::json;
use symbolon_interop::chain::{Chain, WORKLOAD};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::chameleon::delta;
use symbolon_pki::csr::Csr;
use symbolon_pki::related::verify_pair;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::{
    ChainError, PathPolicy, VerifiedSvid, VerifyOptions, verify_kem_certificate, verify_x509_svid_with,
};
use tempfile::TempDir;

use crate::{PEER, bundles, certificate, java, run, verify};

/// Native keys and the alternative ones beside them.
const CATALYST: [(Suite, Suite); 3] = [
    (Suite::EcdsaP256, Suite::MlDsa44),
    (Suite::EcdsaP256, Suite::MlDsa65),
    (Suite::EcdsaP384, Suite::MlDsa87),
];

fn verify_hybrid(leaf: Certificate, root: Certificate) -> Result<VerifiedSvid, ChainError> {
    let mut options = VerifyOptions::default();
    options.policy = PathPolicy::HybridRequired;
    verify_x509_svid_with(&[leaf], &bundles([root]), SystemTime::now(), &options)
}

fn issue_catalyst(folder: &Path, native: Suite, alternative: Suite, critical: bool) {
    let mut command = java("catalyst-issue");
    command
        .arg(folder)
        .arg(native.signature_oid().to_string())
        .arg(alternative.signature_oid().to_string())
        .arg(critical.to_string());
    assert_eq!(run(&mut command), true);
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn its_catalyst_chains_and_requests_are_read() {
    for (native, alternative) in CATALYST {
        let form = format!("catalyst/{native} with {alternative}");
        // It marks the extensions as critical when asked to, and RFC 5280 then has everybody else refuse them.
        for critical in [false, true] {
            let folder = TempDir::new().unwrap();
            issue_catalyst(folder.path(), native, alternative, critical);
            let folder = folder.path();
            let (leaf, root) = (certificate(folder, "leaf"), certificate(folder, "root"));
            let verified = verify_hybrid(leaf.clone(), root.clone()).unwrap();
            assert_eq!(verified.form, Form::Catalyst);
            assert_eq!(verified.spiffe_id.to_string(), WORKLOAD);

            // An authority whose native key is the same and whose alternative key is another one is none of this leaf's.
            let others = TempDir::new().unwrap();
            issue_catalyst(others.path(), native, alternative, critical);
            verify_hybrid(leaf.clone(), certificate(others.path(), "root")).unwrap_err();

            let csr = Csr::from_der(&fs::read(folder.join("csr.der")).unwrap()).unwrap();
            assert_eq!(csr.form(), Form::Catalyst);
            assert_eq!(csr.key(), leaf.subject_key().unwrap());
            let alternative = leaf.alternative().unwrap().key().unwrap();
            assert_eq!(csr.alternative_key().unwrap(), alternative);
        }
        PEER.shows("their-chain", &form, "ok").unwrap();
        PEER.shows("request", &form, "ok").unwrap();
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn our_catalyst_chains_and_requests_are_read() {
    let folder = TempDir::new().unwrap();
    let chains = CATALYST.map(|(native, alternative)| Chain::catalyst(native, alternative).unwrap());
    let mut command = java("catalyst-read");
    for (number, chain) in chains.iter().enumerate() {
        let folder = folder.path().join(number.to_string());
        chain.write(&folder).unwrap();
        command.arg(folder);
    }
    let reports = run(&mut command);
    let both = json!({ "native": true, "alternative": true });
    for (number, chain) in chains.iter().enumerate() {
        let (form, report) = (&chain.form, &reports[number.to_string()]);
        for name in ["leaf", "intermediate", "root"] {
            assert_eq!(report[name], both, "{form}: {report}");
        }
        let path = json!({ "uris": [WORKLOAD], "key_is_the_leafs": true });
        assert_eq!(report["path"], path, "{form}: {report}");
        let alternative = chain.alternative.as_ref().unwrap().public_key().unwrap();
        assert_eq!(
            report["alternative"],
            hex::encode(alternative.spki_der()),
            "{form}"
        );
        PEER.shows("chain", form, "ok").unwrap();
        assert_eq!(report["request"], both, "{form}: {report}");
        PEER.shows("our-request", form, "ok").unwrap();
    }
}

/// The native half of a pair's first and the suite of its second.
const PAIRS: [(Suite, Suite); 2] = [
    (Suite::EcdsaP256, Suite::MlDsa65),
    (Suite::EcdsaP384, Suite::MlDsa87),
];

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn its_pairs_are_read() {
    for (one, other) in PAIRS {
        let folder = TempDir::new().unwrap();
        let mut command = java("related-issue");
        command
            .arg(folder.path())
            .arg(one.signature_oid().to_string())
            .arg(other.signature_oid().to_string())
            .arg(WORKLOAD);
        assert_eq!(run(&mut command), true);
        let folder = folder.path();
        let [first, second] = ["first", "second"].map(|name| certificate(folder, name));
        let roots = bundles(["first-root", "second-root"].map(|name| certificate(folder, name)));
        let verified = verify_pair(
            std::slice::from_ref(&first),
            std::slice::from_ref(&second),
            &roots,
            SystemTime::now(),
            &VerifyOptions::default(),
        )
        .unwrap();
        assert_eq!(verified.spiffe_id.to_string(), WORKLOAD);
        let csr = Csr::from_der(&fs::read(folder.join("csr.der")).unwrap()).unwrap();
        assert_eq!(csr.form(), Form::Paired);
        let request = csr.related_request().unwrap();
        assert_eq!(request.locations(), [WORKLOAD]);
        request.prove(&first, SystemTime::now()).unwrap();
        request.prove(&second, SystemTime::now()).unwrap_err();
        let form = format!("paired/{one}, {other}");
        PEER.shows("their-chain", &form, "ok").unwrap();
        PEER.shows("request", &form, "ok").unwrap();
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn our_pairs_are_read() {
    for (one, other) in PAIRS {
        let folder = TempDir::new().unwrap();
        let [first, second] = Chain::paired(one, other).unwrap();
        for (name, content) in [
            ("first.der", &first.leaf),
            ("second.der", &second.leaf),
            ("csr.der", &second.csr),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let reports = run(java("related-read").arg(folder.path()));
        let report = reports.as_object().unwrap().values().next().unwrap();
        assert_eq!(report["related"], true, "{report}");
        let form = format!("paired/{one}, {other}");
        PEER.shows("chain", &form, "ok").unwrap();
        let request = &report["request"];
        assert_eq!(request["own"], true, "{report}");
        assert_eq!(request["firsts"], true, "{report}");
        assert_eq!(request["names"], true, "{report}");
        assert_eq!(request["locations"], json!([WORKLOAD]), "{report}");
        PEER.shows("our-request", &form, "ok").unwrap();
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn its_delta_certificates_are_put_together() {
    for (base, other) in [
        (Suite::EcdsaP256, Suite::MlDsa65),
        (Suite::MlDsa87, Suite::EcdsaP384),
    ] {
        let folder = TempDir::new().unwrap();
        let mut command = java("delta-issue");
        command
            .arg(folder.path())
            .arg(base.signature_oid().to_string())
            .arg(other.signature_oid().to_string());
        assert_eq!(run(&mut command), true);
        let name = |name| certificate(folder.path(), name);
        let found = delta(&name("base")).unwrap().unwrap();
        assert_eq!(found.der(), name("delta").der());
        verify(name("base"), name("base-root")).unwrap();
        verify(found.clone(), name("delta-root")).unwrap();
        verify(found, name("base-root")).unwrap_err();
        let form = format!("{}/{other} as a delta of {base}", other.form());
        PEER.shows("their-chain", &form, "ok").unwrap();
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn its_certificates_of_ml_kem_keys_are_read() {
    const SETS: [(&str, &str, usize); 3] = [
        ("ml-kem-512", "2.16.840.1.101.3.4.4.1", 800),
        ("ml-kem-768", "2.16.840.1.101.3.4.4.2", 1184),
        ("ml-kem-1024", "2.16.840.1.101.3.4.4.3", 1568),
    ];
    let folder = TempDir::new().unwrap();
    let mut command = java("kem-issue");
    command
        .arg(folder.path())
        .arg(Suite::MlDsa65.signature_oid().to_string())
        .args(SETS.map(|(_, oid, _)| oid));
    assert_eq!(run(&mut command), true);
    let root = certificate(folder.path(), "root");
    for (name, oid, length) in SETS {
        let leaf = certificate(folder.path(), oid);
        let roots = bundles([root.clone()]);
        let chain = [leaf];
        let options = VerifyOptions::default();
        let (verified, key) = verify_kem_certificate(&chain, &roots, SystemTime::now(), &options).unwrap();
        assert_eq!(verified.spiffe_id.to_string(), WORKLOAD);
        assert_eq!(key.as_bytes().len(), length);
        // It signs nothing, so it is no workload's.
        verify(chain[0].clone(), root.clone()).unwrap_err();
        PEER.shows("their-chain", &format!("ml-dsa/{name} leaf"), "ok")
            .unwrap();
    }
}
