//! The official vectors: composite ML-DSA (draft-ietf-lamps-pq-composite-sigs) and the RFC 9881 examples.
//!
//! They are looked for in `SYMBOLON_VECTORS`, then beside the checkout. Where they are missing the tests say so and
//! pass, unless `SYMBOLON_REQUIRE_VECTORS=1`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use der::Decode;
use serde_json::Value;
use symbolon_crypto::{Component, SoftwareKey};
use symbolon_pki::describe;
use symbolon_pki::key::{Pkcs8Error, PrivateKey, PrivateKeyKind, SubjectKey, SuitePublicKey, SuiteSigner};
use symbolon_pki::suite::Suite;

/// The folder of the vectors called `name`, if it can be had.
fn vectors(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SYMBOLON_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("SYMBOLON_REQUIRE_VECTORS").is_ok_and(|value| value == "1");
    assert!(
        !required,
        "the vectors are required and {} is missing",
        folder.display()
    );
    eprintln!("SKIPPED: no vectors in {}", folder.display());
    None
}

fn field(object: &Value, name: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(object[name].as_str().unwrap()).unwrap()
}

/// The suite that the vectors call `id`: the draft's names are those that `describe` tells in words.
fn suite(id: &str) -> Suite {
    let of_composite = |suite: &Suite| {
        let words = describe::algorithm(suite.signature_oid()).words;
        words.ends_with(&format!("({id})"))
    };
    match id {
        "id-ML-DSA-44" => Suite::MlDsa44,
        "id-ML-DSA-65" => Suite::MlDsa65,
        "id-ML-DSA-87" => Suite::MlDsa87,
        id => Suite::ALL
            .into_iter()
            .find(of_composite)
            .unwrap_or_else(|| panic!("{id} is no suite")),
    }
}

/// Whether two signatures of the component over one message are the same.
fn is_deterministic(component: Component) -> bool {
    use Component::{Ed448, Ed25519, Rsa2048Pkcs1Sha256, Rsa3072Pkcs1Sha256, Rsa4096Pkcs1Sha384};
    matches!(
        component,
        Ed448 | Ed25519 | Rsa2048Pkcs1Sha256 | Rsa3072Pkcs1Sha256 | Rsa4096Pkcs1Sha384
    )
}

#[test]
fn composite_vectors_pass_in_every_field() {
    let Some(folder) = vectors("composite-mldsa") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("testvectors.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let (message, context) = (field(&document, "m"), field(&document, "ctx"));
    let mut seen = Vec::new();
    let mut deterministic = 0;
    for case in document["tests"].as_array().unwrap() {
        let id = case["tcId"].as_str().unwrap();
        let suite = suite(id);
        seen.push(suite);

        // The public key, and both signatures with it.
        let public =
            SuitePublicKey::parse(suite, &field(case, "pk")).unwrap_or_else(|e| panic!("{id}: pk: {e}"));
        public
            .verify(&message, &field(case, "s"))
            .unwrap_or_else(|e| panic!("{id}: s: {e}"));
        public
            .verify_with_context(&message, &field(case, "sWithContext"), &context)
            .unwrap_or_else(|e| panic!("{id}: sWithContext: {e}"));
        assert!(
            public.verify(&message, &field(case, "sWithContext")).is_err(),
            "{id}: context ignored"
        );

        // PKCS#8 both ways, the public key from the private one, and a signature of our own.
        let pkcs8 = field(case, "sk_pkcs8");
        let private = PrivateKey::from_pkcs8_der(&pkcs8).unwrap_or_else(|e| panic!("{id}: sk_pkcs8: {e}"));
        assert_eq!(private.suite(), suite, "{id}");
        assert_eq!(
            private.public_key().unwrap(),
            public,
            "{id}: public key from private key"
        );
        assert_eq!(*private.to_pkcs8_der().unwrap(), pkcs8, "{id}: PKCS#8 written");
        let signer = private.signer().unwrap();
        for (context, theirs) in [(&[][..], "s"), (&context, "sWithContext")] {
            let signature = signer.sign_with_context(&message, context).unwrap();
            public
                .verify_with_context(&message, &signature, context)
                .unwrap_or_else(|e| panic!("{id}: own signature: {e}"));
            if let [ml_dsa, traditional] = suite.components()
                && is_deterministic(*traditional)
            {
                let cut = ml_dsa.max_signature_len();
                assert_eq!(signature[cut..], field(case, theirs)[cut..], "{id}: {theirs}");
                deterministic += 1;
            }
        }

        // `sk` is the raw private key: its ML-DSA part is a seed, which gives the public key's first part.
        let raw = field(case, "sk");
        let seed = SoftwareKey::from_raw(suite.components()[0], &raw[..32]).unwrap();
        assert_eq!(
            &seed_public(&seed),
            public.components()[0].as_bytes(),
            "{id}: public key from seed"
        );
        assert!(pkcs8.ends_with(&raw), "{id}: sk inside sk_pkcs8");

        // The self-signed certificate.
        let certificate = x509_cert::Certificate::from_der(&field(case, "x5c")).unwrap();
        let (tbs, signature) = certificate_parts(&field(case, "x5c"));
        let spki = der::Encode::to_der(certificate.tbs_certificate().subject_public_key_info()).unwrap();
        let key = SubjectKey::from_spki_der(&spki).unwrap_or_else(|e| panic!("{id}: x5c key: {e}"));
        assert_eq!(key, SubjectKey::Suite(public.clone()), "{id}: x5c holds pk");
        assert_eq!(key.spki_der(), spki, "{id}: SPKI written");
        assert_eq!(
            Suite::from_signature_oid(&certificate.signature_algorithm().oid),
            Some(suite),
            "{id}"
        );
        public
            .verify(&tbs, &signature)
            .unwrap_or_else(|e| panic!("{id}: x5c: {e}"));
    }
    seen.sort();
    let expected = Suite::ALL
        .into_iter()
        .filter(|suite| suite.components()[0].is_ml_dsa());
    assert!(
        seen.iter().copied().eq(expected),
        "3 pure and 18 composite cases: {seen:?}"
    );
    assert_eq!(
        deterministic, 12,
        "2 with Ed25519, 1 with Ed448, 3 with PKCS#1 v1.5; both contexts"
    );
}

fn seed_public(key: &SoftwareKey) -> Vec<u8> {
    use symbolon_crypto::HeldKey;
    key.public_key().as_bytes().to_vec()
}

/// The TBS bytes and the signature of a certificate, cut out of it rather than encoded again.
fn certificate_parts(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    use der::{Reader, SliceReader};
    let mut reader = SliceReader::new(der).unwrap();
    reader
        .sequence(|reader| -> der::Result<_> {
            let tbs = reader.tlv_bytes()?.to_vec();
            reader.tlv_bytes()?;
            let bits = der::asn1::BitStringRef::decode(reader)?;
            Ok((tbs, bits.as_bytes().unwrap().to_vec()))
        })
        .unwrap()
}

fn pem(folder: &Path, file: &str) -> Vec<u8> {
    let text = std::fs::read(folder.join(file)).unwrap();
    der::pem::decode_vec(&text)
        .unwrap_or_else(|e| panic!("{file}: {e}"))
        .1
}

#[test]
fn rfc_9881_keys_are_read_in_three_forms_and_written_in_one() {
    let Some(folder) = vectors("mldsa-pkcs8") else {
        return;
    };
    for (suite, level) in [(Suite::MlDsa44, 44), (Suite::MlDsa65, 65), (Suite::MlDsa87, 87)] {
        let seed_der = pem(&folder, &format!("ML-DSA-{level}-seed.priv"));
        let seed = PrivateKey::from_pkcs8_der(&seed_der).unwrap();
        let both = PrivateKey::from_pkcs8_der(&pem(&folder, &format!("ML-DSA-{level}-both.priv"))).unwrap();
        let expanded =
            PrivateKey::from_pkcs8_der(&pem(&folder, &format!("ML-DSA-{level}-expanded.priv"))).unwrap();
        assert_eq!(
            [seed.kind(), both.kind(), expanded.kind()],
            [
                PrivateKeyKind::Seed,
                PrivateKeyKind::Both,
                PrivateKeyKind::Expanded
            ]
        );

        let public = SubjectKey::from_spki_der(&pem(&folder, &format!("ML-DSA-{level}.pub"))).unwrap();
        for key in [&seed, &both, &expanded] {
            assert_eq!(key.suite(), suite);
            assert_eq!(SubjectKey::Suite(key.public_key().unwrap()), public);
            let signature = key.signer().unwrap().sign(b"message").unwrap();
            key.public_key().unwrap().verify(b"message", &signature).unwrap();
        }
        assert_eq!(*seed.to_pkcs8_der().unwrap(), seed_der);
        assert_eq!(*both.to_pkcs8_der().unwrap(), seed_der);
        assert_eq!(
            expanded.to_pkcs8_der().unwrap_err(),
            Pkcs8Error::NoSeed(suite.components()[0])
        );
        assert!(!expanded.can_be_stored() && expanded.components().is_empty());

        let (tbs, signature) = certificate_parts(&pem(&folder, &format!("ML-DSA-{level}.crt")));
        let SubjectKey::Suite(public) = public else {
            panic!("an ML-DSA key")
        };
        public.verify(&tbs, &signature).unwrap();
    }
}

#[test]
fn rfc_9881_bad_keys_are_refused() {
    let Some(folder) = vectors("mldsa-pkcs8") else {
        return;
    };
    for file in [
        "bad-ML-DSA-44-1.priv",
        "bad-ML-DSA-44-2.priv",
        "bad-ML-DSA-44-3.priv",
    ] {
        let error = PrivateKey::from_pkcs8_der(&pem(&folder, file)).expect_err(file);
        eprintln!("{file}: {error}");
    }
}

#[test]
fn every_suite_survives_pkcs8_and_spki() {
    for suite in Suite::DEFAULTS {
        let key = PrivateKey::generate(suite).unwrap();
        let again = PrivateKey::from_pkcs8_der(&key.to_pkcs8_der().unwrap()).unwrap();
        assert_eq!(again.public_key().unwrap(), key.public_key().unwrap(), "{suite}");
        let signature = again.signer().unwrap().sign(b"message").unwrap();
        let public = SubjectKey::from_spki_der(&key.public_key().unwrap().spki_der()).unwrap();
        let SubjectKey::Suite(public) = public else {
            panic!("{suite}")
        };
        public.verify(b"message", &signature).unwrap();
    }
}

#[test]
fn a_flipped_bit_names_its_half() {
    let key = PrivateKey::generate(Suite::MlDsa65EcdsaP256).unwrap();
    let (signer, public): (SuiteSigner, _) = (key.signer().unwrap(), key.public_key().unwrap());
    let good = signer.sign(b"message").unwrap();
    let verdict = |at: &[usize]| {
        let mut bad = good.clone();
        for &index in at {
            bad[index] ^= 1;
        }
        public.verify(b"message", &bad).unwrap_err().to_string()
    };
    assert_eq!(
        verdict(&[100]),
        "the post-quantum half of the composite signature does not verify"
    );
    let last = good.len() - 1;
    assert_eq!(
        verdict(&[last]),
        "the classical half of the composite signature does not verify"
    );
    assert_eq!(
        verdict(&[100, last]),
        "both halves of the composite signature fail to verify"
    );
    assert_eq!(
        public.verify(b"message", &good[..3000]).unwrap_err().to_string(),
        "the post-quantum half of the composite signature is malformed: it is cut short"
    );
}
