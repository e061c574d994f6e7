//! A key set as clouds publish it: with members of their own, and now and then a key that nobody else can use.
//!
//! One bad entry costs that entry alone. A name that stands for two keys is no name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use spiffe::TrustDomain;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::key::SubjectKey;

/// In Microsoft's keys, where any tenant may stand.
const ANY_TENANT: &str = "{tenantid}";

/// A key, and what its publisher says of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(super) public_key: SubjectKey,
    /// Microsoft's: who makes tokens with it.
    issuer: Option<String>,
}

impl Key {
    /// Whether it vouches for this tenant. Microsoft publishes keys for private persons' accounts beside those for
    /// organisations', and says in `issuer` whose each is.
    pub(super) fn is_for(&self, tenant: &str) -> bool {
        self.issuer
            .as_deref()
            .is_none_or(|issuer| issuer.contains(ANY_TENANT) || issuer.split('/').any(|part| part == tenant))
    }
}

/// The keys that can be used, by their names.
#[derive(Debug)]
pub(crate) struct KeySet(BTreeMap<String, Key>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a document.
    ///
    /// # Errors
    /// What is wrong with it, in words: it is no key set, or nothing in it can be used.
    pub(super) fn read(document: &[u8]) -> Result<Self, String> {
        let Document { keys: entries } =
            serde_json::from_slice(document).map_err(|error| format!("it is no key set: {error}"))?;
        let mut found: BTreeMap<String, Option<Key>> = BTreeMap::new();
        for (name, key) in entries.iter().filter_map(read) {
            let known = found.entry(name).or_insert_with(|| Some(key.clone()));
            if known.as_ref() != Some(&key) {
                *known = None;
            }
        }
        let known: BTreeMap<_, _> = found
            .into_iter()
            .filter_map(|(name, key)| Some((name, key?)))
            .collect();
        match known.is_empty() {
            true => Err(format!("none of its {} keys can be used", entries.len())),
            false => Ok(Self(known)),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Key> {
        self.0.get(name)
    }
}

/// An entry by itself.
fn read(entry: &Value) -> Option<(String, Key)> {
    let issuer = match entry.get("issuer") {
        None => None,
        Some(issuer) => Some(issuer.as_str()?.to_owned()),
    };
    // Keys are the same wherever they are from, and this name is shown nowhere.
    let domain = TrustDomain::new("keys").ok()?;
    let alone = json!({ "keys": [entry] }).to_string();
    let mut read = TrustBundle::from_jwt_jwks(&domain, alone.as_bytes()).ok()?;
    let authority = read.jwt_authorities.pop()?;
    let key = Key {
        public_key: authority.public_key,
        issuer,
    };
    Some((authority.key_id, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Google published them in October 2024.
    const GOOGLE: &str = include_str!("../../tests/outside/keys/google.json");
    /// As Microsoft did then, three of eight: of organisations, of the American government's, and of private persons.
    const MICROSOFT: &str = include_str!("../../tests/outside/keys/microsoft.json");

    fn names(set: &KeySet) -> Vec<&str> {
        set.0.keys().map(String::as_str).collect()
    }

    fn entries(document: &str) -> Vec<Value> {
        let document: Value = serde_json::from_str(document).unwrap();
        document["keys"].as_array().unwrap().clone()
    }

    fn of(entries: &[Value]) -> Result<KeySet, String> {
        KeySet::read(json!({ "keys": entries }).to_string().as_bytes())
    }

    #[test]
    fn googles_are_read() {
        let set = KeySet::read(GOOGLE.as_bytes()).unwrap();
        assert_eq!(
            names(&set),
            [
                "6719678351a5faedc2e70274bbea62da2a8c4a12",
                "674dbba8faee69acae1bc1be190453678f472803"
            ]
        );
        for key in set.0.values() {
            assert_eq!(key.public_key.algorithm_name(), "rsa-2048");
            assert!(key.is_for("anybody"));
        }
    }

    #[test]
    fn microsofts_are_read_and_each_vouches_for_whom_it_is() {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        use symbolon_pki::certificate::Certificate;

        let (tenant, persons) = (
            "6d7f2e1a-0000-4000-8000-000000000001",
            "9188040d-6c67-4c5b-b112-36a304b66dad",
        );
        let set = KeySet::read(MICROSOFT.as_bytes()).unwrap();
        let organisations = ["Mc7l3Iz93g7uwgNeEmmw_WYGPko", "8PXQDb4mOmolu_BtG3jDX4qR2xU"];
        for entry in entries(MICROSOFT) {
            let name = entry["kid"].as_str().unwrap();
            let key = set.get(name).unwrap();
            assert_eq!(key.is_for(tenant), organisations.contains(&name), "{name}");
            assert!(key.is_for(persons), "{name}");
            // What stands beside it is a certificate for the same key.
            let der = STANDARD.decode(entry["x5c"][0].as_str().unwrap()).unwrap();
            let certificate = Certificate::from_der(&der).unwrap();
            assert_eq!(certificate.subject_key().unwrap(), &key.public_key, "{name}");
        }
        assert_eq!(names(&set).len(), 3);
    }

    #[test]
    fn one_bad_entry_costs_itself_alone() {
        let (good, other) = (entries(GOOGLE)[0].clone(), entries(GOOGLE)[1].clone());
        let with = |member: &str, value: Value| {
            let mut entry = other.clone();
            entry[member] = value;
            entry
        };
        let name = good["kid"].as_str().unwrap();
        for bad in [
            json!("no object"),
            with("n", json!("!")),
            with("n", json!("AQAB")),
            with("kty", json!("oct")),
            with("kty", json!("OKP")),
            with("use", json!("enc")),
            with("kid", json!("")),
            with("kid", Value::Null),
            with("issuer", json!(7)),
        ] {
            let set = of(&[bad.clone(), good.clone()]).unwrap();
            assert_eq!(names(&set), [name], "{bad}");
            let refused = of(std::slice::from_ref(&bad)).unwrap_err();
            assert!(refused.contains("none of its 1 keys"), "{bad}: {refused}");
        }
    }

    #[test]
    fn a_name_for_two_keys_is_none() {
        let (one, other) = (entries(GOOGLE)[0].clone(), entries(GOOGLE)[1].clone());
        let mut posing = other.clone();
        posing["kid"] = one["kid"].clone();
        let name = other["kid"].as_str().unwrap();
        // Said thrice, too: the third is not believed for being alone again.
        for set in [
            vec![one.clone(), posing.clone(), other.clone()],
            vec![one.clone(), posing.clone(), one.clone(), other.clone()],
        ] {
            assert_eq!(names(&of(&set).unwrap()), [name]);
        }
        // The same twice is one.
        let twice = of(&[one.clone(), one.clone()]).unwrap();
        assert_eq!(names(&twice), [one["kid"].as_str().unwrap()]);
    }

    #[test]
    fn what_is_no_key_set_is_none() {
        for document in [
            "",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":[]}"#,
            r#"{"keys":[],"keys":[]}"#,
        ] {
            KeySet::read(document.as_bytes()).unwrap_err();
        }
    }
}
