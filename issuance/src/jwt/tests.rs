use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use symbolon_crypto::{Component, KeyError, MlDsaContext, PublicKey, SignError, SoftwareKey};
use symbolon_pki::time::from_unix_seconds;

use super::*;
use crate::error::{AuthorityError, SigningError};

const NOW: u64 = 1_800_000_000;

fn at(seconds: u64) -> SystemTime {
    from_unix_seconds(seconds).unwrap()
}

fn authority_with(key: Arc<dyn HeldKey>) -> Result<JwtAuthority, IssuanceError> {
    let trust_domain = TrustDomain::new("example.org").unwrap();
    JwtAuthority::new(trust_domain, "key \"1\"".to_owned(), key, at(NOW + 600))
}

fn key(component: Component) -> Arc<dyn HeldKey> {
    Arc::new(SoftwareKey::generate(component).unwrap())
}

fn mint(
    authority: &JwtAuthority,
    id: &str,
    audience: &[&str],
    ttl: u64,
    now: u64,
) -> Result<IssuedJwt, IssuanceError> {
    let audience: Vec<_> = audience.iter().map(|value| (*value).to_owned()).collect();
    mint_jwt_svid(
        authority,
        &JwtSvidRequest {
            spiffe_id: &SpiffeId::new(id).unwrap(),
            audience: &audience,
            ttl: Duration::from_secs(ttl),
            now: at(now),
            jti: Some("once"),
        },
    )
}

fn json_of(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn the_token_says_what_was_asked() {
    let authority = authority_with(key(Component::EcdsaP256Sha256)).unwrap();
    let jwt = mint(
        &authority,
        "spiffe://example.org/web",
        &["a\"\\\u{1}é", "", "b"],
        300,
        NOW,
    )
    .unwrap();
    let parts: Vec<_> = jwt.token.split('.').collect();
    assert_eq!(parts.len(), 3);
    assert_eq!(
        json_of(parts[0]),
        json!({"alg": "ES256", "kid": "key \"1\"", "typ": "JWT"})
    );
    assert_eq!(
        json_of(parts[1]),
        json!({
            "aud": ["a\"\\\u{1}é", "b"], "exp": NOW + 300, "iat": NOW,
            "jti": "once", "sub": "spiffe://example.org/web",
        })
    );
    assert_eq!(
        jwt.token.capacity(),
        jwt.token.len(),
        "the length was computed right"
    );
    assert_eq!((jwt.issued_at, jwt.expires_at), (at(NOW), at(NOW + 300)));
    assert!(!format!("{jwt:?}").contains(parts[1]));
    let _wiped_when_dropped: Zeroizing<String> = jwt.token;
}

#[test]
fn no_token_outlives_its_key() {
    let authority = authority_with(key(Component::EcdsaP256Sha256)).unwrap();
    let jwt = mint(&authority, "spiffe://example.org/web", &["a"], 3_600, NOW).unwrap();
    assert_eq!(jwt.expires_at, at(NOW + 600));
    let error = mint(&authority, "spiffe://example.org/web", &["a"], 60, NOW + 600).unwrap_err();
    assert!(
        matches!(error, IssuanceError::Authority(AuthorityError::Expired { .. })),
        "{error}"
    );
}

#[test]
fn bad_requests_are_refused() {
    let authority = authority_with(key(Component::EcdsaP256Sha256)).unwrap();
    let long = "a".repeat(12_300);
    for (id, audience, ttl) in [
        ("spiffe://elsewhere.org/web", &["a"][..], 60),
        ("spiffe://example.org/web", &[], 60),
        ("spiffe://example.org/web", &["", ""], 60),
        ("spiffe://example.org/web", &[&*long], 60),
        ("spiffe://example.org/web", &["a"], 0),
    ] {
        let error = mint(&authority, id, audience, ttl, NOW).unwrap_err();
        assert!(matches!(error, IssuanceError::Request(_)), "{id} {ttl}: {error}");
    }
    let error = mint(&authority, "spiffe://example.org", &["a"], 60, NOW).unwrap_err();
    assert!(
        matches!(error, IssuanceError::Profile(ProfileError::NoPath { .. })),
        "{error}"
    );
}

#[test]
fn only_p256_signs() {
    for component in Component::DEFAULTS {
        let found = authority_with(key(component));
        assert_eq!(
            found.is_ok(),
            component == Component::EcdsaP256Sha256,
            "{component}"
        );
    }
    let trust_domain = TrustDomain::new("example.org").unwrap();
    let unnamed = JwtAuthority::new(
        trust_domain,
        String::new(),
        key(Component::EcdsaP256Sha256),
        at(NOW),
    );
    assert!(matches!(
        unnamed,
        Err(IssuanceError::Authority(AuthorityError::NoJwtKeyId))
    ));
}

/// A key store that signs something else than what it was given.
#[derive(Debug)]
struct Faulty(SoftwareKey);

impl HeldKey for Faulty {
    fn component(&self) -> Component {
        self.0.component()
    }
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }
    fn sign(&self, _message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        self.0.sign(b"something else", context)
    }
}

#[test]
fn a_key_store_is_not_believed() -> Result<(), KeyError> {
    let faulty = Faulty(SoftwareKey::generate(Component::EcdsaP256Sha256)?);
    let authority = authority_with(Arc::new(faulty)).unwrap();
    let error = mint(&authority, "spiffe://example.org/web", &["a"], 60, NOW).unwrap_err();
    assert!(
        matches!(error, IssuanceError::Signing(SigningError::Rejected(_))),
        "{error}"
    );
    Ok(())
}
