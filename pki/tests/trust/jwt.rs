//! JWT-SVIDs: good ones of every algorithm, and every way in which one may be bad.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Value, json};
use spiffe::TrustDomain;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::jwt::{Algorithm, JwtError, LEEWAY, MAX_TOKEN_LEN, parse_unverified, verify_jwt_svid};

use crate::support::{HOUR, bundle, now};
use crate::tokens::{
    authorities, bundles, claims, encode, es256, es256_as_is, jwt_authorities, seconds, token,
};

fn refused(token: &str) -> JwtError {
    verify_jwt_svid(token, "db", &bundles(), now()).unwrap_err()
}

/// Why a token with this claim in the place of another is refused.
fn bad_claim(claim: &str, value: Value) -> JwtError {
    let mut claims = claims();
    claims[claim] = value;
    refused(&es256(&claims))
}

fn bad_header(header: &Value) -> JwtError {
    refused(&token(header, &claims(), "ES256"))
}

#[test]
fn good_tokens_of_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let kid = match algorithm {
            Algorithm::Es256 => "p256",
            Algorithm::Es384 => "p384",
            Algorithm::Es512 => "p521",
            _ => "rsa",
        };
        let token = token(
            &json!({ "alg": algorithm.name(), "kid": kid }),
            &claims(),
            algorithm.name(),
        );
        let svid = verify_jwt_svid(&token, "cache", &bundles(), now()).unwrap();
        assert_eq!(
            svid.spiffe_id.to_string(),
            "spiffe://example.org/workload",
            "{algorithm}"
        );
        assert_eq!(svid.audience, ["db", "cache"]);
        assert_eq!((svid.expires_at, svid.issued_at), (now() + HOUR, Some(now())));
        assert_eq!((svid.key_id.as_str(), svid.tainted), (kid, false));
        assert_eq!(Value::Object(svid.claims), claims());

        let unverified = parse_unverified(&token).unwrap();
        assert_eq!(
            (unverified.algorithm, unverified.spiffe_id),
            (algorithm, svid.spiffe_id)
        );
    }
}

#[test]
fn one_audience_may_stand_alone() {
    let mut alone = claims();
    alone["aud"] = json!("db");
    assert_eq!(
        verify_jwt_svid(&es256(&alone), "db", &bundles(), now())
            .unwrap()
            .audience,
        ["db"]
    );
    assert_eq!(
        bad_claim("aud", json!("database")),
        JwtError::Audience {
            expected: "db".to_owned()
        }
    );
    assert_eq!(
        bad_claim("aud", json!(["DB", "db "])),
        JwtError::Audience {
            expected: "db".to_owned()
        }
    );
    for wrong in [
        json!([]),
        json!(["db", 7]),
        json!(7),
        json!(null),
        json!({ "db": 1 }),
    ] {
        assert!(matches!(
            bad_claim("aud", wrong),
            JwtError::Claim { claim: "aud", .. }
        ));
    }
}

#[test]
fn no_other_algorithm_is_looked_at() {
    for alg in [
        "none",
        "HS256",
        "EdDSA",
        "ES256K",
        "ML-DSA-65",
        "ML-DSA-65-ES256",
        "es256",
        "",
    ] {
        let error = bad_header(&json!({ "alg": alg, "kid": "p256" }));
        assert_eq!(error, JwtError::Algorithm(alg.to_owned()));
    }
    // The key's type decides, not the token.
    for (alg, kid) in [
        ("ES384", "p256"),
        ("RS256", "p256"),
        ("ES256", "rsa"),
        ("ES512", "p384"),
        ("ES512", "p256"),
        ("ES256", "p521"),
        ("PS256", "p384"),
    ] {
        let error = bad_header(&json!({ "alg": alg, "kid": kid }));
        assert!(matches!(error, JwtError::OtherKeyType { .. }), "{error}");
    }
    // The same key, but another padding than the token says.
    let header = json!({ "alg": "PS256", "kid": "rsa" });
    assert_eq!(refused(&token(&header, &claims(), "RS256")), JwtError::Signature);
}

#[test]
fn the_header_has_three_members_and_no_more() {
    for header in [
        json!({ "alg": "ES256", "kid": "p256", "crit": ["exp"] }),
        json!({ "alg": "ES256", "kid": "p256", "jwk": {} }),
        json!({ "alg": "ES256", "kid": "p256", "x5u": "https://example.org" }),
        json!({ "alg": 7, "kid": "p256" }),
        json!({ "kid": "p256" }),
        json!([]),
    ] {
        assert!(matches!(bad_header(&header), JwtError::Header(_)), "{header}");
    }
    let twice = format!(
        "{}.{}.AA",
        encode(r#"{"alg":"none","alg":"ES256","kid":"p256"}"#),
        encode("{}")
    );
    assert!(matches!(refused(&twice), JwtError::Header(_)));
    assert_eq!(bad_header(&json!({ "alg": "ES256" })), JwtError::NoKeyId);
    assert_eq!(
        bad_header(&json!({ "alg": "ES256", "kid": "" })),
        JwtError::NoKeyId
    );
    let error = bad_header(&json!({ "alg": "ES256", "kid": "p256", "typ": "wit+jwt" }));
    assert_eq!(error, JwtError::Type("wit+jwt".to_owned()));
    let jose = token(
        &json!({ "alg": "ES256", "kid": "p256", "typ": "JOSE" }),
        &claims(),
        "ES256",
    );
    assert!(verify_jwt_svid(&jose, "db", &bundles(), now()).is_ok());
}

#[test]
fn what_a_token_is_and_is_not() {
    for text in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "e30.e30.",
        "e30.e30.A",
        "e30.e30=.AA",
        "e 30.e30.AA",
        "é.e30.AA",
    ] {
        assert!(
            matches!(refused(text), JwtError::NotCompact(_) | JwtError::Header(_)),
            "{text:?}: {}",
            refused(text)
        );
    }
    let long = "a".repeat(MAX_TOKEN_LEN + 1);
    assert_eq!(refused(&long), JwtError::TooLong(MAX_TOKEN_LEN + 1));
    let header = json!({ "alg": "ES256", "kid": "p256" });
    assert!(matches!(
        refused(&token(&header, &json!([]), "ES256")),
        JwtError::NotClaims(_)
    ));
}

#[test]
fn the_subject_is_a_spiffe_id_of_a_domain_that_is_known() {
    assert!(matches!(
        bad_claim("sub", json!("workload")),
        JwtError::SpiffeId { .. }
    ));
    assert!(matches!(
        bad_claim("sub", json!("spiffe://Example.org/a")),
        JwtError::SpiffeId { .. }
    ));
    let error = bad_claim("sub", json!("spiffe://example.org"));
    assert!(matches!(error, JwtError::SpiffeId { .. }), "{error}");
    assert!(error.to_string().contains("names a trust domain"), "{error}");
    assert!(matches!(
        bad_claim("sub", json!(7)),
        JwtError::Claim { claim: "sub", .. }
    ));
    let other = TrustDomain::new("other.org").unwrap();
    assert_eq!(
        bad_claim("sub", json!("spiffe://other.org/a")),
        JwtError::UnknownTrustDomain(other.clone())
    );

    // Known, but that domain has not this key: the key is looked for in the subject's own bundle.
    let mut bundles = bundles();
    bundles.insert(TrustBundle::new(other.clone()));
    let mut foreign = claims();
    foreign["sub"] = json!("spiffe://other.org/a");
    let error = verify_jwt_svid(&es256(&foreign), "db", &bundles, now()).unwrap_err();
    assert_eq!(
        error,
        JwtError::UnknownKey {
            key_id: "p256".to_owned(),
            trust_domain: other
        }
    );
    assert!(matches!(
        bad_header(&json!({ "alg": "ES256", "kid": "p257" })),
        JwtError::UnknownKey { .. }
    ));
}

#[test]
fn claims_that_must_be_there() {
    for claim in ["sub", "aud", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(claim);
        assert_eq!(refused(&es256(&claims)), JwtError::MissingClaim(claim));
    }
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("iat");
    assert_eq!(
        verify_jwt_svid(&es256(&claims), "db", &bundles(), now())
            .unwrap()
            .issued_at,
        None
    );
}

#[test]
fn no_claim_is_there_twice() {
    let good = claims().to_string();
    verify_jwt_svid(&es256_as_is(&good), "db", &bundles(), now()).unwrap();
    for (first, name) in [
        (r#""sub":"spiffe://example.org/admin""#, "sub"),
        (r#""aud":"other""#, "aud"),
        (r#""exp":1"#, "exp"),
        (r#""sub":"x""#, "sub"),
        (r#""custom":1,"custom":1"#, "custom"),
    ] {
        // A member's name may be spelled with escapes and is the same for that.
        for first in [first.to_owned(), first.replacen('u', "\\u0075", 1)] {
            let error = refused(&es256_as_is(&good.replacen('{', &format!("{{{first},"), 1)));
            assert!(matches!(error, JwtError::NotClaims(_)), "{error}");
            assert!(
                error.to_string().contains(&format!("`{name}` is there twice")),
                "{error}"
            );
        }
    }
}

#[test]
fn times() {
    let one = Duration::from_secs(1);
    let at = |at: SystemTime| json!(seconds(at));
    assert_eq!(
        bad_claim("exp", at(now())),
        JwtError::Expired {
            expired_at: now(),
            now: now()
        }
    );
    assert!(matches!(
        bad_claim("exp", at(now() - HOUR)),
        JwtError::Expired { .. }
    ));
    for claim in ["nbf", "iat"] {
        let late = now() + LEEWAY + one;
        assert_eq!(
            bad_claim(claim, at(late)),
            JwtError::NotYetValid {
                claim,
                at: late,
                now: now()
            }
        );
        let mut early = claims();
        early[claim] = at(now() + LEEWAY);
        assert!(verify_jwt_svid(&es256(&early), "db", &bundles(), now()).is_ok());
    }
    let mut fraction = claims();
    fraction["exp"] = json!(seconds(now()) as f64 + 0.5);
    let svid = verify_jwt_svid(&es256(&fraction), "db", &bundles(), now()).unwrap();
    assert_eq!(svid.expires_at, now() + Duration::from_millis(500));
    for wrong in [json!("1"), json!(-1), json!(1e300), json!(null), json!(u64::MAX)] {
        let error = bad_claim("exp", wrong.clone());
        assert!(
            matches!(error, JwtError::Claim { claim: "exp", .. }),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_spoilt_token_does_not_verify() {
    let good = es256(&claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut other = claims();
    other["sub"] = json!("spiffe://example.org/admin");
    let (other_signed, _) = es256(&other)
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(
        refused(&format!("{other_signed}.{signature}")),
        JwtError::Signature
    );
    for bytes in [vec![], vec![0; 64], vec![0xff; 64], vec![1; 63], vec![1; 96]] {
        assert_eq!(
            refused(&format!("{signed}.{}", encode(bytes))),
            JwtError::Signature
        );
    }
    // DER, which JOSE does not use.
    let der = authorities().p256.sign(signed.as_bytes()).unwrap();
    assert_eq!(refused(&format!("{signed}.{}", encode(der))), JwtError::Signature);
    // Whether a token is expired is no business of whoever did not get it from the issuer.
    other["exp"] = json!(1);
    let (stale, _) = es256(&other)
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(refused(&format!("{stale}.{signature}")), JwtError::Signature);
}

#[test]
fn keys_end_and_are_tainted() {
    let mut with = bundle(&[]);
    with.jwt_authorities = jwt_authorities();
    with.jwt_authorities[0].expires_at = Some(now());
    with.jwt_authorities[0].tainted = true;
    let token = es256(&claims());
    let set: BundleSet = with.into();
    let before = now() - Duration::from_secs(1);
    assert!(verify_jwt_svid(&token, "db", &set, before).unwrap().tainted);
    let error = verify_jwt_svid(&token, "db", &set, now()).unwrap_err();
    assert_eq!(
        error,
        JwtError::KeyExpired {
            expired_at: now(),
            now: now()
        }
    );
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}|[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}") {
        let _ = parse_unverified(&text);
        prop_assert!(verify_jwt_svid(&text, "db", &bundles(), now()).is_err());
    }

    #[test]
    fn any_header_and_claims_are_answered(
        header in proptest::collection::vec(any::<u8>(), 0..80),
        claims in "\\PC{0,80}",
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let token = format!("{}.{}.{}", encode(&header), encode(&claims), encode(&signature));
        prop_assert!(verify_jwt_svid(&token, "db", &bundles(), now()).is_err());
        let known = encode(r#"{"alg":"ES256","kid":"p256"}"#);
        let token = format!("{known}.{}.{}", encode(&claims), encode(signature));
        prop_assert!(verify_jwt_svid(&token, "db", &bundles(), now()).is_err());
    }

    #[test]
    fn any_changed_character_is_noticed(at in any::<proptest::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let good = es256(&claims());
        let at = at.index(good.len());
        let spoilt = format!("{}{to}{}", &good[..at], &good[at + 1..]);
        prop_assume!(spoilt != good);
        prop_assert!(verify_jwt_svid(&spoilt, "db", &bundles(), now()).is_err());
    }
}
