//! JWT-SVIDs: read, and verified against a trust bundle (SPIFFE JWT-SVID; RFC 7515, 7518 and 7519).
//!
//! Only what the specification allows is looked at: JWS compact serialisation, the nine RSA and ECDSA algorithms, and
//! the headers `alg`, `kid` and `typ`. That list is closed, so there is no post-quantum JWT-SVID to accept yet.

pub(crate) mod claims;
mod error;
pub(crate) mod jose;

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use spiffe::SpiffeId;

pub use self::error::JwtError;
pub use self::jose::{Algorithm, ecdsa_der_to_jose, ecdsa_jose_to_der};
use crate::bundle::BundleSet;

/// Longest token that is read, in bytes.
pub const MAX_TOKEN_LEN: usize = 16 * 1024;

/// How far an issuer's clock may run ahead of ours. It counts for the beginning of a token's life and not for its end:
/// tokens live for minutes, and to stretch that would be to undo it.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// A JWT-SVID that was verified.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct JwtSvid {
    /// Whose it is: the claim `sub`.
    pub spiffe_id: SpiffeId,
    /// Whom it is meant for: the claim `aud`.
    pub audience: Vec<String>,
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

/// A token that was read and not verified: for display, never for a decision.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UnverifiedJwtSvid {
    /// How it says it is signed.
    pub algorithm: Algorithm,
    /// The key that it says signed it.
    pub key_id: String,
    /// Whose it says it is.
    pub spiffe_id: SpiffeId,
    /// Whom it is meant for.
    pub audience: Vec<String>,
    /// When it expires.
    pub expires_at: SystemTime,
    /// When it was issued, if it says so.
    pub issued_at: Option<SystemTime>,
    /// From when on it counts, if it says so.
    pub not_before: Option<SystemTime>,
    /// All claims.
    pub claims: Map<String, Value>,
}

/// Verifies that `token` is a JWT-SVID for `audience`, signed by an authority of the trust domain that it names.
///
/// # Errors
/// [`JwtError`]: what the token lacks, or why it is not to be believed, here and now.
pub fn verify_jwt_svid(
    token: &str,
    audience: &str,
    bundles: &BundleSet,
    now: SystemTime,
) -> Result<JwtSvid, JwtError> {
    let parts = jose::Parts::of(token)?;
    let unverified = claims::read(&parts)?;

    let trust_domain = unverified.spiffe_id.trust_domain();
    let bundle = bundles
        .get(trust_domain)
        .ok_or_else(|| JwtError::UnknownTrustDomain(trust_domain.clone()))?;
    let authority = bundle
        .jwt_authority(&unverified.key_id)
        .ok_or_else(|| JwtError::UnknownKey {
            key_id: crate::text::printable(&unverified.key_id),
            trust_domain: trust_domain.clone(),
        })?;
    unverified
        .algorithm
        .verify(&authority.public_key, parts.signed, &parts.signature)?;

    // From here on the claims are the issuer's words.
    if let Some(expired_at) = authority.expires_at.filter(|end| now >= *end) {
        return Err(JwtError::KeyExpired { expired_at, now });
    }
    let UnverifiedJwtSvid {
        expires_at,
        issued_at,
        not_before,
        ..
    } = unverified;
    claims::check_time(expires_at, issued_at, not_before, now)?;
    if !unverified.audience.iter().any(|one| one == audience) {
        return Err(JwtError::Audience {
            expected: audience.to_owned(),
        });
    }
    Ok(JwtSvid {
        spiffe_id: unverified.spiffe_id,
        audience: unverified.audience,
        expires_at: unverified.expires_at,
        issued_at: unverified.issued_at,
        claims: unverified.claims,
        key_id: unverified.key_id,
        tainted: authority.tainted,
    })
}

/// Reads a JWT-SVID without verifying anything but its shape.
///
/// # Errors
/// [`JwtError`] for whatever is not a JWT-SVID.
pub fn parse_unverified(token: &str) -> Result<UnverifiedJwtSvid, JwtError> {
    claims::read(&jose::Parts::of(token)?)
}
