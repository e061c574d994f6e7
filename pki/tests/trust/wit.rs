//! WIT-SVIDs: good ones, and every way in which one may be bad.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use symbolon_pki::bundle::{BundleSet, JwtAuthority, TrustBundle};
use symbolon_pki::jwt::{Algorithm, JwtError, LEEWAY, verify_jwt_svid};
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::suite::Suite;
use symbolon_pki::wit::{Confirmation, TYPE, WitError, WitSvid, verify_wit_svid};

use crate::support::{Ca, HOUR, bundle, now, signer, subject_key, trust_domain};
use crate::tokens::{claims as jwt_claims, es256, jwt_authorities, seconds, token, token_as_is};

/// A bundle whose WIT authorities are the keys that sign in these tests, and which has no JWT authority.
fn bundles() -> BundleSet {
    let mut bundle = bundle(&[]);
    bundle.wit_authorities = jwt_authorities();
    bundle.into()
}

fn holder() -> (SuiteSigner, Confirmation) {
    let key = signer(Suite::EcdsaP256);
    let confirmation = Confirmation::new("ES256", subject_key(&key)).unwrap();
    (key, confirmation)
}

fn claims(confirmation: &Confirmation) -> Value {
    json!({
        "sub": "spiffe://example.org/workload",
        "exp": seconds(now() + HOUR),
        "iat": seconds(now()),
        "cnf": { "jwk": confirmation.to_jwk() },
    })
}

fn wit(claims: &Value) -> String {
    token(
        &json!({ "alg": "ES256", "kid": "p256", "typ": TYPE }),
        claims,
        "ES256",
    )
}

fn verify(token: &str) -> Result<WitSvid, WitError> {
    verify_wit_svid(token, &bundles(), now())
}

/// Why a token with this claim in the place of another is refused.
fn bad_claim(claim: &str, value: Value) -> WitError {
    let mut claims = claims(&holder().1);
    claims[claim] = value;
    verify(&wit(&claims)).unwrap_err()
}

fn bad_header(header: &Value) -> WitError {
    verify(&token(header, &claims(&holder().1), "ES256")).unwrap_err()
}

#[test]
fn a_good_token_says_whose_it_is_and_which_key_has_to_be_shown() {
    for (suite, algorithm) in [
        (Suite::EcdsaP256, Algorithm::Es256),
        (Suite::EcdsaP384, Algorithm::Es384),
    ] {
        let key = subject_key(&signer(suite));
        let confirmation = Confirmation::new(algorithm.name(), key.clone()).unwrap();
        let claims = claims(&confirmation);
        let svid = verify(&wit(&claims)).unwrap();
        assert_eq!(svid.spiffe_id.to_string(), "spiffe://example.org/workload");
        assert_eq!(
            (svid.confirmation.algorithm(), svid.confirmation.key()),
            (algorithm, &key)
        );
        assert_eq!((svid.expires_at, svid.issued_at), (now() + HOUR, Some(now())));
        assert_eq!((svid.key_id.as_str(), svid.tainted), ("p256", false));
        assert_eq!(Value::Object(svid.claims), claims);
    }
}

#[test]
fn every_algorithm_binds_the_keys_that_it_uses_and_no_others() {
    let rsa = jwt_authorities().pop().unwrap().public_key;
    let keys: Vec<(SubjectKey, &[&str])> = vec![
        (subject_key(&signer(Suite::EcdsaP256)), &["ES256"]),
        (subject_key(&signer(Suite::EcdsaP384)), &["ES384"]),
        (rsa, &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
        (subject_key(&signer(Suite::Ed25519)), &[]),
        (subject_key(&signer(Suite::MlDsa65)), &[]),
        (subject_key(&signer(Suite::MlDsa65EcdsaP256)), &[]),
    ];
    for (key, allowed) in keys {
        for algorithm in Algorithm::ALL.map(Algorithm::name) {
            let joined = Confirmation::new(algorithm, key.clone());
            let name = key.algorithm_name();
            assert_eq!(joined.is_ok(), allowed.contains(&algorithm), "{name} {algorithm}");
        }
        for algorithm in ["", "none", "HS256", "EdDSA", "ML-DSA-65", "es256"] {
            let refused = Confirmation::new(algorithm, key.clone()).unwrap_err();
            assert_eq!(refused, WitError::ConfirmationAlgorithm(algorithm.to_owned()));
        }
    }
}

#[test]
fn the_two_kinds_of_tokens_never_pass_for_each_other() {
    let mut both = bundle(&[]);
    both.jwt_authorities = jwt_authorities();
    both.wit_authorities = jwt_authorities();
    let both = BundleSet::from(both);
    let jwt = es256(&jwt_claims());
    assert_eq!(
        verify_wit_svid(&jwt, &both, now()).unwrap_err(),
        WitError::Type(Some("JWT".to_owned()))
    );
    let wit = wit(&claims(&holder().1));
    assert_eq!(
        verify_jwt_svid(&wit, "db", &both, now()).unwrap_err(),
        JwtError::Type(TYPE.to_owned())
    );
    // Nor are the keys of one kind good for the other.
    let mut jwt_only = bundle(&[]);
    jwt_only.jwt_authorities = jwt_authorities();
    let refused = verify_wit_svid(&wit, &jwt_only.into(), now()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "trust domain example.org has no WIT authority \"p256\""
    );
}

#[test]
fn headers() {
    let wrong = |header: Value| bad_header(&header);
    assert_eq!(
        wrong(json!({ "alg": "ES256", "kid": "p256" })),
        WitError::Type(None)
    );
    assert_eq!(
        wrong(json!({ "alg": "ES256", "kid": "p256", "typ": "WIT+JWT" })),
        WitError::Type(Some("WIT+JWT".to_owned()))
    );
    for alg in ["none", "HS256", "EdDSA", "ML-DSA-65", ""] {
        assert_eq!(
            wrong(json!({ "alg": alg, "kid": "p256", "typ": TYPE })),
            WitError::Algorithm(alg.to_owned())
        );
    }
    for header in [
        json!({ "alg": "ES256", "typ": TYPE }),
        json!({ "alg": "ES256", "kid": "", "typ": TYPE }),
    ] {
        assert_eq!(wrong(header), WitError::Token(JwtError::NoKeyId));
    }
    for extra in ["crit", "jwk", "jku", "x5c", "b64"] {
        let mut header = json!({ "alg": "ES256", "kid": "p256", "typ": TYPE });
        header[extra] = json!([]);
        assert!(matches!(wrong(header), WitError::Header(_)), "{extra}");
    }
    let key = wrong(json!({ "alg": "ES384", "kid": "p256", "typ": TYPE }));
    assert!(
        matches!(key, WitError::Token(JwtError::OtherKeyType { .. })),
        "{key}"
    );
    let unknown = wrong(json!({ "alg": "ES256", "kid": "nobody", "typ": TYPE }));
    assert!(matches!(unknown, WitError::UnknownKey { .. }), "{unknown}");
}

#[test]
fn claims_that_are_missing_or_wrong() {
    for claim in ["sub", "exp", "cnf"] {
        let mut claims = claims(&holder().1);
        claims.as_object_mut().unwrap().remove(claim);
        let refused = verify(&wit(&claims)).unwrap_err();
        assert_eq!(refused, WitError::Token(JwtError::MissingClaim(claim)));
    }
    for (aud, case) in [(json!("db"), "one"), (json!([]), "none"), (Value::Null, "null")] {
        assert_eq!(bad_claim("aud", aud), WitError::Audience, "{case}");
    }
    for sub in [
        json!("spiffe://example.org"),
        json!("https://example.org/a"),
        json!(7),
    ] {
        assert!(matches!(bad_claim("sub", sub), WitError::Token(_)));
    }
    let elsewhere = bad_claim("sub", json!("spiffe://other.org/workload"));
    assert!(
        matches!(elsewhere, WitError::Token(JwtError::UnknownTrustDomain(_))),
        "{elsewhere}"
    );
}

#[test]
fn confirmations_that_are_missing_or_wrong() {
    let jwk = holder().1.to_jwk();
    let with = |member: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        json!({ "jwk": jwk })
    };
    let without = |member: &str| {
        let mut jwk = jwk.clone();
        jwk.as_object_mut().unwrap().remove(member);
        json!({ "jwk": jwk })
    };
    for (cnf, words) in [
        (json!("key"), "`cnf` is not an object"),
        (json!({}), "no claim `cnf.jwk`"),
        (json!({ "jwk": 7 }), "`cnf.jwk` is not an object"),
        (json!({ "jkt": "thumbprint" }), "no claim `cnf.jwk`"),
        (without("alg"), "it has no `alg`"),
        (without("kty"), "it has no `kty`"),
        (without("x"), "it has no `x`"),
        (with("alg", json!(1)), "`alg` is not text"),
        (with("alg", json!("none")), "not bound to a key for \"none\""),
        (with("alg", json!("ES384")), "which ES384 does not use"),
        (with("alg", json!("RS256")), "which RS256 does not use"),
        (with("kty", json!("oct")), "of a kind that SVIDs are bound to"),
        (with("kty", json!("AKP")), "of a kind that SVIDs are bound to"),
        (
            with("crv", json!("secp256k1")),
            "of a kind that SVIDs are bound to",
        ),
        (with("x", json!("AA")), "as long as its curve has it"),
        (with("y", json!("A".repeat(43))), "its key is invalid"),
        (with("d", json!("AA")), "holds a private key"),
    ] {
        let refused = bad_claim("cnf", cnf).to_string();
        assert!(refused.contains(words), "{words}: {refused}");
    }
    // What is not known of a public key does no harm.
    let mut good = claims(&holder().1);
    good["cnf"]["jwk"]["kid"] = json!("mine");
    good["cnf"]["x"] = json!(1);
    verify(&wit(&good)).unwrap();
}

/// Of a member that is there twice, one reader takes the first and another the last.
#[test]
fn nothing_of_the_confirmation_key_is_there_twice() {
    let header = json!({ "alg": "ES256", "kid": "p256", "typ": TYPE });
    let good = claims(&holder().1).to_string();
    verify(&token_as_is(&header, &good, "ES256")).unwrap();
    for (place, member, name) in [
        ("\"jwk\":{", r#""x":"AA""#, "x"),
        ("\"jwk\":{", r#""alg":"ES384""#, "alg"),
        ("\"jwk\":{", r#""k\u0074y":"RSA""#, "kty"),
        ("\"jwk\":{", r#""key_ops":[{"a":1,"a":2}]"#, "a"),
        ("\"cnf\":{", r#""jwk":{}"#, "jwk"),
        ("{", r#""cnf":{}"#, "cnf"),
    ] {
        let twice = good.replacen(place, &format!("{place}{member},"), 1);
        assert_ne!(twice, good);
        let refused = verify(&token_as_is(&header, &twice, "ES256")).unwrap_err();
        assert!(
            matches!(refused, WitError::Token(JwtError::NotClaims(_))),
            "{refused}"
        );
        assert!(
            refused.to_string().contains(&format!("`{name}` is there twice")),
            "{refused}"
        );
    }
}

#[test]
fn no_token_is_bound_to_a_key_that_signs_tokens() {
    let own = jwt_authorities().remove(0).public_key;
    let confirmation = Confirmation::new("ES256", own).unwrap();
    assert_eq!(
        verify(&wit(&claims(&confirmation))).unwrap_err(),
        WitError::AuthorityKey
    );
}

#[test]
fn nor_to_one_that_signs_other_tokens_or_certificates() {
    let root = Ca::root(Suite::EcdsaP256);
    let other = signer(Suite::EcdsaP256);
    let mut bundle = bundle(&[&root.certificate]);
    bundle.wit_authorities = jwt_authorities();
    bundle.jwt_authorities = vec![JwtAuthority {
        key_id: "other".to_owned(),
        public_key: subject_key(&other),
        ..jwt_authorities().remove(0)
    }];
    let bundles = BundleSet::from(bundle);
    for key in [&other, &root.signer] {
        let confirmation = Confirmation::new("ES256", subject_key(key)).unwrap();
        let refused = verify_wit_svid(&wit(&claims(&confirmation)), &bundles, now()).unwrap_err();
        assert_eq!(refused, WitError::AuthorityKey);
    }
    verify_wit_svid(&wit(&claims(&holder().1)), &bundles, now()).unwrap();
}

#[test]
fn a_signature_covers_everything_and_time_counts() {
    let good = wit(&claims(&holder().1));
    let other = wit(&claims(&holder().1));
    let (head, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let refused = verify(&format!("{head}.{signature}")).unwrap_err();
    assert_eq!(refused, WitError::Token(JwtError::Signature));

    let at = |at| verify_wit_svid(&good, &bundles(), at);
    let second = Duration::from_secs(1);
    assert!(at(now() + HOUR - second).is_ok());
    assert!(matches!(
        at(now() + HOUR),
        Err(WitError::Token(JwtError::Expired { .. }))
    ));
    assert!(at(now() - LEEWAY).is_ok());
    let early = at(now() - LEEWAY - second);
    assert!(matches!(
        early,
        Err(WitError::Token(JwtError::NotYetValid { claim: "iat", .. }))
    ));

    let mut ended = bundle(&[]);
    ended.wit_authorities = jwt_authorities();
    ended.wit_authorities[0].expires_at = Some(now());
    let ended = verify_wit_svid(&good, &ended.into(), now());
    assert!(matches!(ended, Err(WitError::Token(JwtError::KeyExpired { .. }))));

    let mut tainted = bundle(&[]);
    tainted.wit_authorities = jwt_authorities();
    tainted.wit_authorities[0].tainted = true;
    assert!(verify_wit_svid(&good, &tainted.into(), now()).unwrap().tainted);
}

#[test]
fn documents_keep_wit_authorities_apart_from_jwt_ones() {
    let mut bundle = bundle(&[]);
    bundle.jwt_authorities = jwt_authorities();
    // The same `kid` in the other list is another key's.
    bundle.wit_authorities = jwt_authorities();
    bundle.wit_authorities[0].public_key = subject_key(&signer(Suite::EcdsaP256));
    bundle.wit_authorities[0].tainted = true;
    let document: Value = serde_json::from_str(&bundle.to_jwks()).unwrap();
    let purposes: Vec<_> = document["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["use"])
        .collect();
    assert_eq!(purposes, [["jwt-svid"; 4], ["wit-svid"; 4]].concat());
    let back = TrustBundle::from_jwks(&trust_domain(), bundle.to_jwks().as_bytes()).unwrap();
    // The format has no place for taints.
    bundle.wit_authorities[0].tainted = false;
    assert_eq!(back, bundle);
    assert_eq!(
        TrustBundle::from_jwt_jwks(&trust_domain(), bundle.to_jwks().as_bytes())
            .unwrap()
            .jwt_authorities,
        bundle.jwt_authorities
    );

    let mut twice = document.clone();
    let mut again = twice["keys"][4].clone();
    again["x"] = twice["keys"][0]["x"].clone();
    again["y"] = twice["keys"][0]["y"].clone();
    twice["keys"].as_array_mut().unwrap().push(again);
    let refused = TrustBundle::from_jwks(&trust_domain(), twice.to_string().as_bytes()).unwrap_err();
    assert!(
        refused.to_string().contains("keys[8]") && refused.to_string().contains("same `kid`"),
        "{refused}"
    );

    bundle.wit_authorities =
        vec![JwtAuthority::from_spki_der("pq", &subject_key(&signer(Suite::MlDsa65)).spki_der()).unwrap()];
    assert!(
        !bundle.to_jwks().contains("\"pq\""),
        "stock software would refuse the whole document"
    );
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = verify(&text);
    }

    #[test]
    fn any_confirmation_is_answered(kty in "EC|RSA|OKP|AKP", alg in "ES256|PS256|none", member in "[A-Za-z0-9_-]{0,60}") {
        let jwk = json!({ "kty": kty, "alg": alg, "crv": "P-256", "x": member, "y": member, "n": member, "e": "AQAB" });
        let mut claims = claims(&holder().1);
        claims["cnf"]["jwk"] = jwk;
        let _ = verify(&wit(&claims));
    }
}
