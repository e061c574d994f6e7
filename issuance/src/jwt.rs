//! Minting JWT-SVIDs (JWT-SVID; RFC 7515; RFC 7518, section 3.4 for ES256).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::HeldKey;
use zeroize::Zeroizing;

use crate::error::{IssuanceError, ProfileError, RequestError};
use crate::prepare::check_identity;
use crate::token::{TokenKey, push_string};

/// A key that signs JWT-SVIDs, which its trust domain publishes under a key id. Cheap to share between threads.
#[derive(Debug)]
pub struct JwtAuthority(TokenKey);

impl JwtAuthority {
    /// Takes a P-256 key that `trust_domain` publishes as `key_id` until `not_after`.
    ///
    /// # Errors
    /// [`AuthorityError::NotEs256`](crate::AuthorityError::NotEs256) for any other kind of key: JWT-SVIDs allow no
    /// post-quantum algorithm. [`AuthorityError::NoJwtKeyId`](crate::AuthorityError::NoJwtKeyId) for an empty key id.
    pub fn new(
        trust_domain: TrustDomain,
        key_id: String,
        key: Arc<dyn HeldKey>,
        not_after: SystemTime,
    ) -> Result<Self, IssuanceError> {
        TokenKey::new("JWT", trust_domain, key_id, key, not_after).map(Self)
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
    let subject = check_identity(request.spiffe_id, authority.trust_domain())?;
    if request.spiffe_id.path().is_empty() {
        return Err(ProfileError::NoPath { spiffe_id: subject }.into());
    }
    if request.audience.iter().all(String::is_empty) {
        return Err(RequestError::NoAudience.into());
    }
    let life = authority.0.life(request.now, request.ttl)?;
    let claims = claims(&subject, request, life.issued_at, life.expires_at);
    Ok(IssuedJwt {
        token: authority.0.seal(&claims)?,
        issued_at: life.begins()?,
        expires_at: life.ends()?,
    })
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

#[cfg(test)]
mod tests;
