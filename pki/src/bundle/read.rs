//! Documents to bundles.
//!
//! Tolerant where the specification says so (SPIFFE Trust Domain and Bundle, section 4): entries of unknown use or
//! key type, and members that are not known, are passed over, so that a bundle may carry what an older reader has
//! never heard of. What is understood must be right, or the whole document is refused: half a bundle is a
//! denial of service to whoever the other half vouches for.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};
use spiffe::TrustDomain;

use super::jwk::{self, KeyType};
use super::{BundleError, EntryError, JwtAuthority, TrustBundle, X509Authority};
use crate::certificate::Certificate;

/// Longest document that is read, in bytes: some 300 authorities of the largest kind.
pub const MAX_BUNDLE_LEN: usize = 4 * 1024 * 1024;

/// Most entries that a document may have, `keys` and `pq_keys` together.
pub const MAX_AUTHORITIES: usize = 1024;

/// Longest name of a key (`kid`), in bytes.
pub const MAX_KEY_ID: usize = 1024;

const KEYS: &str = "keys";
const PQ_KEYS: &str = "pq_keys";

/// The top level. Unknown members are passed over; a known one that is there twice is an error.
#[derive(Deserialize)]
struct Document {
    keys: Option<Vec<Value>>,
    #[serde(default)]
    pq_keys: Vec<Value>,
    #[serde(default)]
    spiffe_sequence: u64,
    spiffe_refresh_hint: Option<u64>,
}

impl Document {
    fn parse(document: &[u8]) -> Result<Self, BundleError> {
        if document.len() > MAX_BUNDLE_LEN {
            return Err(BundleError::TooLong(document.len()));
        }
        let document: Self = serde_json::from_slice(document)?;
        let count = document.keys.as_ref().ok_or(BundleError::NoKeys)?.len() + document.pq_keys.len();
        if count > MAX_AUTHORITIES {
            Err(BundleError::TooManyKeys(count))
        } else {
            Ok(document)
        }
    }
}

impl TrustBundle {
    /// Reads the document of `trust_domain`'s bundle. The document does not say whose it is, so the caller must know
    /// from where it came.
    ///
    /// The same authority twice counts once. An `x509-svid` entry with a key that this build cannot use counts as one of
    /// unknown type.
    ///
    /// # Errors
    /// [`BundleError`], which names the entry at fault.
    pub fn from_jwks(trust_domain: &TrustDomain, document: &[u8]) -> Result<Self, BundleError> {
        let Document {
            keys,
            pq_keys,
            spiffe_sequence,
            spiffe_refresh_hint,
        } = Document::parse(document)?;
        let mut bundle = Self::new(trust_domain.clone());
        bundle.sequence = spiffe_sequence;
        bundle.refresh_hint = spiffe_refresh_hint.map(Duration::from_secs);
        for (member, entries) in [(KEYS, keys.unwrap_or_default()), (PQ_KEYS, pq_keys)] {
            for (index, entry) in entries.iter().enumerate() {
                let refused = |problem| BundleError::Entry {
                    member,
                    index,
                    problem,
                };
                match read_entry(member, entry).map_err(refused)? {
                    Some(Authority::X509(authority)) => bundle.take_x509(authority),
                    Some(Authority::Jwt(authority)) => {
                        take_key(&mut bundle.jwt_authorities, authority).map_err(refused)?;
                    }
                    Some(Authority::Wit(authority)) => {
                        take_key(&mut bundle.wit_authorities, authority).map_err(refused)?;
                    }
                    None => {}
                }
            }
        }
        Ok(bundle)
    }

    /// Reads a JWT bundle, as the Workload API gives it and [`to_jwt_jwks`](Self::to_jwt_jwks) writes it: a key set in
    /// which every key signs JWT-SVIDs, unless its `use` says otherwise.
    ///
    /// # Errors
    /// As [`from_jwks`](Self::from_jwks).
    pub fn from_jwt_jwks(trust_domain: &TrustDomain, document: &[u8]) -> Result<Self, BundleError> {
        let keys = Document::parse(document)?.keys.unwrap_or_default();
        let mut bundle = Self::new(trust_domain.clone());
        for (index, entry) in keys.iter().enumerate() {
            let refused = |problem| BundleError::Entry {
                member: KEYS,
                index,
                problem,
            };
            let members = entry
                .as_object()
                .ok_or_else(|| refused(EntryError::NotAnObject))?;
            let signs = matches!(
                members.get("use").map(Value::as_str),
                None | Some(Some("jwt-svid" | "sig"))
            );
            let kty = members
                .get("kty")
                .and_then(Value::as_str)
                .and_then(KeyType::from_name);
            let Some(kty @ (KeyType::Ec | KeyType::Rsa)) = kty.filter(|_| signs) else {
                continue;
            };
            if let Some(authority) = read_jwt(kty, members).map_err(refused)? {
                take_key(&mut bundle.jwt_authorities, authority).map_err(refused)?;
            }
        }
        Ok(bundle)
    }

    fn take_x509(&mut self, authority: X509Authority) {
        if !self.x509_authorities.contains(&authority) {
            self.x509_authorities.push(authority);
        }
    }
}

/// Adds a key that signs tokens to those of its kind, of which no two have one `kid`.
fn take_key(known: &mut Vec<JwtAuthority>, authority: JwtAuthority) -> Result<(), EntryError> {
    match known.iter().find(|known| known.key_id == authority.key_id) {
        None => known.push(authority),
        Some(same) if *same == authority => {}
        Some(_) => return Err(EntryError::SameKeyId(authority.key_id)),
    }
    Ok(())
}

enum Authority {
    X509(X509Authority),
    Jwt(JwtAuthority),
    Wit(JwtAuthority),
}

/// Reads an entry; `None` is one to pass over.
fn read_entry(list: &'static str, entry: &Value) -> Result<Option<Authority>, EntryError> {
    let members = entry.as_object().ok_or(EntryError::NotAnObject)?;
    let known = |member| members.get(member).and_then(Value::as_str);
    let (Some(purpose), Some(kty)) = (known("use"), known("kty").and_then(KeyType::from_name)) else {
        return Ok(None);
    };
    match (list, purpose, kty) {
        (KEYS, "x509-svid", _) | (PQ_KEYS, "x509-svid", KeyType::Akp) => {
            Ok(read_x509(kty, members)?.map(Authority::X509))
        }
        // JWT-SVIDs and WIT-SVIDs are signed with RSA and ECDSA alone (JWT-SVID, section 2.1).
        (KEYS, "jwt-svid", KeyType::Ec | KeyType::Rsa) => Ok(read_jwt(kty, members)?.map(Authority::Jwt)),
        (KEYS, "wit-svid", KeyType::Ec | KeyType::Rsa) => Ok(read_jwt(kty, members)?.map(Authority::Wit)),
        _ => Ok(None),
    }
}

/// The certificate is what counts; what the entry says beside it may not contradict it.
fn read_x509(kty: KeyType, members: &Map<String, Value>) -> Result<Option<X509Authority>, EntryError> {
    let first = match members.get("x5c") {
        None => return Ok(None),
        Some(Value::Array(chain)) => chain.first().and_then(Value::as_str),
        Some(_) => None,
    };
    let first = first.ok_or(EntryError::Member {
        member: "x5c",
        expected: "a list of certificates",
    })?;
    let der = STANDARD.decode(first).map_err(|_| EntryError::Member {
        member: "x5c",
        expected: "a list of base64",
    })?;
    let certificate = Certificate::from_der(&der).map_err(EntryError::Certificate)?;
    let Ok(key) = certificate.subject_key() else {
        return Ok(None);
    };

    if KeyType::of(key) != kty {
        let (kty, certificate) = (kty.name().to_owned(), key.algorithm_name());
        return Err(EntryError::KeyType { kty, certificate });
    }
    let agrees = match kty {
        KeyType::Akp => match members.get("pub") {
            Some(public) => public
                .as_str()
                .map(|text| URL_SAFE_NO_PAD.decode(text))
                .is_some_and(|bytes| bytes.is_ok_and(|bytes| bytes == key.as_bytes())),
            None => true,
        },
        KeyType::Ec | KeyType::Okp | KeyType::Rsa => {
            let has_key = ["crv", "x", "y", "n", "e"]
                .into_iter()
                .any(|member| members.contains_key(member));
            !has_key || jwk::read(kty, members)?.is_some_and(|stated| stated == *key)
        }
    };
    if agrees {
        Ok(Some(X509Authority::new(certificate)))
    } else {
        Err(EntryError::OtherKey)
    }
}

fn read_jwt(kty: KeyType, members: &Map<String, Value>) -> Result<Option<JwtAuthority>, EntryError> {
    let key_id = jwk::text(members, "kid")?;
    if key_id.is_empty() || key_id.len() > MAX_KEY_ID || key_id.chars().any(char::is_control) {
        return Err(EntryError::Member {
            member: "kid",
            expected: "the name of a key, at most 1024 bytes without control characters",
        });
    }
    let public_key = jwk::read(kty, members)?;
    Ok(public_key.map(|public_key| JwtAuthority {
        key_id: key_id.to_owned(),
        public_key,
        expires_at: None,
        tainted: false,
    }))
}
