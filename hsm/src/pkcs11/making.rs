//! How a key is made on a token: with what we ask of it, and not kept when it came out otherwise.

use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::object::{Attribute, ObjectClass};
use symbolon_crypto::Component;

use super::description;
use super::desk::{Desk, Fault};
use super::error::{Pkcs11Error, code, says_gone};
use super::kinds;
use super::objects::{Found, cka_id};
use crate::names::{KeyId, KeyLabel};

impl Desk<'_> {
    /// Makes a key pair with this `CKA_ID`, and removes it again when it is not as it should be.
    pub(super) fn generate(
        &self,
        component: Component,
        id: &KeyId,
        label: &KeyLabel,
    ) -> Result<Found, Fault> {
        let made = self
            .make(component, id, label)
            .and_then(|()| self.find(id)?.ok_or_else(|| Fault::Unknown(id.clone())))
            .and_then(|found| {
                found.attributes.check_new(&self.token(), id)?;
                match found.info.component {
                    same if same == component => Ok(found),
                    other => Err(Pkcs11Error::KeyType {
                        token: self.token(),
                        id: id.clone(),
                        found: format!("{other} although {component} was asked for"),
                    }
                    .into()),
                }
            });
        if made.is_err() {
            self.remove_all(id);
        }
        made
    }

    fn make(&self, component: Component, id: &KeyId, label: &KeyLabel) -> Result<(), Fault> {
        let unsupported = |reason: String| Fault::Unsupported(component, reason);
        let named = |token: Attribute| -> Result<Vec<Attribute>, Fault> {
            let id = cka_id(id).ok_or_else(|| Fault::Unknown(id.clone()))?;
            Ok(vec![
                token,
                Attribute::Id(id),
                Attribute::Label(label.as_str().as_bytes().to_vec()),
            ])
        };
        let mut private = named(Attribute::Token(true))?;
        private.extend([
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ]);
        let mut public = named(Attribute::Token(true))?;
        public.extend([Attribute::Private(false), Attribute::Verify(true)]);

        let (mechanism, choices) = kinds::generation(component)
            .ok_or_else(|| unsupported(description::IN_SOFTWARE_ALONE.to_owned()))?;
        // Tokens may allow what nobody asked for. Not every one lets that be said, so it is no condition.
        let mut for_signing_alone = private.clone();
        for_signing_alone.extend([
            Attribute::Decrypt(false),
            Attribute::Unwrap(false),
            Attribute::Derive(false),
        ]);
        let mut refusal = None;
        for choice in choices {
            let mut public = public.clone();
            public.push(choice);
            match self
                .session
                .generate_key_pair(&mechanism, &public, &for_signing_alone)
            {
                Ok(_) => return Ok(()),
                Err(error) if says_gone(&error) => return Err(error.into()),
                Err(_) => {}
            }
            match self.session.generate_key_pair(&mechanism, &public, &private) {
                Ok(_) => return Ok(()),
                Err(error) if refuses_parameters(&error) => refusal = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(match refusal {
            Some(error) => Fault::Call(error),
            None => unsupported("no form of its parameters is known".to_owned()),
        })
    }

    /// Removes whatever a failed or abandoned generation left. The id was made for it alone.
    pub(super) fn remove_all(&self, id: &KeyId) {
        let Some(cka_id) = cka_id(id) else {
            return;
        };
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
            let removed = self.objects(class, &cka_id).and_then(|objects| {
                objects
                    .into_iter()
                    .try_for_each(|object| self.session.destroy_object(object).map_err(Fault::from))
            });
            if removed.is_err() {
                tracing::warn!(token = self.token(), key = %id, "a key that is not used stays on the token");
            }
        }
    }
}

/// Whether a generation may succeed with the same parameters in another form.
fn refuses_parameters(error: &Cryptoki) -> bool {
    matches!(
        code(error),
        Some(
            RvError::AttributeValueInvalid
                | RvError::CurveNotSupported
                | RvError::DomainParamsInvalid
                | RvError::TemplateInconsistent
        )
    )
}
