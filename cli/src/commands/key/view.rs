//! How keys look.

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_crypto::PublicKey;
use symbolon_crypto::digest::sha256;
use symbolon_hsm::custody::{Custody, Holder, Holding};
use symbolon_hsm::pkcs11::KeyAttributes;
use symbolon_hsm::{KeyInfo, KeyStore};
use symbolon_pki::key::SuitePublicKey;
use symbolon_pki::suite::Suite;

use super::place::Place;
use crate::output::{Show, facts, table};

/// One key, as its store tells it.
#[derive(Serialize)]
pub(super) struct KeyView {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) algorithm: &'static str,
    pub(super) spki_sha256: String,
    pub(super) held: Holding,
    pub(super) usable: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unusable_because: Option<String>,
}

impl KeyView {
    /// All keys of a store, by one question: a token that is asked for each looks at all that it has for each.
    fn all(store: &dyn KeyStore) -> Result<Vec<Self>> {
        let keys = store.inventory()?.into_iter();
        keys.map(|(info, custody)| Self::of(&info, custody)).collect()
    }

    fn of(info: &KeyInfo, custody: Custody) -> Result<Self> {
        Ok(Self {
            id: info.id.to_string(),
            label: info.label.to_string(),
            algorithm: info.component.name(),
            spki_sha256: hex::encode(sha256(&spki(&info.public_key)?)),
            held: custody.holding,
            usable: custody.unusable.is_none(),
            unusable_because: custody.unusable,
        })
    }

    /// How it is held, in a few words.
    fn words(&self) -> String {
        if let Some(reason) = &self.unusable_because {
            return format!("not usable: {reason}");
        }
        match &self.held {
            Holding::EncryptedFile => "encrypted file".to_owned(),
            Holding::TokenObject(object) => marks(&object.attributes),
            Holding::TpmKey(key) => match &key.handle {
                Some(handle) => format!("in the TPM, at {handle}"),
                None => "in the TPM, wrapped".to_owned(),
            },
            Holding::SealedSeed(seed) => {
                let pcrs: Vec<&str> = seed.pcrs.keys().map(String::as_str).collect();
                format!("seed sealed to {}", pcrs.join(", "))
            }
            _ => "not told".to_owned(),
        }
    }
}

/// The attributes that matter, each in a word or two.
fn marks(attributes: &KeyAttributes) -> String {
    let claims = [
        ("sensitive", attributes.sensitive),
        ("extractable", attributes.extractable),
        ("always-sensitive", attributes.always_sensitive),
        ("never-extractable", attributes.never_extractable),
        ("local", attributes.local),
    ];
    let words = claims.map(|(name, value)| match value {
        Some(true) => name.to_owned(),
        Some(false) => format!("not {name}"),
        None => format!("{name}?"),
    });
    words.join(", ")
}

/// The SubjectPublicKeyInfo of a component key.
pub(super) fn spki(key: &PublicKey) -> Result<Vec<u8>> {
    let suite = Suite::of_component(key.component())
        .with_context(|| format!("certificates know no keys of {}", key.component()))?;
    Ok(SuitePublicKey::parse(suite, key.as_bytes())?.spki_der())
}

/// What holds the keys, in rows.
pub(super) fn holder_rows(holder: &Holder) -> Vec<(&'static str, String)> {
    match holder {
        Holder::Software(holder) => vec![("encrypted under", holder.encrypted_under.clone())],
        Holder::Pkcs11(token) => vec![
            ("token", token.label.clone()),
            ("model", format!("{} {}", token.manufacturer, token.model)),
            ("serial", token.serial.clone()),
            (
                "versions",
                format!(
                    "hardware {}, firmware {}",
                    token.hardware_version, token.firmware_version
                ),
            ),
        ],
        Holder::Tpm(tpm) => vec![
            ("model", format!("{} {}", tpm.manufacturer, tpm.model)),
            (
                "versions",
                format!(
                    "firmware {}, TPM 2.0 rev. {}",
                    tpm.firmware_version, tpm.specification
                ),
            ),
            ("storage root", tpm.storage_root.clone()),
        ],
        _ => Vec::new(),
    }
}

/// The keys of a store.
#[derive(Serialize)]
pub(super) struct Many {
    pub(super) store: String,
    pub(super) holder: Holder,
    pub(super) keys: Vec<KeyView>,
}

impl Many {
    pub(super) fn of(place: &Place, store: &dyn KeyStore) -> Result<Self> {
        Ok(Self {
            store: place.to_string(),
            holder: store.holder()?,
            keys: KeyView::all(store)?,
        })
    }
}

impl Show for Many {
    fn text(&self) -> String {
        let mut head = vec![("store", self.store.clone())];
        head.extend(holder_rows(&self.holder));
        let rows = self.keys.iter().map(|key| {
            let spki = key.spki_sha256.get(..16).unwrap_or_default().to_owned();
            [
                key.id.clone(),
                key.algorithm.to_owned(),
                spki,
                format!("{}\n{}", key.label, key.words()),
            ]
        });
        match self.keys.is_empty() {
            true => format!("{}\nno keys", facts(&head)),
            false => format!(
                "{}\n{}",
                facts(&head),
                table(
                    ["id", "algorithm", "spki sha-256", "label, and how it is held"],
                    rows
                )
            ),
        }
    }
}

/// One key with its store.
#[derive(Serialize)]
pub(super) struct One {
    store: String,
    holder: Holder,
    #[serde(flatten)]
    key: KeyView,
}

impl One {
    pub(super) fn of(place: &Place, store: &dyn KeyStore, info: &KeyInfo) -> Result<Self> {
        Ok(Self {
            store: place.to_string(),
            holder: store.holder()?,
            key: KeyView::of(info, store.custody(&info.id)?)?,
        })
    }
}

impl Show for One {
    fn text(&self) -> String {
        let key = &self.key;
        let mut rows = vec![
            ("id", key.id.clone()),
            ("label", key.label.clone()),
            ("algorithm", key.algorithm.to_owned()),
            ("SPKI SHA-256", key.spki_sha256.clone()),
            (
                "usable",
                match &key.unusable_because {
                    None => "yes".to_owned(),
                    Some(reason) => format!("no: {reason}"),
                },
            ),
            ("store", self.store.clone()),
        ];
        rows.extend(holder_rows(&self.holder));
        match &key.held {
            Holding::TokenObject(object) => rows.extend(attribute_rows(&object.attributes)),
            Holding::TpmKey(tpm) => {
                rows.extend([("held", key.words()), ("name in the TPM", tpm.name.clone())]);
            }
            Holding::SealedSeed(seed) => {
                rows.extend([("held", key.words()), ("name in the TPM", seed.name.clone())]);
                rows.extend(
                    seed.pcrs
                        .iter()
                        .map(|(pcr, value)| ("sealed to", format!("{pcr} {value}"))),
                );
            }
            _ => rows.push(("held", key.words())),
        }
        facts(&rows)
    }
}

fn attribute_rows(attributes: &KeyAttributes) -> [(&'static str, String); 5] {
    let word = |value: Option<bool>| match value {
        Some(true) => "true".to_owned(),
        Some(false) => "false".to_owned(),
        None => "not told".to_owned(),
    };
    [
        ("CKA_SENSITIVE", word(attributes.sensitive)),
        ("CKA_EXTRACTABLE", word(attributes.extractable)),
        ("CKA_ALWAYS_SENSITIVE", word(attributes.always_sensitive)),
        ("CKA_NEVER_EXTRACTABLE", word(attributes.never_extractable)),
        ("CKA_LOCAL", word(attributes.local)),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use symbolon_crypto::{Component, HeldKey, SoftwareKey};
    use symbolon_hsm::{KeyId, KeyLabel, StoreError, Unsupported};

    use super::*;

    /// A store that tells of its keys all at once, and of none by itself.
    #[derive(Debug)]
    struct AllAtOnce(Vec<KeyInfo>);

    impl AllAtOnce {
        fn refuse<T>(&self, id: &KeyId) -> Result<T, StoreError> {
            Err(StoreError::UnknownKey {
                kind: self.kind(),
                id: id.clone(),
            })
        }
    }

    impl KeyStore for AllAtOnce {
        fn kind(&self) -> &'static str {
            "all at once"
        }

        fn offers(&self, component: Component) -> Result<(), Unsupported> {
            Err(Unsupported {
                kind: self.kind(),
                component,
                reason: "it has its keys".to_owned(),
            })
        }

        fn generate(
            &self,
            component: Component,
            _: &KeyLabel,
        ) -> Result<(KeyInfo, Arc<dyn HeldKey>), StoreError> {
            self.offers(component)?;
            self.refuse(&self.0[0].id)
        }

        fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
            self.refuse(id)
        }

        fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
            Ok(self.0.clone())
        }

        fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
            self.refuse(id)
        }

        fn custody(&self, id: &KeyId) -> Result<Custody, StoreError> {
            self.refuse(id)
        }

        fn inventory(&self) -> Result<Vec<(KeyInfo, Custody)>, StoreError> {
            let custody = Custody {
                holding: Holding::EncryptedFile,
                unusable: None,
            };
            Ok(self
                .0
                .iter()
                .map(|info| (info.clone(), custody.clone()))
                .collect())
        }
    }

    #[test]
    fn a_list_asks_a_store_once() {
        let key = SoftwareKey::generate(Component::Ed25519).unwrap();
        let info = |id: &str| KeyInfo {
            id: KeyId::parse(id).unwrap(),
            label: KeyLabel::parse("a key").unwrap(),
            component: Component::Ed25519,
            public_key: key.public_key().clone(),
        };
        let store = AllAtOnce(vec![info("00"), info("01")]);
        let ids: Vec<String> = KeyView::all(&store)
            .unwrap()
            .into_iter()
            .map(|key| key.id)
            .collect();
        assert_eq!(ids, ["00", "01"]);
    }
}
