//! JWT-SVIDs that are minted here are believed by the project's one verifier, for whom and as long as they say.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use proptest::prelude::*;
use symbolon_crypto::{Component, HeldKey, SoftwareKey};
use symbolon_issuance::jwt::{IssuedJwt, JwtAuthority, JwtSvidRequest, mint_jwt_svid};
use symbolon_issuance::{IssuanceError, RequestError};
use symbolon_pki::bundle::{BundleSet, JwtAuthority as PublishedKey, TrustBundle};
use symbolon_pki::jwt::{MAX_TOKEN_LEN, verify_jwt_svid};
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::suite::Suite;

fn authority() -> (JwtAuthority, BundleSet) {
    let key: Arc<dyn HeldKey> = Arc::new(SoftwareKey::generate(Component::EcdsaP256Sha256).unwrap());
    let public = SuiteSigner::new(Suite::EcdsaP256, vec![Arc::clone(&key)]).unwrap();
    let spki = SubjectKey::Suite(public.public_key().clone()).spki_der();
    let mut bundle = TrustBundle::new(trust_domain());
    bundle
        .jwt_authorities
        .push(PublishedKey::from_spki_der("k1", &spki).unwrap());
    let mut bundles = BundleSet::new();
    bundles.insert(bundle);
    (
        JwtAuthority::new(trust_domain(), "k1".to_owned(), key, now() + DAY).unwrap(),
        bundles,
    )
}

fn mint(authority: &JwtAuthority, audience: &[String], jti: &str) -> Result<IssuedJwt, IssuanceError> {
    mint_jwt_svid(
        authority,
        &JwtSvidRequest {
            spiffe_id: &id("/web"),
            audience,
            ttl: Duration::from_secs(300),
            now: now(),
            jti: Some(jti),
        },
    )
}

proptest! {
    #[test]
    fn any_audience_and_token_id_reads_back(
        audience in prop::collection::vec("\\PC{1,40}|[\\x00-\\x20\"\\\\]{1,8}", 1..6),
        jti in any::<String>(),
    ) {
        let (authority, bundles) = authority();
        let jwt = mint(&authority, &audience, &jti).unwrap();
        for one in &audience {
            let verified = verify_jwt_svid(&jwt.token, one, &bundles, now()).unwrap();
            prop_assert_eq!(&verified.spiffe_id, &id("/web"));
            prop_assert_eq!(&verified.audience, &audience);
            prop_assert_eq!(verified.expires_at, jwt.expires_at);
            prop_assert_eq!(verified.issued_at, Some(now()));
            prop_assert_eq!(&verified.claims["jti"], &serde_json::Value::from(jti.as_str()));
        }
    }
}

#[test]
fn an_expired_or_foreign_token_is_not_believed() {
    let (authority, bundles) = authority();
    let jwt = mint(&authority, &["a".to_owned()], "1").unwrap();
    verify_jwt_svid(&jwt.token, "a", &bundles, now()).unwrap();
    verify_jwt_svid(&jwt.token, "b", &bundles, now()).unwrap_err();
    verify_jwt_svid(&jwt.token, "a", &bundles, jwt.expires_at).unwrap_err();
    let other = self::authority().0;
    let jwt = mint(&other, &["a".to_owned()], "1").unwrap();
    verify_jwt_svid(&jwt.token, "a", &bundles, now()).unwrap_err();
}

#[test]
fn the_longest_token_that_is_minted_is_read() {
    let (authority, bundles) = authority();
    let mut longest = None;
    for length in 11_000..12_500 {
        match mint(&authority, &["a".repeat(length)], "1") {
            Ok(jwt) => longest = Some((length, jwt)),
            Err(IssuanceError::Request(RequestError::TokenTooLong { found, .. })) => {
                assert!(found > MAX_TOKEN_LEN);
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    let (length, jwt) = longest.unwrap();
    assert!(jwt.token.len() > MAX_TOKEN_LEN - 2);
    verify_jwt_svid(&jwt.token, &"a".repeat(length), &bundles, now()).unwrap();
}
