//! The keys on a token: how they are found, read and destroyed.

use std::collections::HashMap;

use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use symbolon_crypto::{Component, PublicKey};

use super::attributes::KeyAttributes;
use super::desk::{Desk, Fault};
use super::error::{Pkcs11Error, code};
use super::kinds;
use crate::names::{KeyId, KeyLabel};
use crate::store::KeyInfo;

/// Labels that Symbolon's own keys begin with.
const OURS: &str = "symbolon/";

/// The label of a key that has none, or one that is no label of ours.
const UNLABELLED: &str = "(no label)";

/// For as many keys, the public key of each is searched for. A search looks at every object of most tokens, so beyond
/// that one search finds the public keys of all.
const FEW: usize = 8;

/// A private key with its public key, as the token has them.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) private: ObjectHandle,
    pub(super) info: KeyInfo,
    pub(super) attributes: KeyAttributes,
}

/// A private key object that may belong in the list.
struct Entry {
    private: ObjectHandle,
    id: KeyId,
    ours: bool,
}

/// `CKA_ID` of what the store calls `id`; `None` when no key of a token is called so.
pub(super) fn cka_id(id: &KeyId) -> Option<Vec<u8>> {
    let bytes = hex::decode(id.as_str()).ok()?;
    (hex::encode(&bytes) == id.as_str()).then_some(bytes)
}

impl Desk<'_> {
    /// The key with this id; `None` when there is none on a token that is there.
    pub(super) fn find(&self, id: &KeyId) -> Result<Option<Found>, Fault> {
        let Some(cka_id) = cka_id(id) else {
            return Ok(None);
        };
        match self.private_keys(&cka_id)?.as_slice() {
            [] => self.none(),
            [private] => {
                let publics = self.objects(ObjectClass::PUBLIC_KEY, &cka_id)?;
                self.read(*private, id, &publics).map(Some)
            }
            several => Err(self.duplicate(id, "private", several.len())),
        }
    }

    /// A search that finds nothing must mean that there is nothing, not that the token is gone or has logged us out.
    fn none<T>(&self) -> Result<Option<T>, Fault> {
        match self.is_present() {
            true => Ok(None),
            false => Err(Cryptoki::Pkcs11(
                RvError::TokenNotPresent,
                cryptoki::context::Function::FindObjects,
            )
            .into()),
        }
    }

    /// The keys that can be used here, ordered by id. Keys that are not Symbolon's and that it cannot use are left
    /// out: tokens hold other people's keys too. One of ours that cannot be read is an error.
    pub(super) fn list(&self) -> Result<Vec<Found>, Fault> {
        let mut entries = Vec::new();
        for key_type in kinds::KEY_TYPES {
            let wanted = [
                Attribute::Class(ObjectClass::PRIVATE_KEY),
                Attribute::Token(true),
                Attribute::KeyType(key_type),
            ];
            let found = match self.session.find_objects(&wanted) {
                Ok(found) => found,
                // A token older than the type.
                Err(error) if code(&error) == Some(&RvError::AttributeValueInvalid) => continue,
                Err(error) => return Err(error.into()),
            };
            for private in found {
                entries.extend(self.entry(private)?);
            }
        }
        entries.sort_by(|one, other| one.id.cmp(&other.id));
        for pair in entries.windows(2) {
            if let [one, other] = pair
                && one.id == other.id
            {
                let count = entries.iter().filter(|entry| entry.id == one.id).count();
                return Err(self.duplicate(&one.id, "private", count));
            }
        }
        let publics = match entries.len() > FEW {
            true => Some(self.public_keys()?),
            false => None,
        };
        let mut keys = Vec::new();
        for Entry { private, id, ours } in entries {
            let cka_id = cka_id(&id).unwrap_or_default();
            let beside = match &publics {
                Some(all) => all.get(&cka_id).cloned().unwrap_or_default(),
                None => self.objects(ObjectClass::PUBLIC_KEY, &cka_id)?,
            };
            match self.read(private, &id, &beside) {
                Ok(found) => keys.push(found),
                Err(Fault::Call(error)) if vanished(&error) => {}
                Err(Fault::Known(error)) if !ours => {
                    tracing::debug!(token = self.token(), %error, "a foreign key is left out of the list");
                }
                Err(fault) => return Err(fault),
            }
        }
        // What is not found must not be there, instead of out of reach.
        self.none::<()>()?;
        Ok(keys)
    }

    /// Every public key object by its `CKA_ID`.
    fn public_keys(&self) -> Result<HashMap<Vec<u8>, Vec<ObjectHandle>>, Fault> {
        let wanted = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Token(true)];
        let mut found: HashMap<Vec<u8>, Vec<ObjectHandle>> = HashMap::new();
        for public in self.session.find_objects(&wanted)? {
            let attributes = match self.session.get_attributes(public, &[AttributeType::Id]) {
                Ok(attributes) => attributes,
                Err(error) if vanished(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            for attribute in attributes {
                if let Attribute::Id(id) = attribute {
                    found.entry(id).or_default().push(public);
                }
            }
        }
        Ok(found)
    }

    /// One candidate for the list.
    fn entry(&self, private: ObjectHandle) -> Result<Option<Entry>, Fault> {
        let wanted = [AttributeType::Id, AttributeType::Label];
        let attributes = match self.session.get_attributes(private, &wanted) {
            Ok(attributes) => attributes,
            Err(error) if vanished(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut id, mut ours) = (None, false);
        for attribute in attributes {
            match attribute {
                Attribute::Id(bytes) => id = KeyId::parse(&hex::encode(bytes)).ok(),
                Attribute::Label(label) => ours = label.starts_with(OURS.as_bytes()),
                _ => {}
            }
        }
        if id.is_none() {
            tracing::debug!(
                token = self.token(),
                "a key without a usable CKA_ID is left out of the list"
            );
        }
        Ok(id.map(|id| Entry { private, id, ours }))
    }

    /// Reads a private key object, and the public one of its id.
    fn read(&self, private: ObjectHandle, id: &KeyId, publics: &[ObjectHandle]) -> Result<Found, Fault> {
        let component = self
            .component(private)
            .map_err(|what| self.not_usable(id, what))?;
        let attributes = KeyAttributes::read(self, private)?;
        let mut label = None;
        for attribute in self.session.get_attributes(private, &[AttributeType::Label])? {
            if let Attribute::Label(bytes) = attribute {
                label = String::from_utf8(bytes)
                    .ok()
                    .and_then(|label| KeyLabel::parse(&label).ok());
            }
        }
        let label = match label {
            Some(label) => label,
            None => KeyLabel::parse(UNLABELLED).map_err(|_| Fault::Unknown(id.clone()))?,
        };
        let public_key = self.public_key(id, component, publics)?;
        Ok(Found {
            private,
            info: KeyInfo {
                id: id.clone(),
                label,
                component,
                public_key,
            },
            attributes,
        })
    }

    fn public_key(
        &self,
        id: &KeyId,
        component: Component,
        publics: &[ObjectHandle],
    ) -> Result<PublicKey, Fault> {
        let public = match publics {
            [] => {
                return Err(Pkcs11Error::NoPublicKey {
                    token: self.token(),
                    id: id.clone(),
                }
                .into());
            }
            [public] => *public,
            several => return Err(self.duplicate(id, "public", several.len())),
        };
        let mismatch = |found: String| Pkcs11Error::Mismatch {
            token: self.token(),
            id: id.clone(),
            private: component.to_string(),
            public: found,
        };
        match self.component(public) {
            Ok(same) if same == component => {}
            Ok(other) => return Err(mismatch(other.to_string()).into()),
            Err(What::Other(words)) => return Err(mismatch(words).into()),
            Err(What::Fault(fault)) => return Err(fault),
        }
        let wanted = match component.is_ml_dsa() {
            true => AttributeType::Value,
            false => AttributeType::EcPoint,
        };
        let mut reported = Vec::new();
        for attribute in self.session.get_attributes(public, &[wanted])? {
            if let Attribute::Value(bytes) | Attribute::EcPoint(bytes) = attribute {
                reported = bytes;
            }
        }
        PublicKey::parse(component, kinds::public_bytes(component, &reported)).map_err(|source| {
            Pkcs11Error::PublicKey {
                token: self.token(),
                id: id.clone(),
                source,
            }
            .into()
        })
    }

    /// What an object is by its key type and parameters.
    fn component(&self, object: ObjectHandle) -> Result<Component, What> {
        let read = |wanted: &[AttributeType]| self.session.get_attributes(object, wanted);
        let mut key_type = None;
        match read(&[AttributeType::KeyType]) {
            Ok(attributes) => {
                for attribute in attributes {
                    if let Attribute::KeyType(found) = attribute {
                        key_type = Some(found);
                    }
                }
            }
            // The binding does not know the type, so neither do we.
            Err(Cryptoki::NotSupported | Cryptoki::InvalidValue) => {}
            Err(error) => return Err(What::Fault(error.into())),
        }
        let (mut curve, mut set) = (None, None);
        let parameters = match key_type {
            Some(KeyType::ML_DSA) => AttributeType::ParameterSet,
            Some(KeyType::EC | KeyType::EC_EDWARDS) => AttributeType::EcParams,
            Some(other) => return Err(What::Other(format!("a key of the type {other}"))),
            None => return Err(What::Other("a key of an unknown type".to_owned())),
        };
        for attribute in read(&[parameters]).map_err(|error| What::Fault(error.into()))? {
            match attribute {
                Attribute::EcParams(found) => curve = Some(found),
                Attribute::ParameterSet(found) => set = Some(found),
                _ => {}
            }
        }
        let key_type = key_type.unwrap_or(KeyType::GENERIC_SECRET);
        kinds::identify(key_type, curve.as_deref(), set).map_err(What::Other)
    }

    fn not_usable(&self, id: &KeyId, what: What) -> Fault {
        match what {
            What::Fault(fault) => fault,
            What::Other(found) => Pkcs11Error::KeyType {
                token: self.token(),
                id: id.clone(),
                found,
            }
            .into(),
        }
    }

    /// Destroys the private key, then what is left of the public one. `false`: there is no such key.
    pub(super) fn destroy(&self, id: &KeyId) -> Result<bool, Fault> {
        let Some(cka_id) = cka_id(id) else {
            return Ok(false);
        };
        let found = match self.private_keys(&cka_id)?.as_slice() {
            [] => {
                self.none::<()>()?;
                false
            }
            [private] => {
                self.component(*private)
                    .map_err(|what| self.not_usable(id, what))?;
                self.session.destroy_object(*private)?;
                true
            }
            several => return Err(self.duplicate(id, "private", several.len())),
        };
        if found {
            for public in self.objects(ObjectClass::PUBLIC_KEY, &cka_id)? {
                self.session.destroy_object(public)?;
            }
        }
        Ok(found)
    }

    fn private_keys(&self, cka_id: &[u8]) -> Result<Vec<ObjectHandle>, Fault> {
        self.objects(ObjectClass::PRIVATE_KEY, cka_id)
    }

    pub(super) fn objects(&self, class: ObjectClass, cka_id: &[u8]) -> Result<Vec<ObjectHandle>, Fault> {
        let wanted = [
            Attribute::Class(class),
            Attribute::Token(true),
            Attribute::Id(cka_id.to_vec()),
        ];
        Ok(self.session.find_objects(&wanted)?)
    }

    fn duplicate(&self, id: &KeyId, class: &'static str, count: usize) -> Fault {
        Pkcs11Error::Duplicate {
            token: self.token(),
            class,
            id: id.clone(),
            count,
        }
        .into()
    }
}

/// Why an object is none of our components.
enum What {
    /// It is something else, in words.
    Other(String),
    /// It could not be looked at.
    Fault(Fault),
}

/// Whether an object that was found a moment ago is not there any more: somebody removed it.
fn vanished(error: &Cryptoki) -> bool {
    code(error) == Some(&RvError::ObjectHandleInvalid)
}
