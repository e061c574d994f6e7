//! Keys that sign tokens, and the part of minting that all kinds of tokens share: their life, their length, their
//! signature (RFC 7515; RFC 7518, section 3.4 for ES256).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use spiffe::TrustDomain;
use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey};
use symbolon_pki::jwt::{MAX_TOKEN_LEN, ecdsa_der_to_jose};
use symbolon_pki::time::{from_unix_seconds, unix_seconds};
use zeroize::Zeroizing;

use crate::error::{AuthorityError, IssuanceError, RequestError, SigningError};
use crate::validity::{seconds_of, whole_seconds};

/// A P-256 coordinate or scalar, in bytes.
const SCALAR_LEN: usize = 32;

/// A key that signs tokens of one type.
pub(crate) struct TokenKey {
    trust_domain: TrustDomain,
    key_id: String,
    key: Arc<dyn HeldKey>,
    not_after: SystemTime,
    /// The encoded header and the dot after it, which all tokens of this key begin with.
    header: String,
}

impl TokenKey {
    /// Takes a P-256 key for tokens of type `typ`.
    pub(crate) fn new(
        typ: &str,
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
        json.push_str(r#","typ":"#);
        push_string(&mut json, typ);
        json.push('}');
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

    pub(crate) fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    pub(crate) fn is_own_software(&self) -> bool {
        self.key.is_own_software()
    }

    pub(crate) fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// The life of a token that is made now and is to live for `ttl`, cut to what the key has left.
    pub(crate) fn life(&self, now: SystemTime, ttl: Duration) -> Result<Life, IssuanceError> {
        let issued_at = seconds_of(now)?;
        let last = unix_seconds(self.not_after);
        if issued_at >= last {
            return Err(AuthorityError::Expired {
                authority_id: self.key_id.clone(),
                not_after: self.not_after,
                now,
            }
            .into());
        }
        let expires_at = issued_at.saturating_add(whole_seconds(ttl)?).min(last);
        Ok(Life {
            issued_at,
            expires_at,
        })
    }

    /// The token that has these claims, in JWS compact serialisation.
    pub(crate) fn seal(&self, claims: &str) -> Result<Zeroizing<String>, IssuanceError> {
        let length = self.header.len() + encoded_len(claims.len()) + 1 + encoded_len(2 * SCALAR_LEN);
        if length > MAX_TOKEN_LEN {
            return Err(RequestError::TokenTooLong {
                found: length,
                limit: MAX_TOKEN_LEN,
            }
            .into());
        }
        // All of it at once: a buffer that grew would leave the beginning behind in the old one.
        let mut token = Zeroizing::new(String::with_capacity(length));
        token.push_str(&self.header);
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = sign(&*self.key, token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey")
            .field("trust_domain", &self.trust_domain)
            .field("key_id", &self.key_id)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// When a token begins and ends, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) issued_at: u64,
    pub(crate) expires_at: u64,
}

impl Life {
    pub(crate) fn begins(self) -> Result<SystemTime, IssuanceError> {
        from_unix_seconds(self.issued_at).ok_or(IssuanceError::Clock)
    }

    pub(crate) fn ends(self) -> Result<SystemTime, IssuanceError> {
        from_unix_seconds(self.expires_at).ok_or(IssuanceError::Clock)
    }
}

/// How many characters `bytes` bytes take in base64url without padding.
const fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// Appends a JSON string, quoted and escaped.
pub(crate) fn push_string(json: &mut String, value: &str) {
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
