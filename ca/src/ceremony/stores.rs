//! Opening the stores that keep the root's keys.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use symbolon_crypto::Component;
use symbolon_hsm::custody::{Holder, Holding};
use symbolon_hsm::{
    KekSource, KeyId, KeyStore, Passphrase, Pkcs11Config, Pkcs11Store, SecretSource, SoftwareStore,
    StoreError, StoreLocation, StoreName, TpmLocation,
};
use zeroize::Zeroizing;

use super::conductor::{Conductor, SecretKind, SecretWanted};
use super::error::CeremonyError;
use super::event::{CustodianPresent, PinPart, StoreOpened, TokenFacts, TpmFacts, TpmKeyFacts};
use super::plan::{Plan, SHARED_STORE, StorePlan};
use super::shamir::Bytes;

/// A store that was opened.
#[derive(Clone, Debug)]
pub(super) struct Opened(Arc<dyn KeyStore>);

/// How a key is held.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By a token, by PKCS#11 attribute.
    pub(super) attributes: BTreeMap<String, Option<bool>>,
    /// By a TPM.
    pub(super) tpm: Option<TpmKeyFacts>,
}

impl Opened {
    pub(super) fn store(&self) -> Arc<dyn KeyStore> {
        Arc::clone(&self.0)
    }

    /// What the transcript says of it.
    pub(super) fn facts(&self, name: &StoreName) -> Result<StoreOpened, CeremonyError> {
        let holder = self.0.holder().map_err(failed(name))?;
        let mut opened = StoreOpened {
            store: name.clone(),
            kind: self.0.kind().to_owned(),
            token: None,
            tpm: None,
        };
        match holder {
            Holder::Pkcs11(token) => {
                opened.token = Some(TokenFacts {
                    label: token.label,
                    manufacturer: token.manufacturer,
                    model: token.model,
                    serial: token.serial,
                    hardware_version: token.hardware_version,
                    firmware_version: token.firmware_version,
                });
            }
            Holder::Tpm(tpm) => {
                opened.tpm = Some(TpmFacts {
                    manufacturer: tpm.manufacturer,
                    model: tpm.model,
                    firmware_version: tpm.firmware_version,
                    specification: tpm.specification,
                    storage_root: tpm.storage_root,
                });
            }
            _ => {}
        }
        Ok(opened)
    }

    /// How a token or TPM says that it holds a key. Files have nothing to say.
    pub(super) fn held(&self, id: &KeyId) -> Result<Held, StoreError> {
        let mut held = Held::default();
        match self.0.custody(id)?.holding {
            Holding::TokenObject(object) => {
                // Every member is a boolean or absent, which JSON and the map have in the same way.
                let map = serde_json::to_value(object.attributes).and_then(serde_json::from_value);
                held.attributes = map.unwrap_or_default();
            }
            Holding::TpmKey(key) => {
                held.tpm = Some(TpmKeyFacts {
                    signs: true,
                    name: key.name,
                    pcrs: BTreeMap::new(),
                });
            }
            Holding::SealedSeed(seed) => {
                held.tpm = Some(TpmKeyFacts {
                    signs: false,
                    name: seed.name,
                    pcrs: seed.pcrs,
                });
            }
            _ => {}
        }
        Ok(held)
    }
}

/// Names the store that something went wrong with, for use with `map_err`.
pub(super) fn failed(store: &StoreName) -> impl Fn(StoreError) -> CeremonyError {
    let store = store.clone();
    move |source| CeremonyError::Store {
        store: store.clone(),
        source: Box::new(source),
    }
}

/// Opens every store but the shared one, and asks those present for the parts of PINs. Nothing is changed in any, but
/// that a TPM gets a directory for its records if it has none; a rehearsal has its own for that, in `rehearsal`.
pub(super) fn open(
    plan: &Plan,
    present: &[CustodianPresent],
    rehearsal: Option<&Path>,
    conductor: &mut dyn Conductor,
) -> Result<BTreeMap<StoreName, Opened>, CeremonyError> {
    let mut opened = BTreeMap::new();
    for (name, entry) in &plan.stores {
        conductor.step(&format!("Opening the store {name}"));
        let failed = failed(name);
        let location = match rehearsal {
            Some(dir) => rehearsed(&entry.location, &dir.join(name.as_str())).map_err(&failed)?,
            None => entry.location.clone(),
        };
        let store: Arc<dyn KeyStore> = match &location {
            StoreLocation::Pkcs11(config) if !entry.pin.is_empty() => {
                let pin = pin(plan, name, entry, present, conductor)?;
                let config = Pkcs11Config {
                    pin_source: Some(SecretSource::Prompt),
                    ..config.clone()
                };
                Arc::new(Pkcs11Store::open(&config, || Ok(pin)).map_err(failed)?)
            }
            StoreLocation::Pkcs11(config) => {
                let ask = || conductor.secret(&by_itself(name, format!("the PIN of {name}")));
                Arc::new(Pkcs11Store::open(config, ask).map_err(failed)?)
            }
            location => {
                let conductor = RefCell::new(&mut *conductor);
                let ask = |wanted: &symbolon_hsm::location::Wanted| {
                    conductor
                        .borrow_mut()
                        .secret(&by_itself(name, format!("the {wanted}")))
                };
                location.open(&ask).map_err(failed)?
            }
        };
        opened.insert(name.clone(), Opened(store));
    }
    Ok(opened)
}

/// A store as a rehearsal opens it: the same, but for the directory of a TPM that has none yet.
fn rehearsed(location: &StoreLocation, dir: &Path) -> Result<StoreLocation, StoreError> {
    Ok(match location {
        StoreLocation::Tpm(tpm) if location.is_new()? => StoreLocation::Tpm(TpmLocation {
            dir: dir.to_owned(),
            ..tpm.clone()
        }),
        location => location.clone(),
    })
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
    Ok(Opened(Arc::new(store)))
}

/// The name of the shared store.
pub(super) fn shared_name() -> Result<StoreName, CeremonyError> {
    Ok(StoreName::parse(SHARED_STORE)?)
}
