//! Descriptions of private keys, bundles and tokens: told for what they are, and no secret told at all.

mod common;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use common::{composite_x5c, json, now, one, self_signed, vectors};
use rcgen::KeyPair;
use symbolon_pki::describe::{Description, describe};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

#[test]
fn private_keys_of_every_suite_are_told_without_a_byte_of_them() {
    for suite in Suite::DEFAULTS {
        let key = PrivateKey::generate(suite).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let text = pem::encode_private_key(&key).unwrap();
        for input in [der.as_slice(), text.as_bytes()] {
            let told = one(input);
            let shown = format!("{told}{told:?}{}", serde_json::to_string(&told).unwrap()).to_lowercase();
            for component in key.components() {
                let raw = component.raw().unwrap();
                for window in raw.windows(6) {
                    assert!(!shown.contains(&hex::encode(window)), "{suite}: in hex");
                }
                let base64 = BASE64_STANDARD.encode(&*raw).to_lowercase();
                assert!(!shown.contains(&base64[..12]), "{suite}: in base64");
            }
            let Description::PrivateKey(told) = told else {
                panic!("{suite}: a private key")
            };
            assert_eq!(told.algorithm.name, suite.name());
            assert!(told.can_be_stored);
            assert_eq!(told.problem, None);
            let public = told.public_key.unwrap();
            assert_eq!(
                public.key_id,
                Some(key.public_key().unwrap().skid().to_string()),
                "{suite}"
            );
        }
    }
}

#[test]
fn the_three_kinds_of_ml_dsa_private_key_are_told_apart() {
    let Some(folder) = vectors("mldsa-pkcs8") else {
        return;
    };
    for (file, contents, stored) in [
        (
            "ML-DSA-65-seed.priv",
            "the 32-byte seed (what RFC 9881 recommends)",
            true,
        ),
        (
            "ML-DSA-65-expanded.priv",
            "the expanded key alone (4032 bytes), without its seed",
            false,
        ),
        ("ML-DSA-65-both.priv", "both the seed and the expanded key", true),
    ] {
        let Description::PrivateKey(told) = one(&std::fs::read(folder.join(file)).unwrap()) else {
            panic!("{file}: a private key")
        };
        assert_eq!(
            (told.contents.as_str(), told.can_be_stored),
            (contents, stored),
            "{file}"
        );
        assert!(told.public_key.is_some(), "{file}");
    }
    for number in 1..=3 {
        let file = format!("bad-ML-DSA-44-{number}.priv");
        let Description::PrivateKey(told) = one(&std::fs::read(folder.join(&file)).unwrap()) else {
            panic!("{file}: a private key")
        };
        assert_eq!(told.algorithm.oid, "2.16.840.1.101.3.4.3.17", "{file}");
        assert!(told.problem.is_some() && told.public_key.is_none(), "{file}");
    }
    let public = std::fs::read(folder.join("ML-DSA-87.pub")).unwrap();
    assert_eq!(json(&public)["bytes"], 2592);
}

#[test]
fn foreign_private_keys_are_named() {
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let Description::PrivateKey(told) = one(rsa.serialize_pem().as_bytes()) else {
        panic!("a private key")
    };
    assert_eq!(told.contents, "an RSA private key of 2048 bits");
    assert!(told.problem.is_some());
    let text = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
    assert!(one(text.as_bytes()).problems()[0].contains("openssl pkcs8 -topk8"));
}

#[test]
fn bundles_are_told_key_by_key() {
    let root = BASE64_STANDARD.encode(self_signed(&KeyPair::generate().unwrap(), "spiffe://example.org"));
    let mut document = serde_json::json!({
        "keys": [
            {"use": "x509-svid", "kty": "EC", "crv": "P-256", "x": "", "y": "", "x5c": [root]},
            {"use": "x509-svid", "kty": "EC", "crv": "P-256", "x5c": []},
            {"use": "jwt-svid", "kty": "EC", "crv": "P-256", "kid": "one"},
            {"use": "other", "kty": "EC"},
        ],
        "spiffe_sequence": 7,
        "spiffe_refresh_hint": 300,
    });
    if let Some(certificates) = composite_x5c() {
        let (_, der) = certificates
            .iter()
            .find(|(id, _)| id == "id-MLDSA65-ECDSA-P256-SHA512")
            .unwrap();
        document["pq_keys"] =
            serde_json::json!([{"use": "x509-svid", "kty": "AKP", "x5c": [BASE64_STANDARD.encode(der)]}]);
        let told = json(document.to_string().as_bytes());
        assert_eq!(told["keys"][4]["member"], "pq_keys");
        assert_eq!(told["keys"][4]["certificate"]["public_key"]["form"], "composite");
    }
    let told = one(document.to_string().as_bytes());
    assert_eq!(
        told.problems(),
        [
            "x5c must hold exactly one certificate",
            "its use is unknown, so SPIFFE software ignores it"
        ]
    );
    let Description::Bundle(told) = told else {
        panic!("a bundle")
    };
    assert_eq!(told.trust_domain.as_deref(), Some("example.org"));
    assert_eq!((told.sequence, told.refresh_hint), (Some(7), Some(300)));

    let map = serde_json::json!({"trust_domains": {"a.example": document, "b.example": document}});
    assert_eq!(describe(map.to_string().as_bytes(), now()).unwrap().len(), 2);
}

#[test]
fn tokens_are_told_without_their_signature() {
    let encode = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = BASE64_URL_SAFE_NO_PAD.encode([0xa5; 64]);
    let header = encode(serde_json::json!({"alg": "ES256", "kid": "one", "typ": "JWT"}));
    let claims = encode(serde_json::json!({
        "sub": "spiffe://example.org/web", "aud": "db", "exp": 1_795_000_300, "iat": 1_795_000_000
    }));
    let told = one(format!("{header}.{claims}.{signature}\n").as_bytes());
    assert_eq!(told.problems(), [""; 0]);
    let shown = format!("{told}{}", serde_json::to_string(&told).unwrap());
    assert!(!shown.contains(&signature[..8]));
    assert!(shown.contains("valid for another 5 min"), "{shown}");

    let header = encode(serde_json::json!({"alg": "ML-DSA-65"}));
    let told = one(format!(
        "{header}.{}.{signature}",
        encode(serde_json::json!({"sub": "me"}))
    )
    .as_bytes());
    assert_eq!(told.problems().len(), 5, "{:?}", told.problems());
}
