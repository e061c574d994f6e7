//! Minting JWT-SVIDs (JWT-SVID; RFC 7515; RFC 7518, section 3.4 for ES256).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::{Component, HeldKey, MlDsaContext};
use symbolon_pki::jwt::{MAX_TOKEN_LEN, ecdsa_der_to_jose};
use symbolon_pki::time::{from_unix_seconds, unix_seconds};
use zeroize::Zeroizing;

use crate::error::{AuthorityError, IssuanceError, ProfileError, RequestError, SigningError};
use crate::prepare::check_identity;
use crate::validity::{seconds_of, whole_seconds};

/// A P-256 coordinate or scalar, in bytes.
const SCALAR_LEN: usize = 32;

/// A key that signs JWT-SVIDs, which its trust domain publishes under a key id. Cheap to share between threads.
pub struct JwtAuthority {
    trust_domain: TrustDomain,
    key_id: String,
    key: Arc<dyn HeldKey>,
    not_after: SystemTime,
    /// The encoded header and the dot after it, which all tokens of this key begin with.
    header: String,
}

impl JwtAuthority {
    /// Takes a P-256 key that `trust_domain` publishes as `key_id` until `not_after`.
    ///
    /// # Errors
    /// [`AuthorityError::NotEs256`] for any other kind of key: JWT-SVIDs allow no post-quantum algorithm.
    /// [`AuthorityError::NoJwtKeyId`] for an empty key id.
    pub fn new(
        trust_domain: TrustDomain,
        key_id: String,
        key: Arc<dyn HeldKey>,
        not_after: SystemTime,
    ) -> Result<Self, IssuanceError> {
        if key.component() != Component::EcdsaP256Sha256 {
            return Err(AuthorityError::NotEs256(key.component()).into());
        }
        if key_id.is_empty() {
            return Err(AuthorityError::NoJwtKeyId.into());
        }
        let mut json = String::from(r#"{"alg":"ES256","kid":"#);
        push_string(&mut json, &key_id);
        json.push_str(r#","typ":"JWT"}"#);
        let mut header = URL_SAFE_NO_PAD.encode(json);
        header.push('.');
        Ok(Self {
            trust_domain,
            key_id,
            key,
            not_after,
            header,
        })
    }

    /// The trust domain whose workloads its tokens name.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The key id under which the public key is published.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Whether its key is this program's own software: then signing is computing, and waits for nothing.
    pub fn is_own_software(&self) -> bool {
        self.key.is_own_software()
    }

    /// When its public key is no longer published; no token outlives it.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

impl fmt::Debug for JwtAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthority")
            .field("trust_domain", &self.trust_domain)
            .field("key_id", &self.key_id)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// What a JWT-SVID is asked to say.
#[derive(Clone, Copy, Debug)]
pub struct JwtSvidRequest<'a> {
    /// Whose identity it is (`sub`).
    pub spiffe_id: &'a SpiffeId,
    /// Who is to accept it (`aud`); empty values are left out, as SPIRE does.
    pub audience: &'a [String],
    /// How long it is to live from now on, at least a second; cut to what the authority has left.
    pub ttl: Duration,
    /// The present moment (`iat`).
    pub now: SystemTime,
    /// A token id that is used once (`jti`); `None` leaves the claim out.
    pub jti: Option<&'a str>,
}

/// A JWT-SVID that was minted. A bearer token: whoever has it is believed, so `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub struct IssuedJwt {
    /// The token, in JWS compact serialisation; wiped when dropped.
    pub token: Zeroizing<String>,
    /// Its `iat`.
    pub issued_at: SystemTime,
    /// Its `exp`.
    pub expires_at: SystemTime,
}

impl fmt::Debug for IssuedJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedJwt")
            .field("issued_at", &self.issued_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Mints a JWT-SVID. Blocks as long as the key's holder does; a signature that does not come from this process's own
/// library is verified before the token is handed out.
///
/// # Errors
/// [`IssuanceError`], which says whose input was wrong: a SPIFFE ID outside the trust domain or without a path, no
/// audience, a token longer than verifiers read, a lifetime under a second, an authority that has expired, a key that fails.
pub fn mint_jwt_svid(
    authority: &JwtAuthority,
    request: &JwtSvidRequest<'_>,
) -> Result<IssuedJwt, IssuanceError> {
    let subject = check_identity(request.spiffe_id, &authority.trust_domain)?;
    if request.spiffe_id.path().is_empty() {
        return Err(ProfileError::NoPath { spiffe_id: subject }.into());
    }
    if request.audience.iter().all(String::is_empty) {
        return Err(RequestError::NoAudience.into());
    }
    let issued_at = seconds_of(request.now)?;
    let last = unix_seconds(authority.not_after);
    if issued_at >= last {
        return Err(AuthorityError::Expired {
            authority_id: authority.key_id.clone(),
            not_after: authority.not_after,
            now: request.now,
        }
        .into());
    }
    let expires_at = issued_at.saturating_add(whole_seconds(request.ttl)?).min(last);

    let claims = claims(&subject, request, issued_at, expires_at);
    let length = authority.header.len() + encoded_len(claims.len()) + 1 + encoded_len(2 * SCALAR_LEN);
    if length > MAX_TOKEN_LEN {
        return Err(RequestError::TokenTooLong {
            found: length,
            limit: MAX_TOKEN_LEN,
        }
        .into());
    }
    // All of it at once: a buffer that grew would leave the beginning behind in the old one.
    let mut token = Zeroizing::new(String::with_capacity(length));
    token.push_str(&authority.header);
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = sign(&*authority.key, token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    let moment = |seconds| from_unix_seconds(seconds).ok_or(IssuanceError::Clock);
    Ok(IssuedJwt {
        token,
        issued_at: moment(issued_at)?,
        expires_at: moment(expires_at)?,
    })
}

/// How many characters `bytes` bytes take in base64url without padding.
const fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// The claims as JSON; `aud` is always an array, as SPIRE writes it.
fn claims(subject: &str, request: &JwtSvidRequest<'_>, issued_at: u64, expires_at: u64) -> String {
    let mut json = String::with_capacity(256);
    json.push_str(r#"{"aud":["#);
    let audience = request.audience.iter().filter(|value| !value.is_empty());
    for (position, value) in audience.enumerate() {
        if position > 0 {
            json.push(',');
        }
        push_string(&mut json, value);
    }
    json.push_str(&format!(r#"],"exp":{expires_at},"iat":{issued_at}"#));
    if let Some(jti) = request.jti {
        json.push_str(r#","jti":"#);
        push_string(&mut json, jti);
    }
    json.push_str(r#","sub":"#);
    push_string(&mut json, subject);
    json.push('}');
    json
}

/// Appends a JSON string, quoted and escaped.
fn push_string(json: &mut String, value: &str) {
    json.push_str(&serde_json::Value::from(value).to_string());
}

/// Signs the token's first two parts; the signature is r || s (RFC 7518, section 3.4).
fn sign(key: &dyn HeldKey, message: &[u8]) -> Result<Vec<u8>, SigningError> {
    let der = key
        .sign(message, MlDsaContext::EMPTY)
        .map_err(SigningError::Key)?;
    if !key.is_own_software() {
        key.public_key()
            .verify(message, &der, MlDsaContext::EMPTY)
            .map_err(|error| SigningError::Rejected(error.to_string()))?;
    }
    ecdsa_der_to_jose(&der, SCALAR_LEN).ok_or(SigningError::Malformed(
        "it is not a P-256 ECDSA signature in DER",
    ))
}

#[cfg(test)]
mod tests;
