//! Bundle documents: what is written reads back, what others write is read as the specification says, and what is
//! wrong is refused with the place where it is wrong.

use std::time::Duration;

use crate::support::{Ca, Draft, bundle, signer, subject_key, trust_domain};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use symbolon_pki::bundle::{BundleError, JwtAuthority, TrustBundle};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::{Form, Suite};

pub(crate) fn read(document: &Value) -> Result<TrustBundle, BundleError> {
    TrustBundle::from_jwks(&trust_domain(), document.to_string().as_bytes())
}

pub(crate) fn jwt_authority(key_id: &str, suite: Suite) -> JwtAuthority {
    JwtAuthority::from_spki_der(key_id, &subject_key(&signer(suite)).spki_der()).unwrap()
}

pub(crate) fn x5c(certificate: &Certificate) -> Value {
    json!([BASE64_STANDARD.encode(certificate.der())])
}

#[test]
fn authorities_of_every_suite_read_back() {
    let certificates: Vec<_> = Suite::DEFAULTS
        .into_iter()
        .map(|suite| Ca::root(suite).certificate)
        .collect();
    let mut bundle = bundle(&certificates.iter().collect::<Vec<_>>());
    bundle.sequence = u64::MAX;
    bundle.refresh_hint = Some(Duration::from_secs(300));
    bundle.jwt_authorities = vec![
        jwt_authority("one", Suite::EcdsaP256),
        jwt_authority("two", Suite::EcdsaP384),
    ];

    let document: Value = serde_json::from_str(&bundle.to_jwks()).unwrap();
    let back = read(&document).unwrap();
    assert_eq!(back, bundle);
    assert_eq!(document["spiffe_sequence"], json!(u64::MAX));
    assert_eq!(document["spiffe_refresh_hint"], json!(300));

    // Three classical certificates and two JWT keys for everybody, nine for those who know where to look.
    let types = |member: &str| -> Vec<String> {
        let entries = document[member].as_array().unwrap().iter();
        entries
            .map(|entry| entry["kty"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(types("keys"), ["EC", "EC", "OKP", "EC", "EC"]);
    assert_eq!(types("pq_keys"), ["AKP"; 9]);
    for entry in document["keys"].as_array().unwrap() {
        // RFC 7517 lets `kid` be anything; SPIFFE has it on JWT keys and nowhere else.
        assert_eq!(entry.get("kid").is_some(), entry["use"] == "jwt-svid");
    }
}

#[test]
fn post_quantum_entries_have_the_members_that_were_agreed() {
    let ml_dsa = Ca::root(Suite::MlDsa65);
    let composite = Ca::root(Suite::MlDsa65EcdsaP256);
    let written = bundle(&[&ml_dsa.certificate, &composite.certificate]).to_jwks();
    let document: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(
        document["pq_keys"],
        json!([
            {
                "use": "x509-svid",
                "kty": "AKP",
                "alg": "ML-DSA-65",
                "pub": BASE64_URL_SAFE_NO_PAD.encode(ml_dsa.signer.public_key().as_bytes()),
                "x5c": x5c(&ml_dsa.certificate),
            },
            { "use": "x509-svid", "kty": "AKP", "x5c": x5c(&composite.certificate) },
        ])
    );
    assert_eq!(document["keys"], json!([]));
    assert!(bundle(&[]).to_jwks().contains(r#""keys":[]"#));
    assert!(!bundle(&[]).to_jwks().contains("pq_keys"));
}

#[test]
fn classical_entries_are_plain_json_web_keys() {
    let ca = Ca::root(Suite::EcdsaP384);
    let document: Value = serde_json::from_str(&bundle(&[&ca.certificate]).to_jwks()).unwrap();
    let point = ca.signer.public_key().as_bytes();
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    assert_eq!(
        document["keys"],
        json!([{
            "use": "x509-svid",
            "kty": "EC",
            "crv": "P-384",
            "x": text(&point[1..49]),
            "y": text(&point[49..]),
            "x5c": x5c(&ca.certificate),
        }])
    );
}

#[test]
fn the_jwt_bundle_is_a_plain_key_set() {
    let mut bundle = bundle(&[&Ca::root(Suite::EcdsaP256).certificate]);
    bundle.jwt_authorities = vec![jwt_authority("a", Suite::EcdsaP256)];
    let document: Value = serde_json::from_str(&bundle.to_jwt_jwks()).unwrap();
    let keys = document["keys"].as_array().unwrap();
    let names: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(names, ["crv", "kid", "kty", "x", "y"]);
    assert_eq!(document.as_object().unwrap().len(), 1);

    // What is written without `use` is read without it, and only there.
    let back = TrustBundle::from_jwt_jwks(&trust_domain(), document.to_string().as_bytes()).unwrap();
    assert_eq!(back.jwt_authorities, bundle.jwt_authorities);
    assert!(read(&document).unwrap().jwt_authorities.is_empty());
    let whole = TrustBundle::from_jwt_jwks(&trust_domain(), bundle.to_jwks().as_bytes()).unwrap();
    assert_eq!(whole.jwt_authorities, bundle.jwt_authorities);
    assert!(whole.x509_authorities.is_empty());
    assert!(TrustBundle::from_jwt_jwks(&trust_domain(), b"{}").is_err());
}

#[test]
fn no_document_holds_a_jwt_key_that_stock_software_would_choke_on() {
    let mut bundle = bundle(&[]);
    bundle.jwt_authorities = Suite::DEFAULTS
        .into_iter()
        .map(|suite| jwt_authority(suite.name(), suite))
        .collect();
    for document in [bundle.to_jwks(), bundle.to_jwt_jwks()] {
        let document: Value = serde_json::from_str(&document).unwrap();
        let keys: Vec<_> = document["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| (key["kid"].as_str().unwrap(), key["kty"].as_str().unwrap()))
            .collect();
        assert_eq!(keys, [("ecdsa-p256", "EC"), ("ecdsa-p384", "EC")]);
        assert!(document.get("pq_keys").is_none());
    }
}

#[test]
fn rsa_keys_read_back_as_well() {
    let rsa = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let spki: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
    let mut bundle = bundle(&[]);
    bundle.jwt_authorities = vec![JwtAuthority::from_spki_der("rsa", spki.as_ref()).unwrap()];
    let document: Value = serde_json::from_str(&bundle.to_jwks()).unwrap();
    assert_eq!(document["keys"][0]["e"], "AQAB");
    let back = read(&document).unwrap();
    assert_eq!(back, bundle);
    assert_eq!(back.jwt_authorities[0].spki_der(), spki.as_ref());
}

#[test]
fn what_is_not_known_is_passed_over() {
    let ca = Ca::root(Suite::EcdsaP256).certificate;
    let ml_dsa = Ca::root(Suite::MlDsa44).certificate;
    let document = json!({
        "keys": [
            { "kty": "EC" },
            { "use": "x509-svid" },
            { "use": "other-svid", "kty": "EC", "kid": "w" },
            { "use": "x509-svid", "kty": "XYZ", "x5c": ["?"] },
            { "use": 7, "kty": "EC", "x5c": ["?"] },
            { "use": "x509-svid", "kty": "EC" },
            { "use": "jwt-svid", "kty": "EC", "kid": "k1", "crv": "secp256k1", "x": "AA", "y": "AA" },
            { "use": "jwt-svid", "kty": "AKP", "kid": "pq", "alg": "ML-DSA-65", "pub": "AA" },
            { "use": "jwt-svid", "kty": "RSA", "kid": "small", "n": "AQAB", "e": "AQAB" },
            { "use": "x509-svid", "kty": "EC", "kid": "x", "x5c": x5c(&ca), "key_ops": [], "new": { "a": 1 } },
        ],
        "pq_keys": [
            { "use": "x509-svid", "kty": "EC", "x5c": ["?"] },
            { "use": "jwt-svid", "kty": "AKP", "kid": "pq" },
            { "use": "x509-svid", "kty": "AKP", "alg": "whatever", "x5c": x5c(&ml_dsa) },
        ],
        "spiffe_sequence": 7,
        "new_keys": 9,
    });
    let bundle = read(&document).unwrap();
    let found: Vec<_> = bundle
        .x509_authorities
        .iter()
        .map(|authority| &authority.certificate)
        .collect();
    assert_eq!(found, [&ca, &ml_dsa]);
    assert!(bundle.jwt_authorities.is_empty());
    assert_eq!((bundle.sequence, bundle.refresh_hint), (7, None));
}

#[test]
fn the_first_certificate_counts_and_twice_is_once() {
    let (one, two) = (
        Ca::root(Suite::Ed25519).certificate,
        Ca::root(Suite::Ed25519).certificate,
    );
    let both = json!([x5c(&one)[0], x5c(&two)[0]]);
    let entry = json!({ "use": "x509-svid", "kty": "OKP", "x5c": both });
    let bundle = read(&json!({ "keys": [entry, entry] })).unwrap();
    assert_eq!(bundle.x509_authorities.len(), 1);
    assert_eq!(bundle.x509_authorities[0].certificate, one);
    assert_eq!(bundle.sequence, 0);
}

#[test]
fn an_authority_with_an_unknown_key_is_neither_lost_nor_trusted() {
    // A certificate over a secp256k1 key: read, but of no form and in no document.
    let ca = Ca::root(Suite::EcdsaP256);
    let mut draft = Draft::authority(&subject_key(&ca.signer));
    let k1 = hex::decode("301006072a8648ce3d020106052b8104000a").unwrap();
    let point = [&[0, 4][..], &[7; 64]].concat();
    let mut bits = Vec::new();
    symbolon_pki::encode::element(&mut bits, 3, &point);
    draft.spki = crate::support::sequence(&[k1, bits].concat());
    let bundle = bundle(&[&draft.sign(&ca.signer)]);
    assert_eq!(bundle.x509_authorities[0].form(), None);
    assert!(
        Form::ALL
            .into_iter()
            .all(|form| bundle.authorities_of(form).count() == 0)
    );
    assert!(
        read(&serde_json::from_str(&bundle.to_jwks()).unwrap())
            .unwrap()
            .x509_authorities
            .is_empty()
    );
}

/// A few authorities of each kind, made once.
fn stock() -> &'static (Vec<Certificate>, Vec<SubjectKey>) {
    static STOCK: std::sync::OnceLock<(Vec<Certificate>, Vec<SubjectKey>)> = std::sync::OnceLock::new();
    STOCK.get_or_init(|| {
        let certificates = Suite::DEFAULTS
            .into_iter()
            .map(|suite| Ca::root(suite).certificate)
            .collect();
        let keys = [Suite::EcdsaP256, Suite::EcdsaP384].map(|suite| subject_key(&signer(suite)));
        (certificates, keys.to_vec())
    })
}

proptest! {
    #[test]
    fn any_bundle_reads_back(
        sequence in any::<u64>(),
        hint in proptest::option::of(any::<u64>()),
        certificates in proptest::sample::subsequence((0..12).collect::<Vec<usize>>(), 0..=12),
        jwt in proptest::collection::btree_map("[ -~]{1,20}|\\PC{1,8}", 0..2_usize, 0..5),
    ) {
        let (stock, keys) = stock();
        // Documents have the classical authorities first, and so has the stock.
        let mut bundle = bundle(&certificates.iter().map(|&index| &stock[index]).collect::<Vec<_>>());
        bundle.sequence = sequence;
        bundle.refresh_hint = hint.map(Duration::from_secs);
        bundle.jwt_authorities = jwt
            .into_iter()
            .map(|(key_id, key)| JwtAuthority::from_spki_der(key_id, &keys[key].spki_der()).unwrap())
            .collect();
        let back = TrustBundle::from_jwks(&trust_domain(), bundle.to_jwks().as_bytes()).unwrap();
        prop_assert_eq!(back, bundle);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = TrustBundle::from_jwks(&trust_domain(), &bytes);
    }

    #[test]
    fn any_members_are_answered(
        purpose in "x509-svid|jwt-svid|other",
        kty in "EC|RSA|OKP|AKP|other",
        crv in "P-256|P-384|P-521|Ed25519|secp256k1",
        members in proptest::collection::btree_map("x|y|n|e|pub|x5c|kid|alg", "[A-Za-z0-9_=-]{0,90}", 0..6),
        as_list in any::<bool>(),
    ) {
        let mut entry = json!({ "use": purpose, "kty": kty, "crv": crv });
        for (name, value) in members {
            entry[name] = if as_list { json!([value]) } else { json!(value) };
        }
        let _ = read(&json!({ "keys": [&entry], "pq_keys": [&entry] }));
    }

    #[test]
    fn a_spoilt_document_is_answered(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let (certificates, _) = stock();
        let mut document = bundle(&certificates.iter().collect::<Vec<_>>()).to_jwks().into_bytes();
        let at = at.index(document.len());
        document[at] = byte;
        let _ = TrustBundle::from_jwks(&trust_domain(), &document);
    }
}
