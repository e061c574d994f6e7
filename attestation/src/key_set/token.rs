//! Tokens.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use symbolon_pki::jwt::Algorithm;
use symbolon_pki::text::printable;
use symbolon_pki::time::unix_seconds;

use super::KeySource;
use crate::AttestationError;
use crate::aside::aside;

/// Longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// The claims that say for whom and for when a token is.
#[derive(Deserialize)]
struct Registered {
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    aud: Audience,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Audience {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

/// What must be so of a token beside its signature.
pub(crate) struct Expected<'a> {
    pub(crate) issuers: &'a [String],
    /// The tenant that its key has to be for, where keys are for tenants.
    pub(crate) tenant: Option<&'a str>,
    pub(crate) audience: &'a str,
    pub(crate) leeway: Duration,
}

/// A token taken apart.
pub(crate) struct Token {
    field: &'static str,
    algorithm: Algorithm,
    key_id: String,
    claims: Vec<u8>,
    signature: Vec<u8>,
    signed: String,
}

fn denied(reason: String) -> AttestationError {
    AttestationError::Denied(format!("the token is not accepted: {reason}"))
}

impl Token {
    /// Reads a token in its compact form.
    pub(crate) fn parse(
        field: &'static str,
        token: &str,
        allowed: &[Algorithm],
    ) -> Result<Self, AttestationError> {
        let malformed = |reason: String| AttestationError::Malformed { field, reason };
        if token.len() > MAX_TOKEN {
            return Err(malformed(format!(
                "it has {} bytes; {MAX_TOKEN} are allowed",
                token.len()
            )));
        }
        let three = || malformed("it is no token: three parts with dots between".to_owned());
        let (signed, signature) = token.rsplit_once('.').ok_or_else(three)?;
        let (header, claims) = signed
            .split_once('.')
            .filter(|(_, claims)| !claims.contains('.'))
            .ok_or_else(three)?;
        let decoded = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| malformed("a part of the token is no base64url".to_owned()))
        };
        let header: Header = serde_json::from_slice(&decoded(header)?)
            .map_err(|error| malformed(format!("the token's header: {}", printable(&error.to_string()))))?;
        if header.crit.is_some() {
            return Err(malformed(
                "the token's header has critical members, and none is understood".to_owned(),
            ));
        }
        let algorithm = Algorithm::from_name(&header.alg).filter(|found| allowed.contains(found));
        let algorithm = algorithm.ok_or_else(|| {
            malformed(format!(
                "the token's algorithm {} is not accepted",
                printable(&header.alg)
            ))
        })?;
        Ok(Self {
            field,
            algorithm,
            key_id: header
                .kid
                .ok_or_else(|| malformed("the token does not name its key".to_owned()))?,
            claims: decoded(claims)?,
            signature: decoded(signature)?,
            signed: signed.to_owned(),
        })
    }

    /// The claims, before anything vouches for them: to see which rules they are to be held against.
    pub(crate) fn unverified<T: DeserializeOwned>(&self) -> Result<T, AttestationError> {
        serde_json::from_slice(&self.claims).map_err(|error| AttestationError::Malformed {
            field: self.field,
            reason: format!("the token's claims: {}", printable(&error.to_string())),
        })
    }

    /// The claims of a token that `source` vouches for, and that is for here and now.
    pub(crate) async fn verify<T: DeserializeOwned>(
        self,
        source: &KeySource,
        expected: &Expected<'_>,
        now: SystemTime,
    ) -> Result<T, AttestationError> {
        let key = source.key(&self.key_id).await?;
        let key =
            key.ok_or_else(|| denied(format!("its key {} is not published", printable(&self.key_id))))?;
        if expected.tenant.is_some_and(|tenant| !key.is_for(tenant)) {
            return Err(denied(format!(
                "its key {} is for another tenant",
                printable(&self.key_id)
            )));
        }
        let token = aside(move || {
            self.algorithm
                .verify(&key.public_key, self.signed.as_bytes(), &self.signature)
                .map_err(|error| denied(error.to_string()))?;
            Ok(self)
        })
        .await?;
        token.check(expected, now)?;
        token.unverified()
    }

    /// Whether what it says is for here and now.
    fn check(&self, expected: &Expected<'_>, now: SystemTime) -> Result<(), AttestationError> {
        let registered: Registered = self.unverified()?;
        let issuer = registered.iss.as_deref().unwrap_or_default();
        if !expected.issuers.iter().any(|known| known == issuer) {
            let known = expected.issuers.join(" or ");
            return Err(denied(format!(
                "its issuer is {}, and has to be {known}",
                printable(issuer)
            )));
        }
        if !registered.aud.has(expected.audience) {
            return Err(denied(format!("it is not for {}", expected.audience)));
        }
        // Whole seconds, and at worst half a second too strict. Times that are no numbers at all are never reached.
        let at = |seconds: f64| seconds as u64;
        let (now, leeway) = (unix_seconds(now), expected.leeway.as_secs());
        let ends = registered
            .exp
            .ok_or_else(|| denied("it does not say when it ends".to_owned()))?;
        if now >= at(ends).saturating_add(leeway) {
            return Err(denied("it has expired".to_owned()));
        }
        if registered
            .nbf
            .is_some_and(|begins| at(begins) > now.saturating_add(leeway))
        {
            return Err(denied("it is not valid yet".to_owned()));
        }
        Ok(())
    }
}
