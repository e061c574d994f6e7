//! Which key of a store is meant.

use std::fmt;

use crate::names::KeyId;
use crate::pkcs11::{Pkcs11Uri, UriError};
use crate::store::KeyInfo;

/// What a key must be called: everything that is given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyChoice {
    /// Its id.
    pub id: Option<KeyId>,
    /// Its label.
    pub label: Option<String>,
    /// Either of both: what a person types who does not say which.
    pub name: Option<String>,
}

/// Why no key is chosen.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ChoiceError {
    /// There is no such key.
    #[error("the store has no key {wanted}")]
    None {
        /// What was asked for.
        wanted: String,
    },
    /// There are several; which is meant only the caller knows.
    #[error("{} keys are {wanted}: name the one that is meant by its id ({})", ids.len(), join(ids))]
    Several {
        /// What was asked for.
        wanted: String,
        /// The ids of those that match.
        ids: Vec<KeyId>,
    },
}

fn join(ids: &[KeyId]) -> String {
    let ids: Vec<&str> = ids.iter().map(KeyId::as_str).collect();
    ids.join(", ")
}

impl KeyChoice {
    /// The key that a person calls `name`: the one with this id, else the only one with this label.
    pub fn named(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// The key that a URI names with `object` and `id`; `None` when it names none.
    pub(super) fn from_uri(uri: &Pkcs11Uri) -> Result<Option<Self>, UriError> {
        let id = uri.key_id()?;
        let label = uri.object.clone();
        let names_one = id.is_some() || label.is_some() || uri.object_type.is_some();
        Ok(names_one.then_some(Self {
            id,
            label,
            name: None,
        }))
    }

    /// The only key of `keys` that is meant.
    ///
    /// # Errors
    /// [`ChoiceError`] when none is, or several are.
    pub fn among<'k>(&self, keys: &'k [KeyInfo]) -> Result<&'k KeyInfo, ChoiceError> {
        let by_id = keys
            .iter()
            .any(|key| self.name.as_deref() == Some(key.id.as_str()));
        let matches = |key: &&KeyInfo| {
            let named = |name: &str| match by_id {
                true => key.id.as_str() == name,
                false => key.label.as_str() == name,
            };
            self.id.as_ref().is_none_or(|id| *id == key.id)
                && self
                    .label
                    .as_deref()
                    .is_none_or(|label| label == key.label.as_str())
                && self.name.as_deref().is_none_or(named)
        };
        let found: Vec<&KeyInfo> = keys.iter().filter(matches).collect();
        match found.as_slice() {
            [key] => Ok(key),
            [] => Err(ChoiceError::None {
                wanted: self.to_string(),
            }),
            several => Err(ChoiceError::Several {
                wanted: self.to_string(),
                ids: several.iter().map(|key| key.id.clone()).collect(),
            }),
        }
    }
}

impl fmt::Display for KeyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("with the id", self.id.as_ref().map(KeyId::as_str)),
            ("labelled", self.label.as_deref()),
            ("called", self.name.as_deref()),
        ];
        let mut separator = "";
        for (words, value) in parts {
            if let Some(value) = value {
                write!(f, "{separator}{words} {value:?}")?;
                separator = " and ";
            }
        }
        match separator.is_empty() {
            true => f.write_str("of any name"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use symbolon_crypto::{Component, SoftwareKey};

    use super::*;
    use crate::location::StoreLocation;
    use crate::names::KeyLabel;

    fn key(id: &str, label: &str) -> KeyInfo {
        let key = SoftwareKey::generate(Component::Ed25519).expect("key");
        KeyInfo {
            id: KeyId::parse(id).expect("id"),
            label: KeyLabel::parse(label).expect("label"),
            component: Component::Ed25519,
            public_key: symbolon_crypto::HeldKey::public_key(&key).clone(),
        }
    }

    #[test]
    fn an_id_wins_over_a_label_and_a_label_must_be_the_only_one() {
        let keys = [
            key("01", "root"),
            key("02", "twin"),
            key("03", "twin"),
            key("04", "01"),
        ];
        let choose = |name: &str| KeyChoice::named(name).among(&keys).map(|key| key.id.to_string());
        assert_eq!(choose("01"), Ok("01".to_owned()));
        assert_eq!(choose("root"), Ok("01".to_owned()));
        let error = choose("twin").expect_err("two");
        assert_eq!(
            error.to_string(),
            "2 keys are called \"twin\": name the one that is meant by its id (02, 03)"
        );
        let error = choose("05").expect_err("none");
        assert_eq!(error.to_string(), "the store has no key called \"05\"");
        KeyChoice::default().among(&keys).expect_err("any of four");
    }

    #[test]
    fn a_uri_names_a_key_by_both() {
        let keys = [key("01", "root"), key("02", "twin"), key("03", "twin")];
        let choose = |path: &str| {
            let uri = format!("pkcs11:token=ca;{path}?module-path=/m.so");
            let (_, choice) = StoreLocation::parse_with_key(&uri).expect("uri");
            let choice = choice.expect("a key");
            choice.among(&keys).map(|key| key.id.to_string())
        };
        assert_eq!(choose("id=%02"), Ok("02".to_owned()));
        assert_eq!(choose("object=root;type=private"), Ok("01".to_owned()));
        assert_eq!(choose("object=twin;id=%03"), Ok("03".to_owned()));
        choose("object=root;id=%03").expect_err("another id");
        choose("object=twin").expect_err("two");
    }
}
