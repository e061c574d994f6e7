//! Chains, requests, keys and signatures of every suite, both ways.

use std::fs;

use serde_json::{Value, json};
use symbolon_interop::chain::{Chain, WORKLOAD};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Form, Suite};
use tempfile::TempDir;

use crate::{PEER, certificate, java, run, shows, verify};

/// What the program signs to see whether keys belong together.
const MESSAGE: &[u8] = b"signed with the key that was read";

/// A suite that only roots have, and what stands below it.
fn below(root: Suite) -> Suite {
    match root.form() {
        Form::Classical => Suite::EcdsaP384,
        _ => Suite::MlDsa65,
    }
}

/// What only roots have.
fn of_roots() -> impl Iterator<Item = Suite> {
    Suite::ALL.into_iter().filter(|suite| !suite.is_for_svids())
}

/// What SVIDs have.
fn of_svids() -> impl Iterator<Item = Suite> {
    Suite::ALL.into_iter().filter(|suite| suite.is_for_svids())
}

fn issue() -> Vec<Chain> {
    of_svids().map(|suite| Chain::issue(suite).unwrap()).collect()
}

/// What it says of chains, by their names.
fn read<'a>(chains: impl IntoIterator<Item = (String, &'a Chain)>) -> Value {
    let folder = TempDir::new().unwrap();
    let mut command = java("read");
    for (name, chain) in chains {
        let folder = folder.path().join(name);
        chain.write(&folder).unwrap();
        let signature = chain.key.signer().unwrap().sign(MESSAGE).unwrap();
        fs::write(folder.join("signature"), signature).unwrap();
        command.arg(folder);
    }
    run(&mut command)
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn what_we_make_is_read() {
    let chains = issue();
    let reports = read(chains.iter().map(|chain| (chain.suite.name().to_owned(), chain)));
    for chain in &chains {
        let (suite, report) = (chain.suite, &reports[chain.suite.name()]);
        assert_eq!(report["issued"], json!([true, true, true]), "{suite}: {report}");
        let path = json!({ "uris": [WORKLOAD], "key_is_the_leafs": true });
        assert_eq!(report["path"], path, "{suite}: {report}");
        shows("chain", suite);
        assert_eq!(report["request"], true, "{suite}: {report}");
        shows("our-request", suite);
        assert_eq!(report["signature"], true, "{suite}: {report}");
        shows("our-signature", suite);

        let key = &report["key"];
        assert_eq!(key["is_the_leafs"], true, "{suite}: {report}");
        let public = SubjectKey::from_spki_der(&chain.key.public_key().unwrap().spki_der()).unwrap();
        let SubjectKey::Suite(public) = public else {
            panic!("{suite}: not a suite's key")
        };
        let signature = hex::decode(key["signature"].as_str().unwrap()).unwrap();
        public.verify(MESSAGE, &signature).unwrap();
        shows("our-key", suite);
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn what_stands_below_our_roots_is_read() {
    let chains: Vec<Chain> = of_roots()
        .map(|root| Chain::rooted(root, below(root)).unwrap())
        .collect();
    let reports = read(
        chains
            .iter()
            .enumerate()
            .map(|(number, chain)| (number.to_string(), chain)),
    );
    for (number, chain) in chains.iter().enumerate() {
        let (form, report) = (&chain.form, &reports[number.to_string()]);
        assert_eq!(report["issued"], json!([true, true, true]), "{form}: {report}");
        let path = json!({ "uris": [WORKLOAD], "key_is_the_leafs": true });
        assert_eq!(report["path"], path, "{form}: {report}");
        PEER.shows("chain", form, "ok").unwrap();
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn what_stands_below_its_roots_is_read() {
    let folder = TempDir::new().unwrap();
    let name = |root: Suite| format!("{}+{}", root.signature_oid(), below(root).signature_oid());
    for root in of_roots() {
        let made = run(java("issue").arg(folder.path()).arg(name(root)));
        assert_eq!(made[name(root)], true, "{root}: {made}");
        let folder = folder.path().join(name(root));
        let leaf = certificate(&folder, "leaf");
        assert_eq!(leaf.signature_suite(), Some(root));
        let verified = verify(leaf, certificate(&folder, "root")).unwrap();
        assert_eq!(verified.suite, below(root).name());
        let form = format!("{}/{} under {root}", root.form(), below(root));
        PEER.shows("their-chain", &form, "ok").unwrap();
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn what_we_make_is_refused_when_a_bit_is_turned() {
    let chains = issue();
    let mut bad = Vec::new();
    for chain in &chains {
        let leaf = Certificate::from_der(&chain.leaf).unwrap();
        let end = leaf.der().len();
        // Of a composite the ML-DSA half comes first, and the other one ends the certificate.
        for (name, place) in [
            ("first", end - leaf.signature().len() + 20),
            ("last", end - 5),
            ("content", 200),
        ] {
            let mut turned = chain.clone();
            turned.leaf[place] ^= 1;
            bad.push((format!("{}-{name}", chain.suite), turned));
        }
    }
    let reports = read(bad.iter().map(|(name, chain)| (name.clone(), chain)));
    for (name, _) in &bad {
        let report = &reports[name];
        // What is not even a certificate any more is an error instead of a report.
        let said = report.as_str().or_else(|| report["issued"][0].as_str());
        assert!(
            said.is_some_and(|error| error.contains("Exception")),
            "{name}: {report}"
        );
    }
}

#[test]
#[ignore = "needs a Java compiler and Maven; run by cargo xtask interop"]
fn what_it_makes_is_read() {
    let folder = TempDir::new().unwrap();
    for suite in of_svids() {
        let oid = suite.signature_oid().to_string();
        // One at a time: RSA keys take it long to make.
        let made = run(java("issue").arg(folder.path()).arg(&oid));
        assert_eq!(made[&oid], true, "{suite}: {made}");
        let folder = folder.path().join(oid);
        let leaf = certificate(&folder, "leaf");
        assert_eq!(leaf.signature_suite(), Some(suite));
        let SubjectKey::Suite(public) = leaf.subject_key().unwrap().clone() else {
            panic!("{suite}: not a suite's key")
        };

        let verified = verify(leaf.clone(), certificate(&folder, "root")).unwrap();
        assert_eq!(verified.spiffe_id.to_string(), WORKLOAD);
        assert_eq!(verified.suite, suite.name());
        let mut turned = leaf.der().to_vec();
        let place = turned.len() - 5;
        turned[place] ^= 1;
        let turned = Certificate::from_der(&turned).unwrap();
        verify(turned, certificate(&folder, "root")).unwrap_err();
        shows("their-chain", suite);

        let csr = Csr::from_der(&fs::read(folder.join("csr.der")).unwrap()).unwrap();
        assert_eq!(csr.spiffe_id().unwrap().unwrap().to_string(), WORKLOAD);
        assert_eq!(csr.key(), &SubjectKey::Suite(public.clone()));
        shows("request", suite);

        let signature = fs::read(folder.join("signature")).unwrap();
        public.verify(MESSAGE, &signature).unwrap();
        public.verify(b"another message", &signature).unwrap_err();
        shows("their-signature", suite);

        let key = PrivateKey::from_pkcs8_der(&fs::read(folder.join("key.der")).unwrap())
            .unwrap_or_else(|error| panic!("{suite}: {error}"));
        assert_eq!(key.suite(), suite);
        assert_eq!(key.public_key().unwrap().spki_der(), public.spki_der());
        shows("their-key", suite);
    }
}
