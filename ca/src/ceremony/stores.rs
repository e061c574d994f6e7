//! Opening the stores that keep the root's keys.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use symbolon_crypto::Component;
use symbolon_hsm::{
    KekSource, KeyId, KeyStore, Passphrase, Pkcs11Config, Pkcs11Store, SecretSource, SoftwareStore,
    StoreError, StoreLocation, StoreName,
};
use zeroize::Zeroizing;

use super::conductor::{Conductor, SecretKind, SecretWanted};
use super::error::CeremonyError;
use super::event::{CustodianPresent, PinPart, StoreOpened, TokenFacts};
use super::plan::{Plan, SHARED_STORE, StorePlan};
use super::shamir::Bytes;

/// A store that was opened.
#[derive(Clone, Debug)]
pub(super) enum Opened {
    /// A token, which says more of itself and of its keys.
    Token(Arc<Pkcs11Store>),
    /// Any other.
    Other(Arc<dyn KeyStore>),
}

impl Opened {
    pub(super) fn store(&self) -> Arc<dyn KeyStore> {
        match self {
            Self::Token(token) => Arc::clone(token) as Arc<dyn KeyStore>,
            Self::Other(store) => Arc::clone(store),
        }
    }

    /// What the transcript says of it.
    pub(super) fn facts(&self, name: &StoreName) -> StoreOpened {
        let token = match self {
            Self::Token(token) => {
                let described = token.description();
                Some(TokenFacts {
                    label: described.label.clone(),
                    manufacturer: described.manufacturer.clone(),
                    model: described.model.clone(),
                    serial: described.serial.clone(),
                    hardware_version: described.hardware_version.clone(),
                    firmware_version: described.firmware_version.clone(),
                })
            }
            Self::Other(_) => None,
        };
        StoreOpened {
            store: name.clone(),
            kind: self.store().kind().to_owned(),
            token,
        }
    }

    /// How a token says that it holds a key, by PKCS#11 attribute. Other stores have nothing to say.
    pub(super) fn attributes(&self, id: &KeyId) -> Result<BTreeMap<String, Option<bool>>, StoreError> {
        let Self::Token(token) = self else {
            return Ok(BTreeMap::new());
        };
        let attributes = token.attributes(id)?;
        // Every member is a boolean or absent, which JSON and the map have in the same way.
        let map = serde_json::to_value(attributes).and_then(serde_json::from_value);
        Ok(map.unwrap_or_default())
    }
}

/// Opens every store but the shared one, and asks those present for the parts of PINs. Nothing is changed in any.
pub(super) fn open(
    plan: &Plan,
    present: &[CustodianPresent],
    conductor: &mut dyn Conductor,
) -> Result<BTreeMap<StoreName, Opened>, CeremonyError> {
    let mut opened = BTreeMap::new();
    for (name, entry) in &plan.stores {
        conductor.step(&format!("Opening the store {name}"));
        let failed = |source| CeremonyError::Store {
            store: name.clone(),
            source: Box::new(source),
        };
        let store = match &entry.location {
            StoreLocation::Pkcs11(config) if !entry.pin.is_empty() => {
                let pin = pin(plan, name, entry, present, conductor)?;
                let config = Pkcs11Config {
                    pin_source: Some(SecretSource::Prompt),
                    ..config.clone()
                };
                Opened::Token(Arc::new(Pkcs11Store::open(&config, || Ok(pin)).map_err(failed)?))
            }
            StoreLocation::Pkcs11(config) => {
                let ask = || conductor.secret(&by_itself(name, format!("the PIN of {name}")));
                Opened::Token(Arc::new(Pkcs11Store::open(config, ask).map_err(failed)?))
            }
            location => {
                let conductor = RefCell::new(&mut *conductor);
                let ask = |wanted: &symbolon_hsm::location::Wanted| {
                    conductor
                        .borrow_mut()
                        .secret(&by_itself(name, format!("the {wanted}")))
                };
                Opened::Other(location.open(&ask).map_err(failed)?)
            }
        };
        opened.insert(name.clone(), store);
    }
    Ok(opened)
}

fn by_itself(store: &StoreName, words: String) -> SecretWanted {
    SecretWanted {
        custodian: None,
        kind: SecretKind::Store(store.clone()),
        words,
        is_new: false,
    }
}

/// Puts a PIN together from its parts.
fn pin(
    plan: &Plan,
    store: &StoreName,
    entry: &StorePlan,
    present: &[CustodianPresent],
    conductor: &mut dyn Conductor,
) -> Result<Passphrase, CeremonyError> {
    let parts = entry.pin.len();
    // Room for all parts from the start: a vector that grows leaves copies behind.
    let mut pin = Zeroizing::new(Vec::with_capacity(parts * Passphrase::MAX_LEN));
    for part in 1..=parts {
        let wanted = PinPart {
            store: store.clone(),
            part,
        };
        let enters = present
            .iter()
            .find(|custodian| custodian.pins.contains(&wanted))
            .and_then(|custodian| plan.custodian(&custodian.name));
        if let Some(custodian) = enters {
            let secret = conductor.secret(&SecretWanted::pin(custodian, store, part, parts))?;
            pin.extend_from_slice(secret.expose());
        }
    }
    Ok(Passphrase::new(pin)?)
}

/// Checks that each key of the root can be made where it is to be, before any is.
pub(super) fn check_offers(plan: &Plan, opened: &BTreeMap<StoreName, Opened>) -> Result<(), CeremonyError> {
    for (component, name) in &plan.root.keys {
        if let Some(store) = opened.get(name) {
            offers(&*store.store(), *component).map_err(|source| CeremonyError::Store {
                store: name.clone(),
                source: Box::new(source),
            })?;
        }
    }
    Ok(())
}

fn offers(store: &dyn KeyStore, component: Component) -> Result<(), StoreError> {
    Ok(store.offers(component)?)
}

/// Opens the software store that the shared secret opens, and makes it if there is none. The secret has 256 random
/// bits; the store stretches it all the same, as it does every passphrase.
pub(super) fn open_shared(dir: &Path, secret: &Bytes) -> Result<Opened, CeremonyError> {
    let mut text = Zeroizing::new(vec![0; 2 * secret.len()]);
    hex::encode_to_slice(&secret[..], &mut text)
        .map_err(|error| CeremonyError::Sharing(error.to_string()))?;
    let source = KekSource::Passphrase(Passphrase::new(text)?);
    let store = SoftwareStore::open(dir, &source).map_err(|source| match shared_name() {
        Ok(store) => CeremonyError::Store {
            store,
            source: Box::new(source),
        },
        Err(error) => error,
    })?;
    Ok(Opened::Other(Arc::new(store)))
}

/// The name of the shared store.
pub(super) fn shared_name() -> Result<StoreName, CeremonyError> {
    Ok(StoreName::parse(SHARED_STORE)?)
}
