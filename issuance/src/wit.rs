//! Minting WIT-SVIDs (WIT-SVID; RFC 7515 and 7800): tokens that are bound to a key of their holder's.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::HeldKey;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::wit::{Confirmation, TYPE};

use crate::error::{IssuanceError, ProfileError, RequestError};
use crate::prepare::check_identity;
use crate::token::{TokenKey, push_string};

/// A key that signs WIT-SVIDs, which its trust domain publishes under a key id. Cheap to share between threads.
#[derive(Debug)]
pub struct WitAuthority(TokenKey);

impl WitAuthority {
    /// Takes a P-256 key that `trust_domain` publishes as `key_id` until `not_after`.
    ///
    /// # Errors
    /// As [`JwtAuthority::new`](crate::jwt::JwtAuthority::new): WIT-SVIDs have the same closed list of algorithms.
    pub fn new(
        trust_domain: TrustDomain,
        key_id: String,
        key: Arc<dyn HeldKey>,
        not_after: SystemTime,
    ) -> Result<Self, IssuanceError> {
        TokenKey::new(TYPE, trust_domain, key_id, key, not_after).map(Self)
    }

    /// The trust domain whose workloads its tokens name.
    pub fn trust_domain(&self) -> &TrustDomain {
        self.0.trust_domain()
    }

    /// The key id under which the public key is published.
    pub fn key_id(&self) -> &str {
        self.0.key_id()
    }

    /// Whether its key is this program's own software: then signing is computing, and waits for nothing.
    pub fn is_own_software(&self) -> bool {
        self.0.is_own_software()
    }

    /// When its public key is no longer published; no token outlives it.
    pub fn not_after(&self) -> SystemTime {
        self.0.not_after()
    }
}

/// What a WIT-SVID is asked to say.
#[derive(Clone, Copy, Debug)]
pub struct WitSvidRequest<'a> {
    /// Whose identity it is (`sub`).
    pub spiffe_id: &'a SpiffeId,
    /// The key that its holder will prove possession of, and how (`cnf.jwk`).
    pub confirmation: &'a Confirmation,
    /// How long it is to live from now on, at least a second; cut to what the authority has left.
    pub ttl: Duration,
    /// The present moment (`iat`).
    pub now: SystemTime,
}

/// A WIT-SVID that was minted. By itself it proves nothing: it takes the holder's key as well.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuedWit {
    /// The token, in JWS compact serialisation.
    pub token: String,
    /// Its `iat`.
    pub issued_at: SystemTime,
    /// Its `exp`.
    pub expires_at: SystemTime,
}

/// Mints a WIT-SVID. Blocks as long as the key's holder does; a signature that does not come from this process's own
/// library is verified before the token is handed out.
///
/// # Errors
/// [`IssuanceError`], which says whose input was wrong: a SPIFFE ID outside the trust domain or without a path, the
/// authority's own key as the holder's, a lifetime under a second, an authority that has expired, a key that fails.
pub fn mint_wit_svid(
    authority: &WitAuthority,
    request: &WitSvidRequest<'_>,
) -> Result<IssuedWit, IssuanceError> {
    let subject = check_identity(request.spiffe_id, authority.trust_domain())?;
    if request.spiffe_id.path().is_empty() {
        return Err(ProfileError::NoPath { spiffe_id: subject }.into());
    }
    let own = authority.0.public_key();
    if let SubjectKey::Suite(key) = request.confirmation.key()
        && key.as_bytes() == own.as_bytes()
    {
        return Err(RequestError::IssuersKey {
            component: own.component(),
        }
        .into());
    }
    let life = authority.0.life(request.now, request.ttl)?;
    let mut claims = format!(
        r#"{{"cnf":{{"jwk":{}}},"exp":{},"iat":{},"sub":"#,
        request.confirmation.to_jwk(),
        life.expires_at,
        life.issued_at,
    );
    push_string(&mut claims, &subject);
    claims.push('}');
    Ok(IssuedWit {
        token: authority.0.seal(&claims)?.to_string(),
        issued_at: life.begins()?,
        expires_at: life.ends()?,
    })
}

#[cfg(test)]
mod tests {
    use symbolon_crypto::{Component, SoftwareKey};
    use symbolon_pki::bundle::{JwtAuthority, TrustBundle};
    use symbolon_pki::key::PrivateKey;
    use symbolon_pki::suite::Suite;
    use symbolon_pki::time::from_unix_seconds;
    use symbolon_pki::wit::verify_wit_svid;

    use super::*;
    use crate::AuthorityError;

    const NOW: u64 = 1_800_000_000;

    fn at(seconds: u64) -> SystemTime {
        from_unix_seconds(seconds).unwrap()
    }

    fn key(component: Component) -> Arc<dyn HeldKey> {
        Arc::new(SoftwareKey::generate(component).unwrap())
    }

    fn subject_key(suite: Suite) -> SubjectKey {
        let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
        SubjectKey::Suite(signer.public_key().clone())
    }

    /// An authority that ends in ten minutes, and what its trust domain publishes.
    fn authority() -> (WitAuthority, TrustBundle) {
        let trust_domain = TrustDomain::new("example.org").unwrap();
        let signer = PrivateKey::generate(Suite::EcdsaP256).unwrap().signer().unwrap();
        let public = SubjectKey::Suite(signer.public_key().clone());
        let held = Arc::clone(&signer.keys()[0]);
        let authority =
            WitAuthority::new(trust_domain.clone(), "wit-1".to_owned(), held, at(NOW + 600)).unwrap();
        let mut bundle = TrustBundle::new(trust_domain);
        bundle.wit_authorities = vec![JwtAuthority::from_spki_der("wit-1", &public.spki_der()).unwrap()];
        (authority, bundle)
    }

    fn mint(
        authority: &WitAuthority,
        id: &str,
        confirmation: &Confirmation,
        ttl: u64,
        now: u64,
    ) -> Result<IssuedWit, IssuanceError> {
        let request = WitSvidRequest {
            spiffe_id: &SpiffeId::new(id).unwrap(),
            confirmation,
            ttl: Duration::from_secs(ttl),
            now: at(now),
        };
        mint_wit_svid(authority, &request)
    }

    #[test]
    fn what_is_minted_verifies_and_is_bound_to_the_holders_key() {
        let (authority, bundle) = authority();
        for (suite, algorithm) in [(Suite::EcdsaP256, "ES256"), (Suite::EcdsaP384, "ES384")] {
            let confirmation = Confirmation::new(algorithm, subject_key(suite)).unwrap();
            let minted = mint(&authority, "spiffe://example.org/web", &confirmation, 300, NOW).unwrap();
            let verified = verify_wit_svid(&minted.token, &bundle.clone().into(), at(NOW)).unwrap();
            assert_eq!(verified.confirmation, confirmation);
            assert_eq!(verified.spiffe_id.to_string(), "spiffe://example.org/web");
            assert_eq!((minted.issued_at, minted.expires_at), (at(NOW), at(NOW + 300)));
            assert_eq!(
                (verified.expires_at, verified.issued_at),
                (minted.expires_at, Some(minted.issued_at))
            );
            let claims: Vec<_> = verified.claims.keys().map(String::as_str).collect();
            assert_eq!(claims, ["cnf", "exp", "iat", "sub"]);
        }
    }

    #[test]
    fn no_token_outlives_its_key() {
        let (authority, _) = authority();
        let confirmation = Confirmation::new("ES256", subject_key(Suite::EcdsaP256)).unwrap();
        let minted = mint(&authority, "spiffe://example.org/web", &confirmation, 3_600, NOW).unwrap();
        assert_eq!(minted.expires_at, at(NOW + 600));
        let error = mint(
            &authority,
            "spiffe://example.org/web",
            &confirmation,
            60,
            NOW + 600,
        )
        .unwrap_err();
        assert!(
            matches!(error, IssuanceError::Authority(AuthorityError::Expired { .. })),
            "{error}"
        );
    }

    #[test]
    fn bad_requests_are_refused() {
        let (authority, bundle) = authority();
        let good = Confirmation::new("ES256", subject_key(Suite::EcdsaP256)).unwrap();
        for (id, ttl) in [
            ("spiffe://elsewhere.org/web", 60),
            ("spiffe://example.org/web", 0),
        ] {
            let error = mint(&authority, id, &good, ttl, NOW).unwrap_err();
            assert!(matches!(error, IssuanceError::Request(_)), "{id} {ttl}: {error}");
        }
        let error = mint(&authority, "spiffe://example.org", &good, 60, NOW).unwrap_err();
        assert!(
            matches!(error, IssuanceError::Profile(ProfileError::NoPath { .. })),
            "{error}"
        );
        let own = Confirmation::new("ES256", bundle.wit_authorities[0].public_key.clone()).unwrap();
        let error = mint(&authority, "spiffe://example.org/web", &own, 60, NOW).unwrap_err();
        assert!(
            matches!(error, IssuanceError::Request(RequestError::IssuersKey { .. })),
            "{error}"
        );
    }

    #[test]
    fn only_p256_signs() {
        for component in Component::DEFAULTS {
            let trust_domain = TrustDomain::new("example.org").unwrap();
            let found = WitAuthority::new(trust_domain, "wit-1".to_owned(), key(component), at(NOW));
            assert_eq!(
                found.is_ok(),
                component == Component::EcdsaP256Sha256,
                "{component}"
            );
        }
    }
}
