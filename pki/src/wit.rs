//! WIT-SVIDs: read, and verified against a trust bundle (SPIFFE WIT-SVID; RFC 7515, 7517, 7518 and 7800).
//!
//! A WIT-SVID binds an identity to a key, the *confirmation key*: whoever shows one has to prove with every use that
//! the key is theirs (a WIMSE proof token, an HTTP message signature). That proof is for the protocol that the token is
//! shown in; [`verify_wit_svid`] gives the key that it has to be made with. Tokens of this kind are signed by
//! authorities of their own, and never name an audience.

mod error;

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value};
use spiffe::SpiffeId;

pub use self::error::WitError;
use crate::bundle::jwk::{self, KeyType};
use crate::bundle::{BundleSet, EntryError};
use crate::jwt::claims::{check_time, claims_each_once, subject, time};
use crate::jwt::jose::Parts;
use crate::jwt::{Algorithm, JwtError};
use crate::key::SubjectKey;
use crate::text::printable;

/// The `typ` of every WIT-SVID.
pub const TYPE: &str = "wit+jwt";

/// A WIT-SVID that was verified. That its holder has the confirmation key is not.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct WitSvid {
    /// Whose it is: the claim `sub`.
    pub spiffe_id: SpiffeId,
    /// The key that its holder has to prove possession of: the claim `cnf.jwk`.
    pub confirmation: Confirmation,
    /// When it expires: the claim `exp`.
    pub expires_at: SystemTime,
    /// When it was issued: the claim `iat`, if there is one.
    pub issued_at: Option<SystemTime>,
    /// All claims.
    pub claims: Map<String, Value>,
    /// The key that signed it.
    pub key_id: String,
    /// Whether that key is tainted in the bundle.
    pub tainted: bool,
}

/// The key that a WIT-SVID is bound to, and the one algorithm that it is used with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Confirmation {
    algorithm: Algorithm,
    key: SubjectKey,
}

impl Confirmation {
    /// Joins a key with the algorithm of this name.
    ///
    /// # Errors
    /// [`WitError::ConfirmationAlgorithm`] if no SVID may be bound to that algorithm,
    /// [`WitError::ConfirmationKey`] if it does not use keys of this type.
    pub fn new(algorithm: &str, key: SubjectKey) -> Result<Self, WitError> {
        let algorithm = Algorithm::from_name(algorithm)
            .ok_or_else(|| WitError::ConfirmationAlgorithm(printable(algorithm)))?;
        if !algorithm.uses(&key) {
            return Err(WitError::ConfirmationKey {
                algorithm: algorithm.name(),
                key: key.algorithm_name(),
            });
        }
        Ok(Self { algorithm, key })
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &SubjectKey {
        &self.key
    }

    /// As the claim `cnf.jwk` has it (RFC 7517): the public key with its `alg`.
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        let mut members = jwk::write(&self.key);
        members.insert("alg".to_owned(), Value::from(self.algorithm.name()));
        Value::Object(members)
    }

    /// Reads the claim `cnf`. Other members of it and of the key are passed over, but for those of a private key.
    fn read(claims: &Map<String, Value>) -> Result<Self, WitError> {
        let wrong = |expected| JwtError::Claim {
            claim: "cnf.jwk",
            expected,
        };
        let cnf = claims.get("cnf").ok_or(JwtError::MissingClaim("cnf"))?;
        let cnf = cnf.as_object().ok_or(JwtError::Claim {
            claim: "cnf",
            expected: "an object",
        })?;
        let members = cnf
            .get("jwk")
            .ok_or(JwtError::MissingClaim("cnf.jwk"))?
            .as_object()
            .ok_or(wrong("an object"))?;
        // RFC 7518, section 6: what only private keys have, of the key types below.
        if ["d", "p", "q", "dp", "dq", "qi", "oth"]
            .into_iter()
            .any(|member| members.contains_key(member))
        {
            return Err(WitError::PrivateKey);
        }
        let malformed = |problem: EntryError| WitError::MalformedConfirmation(problem.to_string());
        let algorithm = jwk::text(members, "alg").map_err(malformed)?;
        let kty = jwk::text(members, "kty").map_err(malformed)?;
        let key = match KeyType::from_name(kty) {
            Some(kty @ (KeyType::Ec | KeyType::Rsa)) => jwk::read(kty, members).map_err(malformed)?,
            _ => None,
        };
        let key = key.ok_or(wrong("an RSA or ECDSA key of a kind that SVIDs are bound to"))?;
        Self::new(algorithm, key)
    }
}

/// The header. Every other member is an error, and so is one that is there twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
}

/// Verifies that `token` is a WIT-SVID, signed by an authority of the trust domain that it names. Whoever showed it has
/// yet to prove that the [`confirmation`](WitSvid::confirmation) key is theirs.
///
/// # Errors
/// [`WitError`]: what the token lacks, or why it is not to be believed, here and now.
pub fn verify_wit_svid(token: &str, bundles: &BundleSet, now: SystemTime) -> Result<WitSvid, WitError> {
    let parts = Parts::of(token)?;
    let header: Header = serde_json::from_slice(&parts.header)
        .map_err(|error| WitError::Header(printable(&error.to_string())))?;
    let algorithm =
        Algorithm::from_name(&header.alg).ok_or_else(|| WitError::Algorithm(printable(&header.alg)))?;
    if header.typ.as_deref() != Some(TYPE) {
        return Err(WitError::Type(header.typ.as_deref().map(printable)));
    }
    let key_id = header
        .kid
        .filter(|kid| !kid.is_empty())
        .ok_or(JwtError::NoKeyId)?;
    let claims = claims_each_once(&parts)?;
    let spiffe_id = subject(&claims)?;
    let expires_at = time(&claims, "exp")?.ok_or(JwtError::MissingClaim("exp"))?;
    let (issued_at, not_before) = (time(&claims, "iat")?, time(&claims, "nbf")?);
    if claims.contains_key("aud") {
        return Err(WitError::Audience);
    }
    let confirmation = Confirmation::read(&claims)?;

    let trust_domain = spiffe_id.trust_domain();
    let bundle = bundles
        .get(trust_domain)
        .ok_or_else(|| JwtError::UnknownTrustDomain(trust_domain.clone()))?;
    let authority = bundle
        .wit_authority(&key_id)
        .ok_or_else(|| WitError::UnknownKey {
            key_id: printable(&key_id),
            trust_domain: trust_domain.clone(),
        })?;
    algorithm.verify(&authority.public_key, parts.signed, &parts.signature)?;

    // From here on the claims are the issuer's words.
    if let Some(expired_at) = authority.expires_at.filter(|end| now >= *end) {
        return Err(JwtError::KeyExpired { expired_at, now }.into());
    }
    check_time(expires_at, issued_at, not_before, now)?;
    // A key that signs tokens or certificates and is itself what one is bound to could vouch for itself.
    let held = confirmation.key.component_spki_hashes();
    let is_held = |key: &SubjectKey| key.component_spki_hashes().iter().any(|hash| held.contains(hash));
    let keys = bundle.wit_authorities.iter().chain(&bundle.jwt_authorities);
    let keys = keys.map(|authority| &authority.public_key);
    let certificates = bundle.x509_authorities.iter();
    let certified = certificates.filter_map(|authority| authority.certificate.subject_key().ok());
    if keys.chain(certified).any(is_held) {
        return Err(WitError::AuthorityKey);
    }
    Ok(WitSvid {
        spiffe_id,
        confirmation,
        expires_at,
        issued_at,
        claims,
        key_id,
        tainted: authority.tainted,
    })
}
