//! Keys on PKCS#11 tokens: HSMs, smart cards, and the software tokens that stand in for them in tests.
//!
//! A module is loaded and initialised once in a process, whatever number of stores use it; a store is one token of
//! it. Keys are made on the token and never leave it: sensitive, not extractable, and read back to see that the
//! token took that seriously. What a module that runs *in this process* does with key bytes is its own affair: with a
//! network HSM they stay in the HSM, with SoftHSM they are in our memory.
//!
//! Every call has a deadline, because a module may hang in a device or a network. A token that went away is looked
//! for again by starting its module anew, behind keys that were handed out before. A PIN is tried once.
//!
//! | what | how |
//! |---|---|
//! | ECDSA P-256, P-384 | `CKM_EC_KEY_PAIR_GEN`; `CKM_ECDSA` over a hash that we make |
//! | Ed25519 | `CKM_EC_EDWARDS_KEY_PAIR_GEN`, `CKM_EDDSA` |
//! | ML-DSA-44, -65, -87 | `CKM_ML_DSA_KEY_PAIR_GEN`, `CKM_ML_DSA` with context, hedged where the token can |

mod access;
mod attributes;
mod config;
mod contents;
mod description;
mod desk;
mod error;
mod gate;
mod key;
mod kinds;
mod making;
mod module;
mod objects;
mod pins;
mod pool;
mod selector;
mod token;
mod uri;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use symbolon_crypto::{Component, HeldKey, random};

use self::access::Access;
pub use self::attributes::KeyAttributes;
pub use self::config::Pkcs11Config;
pub use self::contents::{MAX_OBJECTS, ObjectKind, SeenObject, TokenContents, TokenMechanism, contents};
pub use self::description::{MechanismOffer, TokenDescription};
use self::desk::{Desk, Fault};
pub use self::error::{PinRefusal, Pkcs11Error};
use self::key::TokenKey;
use self::module::Module;
use self::objects::Found;
pub use self::selector::TokenSelector;
use self::token::{Relies, Token};
pub use self::uri::{ObjectType, Pkcs11Uri, UriError};
use crate::custody::{Custody, Holder, Holding, TokenHolder, TokenKeyFacts};
use crate::names::{KeyId, KeyLabel};
use crate::secret::{Passphrase, PassphraseError};
use crate::store::{KeyInfo, KeyStore, StoreError, Unsupported};

const KIND: &str = "pkcs11";

/// Bytes of randomness in the `CKA_ID` of a new key.
const ID_LEN: usize = 16;

/// One token of a PKCS#11 module.
pub struct Pkcs11Store {
    token: Arc<Token>,
    description: TokenDescription,
}

impl fmt::Debug for Pkcs11Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pkcs11Store")
            .field("token", &self.token.access().name())
            .finish_non_exhaustive()
    }
}

impl Pkcs11Store {
    /// Loads the module if this process has not yet, finds the token, logs in and asks what it can do. Nothing is
    /// changed on the token. `prompt` asks a person for the PIN, if that is where it comes from.
    ///
    /// # Errors
    /// [`Pkcs11Error`], in [`StoreError::Pkcs11`]: a path that is no module, no such token or several, no PIN, a PIN
    /// that the token refuses (tried once, and never again in this process), no answer in time.
    pub fn open(
        config: &Pkcs11Config,
        prompt: impl FnOnce() -> Result<Passphrase, PassphraseError>,
    ) -> Result<Self, StoreError> {
        config.check()?;
        let pin = match &config.pin_source {
            Some(source) => Some(source.read(prompt).map_err(Pkcs11Error::from)?),
            None => None,
        };
        let module = Module::load(&config.module, Instant::now() + config.deadline)?;
        let access = Access::new(module, config.token.clone(), pin, config.deadline);
        let token = Token::new(access, config.max_sessions);
        let description = token.call("looking at it", Relies::OnObjects, description::of, |_, _| {})?;
        token.bound(description.usable_sessions(config.max_sessions));
        Ok(Self {
            token: Arc::new(token),
            description,
        })
    }

    /// What the token said of itself when it was opened.
    pub fn description(&self) -> &TokenDescription {
        &self.description
    }

    /// How the token says now that it holds a key.
    ///
    /// # Errors
    /// As [`open`](KeyStore::open), except that attributes which are not as they must be are told, not refused.
    pub fn attributes(&self, id: &KeyId) -> Result<KeyAttributes, StoreError> {
        self.found(id).map(|found| found.attributes)
    }

    fn found(&self, id: &KeyId) -> Result<Found, StoreError> {
        let id = id.clone();
        self.token.call(
            "reading a key",
            Relies::OnObjects,
            move |desk| desk.find(&id)?.ok_or_else(|| Fault::Unknown(id.clone())),
            |_, _| {},
        )
    }

    fn all(&self) -> Result<Vec<Found>, StoreError> {
        let list = |desk: &Desk<'_>| desk.list();
        self.token
            .call("listing its keys", Relies::OnObjects, list, |_, _| {})
    }

    fn custody_of(&self, found: Found) -> Custody {
        let offer = self.description.offer(found.info.component);
        Custody {
            unusable: found.attributes.fault(),
            holding: Holding::TokenObject(TokenKeyFacts {
                attributes: found.attributes,
                generated_in_hardware: offer.and_then(|offer| offer.generates_in_hardware),
                signs_in_hardware: offer.and_then(|offer| offer.signs_in_hardware),
            }),
        }
    }
}

impl KeyStore for Pkcs11Store {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn offers(&self, component: Component) -> Result<(), Unsupported> {
        self.description.offers(component).map_err(|reason| Unsupported {
            kind: KIND,
            component,
            reason,
        })
    }

    fn generate(
        &self,
        component: Component,
        label: &KeyLabel,
    ) -> Result<(KeyInfo, Arc<dyn HeldKey>), StoreError> {
        self.offers(component)?;
        let mut id = [0; ID_LEN];
        random::fill(&mut id).map_err(Pkcs11Error::from)?;
        let id = KeyId::parse(&hex::encode(id)).map_err(|_| Pkcs11Error::Random(random::RandomError))?;
        let label = label.clone();
        let unwanted = id.clone();
        let mut again = false;
        let (epoch, found) = self.token.call(
            "generating a key",
            Relies::OnObjects,
            move |desk| {
                if std::mem::replace(&mut again, true) {
                    // The token went away in the middle of it.
                    desk.remove_all(&id);
                }
                let found = desk.generate(component, &id, &label)?;
                tracing::info!(token = desk.token(), key = %id, attributes = %found.attributes, "made a key");
                Ok((desk.epoch, found))
            },
            move |desk, _| desk.remove_all(&unwanted),
        )?;
        let key = TokenKey::new(Arc::clone(&self.token), epoch, &found);
        Ok((found.info, Arc::new(key)))
    }

    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        let id = id.clone();
        let (epoch, found) = self.token.call(
            "opening a key",
            Relies::OnObjects,
            move |desk| {
                let found = desk.find(&id)?.ok_or_else(|| Fault::Unknown(id.clone()))?;
                found.attributes.check(&desk.token(), &id)?;
                Ok((desk.epoch, found))
            },
            |_, _| {},
        )?;
        Ok(Arc::new(TokenKey::new(Arc::clone(&self.token), epoch, &found)))
    }

    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        Ok(self.all()?.into_iter().map(|found| found.info).collect())
    }

    fn info(&self, id: &KeyId) -> Result<KeyInfo, StoreError> {
        self.found(id).map(|found| found.info)
    }

    fn holder(&self) -> Result<Holder, StoreError> {
        let told = self.description.clone();
        Ok(Holder::Pkcs11(TokenHolder {
            label: told.label,
            manufacturer: told.manufacturer,
            model: told.model,
            serial: told.serial,
            hardware_version: told.hardware_version,
            firmware_version: told.firmware_version,
        }))
    }

    fn custody(&self, id: &KeyId) -> Result<Custody, StoreError> {
        self.found(id).map(|found| self.custody_of(found))
    }

    /// As one question: to search for each key would have the token look at all its objects for each.
    fn inventory(&self) -> Result<Vec<(KeyInfo, Custody)>, StoreError> {
        let with_info = |found: Found| (found.info.clone(), self.custody_of(found));
        Ok(self.all()?.into_iter().map(with_info).collect())
    }

    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        let id = id.clone();
        let mut gone = false;
        self.token.call(
            "destroying a key",
            Relies::OnObjects,
            move |desk| match desk.destroy(&id) {
                Ok(true) => Ok(()),
                // Destroyed by us, before the token went away in the middle of it.
                Ok(false) if gone => Ok(()),
                Ok(false) => Err(Fault::Unknown(id.clone())),
                Err(fault) => {
                    gone = desk.find(&id).is_ok_and(|found| found.is_none());
                    Err(fault)
                }
            },
            |_, _| {},
        )
    }
}
