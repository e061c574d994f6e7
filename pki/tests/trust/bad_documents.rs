//! Bundle documents that must be refused, with the place where they are wrong.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use symbolon_pki::bundle::{
    BundleError, EntryError, JwtAuthority, MAX_AUTHORITIES, MAX_BUNDLE_LEN, MAX_KEY_ID, TrustBundle,
};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;

use crate::documents::{jwt_authority, read, x5c};
use crate::support::{Ca, bundle, signer, trust_domain};

/// The place and the problem of the entry for which a document is refused.
fn bad_entry(document: &Value) -> (&'static str, usize, EntryError) {
    match read(document).unwrap_err() {
        BundleError::Entry {
            member,
            index,
            problem,
        } => (member, index, problem),
        other => panic!("{other}"),
    }
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    for suite in [Suite::MlDsa65, Suite::MlDsa44EcdsaP256] {
        let ca = Ca::root(suite);
        let entry = |public: Value| {
            json!({ "keys": [], "pq_keys": [
                { "use": "x509-svid", "kty": "AKP", "pub": public, "x5c": x5c(&ca.certificate) },
            ]})
        };
        let public = ca.signer.public_key().as_bytes();
        assert!(read(&entry(json!(BASE64_URL_SAFE_NO_PAD.encode(public)))).is_ok());
        let other = signer(suite);
        for wrong in [
            json!(BASE64_URL_SAFE_NO_PAD.encode(other.public_key().as_bytes())),
            json!(BASE64_URL_SAFE_NO_PAD.encode(&public[1..])),
            json!("?"),
            json!(""),
            json!(null),
        ] {
            assert_eq!(bad_entry(&entry(wrong)), ("pq_keys", 0, EntryError::OtherKey));
        }
    }
    let (one, two) = (Ca::root(Suite::EcdsaP256), Ca::root(Suite::EcdsaP256));
    let mut document: Value = serde_json::from_str(&bundle(&[&one.certificate]).to_jwks()).unwrap();
    document["keys"][0]["x5c"] = x5c(&two.certificate);
    assert_eq!(bad_entry(&document), ("keys", 0, EntryError::OtherKey));
}

#[test]
fn a_key_type_that_is_not_the_certificates_is_refused() {
    for (kty, suite) in [
        ("EC", Suite::MlDsa65),
        ("OKP", Suite::EcdsaP256),
        ("AKP", Suite::EcdsaP256),
    ] {
        let entry = json!({ "use": "x509-svid", "kty": kty, "x5c": x5c(&Ca::root(suite).certificate) });
        let problem = bad_entry(&json!({ "keys": [{ "kty": "EC" }, entry] }));
        let certificate = suite.name().to_owned();
        assert_eq!(
            problem,
            (
                "keys",
                1,
                EntryError::KeyType {
                    kty: kty.to_owned(),
                    certificate
                }
            )
        );
    }
}

#[test]
fn jwt_authorities_have_names_of_their_own() {
    let mut bundle = bundle(&[]);
    bundle.jwt_authorities = vec![jwt_authority("same", Suite::EcdsaP256)];
    let document: Value = serde_json::from_str(&bundle.to_jwks()).unwrap();
    let entry = &document["keys"][0];
    assert_eq!(read(&json!({ "keys": [entry, entry] })).unwrap(), bundle);

    let mut nameless = entry.clone();
    nameless.as_object_mut().unwrap().remove("kid");
    assert_eq!(
        bad_entry(&json!({ "keys": [nameless] })),
        ("keys", 0, EntryError::Missing("kid"))
    );
    for wrong in [json!(""), json!(3)] {
        let mut nameless = entry.clone();
        nameless["kid"] = wrong;
        let (_, _, problem) = bad_entry(&json!({ "keys": [nameless] }));
        assert!(
            matches!(problem, EntryError::Member { member: "kid", .. }),
            "{problem}"
        );
    }

    bundle.jwt_authorities = vec![jwt_authority("same", Suite::EcdsaP384)];
    let other: Value = serde_json::from_str(&bundle.to_jwks()).unwrap();
    let problem = bad_entry(&json!({ "keys": [entry, other["keys"][0]] }));
    assert_eq!(problem, ("keys", 1, EntryError::SameKeyId("same".to_owned())));
}

#[test]
fn members_that_are_understood_must_be_right() {
    let mut document: Value = {
        let mut bundle = bundle(&[]);
        bundle.jwt_authorities = vec![jwt_authority("k", Suite::EcdsaP256)];
        serde_json::from_str(&bundle.to_jwks()).unwrap()
    };
    let good = document["keys"][0].clone();
    let x = BASE64_URL_SAFE_NO_PAD
        .decode(good["x"].as_str().unwrap())
        .unwrap();
    let mut off_curve = x.clone();
    off_curve[31] ^= 1;
    for (member, value) in [
        ("x", json!(BASE64_URL_SAFE_NO_PAD.encode(off_curve))),
        ("x", json!(BASE64_URL_SAFE_NO_PAD.encode(&x[..31]))),
        ("x", json!(format!("{}=", good["x"].as_str().unwrap()))),
        ("y", json!("?")),
        ("y", json!(7)),
        ("crv", json!(null)),
    ] {
        document["keys"][0] = good.clone();
        document["keys"][0][member] = value;
        let (list, index, _) = bad_entry(&document);
        assert_eq!((list, index), ("keys", 0));
    }
    for x5c in [
        json!([]),
        json!("MA"),
        json!([7]),
        json!(["?"]),
        json!(["MAA="]),
        json!(null),
    ] {
        let document = json!({ "keys": [{ "use": "x509-svid", "kty": "EC", "x5c": x5c }] });
        assert!(matches!(
            bad_entry(&document),
            (
                "keys",
                0,
                EntryError::Member { member: "x5c", .. } | EntryError::Certificate(_)
            )
        ));
    }
    assert_eq!(
        bad_entry(&json!({ "keys": [], "pq_keys": [7] })),
        ("pq_keys", 0, EntryError::NotAnObject)
    );
}

#[test]
fn the_top_level_must_be_right() {
    assert!(matches!(
        read(&json!({ "pq_keys": [] })),
        Err(BundleError::NoKeys)
    ));
    for document in [
        json!([]),
        json!({ "keys": {} }),
        json!({ "keys": [], "spiffe_sequence": -1 }),
        json!({ "keys": [], "spiffe_sequence": 1.5 }),
        json!({ "keys": [], "spiffe_sequence": "1" }),
        json!({ "keys": [], "spiffe_refresh_hint": -300 }),
        json!({ "keys": [], "pq_keys": {} }),
    ] {
        assert!(matches!(read(&document), Err(BundleError::Json(_))), "{document}");
    }
    let twice = br#"{"keys":[],"keys":[]}"#;
    assert!(matches!(
        TrustBundle::from_jwks(&trust_domain(), twice),
        Err(BundleError::Json(_))
    ));
    let empty = read(&json!({ "keys": [] })).unwrap();
    assert_eq!(empty, TrustBundle::new(trust_domain()));
}

#[test]
fn size_and_count_are_bounded() {
    let mut long = br#"{"keys":[]}"#.to_vec();
    long.resize(MAX_BUNDLE_LEN, b' ');
    assert!(TrustBundle::from_jwks(&trust_domain(), &long).is_ok());
    long.push(b' ');
    assert!(matches!(
        TrustBundle::from_jwks(&trust_domain(), &long),
        Err(BundleError::TooLong(_))
    ));

    let entries = |count: usize| vec![json!({}); count];
    assert!(read(&json!({ "keys": entries(MAX_AUTHORITIES - 1), "pq_keys": entries(1) })).is_ok());
    let many = read(&json!({ "keys": entries(MAX_AUTHORITIES), "pq_keys": entries(1) }));
    assert!(matches!(many, Err(BundleError::TooManyKeys(1025))));
    let deep = [b"{\"keys\":[".to_vec(), vec![b'['; 100_000]].concat();
    assert!(matches!(
        TrustBundle::from_jwks(&trust_domain(), &deep),
        Err(BundleError::Json(_))
    ));
}

#[test]
fn the_name_of_a_key_is_bounded() {
    let key = |kid: &str| {
        let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
        let spki = key.public_key().unwrap().spki_der();
        let mut bundle = TrustBundle::new(trust_domain());
        bundle.jwt_authorities = vec![JwtAuthority::from_spki_der("good", &spki).unwrap()];
        let mut document: Value = serde_json::from_str(&bundle.to_jwks()).unwrap();
        document["keys"][0]["kid"] = json!(kid);
        document
    };
    let longest = "k".repeat(MAX_KEY_ID);
    let found = read(&key(&longest)).unwrap();
    assert_eq!(found.jwt_authorities[0].key_id, longest);
    for kid in ["", &format!("{longest}k"), "two\nlines", "nul\0"] {
        let found = bad_entry(&key(kid));
        let named = matches!(found, ("keys", 0, EntryError::Member { member: "kid", .. }));
        assert!(named, "{found:?}");
    }
}
