//! Tokens as clusters and clouds sign them, and the key sets that they publish for them: RSA and SHA-256.

use std::time::{SystemTime, UNIX_EPOCH};

use openssl::base64::{decode_block, encode_block};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};
use serde_json::{Value, json};

pub(crate) fn rsa_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Base64 for URLs, without padding.
pub(crate) fn url_safe(bytes: &[u8]) -> String {
    let text = encode_block(bytes).replace('+', "-").replace('/', "_");
    text.trim_end_matches('=').to_owned()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut text = text.replace('-', "+").replace('_', "/");
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    text.push_str(&padding);
    decode_block(&text).ok()
}

/// A signed token.
pub(crate) fn token(key: &PKey<Private>, key_id: &str, claims: &Value) -> String {
    let header = json!({"alg": "RS256", "kid": key_id, "typ": "JWT"});
    let part = |value: &Value| url_safe(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(claims));
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    format!("{signed}.{}", url_safe(&signature))
}

/// The claims of a token that this key signed.
pub(crate) fn claims(key: &PKey<Private>, token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let mut verifier = Verifier::new(MessageDigest::sha256(), key).unwrap();
    let is_good = verifier.verify_oneshot(&decode(signature)?, signed.as_bytes());
    is_good.is_ok_and(|good| good).then_some(())?;
    let (_, claims) = signed.split_once('.')?;
    serde_json::from_slice(&decode(claims)?).ok()
}

/// The members of a JSON Web Key that every cloud's have.
pub(crate) fn jwk(key: &PKey<Private>, key_id: &str) -> Value {
    let rsa = key.rsa().unwrap();
    json!({
        "kty": "RSA", "use": "sig", "kid": key_id,
        "n": url_safe(&rsa.n().to_vec()), "e": url_safe(&rsa.e().to_vec()),
    })
}
