//! What a token says of itself, before its cluster is asked.
//!
//! Nothing of it is believed. But the API of a cluster is not asked, with the server's own credentials, about what cannot be
//! one of its tokens now: anybody may send that.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use symbolon_pki::time::unix_seconds;

use crate::AttestationError;
use crate::aside::PAYLOAD;

/// Longest token, in bytes. Those of Kubernetes have one or two thousand.
const MAX_TOKEN: usize = 16 * 1024;
/// By how much the cluster's clock may be behind.
const LEEWAY: Duration = Duration::from_secs(60);

/// Checks that a text has the form of a service account's token (RFC 7519, section 7.2), and does not itself say that it has
/// expired or is for somebody else.
///
/// # Errors
/// [`AttestationError::Malformed`] and [`AttestationError::Denied`].
pub(super) fn check(token: &str, audiences: &[String], now: SystemTime) -> Result<(), AttestationError> {
    let claims = claims(token).map_err(|reason| AttestationError::Malformed {
        field: PAYLOAD,
        reason: format!("its token is no service account's: {reason}"),
    })?;
    let denied = |reason: String| Err(AttestationError::Denied(reason));
    let earliest = unix_seconds(now).saturating_sub(LEEWAY.as_secs());
    if let Some(expires) = claims.get("exp").and_then(Value::as_u64)
        && expires <= earliest
    {
        return denied("the token has expired".to_owned());
    }
    let is_ours = |audience: &Value| {
        let audience = audience.as_str();
        audiences.iter().any(|own| Some(own.as_str()) == audience)
    };
    let is_for_us = match claims.get("aud") {
        _ if audiences.is_empty() => true,
        None => true,
        Some(Value::Array(several)) => several.iter().any(is_ours),
        Some(one) => is_ours(one),
    };
    match is_for_us {
        true => Ok(()),
        false => denied(format!("the token is not for {}", audiences.join(" or "))),
    }
}

fn claims(token: &str) -> Result<Map<String, Value>, String> {
    if token.len() > MAX_TOKEN {
        return Err(format!("it has more than {MAX_TOKEN} bytes"));
    }
    let parts: Vec<_> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return Err("it does not have three parts".to_owned());
    };
    let bytes = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).ok();
        bytes.filter(|bytes| !bytes.is_empty())
    };
    let object = |part: &str| serde_json::from_slice(&bytes(part)?).ok();
    if bytes(signature).is_none() {
        return Err("its signature is not in base64url".to_owned());
    }
    let _: Map<String, Value> = object(header).ok_or("its header is none")?;
    object(claims).ok_or_else(|| "its claims are none".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let [header, claims, signature] =
            [header, claims, "signature"].map(|text| URL_SAFE_NO_PAD.encode(text));
        format!("{header}.{claims}.{signature}")
    }

    fn checked(token: &str, audiences: &[&str]) -> Result<(), String> {
        let audiences: Vec<_> = audiences.iter().map(ToString::to_string).collect();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        check(token, &audiences, now).map_err(|error| error.to_string())
    }

    #[test]
    fn what_may_be_a_token_for_us_is_one_to_ask_about() {
        for (claims, audiences) in [
            (
                json!({"aud": ["spire-server"], "exp": 1_000_600}),
                &["spire-server"][..],
            ),
            (json!({"aud": ["x", "b"], "exp": 1_000_600}), &["a", "b"]),
            (json!({"aud": "spire-server"}), &["spire-server"]),
            (json!({"aud": ["https://kubernetes.default.svc"]}), &[]),
            (json!({"exp": 999_941}), &["spire-server"]),
            (json!({}), &["spire-server"]),
        ] {
            let token = token(r#"{"alg":"RS256"}"#, &claims.to_string());
            assert_eq!(checked(&token, audiences), Ok(()), "{claims}");
        }
    }

    #[test]
    fn what_cannot_be_one_is_not() {
        let (header, claims) = ("{}", r#"{"aud":["spire-server"]}"#);
        let good = token(header, claims);
        let long = token(header, &json!({"x": "y".repeat(MAX_TOKEN)}).to_string());
        for (token, words) in [
            ("", "three parts"),
            ("node-token", "three parts"),
            ("a.b", "three parts"),
            (&format!("{good}.{good}"), "three parts"),
            (&format!("{good}="), "signature"),
            (good.trim_end_matches(|c| c != '.'), "signature"),
            (&token("[]", claims), "header"),
            (&token(header, "null"), "claims"),
            (&token(header, "{"), "claims"),
            (&long, "more than 16384 bytes"),
            (&token(header, r#"{"exp":999940}"#), "has expired"),
            (&token(header, r#"{"aud":["other"]}"#), "not for spire-server"),
            (&token(header, r#"{"aud":[]}"#), "not for spire-server"),
            (&token(header, r#"{"aud":7}"#), "not for spire-server"),
        ] {
            let refused = checked(token, &["spire-server"]).unwrap_err();
            assert!(refused.contains(words), "{token}: {refused}");
        }
    }
}
