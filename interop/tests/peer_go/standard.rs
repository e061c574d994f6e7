//! crypto/x509 and crypto/mldsa: certificates, requests, keys and signatures, both ways.

use std::fs;
use std::time::SystemTime;

use serde_json::{Value, json};
use spiffe::TrustDomain;
use symbolon_interop::chain::{Chain, TRUST_DOMAIN, WORKLOAD};
use symbolon_interop::raw::{self, CONTEXTS, Signer};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::verify_x509_svid;
use tempfile::TempDir;

use crate::{Release, go, outcome, releases};

/// What the program signs to see whether keys belong together.
const MESSAGE: &[u8] = b"signed with the key that was read";

const CLASSICAL: [Suite; 3] = [Suite::EcdsaP256, Suite::EcdsaP384, Suite::Ed25519];
const ML_DSA: [Suite; 3] = [Suite::MlDsa44, Suite::MlDsa65, Suite::MlDsa87];

/// The suites of a release.
fn suites(release: &Release) -> Vec<Suite> {
    match release.knows_ml_dsa {
        true => [CLASSICAL, ML_DSA].concat(),
        false => CLASSICAL.to_vec(),
    }
}

fn shows(release: &Release, direction: &str, suite: Suite) {
    let form = format!("{}/{suite}", suite.form());
    release.peer.shows(direction, &form, "ok").unwrap();
}

/// What a release says of chains, by their names.
fn read<'a>(release: &Release, chains: impl IntoIterator<Item = (String, &'a Chain)>) -> Value {
    let folder = TempDir::new().unwrap();
    let mut command = go(release, "certificates");
    for (name, chain) in chains {
        let folder = folder.path().join(name);
        chain.write(&folder).unwrap();
        let signature = chain.key.signer().unwrap().sign(MESSAGE).unwrap();
        fs::write(folder.join("signature"), signature).unwrap();
        command.arg(folder);
    }
    outcome(&mut command).unwrap()
}

fn public_key(spki: &[u8]) -> symbolon_pki::key::SuitePublicKey {
    match SubjectKey::from_spki_der(spki).unwrap() {
        SubjectKey::Suite(key) => key,
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn what_we_make_is_read() {
    for release in releases() {
        let chains: Vec<Chain> = suites(release)
            .into_iter()
            .map(|suite| Chain::issue(suite).unwrap())
            .collect();
        let reports = read(
            release,
            chains.iter().map(|chain| (chain.suite.name().to_owned(), chain)),
        );
        for chain in &chains {
            let (suite, report) = (chain.suite, &reports[chain.suite.name()]);
            assert_eq!(report["issued"], json!([true, true, true]), "{suite}: {report}");
            let path = json!({ "length": 3, "uris": format!("[{WORKLOAD}]") });
            assert_eq!(report["path"], path, "{suite}: {report}");
            shows(release, "chain", suite);
            assert_eq!(report["request"], true, "{suite}: {report}");
            shows(release, "our-request", suite);
            assert_eq!(report["signature"], true, "{suite}: {report}");
            shows(release, "our-signature", suite);

            let key = &report["key"];
            assert_eq!(key["is_the_leafs"], true, "{suite}: {report}");
            let spki = chain.key.public_key().unwrap().spki_der();
            let signature = hex::decode(key["signature"].as_str().unwrap()).unwrap();
            public_key(&spki).verify(MESSAGE, &signature).unwrap();
            let written = hex::decode(key["written"].as_str().unwrap()).unwrap();
            let written = PrivateKey::from_pkcs8_der(&written).unwrap();
            assert_eq!(written.public_key().unwrap().spki_der(), spki);
            shows(release, "our-key", suite);
        }
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn what_we_make_is_refused_when_a_bit_is_turned() {
    for release in releases() {
        let mut bad = Vec::new();
        for suite in suites(release) {
            let chain = Chain::issue(suite).unwrap();
            let leaf = Certificate::from_der(&chain.leaf).unwrap();
            let end = leaf.der().len();
            for place in [end - leaf.signature().len() + 20, end - 5, 200] {
                let mut turned = chain.clone();
                turned.leaf[place] ^= 1;
                bad.push((format!("{suite}-{place}"), turned));
            }
        }
        let reports = read(release, bad.iter().map(|(name, chain)| (name.clone(), chain)));
        for (name, _) in &bad {
            let report = &reports[name];
            // What is not even a certificate any more is an error instead of a report.
            let refused =
                report.is_string() || (report["issued"][0].is_string() && report["path"].is_string());
            assert!(refused, "{name}: {report}");
        }
    }
}

/// It takes from a pair the half that it knows, and from a catalyst chain the native one, and minds the rest not.
#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn what_stands_beside_does_no_harm() {
    for release in releases() {
        let pair = Chain::paired(Suite::EcdsaP256, Suite::MlDsa65).unwrap();
        let catalyst = Chain::catalyst(Suite::EcdsaP256, Suite::MlDsa65).unwrap();
        let chains: Vec<Chain> = pair
            .into_iter()
            .chain([catalyst])
            .filter(|chain| release.knows_ml_dsa || chain.suite.form() == Form::Classical)
            .collect();
        let names = 0..;
        let reports = read(release, names.map(|number: u32| number.to_string()).zip(&chains));
        for (number, chain) in chains.iter().enumerate() {
            let (form, report) = (&chain.form, &reports[number.to_string()]);
            assert_eq!(report["issued"], json!([true, true, true]), "{form}: {report}");
            let path = json!({ "length": 3, "uris": format!("[{WORKLOAD}]") });
            assert_eq!(report["path"], path, "{form}: {report}");
            assert_eq!(report["request"], true, "{form}: {report}");
            let result = match chain.alternative {
                Some(_) => "ok, native half",
                None => "ok",
            };
            release.peer.shows("chain", form, result).unwrap();
            release.peer.shows("our-request", form, result).unwrap();
        }
    }
}

/// That it is no harm to it is among the tests of go-spiffe.
#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn what_a_release_does_not_know_it_says() {
    for release in releases() {
        let known = suites(release);
        let unknown: Vec<Chain> = Suite::DEFAULTS
            .into_iter()
            .filter(|suite| !known.contains(suite))
            .map(|suite| Chain::issue(suite).unwrap())
            .collect();
        let reports = read(
            release,
            unknown.iter().map(|chain| (chain.suite.name().to_owned(), chain)),
        );
        assert!(unknown.iter().any(|chain| chain.suite.form() == Form::Composite));
        for chain in &unknown {
            let report = &reports[chain.suite.name()];
            let said = report["issued"][0].as_str();
            assert!(
                said.is_some_and(|said| said.contains("algorithm unimplemented")),
                "{}: {report}",
                chain.suite
            );
        }
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn what_it_makes_is_read() {
    for release in releases() {
        let folder = TempDir::new().unwrap();
        let oids: Vec<String> = suites(release)
            .iter()
            .map(|suite| suite.signature_oid().to_string())
            .collect();
        let made = outcome(go(release, "issue").arg(folder.path()).args(&oids)).unwrap();
        for suite in suites(release) {
            let oid = suite.signature_oid().to_string();
            assert_eq!(made[&oid], true, "{suite}: {made}");
            let file = |name: &str| fs::read(folder.path().join(&oid).join(name)).unwrap();
            let leaf = Certificate::from_der(&file("leaf.der")).unwrap();
            let root = Certificate::from_der(&file("root.der")).unwrap();
            let public = leaf.subject_key().unwrap().clone();
            let mut bundles = BundleSet::new();
            bundles.insert(TrustBundle {
                x509_authorities: vec![X509Authority::new(root)],
                ..TrustBundle::new(TrustDomain::new(TRUST_DOMAIN).unwrap())
            });
            let verified = verify_x509_svid(&[leaf], &bundles, SystemTime::now()).unwrap();
            assert_eq!(verified.spiffe_id.to_string(), WORKLOAD);
            assert_eq!(verified.suite, suite.name());
            shows(release, "their-chain", suite);

            let csr = Csr::from_der(&file("csr.der")).unwrap();
            assert_eq!(csr.spiffe_id().unwrap().unwrap().to_string(), WORKLOAD);
            assert_eq!(csr.key(), &public);
            shows(release, "request", suite);

            let key = public_key(&public.spki_der());
            key.verify(MESSAGE, &file("signature")).unwrap();
            key.verify(b"another message", &file("signature")).unwrap_err();
            shows(release, "their-signature", suite);

            let private = PrivateKey::from_pkcs8_der(&file("key.der")).unwrap();
            assert_eq!(private.public_key().unwrap().spki_der(), public.spki_der());
            shows(release, "their-key", suite);
        }
    }
}

#[test]
#[ignore = "needs Go and its module proxy; run by cargo xtask interop"]
fn ml_dsa_signatures_have_their_contexts() {
    for release in releases().iter().filter(|release| release.knows_ml_dsa) {
        let signer = Signer {
            peer: &release.peer,
            verify: &|| go(release, "verify"),
            sign: &|| go(release, "sign"),
        };
        signer.exchange(&raw::ML_DSA, &CONTEXTS, "/with context").unwrap();
    }
}
