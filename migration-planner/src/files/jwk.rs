//! JSON Web Keys (RFC 7517) and sets of them, wherever in a JSON file they are. Of a private one only its kind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::keys::Held;
use super::names::printable;
use super::spki::{self, PublicKey};
use crate::algorithm::alias;
use crate::inventory::{Fragment, KeyDetail, KeyKind, Protection, Reason};
use crate::scan::{File, Piece, Scanner, Trigger};

/// Largest JSON file taken apart, in bytes: in memory it takes many times that.
const MAX_JSON: usize = 4 << 20;
/// Most keys in one file.
const MAX_KEYS: usize = 10_000;

/// JSON Web Keys.
#[derive(Debug)]
pub struct Jwk;

impl Scanner for Jwk {
    fn name(&self) -> &'static str {
        "jwk"
    }

    fn triggers(&self) -> &[Trigger] {
        &[Trigger::Needle(b"\"kty\"")]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let named = matches!(file.extension().as_str(), "json" | "jwk" | "jwks");
        if !file.bytes.trim_ascii_start().starts_with(b"{")
            && !file.bytes.trim_ascii_start().starts_with(b"[")
        {
            return; // a program that mentions keys
        }
        if file.bytes.len() > MAX_JSON {
            return found.unread(
                Reason::TooLarge,
                None,
                "JSON of this size is not searched for keys",
            );
        }
        match serde_json::from_slice::<Value>(file.bytes) {
            Ok(document) => {
                let mut keys = 0;
                find(&document, &mut keys, file, found);
                if keys > MAX_KEYS {
                    found.unread(
                        Reason::TooLarge,
                        None,
                        format!("only the first {MAX_KEYS} keys are read"),
                    );
                }
            }
            Err(error) if named => {
                found.unread(
                    Reason::Malformed,
                    Some(error.line() as u64),
                    "the file is not valid JSON",
                );
            }
            Err(_) => {}
        }
    }
}

/// The JSON reader bounds the depth.
fn find(value: &Value, keys: &mut usize, file: &File<'_>, found: &mut Fragment) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(kind)) = object.get("kty") {
                *keys += 1;
                if *keys <= MAX_KEYS {
                    key(kind, object, *keys, file, found);
                }
            } else {
                object.values().for_each(|value| find(value, keys, file, found));
            }
        }
        Value::Array(list) => list.iter().for_each(|value| find(value, keys, file, found)),
        _ => {}
    }
}

fn key(kind: &str, key: &Map<String, Value>, number: usize, file: &File<'_>, found: &mut Fragment) {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
    let mut here = found.here();
    if let Some(id) = text("kid") {
        here = here.symbol(printable(id));
    }
    let public = match kind {
        "RSA" => bytes("n").zip(bytes("e")).and_then(|(n, e)| spki::of_rsa(&n, &e)),
        "EC" => bytes("x").zip(bytes("y")).and_then(|(x, y)| {
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            spki::of_ec(text("crv")?, &point)
        }),
        "OKP" => bytes("x").and_then(|x| spki::of_raw(octet_key_oid(text("crv")?)?, &x)),
        "AKP" => bytes("pub").and_then(|public| spki::of_raw(octet_key_oid(text("alg")?)?, &public)),
        "oct" => return symmetric(key, number, file, found),
        _ => None,
    };
    if let Some(used) = text("alg").filter(|_| kind != "AKP")
        && let Some(algorithm) = alias::resolve(used)
    {
        found.algorithm(algorithm, here.clone());
    }
    let private = ["d", "priv"].iter().any(|name| key.contains_key(*name));
    match (public, private) {
        (Some(public), true) => {
            let held = Held {
                algorithm: Some(public.algorithm.name.clone()),
                bits: public.bits,
                public: Some(public),
                format: "JWK",
                protection: Protection::None,
            };
            held.add(&format!("key {number}"), here.access(file.access), found);
        }
        (Some(public), false) => {
            PublicKey::add(&public, "JWK", here, found);
        }
        (None, _) => {
            let what = format!("key {number} of type {} cannot be read", printable(kind));
            found.unread(Reason::Unsupported, None, what);
        }
    }
}

fn octet_key_oid(name: &str) -> Option<&'static str> {
    Some(match name {
        "Ed25519" => "1.3.101.112",
        "Ed448" => "1.3.101.113",
        "X25519" => "1.3.101.110",
        "X448" => "1.3.101.111",
        "ML-DSA-44" => "2.16.840.1.101.3.4.3.17",
        "ML-DSA-65" => "2.16.840.1.101.3.4.3.18",
        "ML-DSA-87" => "2.16.840.1.101.3.4.3.19",
        "ML-KEM-512" => "2.16.840.1.101.3.4.4.1",
        "ML-KEM-768" => "2.16.840.1.101.3.4.4.2",
        "ML-KEM-1024" => "2.16.840.1.101.3.4.4.3",
        _ => return None,
    })
}

/// A symmetric key: its size, and what it says it is for. Its place, not its value, is its identity.
fn symmetric(key: &Map<String, Value>, number: usize, file: &File<'_>, found: &mut Fragment) {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bits =
        text("k").and_then(|secret| u32::try_from(secret.trim_end_matches('=').len() * 3 / 4 * 8).ok());
    let mut here = found.here().access(file.access);
    if let Some(id) = text("kid") {
        here = here.symbol(printable(id));
    }
    let detail = KeyDetail {
        kind: KeyKind::Secret,
        algorithm: text("alg")
            .and_then(alias::resolve)
            .map(|algorithm| algorithm.name),
        bits,
        spki_sha256: None,
        format: "JWK".to_owned(),
        protection: Some(Protection::None),
    };
    found.held_key(detail, &format!("key {number}"), here);
}
