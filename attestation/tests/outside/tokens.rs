//! Tokens and key sets of clouds, as local keys make them.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SigningKey};
use serde_json::Value;
use symbolon_attestation::gcp_iit::KeySource;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle};
use symbolon_pki::key::SubjectKey;

use crate::*;

/// Where the key set is.
pub(crate) const KEYS: &str = "https://keys.example.com/certs";

/// Who signs.
pub(crate) struct Signer {
    pub(crate) key_id: &'static str,
    algorithm: &'static str,
    key: KeyPair,
}

impl Signer {
    pub(crate) fn rsa(key_id: &'static str) -> Arc<Self> {
        Arc::new(Self {
            key_id,
            algorithm: "RS256",
            key: KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
        })
    }

    pub(crate) fn ecdsa(key_id: &'static str) -> Arc<Self> {
        Arc::new(Self {
            key_id,
            algorithm: "ES256",
            key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
        })
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = serde_json::json!({ "alg": self.algorithm, "kid": self.key_id, "typ": "JWT" });
        self.token_with(&header, claims)
    }

    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let signature = self.key.sign(signed.as_bytes()).unwrap();
        let signature = match self.algorithm {
            "ES256" => symbolon_pki::jwt::ecdsa_der_to_jose(&signature, 32).unwrap(),
            _ => signature,
        };
        format!("{signed}.{}", encode(&signature))
    }

    pub(crate) fn published_authority(&self) -> JwtAuthority {
        let spki = self.key.subject_public_key_info();
        JwtAuthority {
            key_id: self.key_id.to_owned(),
            public_key: SubjectKey::from_spki_der(&spki).unwrap(),
            expires_at: None,
            tainted: false,
        }
    }
}

/// The key set of these, and how often it was asked for.
pub(crate) fn published(signers: &[Arc<Signer>]) -> (KeySource, Arc<AtomicUsize>) {
    let mut bundle = TrustBundle::new(trust_domain());
    bundle.jwt_authorities = signers
        .iter()
        .map(|signer| signer.published_authority())
        .collect();
    let document = bundle.to_jwt_jwks();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let service = Service::new(move |request| {
        assert_eq!(request.url, KEYS);
        counted.fetch_add(1, Ordering::Relaxed);
        answer(200, document.clone())
    });
    (KeySource::new(KEYS, service), asked)
}

pub(crate) fn unix(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}
