//! A trust domain's published documents: its bundle with authorities of every suite, and a token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::{Component, HeldKey as _, SoftwareKey};
use symbolon_issuance::jwt::{JwtAuthority as Signing, JwtSvidRequest, mint_jwt_svid};
use symbolon_pki::bundle::{JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{SubjectKey, SuitePublicKey};
use symbolon_pki::suite::Suite;

use crate::chain::{Chain, TRUST_DOMAIN, WORKLOAD};

/// Whom the token is for.
pub const AUDIENCE: &str = "spiffe://example.org/interop/audience";

/// The name of the key that signs the token.
pub const JWT_KEY_ID: &str = "interop-jwt";

const MINUTE: Duration = Duration::from_secs(60);

/// What a trust domain with authorities of every suite publishes.
#[derive(Debug)]
pub struct Documents {
    /// One chain of each suite; their roots are in the bundle.
    pub chains: Vec<Chain>,
    /// The bundle.
    pub bundle: TrustBundle,
    /// A JWT-SVID of [`WORKLOAD`] for [`AUDIENCE`], good for five minutes.
    pub token: String,
}

impl Documents {
    /// Issues everything anew.
    ///
    /// # Errors
    /// If any step of the issuing path refuses.
    pub fn issue() -> Result<Self> {
        let trust_domain = TrustDomain::new(TRUST_DOMAIN)?;
        let now = SystemTime::now();
        let chains = Suite::DEFAULTS
            .into_iter()
            .map(Chain::issue)
            .collect::<Result<Vec<_>>>()?;
        let roots = chains
            .iter()
            .map(|chain| Ok(X509Authority::new(Certificate::from_der(&chain.root)?)))
            .collect::<Result<Vec<_>>>()?;

        let key = SoftwareKey::generate(Component::EcdsaP256Sha256)?;
        let public = SuitePublicKey::parse(Suite::EcdsaP256, key.public_key().as_bytes())?;
        let until = now
            .checked_add(60 * MINUTE)
            .context("the clock is near its end")?;
        let authority = JwtAuthority {
            key_id: JWT_KEY_ID.to_owned(),
            public_key: SubjectKey::Suite(public),
            expires_at: Some(until),
            tainted: false,
        };
        let signing = Signing::new(trust_domain.clone(), JWT_KEY_ID.to_owned(), Arc::new(key), until)?;
        let minted = mint_jwt_svid(
            &signing,
            &JwtSvidRequest {
                spiffe_id: &SpiffeId::new(WORKLOAD)?,
                audience: &[AUDIENCE.to_owned()],
                ttl: 5 * MINUTE,
                now,
                jti: None,
            },
        )?;
        Ok(Self {
            chains,
            bundle: TrustBundle {
                sequence: 7,
                refresh_hint: Some(5 * MINUTE),
                x509_authorities: roots,
                jwt_authorities: vec![authority],
                ..TrustBundle::new(trust_domain)
            },
            token: minted.token.to_string(),
        })
    }
}
