//! PyPI's `cryptography` as a verifier of what we issue and a reader of our keys; PyPI's `spiffe` as a workload.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};
use symbolon_interop::cells::Peer;
use symbolon_interop::chain::{self, Chain, TRUST_DOMAIN, WORKLOAD};
use symbolon_interop::document::{AUDIENCE, Documents, JWT_KEY_ID};
use symbolon_interop::programs;
use symbolon_interop::revocation::Revocable;
use symbolon_interop::up::Up;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::unix_seconds;
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

/// Both halves of a pair, and the native half of catalyst certificates and requests.
#[test]
fn what_stands_beside_a_key_does_no_harm() {
    let peer = peer();
    let mut chains = Chain::paired(Suite::EcdsaP256, Suite::MlDsa65).unwrap().to_vec();
    chains.push(Chain::catalyst(Suite::EcdsaP256, Suite::MlDsa65).unwrap());
    let named = |number: usize, chain| (number.to_string(), chain);
    let reports = report(
        "chains.py",
        chains.iter().enumerate().map(|(n, chain)| named(n, chain)),
    );
    for (number, chain) in chains.iter().enumerate() {
        let (form, report) = (&*chain.form, &reports[number.to_string()]);
        assert_eq!(report["issued"], json!([true, true, true]), "{form}: {report}");
        assert_eq!(report["request"], true, "{form}: {report}");
        assert_eq!(
            report["path"],
            json!({ "length": 3, "uris": [WORKLOAD] }),
            "{form}"
        );
        let result = match form.starts_with("catalyst/") {
            true => "ok, native half",
            false => "ok",
        };
        peer.shows("chain", form, result).unwrap();
        peer.shows("our-request", form, result).unwrap();
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
fn composites_are_unknown_and_do_no_harm() {
    let chains = issue(composites());
    let reports = report("chains.py", by_suite(&chains));
    for chain in &chains {
        let (suite, report) = (chain.suite, &reports[chain.suite.name()]);
        let unknown = format!(
            "UnsupportedAlgorithm: Unknown key type: {}",
            suite.signature_oid()
        );
        for finding in ["key", "public_key", "request"] {
            assert_eq!(report[finding], unknown, "{suite}: {report}");
        }
        assert!(report["path"].is_string(), "{suite}: {report}");
        assert_eq!(report["leaf"]["uris"], json!([WORKLOAD]), "{suite}: {report}");
    }
}

/// By a verifier put together from the draft's text and `cryptography`'s components.
#[test]
fn both_halves_of_composites_are_verified() {
    let peer = peer();
    let chains = issue(Suite::ALL.into_iter().filter(|suite| suite.is_composite()));
    let reports = report("composites.py", by_suite(&chains));
    let both = json!({ "post_quantum": true, "classical": true });
    for chain in &chains {
        let (suite, report) = (chain.suite, &reports[chain.suite.name()]);
        for part in ["leaf", "intermediate", "root", "request"] {
            assert_eq!(report[part], both, "{suite}, {part}");
        }
        let signed = hex::decode(report["signed"].as_str().unwrap()).unwrap();
        let public = chain.key.public_key().unwrap();
        public.verify(b"signed by both halves", &signed).unwrap();
        public.verify(b"signed by neither", &signed).unwrap_err();
        for direction in ["chain", "our-request", "our-key", "their-signature"] {
            peer.shows(direction, &form(suite), "ok, half by half").unwrap();
        }
    }
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

    let all: Vec<Revocable> = composites()
        .map(|suite| Revocable::issue(suite).unwrap())
        .collect();
    let reports = report_lists("composites.py", &all);
    for (number, revocable) in all.iter().enumerate() {
        let form = &*revocable.chain.form;
        let both = json!([{ "post_quantum": true, "classical": true }]);
        assert_eq!(reports[number.to_string()]["crl"], both, "{form}");
        peer.shows("crl", form, "ok, half by half").unwrap();
    }
}

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

#[test]
fn each_half_of_a_composite_is_refused_alone() {
    let chains = issue(composites());
    let mut bad = Vec::new();
    for chain in &chains {
        // The ML-DSA half comes first; the other one ends the certificate.
        let first = turned(chain, "leaf", |certificate| in_the_signature(certificate, 100));
        bad.push((format!("{}-first", chain.suite), (false, true), first));
        let second = turned(chain, "leaf", |certificate| certificate.der().len() - 10);
        bad.push((format!("{}-second", chain.suite), (true, false), second));
        let content = turned(chain, "leaf", in_the_id);
        bad.push((format!("{}-content", chain.suite), (false, false), content));
    }
    let reports = report(
        "composites.py",
        bad.iter().map(|(name, _, chain)| (name.clone(), chain)),
    );
    for (name, (post_quantum, classical), _) in &bad {
        let expected = json!({ "post_quantum": post_quantum, "classical": classical });
        assert_eq!(reports[name]["leaf"], expected, "{name}");
    }
}

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
