//! What a token says: its header and its claims.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use spiffe::SpiffeId;

use super::jose::{Algorithm, Parts};
use super::{JwtError, LEEWAY, UnverifiedJwtSvid};
use crate::text;

/// The header. Every other member is an error, and so is one that is there twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
}

/// The claims. One that is there twice is an error (RFC 7519, section 4, leaves that choice): another reader might
/// take the other one. Within a claim it is the claim's own business.
struct Claims(Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if claims.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("`{name}` is there twice")));
                    }
                    claims.insert(name, value);
                }
                Ok(Claims(claims))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A value of which no object, at any depth, has a member twice.
struct EachOnce(Value);

impl<'de> Deserialize<'de> for EachOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = EachOnce;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_bool<E>(self, value: bool) -> Result<EachOnce, E> {
                Ok(EachOnce(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<EachOnce, E> {
                Ok(EachOnce(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<EachOnce, E> {
                Ok(EachOnce(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<EachOnce, E> {
                Ok(EachOnce(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<EachOnce, E> {
                Ok(EachOnce(value.into()))
            }

            fn visit_unit<E>(self) -> Result<EachOnce, E> {
                Ok(EachOnce(Value::Null))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<EachOnce, A::Error> {
                let mut values = Vec::new();
                while let Some(EachOnce(value)) = items.next_element()? {
                    values.push(value);
                }
                Ok(EachOnce(values.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<EachOnce, A::Error> {
                let mut values = Map::new();
                while let Some((name, EachOnce(value))) = members.next_entry::<String, _>()? {
                    if values.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("`{name}` is there twice")));
                    }
                    values.insert(name, value);
                }
                Ok(EachOnce(values.into()))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

/// Reads header and claims, and requires what makes them a JWT-SVID's.
pub(super) fn read(parts: &Parts<'_>) -> Result<UnverifiedJwtSvid, JwtError> {
    let header: Header = serde_json::from_slice(&parts.header)
        .map_err(|error| JwtError::Header(text::printable(&error.to_string())))?;
    let algorithm =
        Algorithm::from_name(&header.alg).ok_or_else(|| JwtError::Algorithm(text::printable(&header.alg)))?;
    if let Some(other) = header.typ.filter(|typ| typ != "JWT" && typ != "JOSE") {
        return Err(JwtError::Type(text::printable(&other)));
    }
    let key_id = header
        .kid
        .filter(|kid| !kid.is_empty())
        .ok_or(JwtError::NoKeyId)?;

    let claims = claims_of(parts)?;
    Ok(UnverifiedJwtSvid {
        algorithm,
        key_id,
        spiffe_id: subject(&claims)?,
        audience: audience(&claims)?,
        expires_at: time(&claims, "exp")?.ok_or(JwtError::MissingClaim("exp"))?,
        issued_at: time(&claims, "iat")?,
        not_before: time(&claims, "nbf")?,
        claims,
    })
}

/// The claims, none of them there twice.
pub(crate) fn claims_of(parts: &Parts<'_>) -> Result<Map<String, Value>, JwtError> {
    let Claims(claims) = serde_json::from_slice(&parts.claims)
        .map_err(|error| JwtError::NotClaims(text::printable(&error.to_string())))?;
    Ok(claims)
}

/// The claims, of which nothing at any depth is there twice: a key that two readers read differently is two keys.
pub(crate) fn claims_each_once(parts: &Parts<'_>) -> Result<Map<String, Value>, JwtError> {
    let not_claims = |problem: String| JwtError::NotClaims(text::printable(&problem));
    match serde_json::from_slice(&parts.claims) {
        Ok(EachOnce(Value::Object(claims))) => Ok(claims),
        Ok(EachOnce(_)) => Err(not_claims("it is not an object".to_owned())),
        Err(error) => Err(not_claims(error.to_string())),
    }
}

/// `sub`: the SPIFFE ID of a workload.
pub(crate) fn subject(claims: &Map<String, Value>) -> Result<SpiffeId, JwtError> {
    let subject = match claims.get("sub") {
        Some(Value::String(subject)) => subject,
        Some(_) => {
            return Err(JwtError::Claim {
                claim: "sub",
                expected: "text",
            });
        }
        None => return Err(JwtError::MissingClaim("sub")),
    };
    let not_a_workload = |problem| JwtError::SpiffeId {
        subject: text::printable(subject),
        problem,
    };
    let spiffe_id = text::canonical_spiffe_id(subject).map_err(not_a_workload)?;
    // JWT-SVID, section 3.1: a token is issued to a workload, as an X.509-SVID is.
    if spiffe_id.path().is_empty() {
        return Err(not_a_workload(
            "it names a trust domain and not a workload".to_owned(),
        ));
    }
    Ok(spiffe_id)
}

/// Whether the token counts at `now`.
pub(crate) fn check_time(
    expires_at: SystemTime,
    issued_at: Option<SystemTime>,
    not_before: Option<SystemTime>,
    now: SystemTime,
) -> Result<(), JwtError> {
    if now >= expires_at {
        return Err(JwtError::Expired {
            expired_at: expires_at,
            now,
        });
    }
    // If the clock is so near its end that the leeway cannot be added, there is nothing later than it.
    let latest = now.checked_add(LEEWAY).unwrap_or(now);
    for (claim, at) in [("nbf", not_before), ("iat", issued_at)] {
        if let Some(at) = at.filter(|at| *at > latest) {
            return Err(JwtError::NotYetValid { claim, at, now });
        }
    }
    Ok(())
}

/// `aud`: one name or a list of them (RFC 7519, section 4.1.3), and at least one (JWT-SVID, section 3.2).
fn audience(claims: &Map<String, Value>) -> Result<Vec<String>, JwtError> {
    let wrong = JwtError::Claim {
        claim: "aud",
        expected: "a name or a list of names",
    };
    let names: Vec<String> = match claims.get("aud") {
        None => return Err(JwtError::MissingClaim("aud")),
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<_>>()
            .ok_or(wrong.clone())?,
        Some(_) => return Err(wrong),
    };
    if names.is_empty() { Err(wrong) } else { Ok(names) }
}

/// A NumericDate (RFC 7519, section 2): seconds since 1970, possibly with a fraction.
pub(crate) fn time(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<SystemTime>, JwtError> {
    let Some(value) = claims.get(claim) else {
        return Ok(None);
    };
    let since = match value.as_u64() {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => value
            .as_f64()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    };
    since
        .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
        .map(Some)
        .ok_or(JwtError::Claim {
            claim,
            expected: "a number of seconds since 1970",
        })
}
