//! A key on a token, as the rest of Symbolon uses keys.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cryptoki::error::RvError;
use cryptoki::object::ObjectHandle;
use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey, SignError};

use super::desk::{Desk, Fault};
use super::error::{Pkcs11Error, code};
use super::kinds;
use super::objects::Found;
use super::token::{Relies, Token};
use crate::names::KeyId;

/// A private key that never leaves its token. It goes on signing when the token went away and came back.
pub(super) struct TokenKey {
    token: Arc<Token>,
    key: Arc<Key>,
}

/// What is known of the key, access with the workers that sign with it.
struct Key {
    id: KeyId,
    public_key: PublicKey,
    /// Where it was last found. A handle is good for one epoch.
    handle: Mutex<(u64, ObjectHandle)>,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TokenKey({} {} on {})",
            self.component(),
            self.key.id,
            self.token.access().name()
        )
    }
}

impl TokenKey {
    /// The key that was found in `epoch`.
    pub(super) fn new(token: Arc<Token>, epoch: u64, found: &Found) -> Self {
        Self {
            token,
            key: Arc::new(Key {
                id: found.info.id.clone(),
                public_key: found.info.public_key.clone(),
                handle: Mutex::new((epoch, found.private)),
            }),
        }
    }
}

impl HeldKey for TokenKey {
    fn component(&self) -> Component {
        self.key.public_key.component()
    }

    fn public_key(&self) -> &PublicKey {
        &self.key.public_key
    }

    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        let key = Arc::clone(&self.key);
        let input = kinds::input(self.component(), message);
        // Owned by the work, so that the pointer to it is good for as long as the token may be busy with it,
        // however long we wait.
        let context = context.as_bytes().to_vec();
        self.token
            .call(
                "signing",
                Relies::OnHandle,
                move |desk| key.sign(desk, &input, &context),
                |_, _| {},
            )
            .map_err(|error| SignError::Backend(Box::new(error)))
    }
}

impl Key {
    fn sign(&self, desk: &Desk<'_>, input: &[u8], context: &[u8]) -> Result<Vec<u8>, Fault> {
        let component = self.public_key.component();
        let mechanism = kinds::signing(component, context);
        let (epoch, handle) = *self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = |handle| desk.session.sign(&mechanism, handle, input);
        let returned = if epoch == desk.epoch {
            match sign(handle) {
                // The key may have a new handle. If it has none, the token may be gone: the error says so.
                Err(error) if is_handle(code(&error)) => match self.locate(desk) {
                    Ok(handle) => sign(handle)?,
                    Err(Fault::Unknown(_)) => return Err(error.into()),
                    Err(fault) => return Err(fault),
                },
                other => other?,
            }
        } else {
            sign(self.locate(desk)?)?
        };
        let len = returned.len();
        kinds::signature(component, returned).ok_or_else(|| {
            Fault::Known(Pkcs11Error::Signature {
                token: desk.token(),
                kind: component.name(),
                len,
            })
        })
    }

    /// Finds the key again, and makes sure that it is the same one.
    fn locate(&self, desk: &Desk<'_>) -> Result<ObjectHandle, Fault> {
        let found = desk
            .find(&self.id)?
            .ok_or_else(|| Fault::Unknown(self.id.clone()))?;
        found.attributes.check(&desk.token(), &self.id)?;
        if found.info.public_key != self.public_key {
            return Err(Fault::Known(Pkcs11Error::KeyType {
                token: desk.token(),
                id: self.id.clone(),
                found: "another key than when it was opened".to_owned(),
            }));
        }
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = (desk.epoch, found.private);
        Ok(found.private)
    }
}

fn is_handle(code: Option<&RvError>) -> bool {
    matches!(
        code,
        Some(RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid)
    )
}
