//! JSON documents: trust bundles, and JWTs. Read leniently and without trust, since this only tells what is there.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};

use super::certificate::{self, CertificateDescription, ValidityDescription, strangers};
use crate::jwt;
use crate::time::{from_unix_seconds, rfc3339};

/// The most keys of a bundle that are described.
const MAX_KEYS: usize = 1024;

/// A SPIFFE bundle document, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct BundleDescription {
    /// What it is, in one line.
    pub summary: String,
    /// The trust domain, where the document says it (a bundle map) or its authorities agree on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<String>,
    /// `spiffe_sequence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// `spiffe_refresh_hint`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_hint: Option<u64>,
    /// Every entry of `keys` and of `pq_keys`.
    pub keys: Vec<BundleKeyDescription>,
}

/// One key of a bundle.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct BundleKeyDescription {
    /// `keys`, which all SPIFFE software reads, or `pq_keys`, which only ours does.
    pub member: &'static str,
    /// The JWK's `use`: `x509-svid`, `jwt-svid` or another.
    #[serde(rename = "use")]
    pub usage: String,
    /// The JWK's key type.
    pub kty: String,
    /// The JWK's curve or algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
    /// The key id of a JWT authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The X.509 authority's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Box<CertificateDescription>>,
    /// What is wrong with the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A JWT, in words. Its signature is neither checked nor shown: a token is a secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JwtDescription {
    /// What it is, in one line.
    pub summary: String,
    /// The SPIFFE ID, if the subject is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<String>,
    /// The header's `alg`.
    pub algorithm: String,
    /// The header's `kid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The header's `typ`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// The audiences.
    pub audience: Vec<String>,
    /// When it was issued (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<String>,
    /// When it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validity: Option<ValidityDescription>,
    /// Size of the signature, in bytes.
    pub signature_bytes: usize,
    /// Every claim, as JSON.
    pub claims: BTreeMap<String, Value>,
    /// Why it is no JWT-SVID, if it is none.
    pub problems: Vec<String>,
}

/// Describes a bundle (`keys`), or each bundle of a bundle map (`trust_domains`). Empty when it is neither.
pub(super) fn bundles(document: &Value, now: SystemTime) -> Vec<BundleDescription> {
    if let Some(map) = document.get("trust_domains").and_then(Value::as_object) {
        return map
            .iter()
            .filter_map(|(name, value)| bundle(Some(name), value, now))
            .collect();
    }
    bundle(None, document, now).into_iter().collect()
}

fn bundle(trust_domain: Option<&str>, document: &Value, now: SystemTime) -> Option<BundleDescription> {
    document.get("keys")?.as_array()?;
    let mut keys = Vec::new();
    for member in ["keys", "pq_keys"] {
        let entries = document
            .get(member)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        keys.extend(entries.take(MAX_KEYS).map(|entry| bundle_key(member, entry, now)));
    }
    let trust_domain = trust_domain.map(strangers).or_else(|| common_trust_domain(&keys));
    let whose = trust_domain
        .as_ref()
        .map_or_else(String::new, |name| format!(" of {name}"));
    let count = |usage: &str| keys.iter().filter(|key| key.usage == usage).count();
    Some(BundleDescription {
        summary: format!(
            "trust bundle{whose}: {} X.509 authorities ({} of them post-quantum) and {} JWT authorities",
            count("x509-svid"),
            keys.iter().filter(|key| key.member == "pq_keys").count(),
            count("jwt-svid"),
        ),
        trust_domain,
        sequence: document.get("spiffe_sequence").and_then(Value::as_u64),
        refresh_hint: document.get("spiffe_refresh_hint").and_then(Value::as_u64),
        keys,
    })
}

fn bundle_key(member: &'static str, entry: &Value, now: SystemTime) -> BundleKeyDescription {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(strangers);
    let mut described = BundleKeyDescription {
        member,
        usage: text("use").unwrap_or_default(),
        kty: text("kty").unwrap_or_default(),
        parameters: text("crv").or_else(|| text("alg")),
        key_id: text("kid"),
        certificate: None,
        problem: None,
    };
    match (
        described.usage.as_str(),
        entry.get("x5c").and_then(Value::as_array).map(Vec::as_slice),
    ) {
        ("x509-svid", Some([only])) => {
            let der = only.as_str().and_then(|text| STANDARD.decode(text).ok());
            described.certificate = der
                .and_then(|der| certificate::certificate(&der, now))
                .map(Box::new);
            if described.certificate.is_none() {
                described.problem = Some("x5c does not hold a certificate".to_owned());
            }
        }
        ("x509-svid", _) => described.problem = Some("x5c must hold exactly one certificate".to_owned()),
        ("jwt-svid" | "wit-svid", _) if described.key_id.is_none() => {
            described.problem = Some("it has no kid, so no token can name it".to_owned());
        }
        ("jwt-svid" | "wit-svid", _) => {}
        _ => described.problem = Some("its use is unknown, so SPIFFE software ignores it".to_owned()),
    }
    described
}

/// The trust domain that all the authorities' SPIFFE IDs name, if they name just one.
fn common_trust_domain(keys: &[BundleKeyDescription]) -> Option<String> {
    let mut ids = keys
        .iter()
        .filter_map(|key| key.certificate.as_ref()?.spiffe_id.as_ref());
    let first = ids.next()?;
    ids.all(|id| id == first)
        .then(|| first.strip_prefix("spiffe://").map(str::to_owned))
        .flatten()
}

/// Describes a JWT in compact form. `None` when it is none.
pub(super) fn jwt(token: &str, now: SystemTime) -> Option<JwtDescription> {
    let mut segments = token.split('.');
    let (header, payload, signature) = (segments.next()?, segments.next()?, segments.next()?);
    if segments.next().is_some() {
        return None;
    }
    let header = object(header)?;
    let claims = object(payload)?;
    let signature_bytes = URL_SAFE_NO_PAD.decode(signature).ok()?.len();
    let header_text = |name: &str| header.get(name).and_then(Value::as_str).map(strangers);
    let time = |name: &str| {
        claims
            .get(name)
            .and_then(Value::as_u64)
            .and_then(from_unix_seconds)
    };

    let algorithm = header_text("alg").unwrap_or_default();
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    let spiffe_id = crate::text::canonical_spiffe_id(subject)
        .ok()
        .map(|id| id.to_string());
    let audience: Vec<String> = match claims.get("aud") {
        Some(Value::String(one)) => vec![strangers(one)],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(strangers).collect(),
        _ => Vec::new(),
    };
    let validity = time("exp").map(|end| ValidityDescription::of(time("nbf"), end, now));
    let rules = [
        (
            jwt::Algorithm::from_name(&algorithm).is_none(),
            format!("the algorithm {algorithm:?} is not allowed in a JWT-SVID"),
        ),
        (spiffe_id.is_none(), "the subject is not a SPIFFE ID".to_owned()),
        (audience.is_empty(), "it has no audience".to_owned()),
        (validity.is_none(), "it does not expire".to_owned()),
        (
            !header.contains_key("kid"),
            "it does not name the key that signed it".to_owned(),
        ),
    ];
    let problems: Vec<_> = rules
        .into_iter()
        .filter_map(|(broken, rule)| broken.then_some(rule))
        .collect();
    let kind = if problems.is_empty() { "JWT-SVID" } else { "JWT" };
    let whose = spiffe_id
        .as_ref()
        .map_or_else(String::new, |id| format!(" of {id}"));
    Some(JwtDescription {
        summary: format!("{kind}{whose}, signed with {algorithm} (signature not checked)"),
        spiffe_id,
        key_id: header_text("kid"),
        token_type: header_text("typ"),
        algorithm,
        audience,
        issued_at: time("iat").map(rfc3339),
        validity,
        signature_bytes,
        claims: claims.into_iter().collect(),
        problems,
    })
}

fn object(segment: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}
