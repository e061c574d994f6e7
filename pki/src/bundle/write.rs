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
    /// Left out are X.509 authorities with a key that this build cannot use; JWT authorities with a key that no JWT-SVID
    /// can be signed with (one ML-DSA key among them, and stock software would refuse the whole); and what the format has
    /// no place for: taints and the end of JWT keys' lives.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        let (stock, post_quantum): (Vec<_>, Vec<_>) = self
            .x509_authorities
            .iter()
            .filter(|authority| authority.form().is_some())
            .partition(|authority| authority.is_stock());
        let entries = |all: Vec<&X509Authority>| all.into_iter().filter_map(x509_entry).collect::<Vec<_>>();

        let mut document = Map::new();
        let keys = entries(stock).into_iter().chain(self.jwt_entries(true));
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
        let keys: Value = self.jwt_entries(false).collect();
        json!({ "keys": keys }).to_string()
    }

    fn jwt_entries(&self, with_use: bool) -> impl Iterator<Item = Value> {
        self.jwt_authorities
            .iter()
            .filter(|jwt| jwt.signs_jwt_svids())
            .map(move |jwt| jwt_entry(jwt, with_use))
    }
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

fn jwt_entry(authority: &JwtAuthority, with_use: bool) -> Value {
    let mut entry = jwk::write(&authority.public_key);
    entry.insert("kid".to_owned(), json!(authority.key_id));
    if with_use {
        entry.insert("use".to_owned(), json!("jwt-svid"));
    }
    Value::Object(entry)
}
