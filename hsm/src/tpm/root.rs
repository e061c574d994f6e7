//! The storage root key, under which everything that a store has in the TPM lies.
//!
//! It is the persistent object at the handle that TCG's provisioning guidance reserves for it, as other programs use
//! it too (Windows, systemd). A TPM without one is given one, made from the usual template; a TPM makes the same key
//! from the same template until it is cleared.

use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::constants::{SessionType, Tss2ResponseCodeKind};
use tss_esapi::handles::{KeyHandle, ObjectHandle, PersistentTpmHandle};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::dynamic_handles::Persistent;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::{Hierarchy, Provision};
use tss_esapi::structures::{
    Auth, EccPoint, Public, PublicBuilder, PublicEccParametersBuilder, SymmetricDefinitionObject,
};
use tss_esapi::{Context, Error};

use super::codes::{self, Failure, Step};
use super::connection::{Connection, Protect};
use super::error::TpmError;
use crate::secret::Passphrase;

/// TCG TPM v2.0 Provisioning Guidance.
const HANDLE: u32 = 0x8100_0001;

const MAKE: &str = "keep a storage root key";

impl Connection {
    /// Uses the TPM's storage root key, and makes it first if there is none. Returns its name.
    pub(super) fn any_root(&mut self, owner: Option<&Passphrase>) -> Step<Vec<u8>> {
        if let Some(name) = self.srk_name() {
            return Ok(name.to_vec());
        }
        if !self.has_handle(HANDLE)? {
            let (key, _) = self.make_root(owner)?;
            let kept = self.keep(key.into(), HANDLE, owner, MAKE);
            self.context.flush_context(key.into())?;
            kept?;
        }
        self.use_srk(HANDLE)?;
        self.check_root()?;
        Ok(self.srk_name().unwrap_or_default().to_vec())
    }

    /// Uses the storage root key of this name; the error is the name of the one that the TPM has instead. One that
    /// was removed and can be made again is.
    pub(super) fn root_named(
        &mut self,
        name: &[u8],
        owner: Option<&Passphrase>,
    ) -> Step<Result<(), Vec<u8>>> {
        if self.srk_name() == Some(name) {
            return Ok(Ok(()));
        }
        if self.has_handle(HANDLE)? {
            self.use_srk(HANDLE)?;
        } else {
            let (key, made) = self.make_root(owner)?;
            let kept = if made == name {
                self.keep(key.into(), HANDLE, owner, MAKE)
            } else {
                Ok(())
            };
            self.context.flush_context(key.into())?;
            kept?;
            if made != name {
                return Ok(Err(made));
            }
            self.use_srk(HANDLE)?;
        }
        let found = self.srk_name().unwrap_or_default();
        Ok(if found == name {
            Ok(())
        } else {
            Err(found.to_vec())
        })
    }

    /// Makes the key that the usual template gives, as a transient object, and tells its name.
    fn make_root(&mut self, owner: Option<&Passphrase>) -> Step<(KeyHandle, Vec<u8>)> {
        let session = self.start_session(None, SessionType::Hmac)?;
        let template = template()?;
        let made = self.as_owner(owner, "make a storage root key", |context| {
            context.execute_with_session(Some(session), |context| {
                context.create_primary(Hierarchy::Owner, template, None, None, None, None)
            })
        });
        self.flush_session(session)?;
        let key = made?.key_handle;
        let name = self.context.tr_get_name(key.into())?;
        Ok((key, name.value().to_vec()))
    }

    /// Other kinds of keys would fail later, one operation at a time.
    fn check_root(&mut self) -> Step<()> {
        let srk = self.srk()?;
        let (public, ..) = self
            .context
            .execute_without_session(|context| context.read_public(srk))?;
        let (attributes, asymmetric) = match &public {
            Public::Ecc {
                object_attributes, ..
            }
            | Public::Rsa {
                object_attributes, ..
            } => (*object_attributes, true),
            Public::KeyedHash {
                object_attributes, ..
            }
            | Public::SymCipher {
                object_attributes, ..
            } => (*object_attributes, false),
        };
        let lacks = |reason| {
            Err(TpmError::NoStorageRoot {
                handle: HANDLE,
                reason,
            }
            .into())
        };
        if !asymmetric {
            return lacks("it has no public half");
        }
        if !attributes.restricted() || !attributes.decrypt() {
            return lacks("it is not a restricted decryption key");
        }
        Ok(())
    }

    /// Keeps a loaded object in the TPM's own memory.
    pub(super) fn keep(
        &mut self,
        object: ObjectHandle,
        handle: u32,
        owner: Option<&Passphrase>,
        doing: &'static str,
    ) -> Step<()> {
        let mut kept = self.evict_control(object, handle, owner, doing)?;
        Ok(self.context.tr_close(&mut kept)?)
    }

    /// Moves a transient object to the persistent `handle`, or removes the persistent object that has it.
    pub(super) fn evict_control(
        &mut self,
        object: ObjectHandle,
        handle: u32,
        owner: Option<&Passphrase>,
        doing: &'static str,
    ) -> Step<ObjectHandle> {
        let persistent = Persistent::Persistent(PersistentTpmHandle::new(handle)?);
        // Without a storage root key, when it is what is to be kept, there is nothing yet to salt a session with.
        let salted = self.srk_name().is_some();
        let session = if salted {
            self.session(Protect::Nothing)?
        } else {
            self.start_session(None, SessionType::Hmac)?
        };
        let moved = self.as_owner(owner, doing, |context| {
            context.execute_with_session(Some(session), |context| {
                context.evict_control(Provision::Owner, object, persistent)
            })
        });
        if !salted {
            self.flush_session(session)?;
        }
        moved
    }

    /// Does something as the TPM's owner, whose password is known to libtss2 meanwhile.
    fn as_owner<T>(
        &mut self,
        owner: Option<&Passphrase>,
        doing: &'static str,
        work: impl FnOnce(&mut Context) -> Result<T, Error>,
    ) -> Step<T> {
        let password = owner.map_or(&[][..], Passphrase::expose);
        let password = Auth::try_from(password).map_err(|_| TpmError::OwnerAuth { doing })?;
        self.context.tr_set_auth(ObjectHandle::Owner, password)?;
        let done = work(&mut self.context);
        self.context.tr_set_auth(ObjectHandle::Owner, Auth::default())?;
        done.map_err(|error| match codes::kind(error) {
            Some(Tss2ResponseCodeKind::BadAuth | Tss2ResponseCodeKind::AuthFail) => {
                TpmError::OwnerAuth { doing }.into()
            }
            Some(Tss2ResponseCodeKind::NvSpace) => TpmError::NoFreeHandle.into(),
            _ => Failure::Tss(error),
        })
    }
}

/// A storage key on P-256 with AES-128, and nothing that would make it differ from one run to the next.
pub(super) fn template() -> Step<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_restricted(true)
        .with_decrypt(true)
        .build()?;
    let parameters = PublicEccParametersBuilder::new_restricted_decryption_key(
        SymmetricDefinitionObject::AES_128_CFB,
        EccCurve::NistP256,
    )
    .build()?;
    Ok(PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(parameters)
        .with_ecc_unique_identifier(EccPoint::default())
        .build()?)
}
