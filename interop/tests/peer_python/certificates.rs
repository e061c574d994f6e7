//! Chains, keys and revocation lists of what `cryptography` has by itself.

use std::fs;

use serde_json::{Value, json};
use symbolon_interop::chain::{Chain, WORKLOAD};
use symbolon_interop::programs;
use symbolon_interop::revocation::Revocable;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::unix_seconds;
use tempfile::TempDir;

use crate::{by_suite, form, in_the_id, in_the_signature, issue, known, peer, report, report_lists, turned};

#[test]
fn chains_and_requests_are_verified() {
    let peer = peer();
    let chains = issue(known());
    let reports = report("chains.py", by_suite(&chains));
    for chain in &chains {
        let (suite, report) = (chain.suite, &reports[chain.suite.name()]);
        assert_eq!(report["issued"], json!([true, true, true]), "{suite}: {report}");
        assert_eq!(report["request"], true, "{suite}: {report}");
        match suite {
            // Its rules for paths are the web's, which have no Ed25519.
            Suite::Ed25519 => assert!(
                report["path"]
                    .as_str()
                    .unwrap()
                    .contains("Forbidden public key algorithm"),
                "{report}"
            ),
            _ => assert_eq!(
                report["path"],
                json!({ "length": 3, "uris": [WORKLOAD] }),
                "{suite}: {report}"
            ),
        }
        let result = match suite {
            Suite::Ed25519 => "ok, each signature by itself",
            _ => "ok",
        };
        peer.shows("chain", &form(suite), result).unwrap();
        peer.shows("our-request", &form(suite), "ok").unwrap();
    }
}

/// A pair with its link, and catalyst certificates with both their signatures; what they stand on is read as what it
/// is to all who do not look.
#[test]
fn what_stands_beside_a_key_is_verified_and_does_no_harm() {
    let peer = peer();
    let pair = Chain::paired(Suite::EcdsaP256, Suite::MlDsa65).unwrap();
    let mut chains = pair.to_vec();
    for native in [Suite::EcdsaP256, Suite::EcdsaP384] {
        for alternative in [Suite::MlDsa44, Suite::MlDsa65, Suite::MlDsa87] {
            chains.push(Chain::catalyst(native, alternative).unwrap());
        }
    }
    let folder = TempDir::new().unwrap();
    let (mut read, mut verify) = (
        programs::python("chains.py").unwrap(),
        programs::python("beside.py").unwrap(),
    );
    for (number, chain) in chains.iter().enumerate() {
        let folder = folder.path().join(number.to_string());
        chain.write(&folder).unwrap();
        read.arg(&folder);
        if number > 0 {
            verify.arg(&folder);
        }
    }
    fs::write(folder.path().join("1/first.der"), &pair[0].leaf).unwrap();
    let reports = programs::json(&mut read).unwrap();
    let beside = programs::json(&mut verify).unwrap();
    assert_eq!(beside["1"], json!({ "related": true, "to_another": false }));
    for (number, chain) in chains.iter().enumerate() {
        let (form, report) = (&*chain.form, &reports[number.to_string()]);
        assert_eq!(report["issued"], json!([true, true, true]), "{form}: {report}");
        assert_eq!(report["request"], true, "{form}: {report}");
        assert_eq!(
            report["path"],
            json!({ "length": 3, "uris": [WORKLOAD] }),
            "{form}"
        );
        if !form.starts_with("catalyst/") {
            peer.shows("chain", form, "ok").unwrap();
            peer.shows("our-request", form, "ok").unwrap();
            continue;
        }
        let expected = json!({ "alternative": [true, true, true], "skipped": false });
        assert_eq!(beside[number.to_string()], expected, "{form}");
        peer.shows("chain", form, "ok, half by half").unwrap();
        peer.shows("our-request", form, "ok, native half").unwrap();
    }
}

#[test]
fn certificates_say_what_the_standards_want() {
    let chains = issue(Suite::DEFAULTS.into_iter());
    let reports = report("chains.py", by_suite(&chains));
    for chain in &chains {
        let (suite, report) = (chain.suite, &reports[chain.suite.name()]);
        let leaf = &report["leaf"];
        assert_eq!(leaf["uris"], json!([WORKLOAD]), "{suite}: {report}");
        assert_eq!(leaf["names"], 1, "{suite}: {report}");
        let usage = json!({ "critical": true, "usages": ["digital_signature"] });
        assert_eq!(leaf["usage"], usage, "{suite}: {report}");
        // serverAuth and clientAuth.
        let purposes = json!(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
        assert_eq!(leaf["purposes"], purposes, "{suite}: {report}");
        // Of 127 random bits fewer than 100 come up once in 2^27.
        assert!(leaf["serial_bits"].as_u64().unwrap() >= 100, "{suite}: {report}");
        let not_after = Certificate::from_der(&chain.leaf).unwrap().not_after();
        assert_eq!(leaf["not_after"], unix_seconds(not_after), "{suite}: {report}");
        let usage = json!({ "critical": true, "usages": ["key_cert_sign", "crl_sign"] });
        assert_eq!(report["authority"], usage, "{suite}: {report}");
    }
}

#[test]
fn a_turned_bit_is_refused() {
    let chains = issue(known());
    let mut bad = Vec::new();
    for chain in &chains {
        for (link, name) in ["leaf", "intermediate", "root"].into_iter().enumerate() {
            let id = turned(chain, name, in_the_id);
            bad.push((format!("{}-{name}-id", chain.suite), link, id));
            // Far enough inside to leave the structure of an ECDSA signature whole.
            let signature = turned(chain, name, |certificate| in_the_signature(certificate, 20));
            bad.push((format!("{}-{name}-signature", chain.suite), link, signature));
        }
    }
    let reports = report(
        "chains.py",
        bad.iter().map(|(name, _, chain)| (name.clone(), chain)),
    );
    for (name, link, _) in &bad {
        let report = &reports[name];
        assert_eq!(report["issued"][*link], "InvalidSignature: ", "{name}: {report}");
        // What is wrong with a trusted root's own signature is nobody's concern in RFC 5280.
        if *link < 2 {
            let path = report["path"].as_str().unwrap();
            assert!(path.starts_with("VerificationError: "), "{name}: {report}");
        }
    }
}

#[test]
fn private_keys_are_read_and_written() {
    let peer = peer();
    let chains = issue(known());
    let reports = report("chains.py", by_suite(&chains));
    for chain in &chains {
        let (suite, key) = (chain.suite, &reports[chain.suite.name()]["key"]);
        assert_eq!(key["is_the_leafs"], true, "{suite}: {key}");
        assert_eq!(key["pem_is_der"], true, "{suite}: {key}");
        let written = hex::decode(key["written"].as_str().unwrap()).unwrap();
        let read = PrivateKey::from_pkcs8_der(&written).unwrap();
        assert_eq!(read.suite(), suite);
        assert_eq!(
            read.public_key().unwrap().spki_der(),
            chain.key.public_key().unwrap().spki_der()
        );
        let signature = hex::decode(key["signature"].as_str().unwrap()).unwrap();
        let public = chain.key.public_key().unwrap();
        public
            .verify(b"signed with the key that was read", &signature)
            .unwrap();
        for direction in ["our-key", "their-key", "their-signature"] {
            peer.shows(direction, &form(suite), "ok").unwrap();
        }
    }
}

#[test]
fn our_revocation_lists_are_believed() {
    let peer = peer();
    let mut all: Vec<Revocable> = known().map(|suite| Revocable::issue(suite).unwrap()).collect();
    all.push(Revocable::catalyst(Suite::EcdsaP256, Suite::MlDsa65).unwrap());
    let reports = report_lists("crls.py", &all);
    let list = |number, entries, found: Value| json!({ "issuer": true, "signed": true, "number": number, "entries": entries, "found": found });
    for (number, revocable) in all.iter().enumerate() {
        let form = &*revocable.chain.form;
        let expected = json!({
            "root": list(1, 1, Value::Null),
            "clean": list(1, 1, Value::Null),
            "revoking": list(2, 2, json!("keyCompromise")),
            "mixed": false,
        });
        assert_eq!(reports[number.to_string()], expected, "{form}");
        let result = match form.starts_with("catalyst/") {
            true => "ok, native half",
            false => "ok",
        };
        peer.shows("crl", form, result).unwrap();
    }
}
