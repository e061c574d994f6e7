//! Bundles to documents.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{JwtAuthority, TrustBundle, X509Authority, jwk};

impl TrustBundle {
    /// The bundle's document: SPIFFE's JWK Set, in which any software finds the authorities with classical keys in `keys`
    /// (catalyst ones among them, whose alternative key is in the certificate), and ours finds the post-quantum ones in `pq_keys`, a member that others pass over. Were they in `keys`, today's
    /// SPIFFE libraries would refuse the whole document.
    ///
    /// Left out are X.509 authorities with a key that this build cannot use; JWT and WIT authorities with a key that no
    /// such token can be signed with (one ML-DSA key among them, and stock software would refuse the whole); and what the
    /// format has no place for: taints and the end of these keys' lives.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        let (stock, post_quantum): (Vec<_>, Vec<_>) = self
            .x509_authorities
            .iter()
            .filter(|authority| authority.form().is_some())
            .partition(|authority| authority.is_stock());
        let entries = |all: Vec<&X509Authority>| all.into_iter().filter_map(x509_entry).collect::<Vec<_>>();

        let mut document = Map::new();
        let keys = entries(stock)
            .into_iter()
            .chain(token_entries(&self.jwt_authorities, Some("jwt-svid")))
            .chain(token_entries(&self.wit_authorities, Some("wit-svid")));
        document.insert("keys".to_owned(), keys.collect());
        if !post_quantum.is_empty() {
            document.insert("pq_keys".to_owned(), entries(post_quantum).into());
        }
        document.insert("spiffe_sequence".to_owned(), json!(self.sequence));
        if let Some(hint) = self.refresh_hint {
            document.insert("spiffe_refresh_hint".to_owned(), json!(hint.as_secs()));
        }
        Value::Object(document).to_string()
    }

    /// The JWT authorities alone, as a plain JWK Set (RFC 7517) without SPIFFE's members: what the Workload API calls a
    /// JWT bundle and OIDC calls a key set. Left out are keys that no JWT-SVID can be signed with.
    #[must_use]
    pub fn to_jwt_jwks(&self) -> String {
        let keys: Value = token_entries(&self.jwt_authorities, None).collect();
        json!({ "keys": keys }).to_string()
    }
}

/// Keys that sign tokens of one kind, which their `use` names where that is to be said.
fn token_entries(keys: &[JwtAuthority], purpose: Option<&'static str>) -> impl Iterator<Item = Value> {
    keys.iter()
        .filter(|key| key.signs_jwt_svids())
        .map(move |key| token_entry(key, purpose))
}

fn x509_entry(authority: &X509Authority) -> Option<Value> {
    let mut entry = jwk::write(authority.certificate.subject_key().ok()?);
    entry.insert("use".to_owned(), json!("x509-svid"));
    entry.insert(
        "x5c".to_owned(),
        json!([STANDARD.encode(authority.certificate.der())]),
    );
    Some(Value::Object(entry))
}

fn token_entry(authority: &JwtAuthority, purpose: Option<&str>) -> Value {
    let mut entry = jwk::write(&authority.public_key);
    entry.insert("kid".to_owned(), json!(authority.key_id));
    if let Some(purpose) = purpose {
        entry.insert("use".to_owned(), json!(purpose));
    }
    Value::Object(entry)
}
