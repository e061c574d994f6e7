//! Tokens that a cloud signs, and the keys that it publishes for them (RFC 7515, 7517 and 7519).

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use spiffe::TrustDomain;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::jwt::Algorithm;
use symbolon_pki::text::printable;
use symbolon_pki::time::unix_seconds;

use crate::AttestationError;
use crate::http::{HttpClient, Request};

/// Longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;
/// Longest key set, in bytes.
const MAX_KEY_SET: usize = 512 * 1024;
/// How long keys are taken as they are.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How long keys are taken that could not be fetched anew.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Strangers name keys that there are not: for these it is asked no more often than this.
const PAUSE: Duration = Duration::from_secs(60);

/// Where a cloud publishes its keys, and who fetches them.
#[derive(Clone)]
pub struct KeySource {
    url: String,
    client: Arc<dyn HttpClient>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    keys: Option<(SystemTime, Arc<TrustBundle>)>,
    asked: Option<SystemTime>,
}

impl Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeySource").field(&self.url).finish()
    }
}

impl KeySource {
    /// A JSON Web Key Set at `url`.
    pub fn new(url: impl Into<String>, client: Arc<dyn HttpClient>) -> Self {
        Self {
            url: url.into(),
            client,
            held: Arc::default(),
        }
    }

    /// The keys, among them `key_id` if it is published.
    async fn keys(&self, key_id: &str, now: SystemTime) -> Result<Arc<TrustBundle>, AttestationError> {
        let age = |since: &SystemTime| now.duration_since(*since).unwrap_or_default();
        let (held, may_ask) = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let is_good = held.keys.as_ref().is_some_and(|(since, keys)| {
                age(since) < FRESH && keys.jwt_authorities.iter().any(|key| key.key_id == key_id)
            });
            let may_ask = !is_good && held.asked.as_ref().is_none_or(|asked| age(asked) >= PAUSE);
            if may_ask {
                held.asked = Some(now);
            }
            (held.keys.clone(), may_ask)
        };
        let usable = held.filter(|(since, _)| age(since) < STALE).map(|(_, keys)| keys);
        if !may_ask {
            let none = || {
                unavailable(format!(
                    "the keys of {} were asked for less than a minute ago, in vain",
                    self.url
                ))
            };
            return usable.ok_or_else(none);
        }
        match self.fetch().await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
                held.keys = Some((now, keys.clone()));
                Ok(keys)
            }
            Err(reason) => usable.ok_or_else(|| unavailable(format!("the keys of {}: {reason}", self.url))),
        }
    }

    async fn fetch(&self) -> Result<TrustBundle, String> {
        let request = Request::get(self.url.clone(), MAX_KEY_SET).with("accept", "application/json");
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("the status is {}", answer.status));
        }
        // Keys are the same wherever they are from, and this name is shown nowhere.
        let domain = TrustDomain::new("keys").map_err(|error| error.to_string())?;
        TrustBundle::from_jwt_jwks(&domain, &answer.body).map_err(|error| error.to_string())
    }
}

fn unavailable(reason: String) -> AttestationError {
    AttestationError::Unavailable(reason.into())
}

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
    pub(crate) audience: &'a str,
    pub(crate) leeway: Duration,
}

/// A token taken apart.
pub(crate) struct Token<'a> {
    field: &'static str,
    algorithm: Algorithm,
    key_id: String,
    claims: Vec<u8>,
    signature: Vec<u8>,
    signed: &'a [u8],
}

impl<'a> Token<'a> {
    /// Reads a token in its compact form.
    pub(crate) fn parse(
        field: &'static str,
        token: &'a str,
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
            signed: signed.as_bytes(),
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
        &self,
        source: &KeySource,
        expected: &Expected<'_>,
        now: SystemTime,
    ) -> Result<T, AttestationError> {
        let denied =
            |reason: String| AttestationError::Denied(format!("the token is not accepted: {reason}"));
        let keys = source.keys(&self.key_id, now).await?;
        let key = keys.jwt_authorities.iter().find(|key| key.key_id == self.key_id);
        let key =
            key.ok_or_else(|| denied(format!("its key {} is not published", printable(&self.key_id))))?;
        self.algorithm
            .verify(&key.public_key, self.signed, &self.signature)
            .map_err(|error| denied(error.to_string()))?;

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
        self.unverified()
    }
}
