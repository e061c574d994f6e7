//! A TPM as what shows others which machine this is: its endorsement key, attestation keys, and a device's own key.
//!
//! Nothing here is a store: no key of it signs for anybody but the machine. The TPM's answers go to a verifier elsewhere,
//! who needs nobody's word for them, so that nothing is protected on the way to the TPM.

mod keys;

use std::sync::Arc;
use std::time::Duration;

use tss_esapi::handles::ObjectHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Auth, Data, MaxBuffer, Signature, SignatureScheme};
use tss_esapi::traits::Marshall as _;

use self::keys::{Parent, auth_of, marshalled, unfit};
use super::codes::Step;
use super::config::{PcrSelection, Tcti};
use super::connection::Connection;
use super::error::TpmError;
use super::manager::Manager;
use super::policy::PcrValues;
use super::signature;
use crate::secret::Passphrase;

/// Where the endorsement key's certificate is (TCG EK Credential Profile, 2.2.1.4).
const ENDORSEMENT_CERTIFICATE: u32 = 0x01c0_0002;

/// A TPM, and the passwords that it asks for.
#[derive(Clone, Debug)]
pub struct TpmIdentity {
    manager: Arc<Manager>,
    deadline: Duration,
    endorsement_auth: Option<Passphrase>,
    owner_auth: Option<Passphrase>,
}

/// What a TPM is known by.
#[derive(Clone, Debug)]
pub struct Endorsement {
    /// The public area of the RSA endorsement key (TPMT_PUBLIC), by TCG's default template.
    pub public: Vec<u8>,
    /// Its certificate, as the maker left it: DER, perhaps with something after it.
    pub certificate: Option<Vec<u8>>,
}

/// An object as it lies outside of the TPM.
#[derive(Clone, Debug)]
pub struct Wrapped {
    /// Its public area: TPMT_PUBLIC.
    pub public: Vec<u8>,
    /// The content of its TPM2B_PRIVATE.
    pub private: Vec<u8>,
}

/// A device's own key, made beforehand under the storage root key of TCG's high range: RSA or P-256 as the key itself.
#[derive(Clone, Debug)]
pub struct DeviceKey {
    /// The key.
    pub wrapped: Wrapped,
    /// Its password.
    pub password: Option<Passphrase>,
}

/// Which attestation key.
#[derive(Clone, Debug)]
pub enum AttestationKey {
    /// The P-256 key of the endorsement hierarchy, which is the same at any time.
    Endorsed,
    /// One that was made by [`TpmIdentity::certify`].
    Made(Wrapped),
}

/// What an attestation key said.
#[derive(Clone, Debug)]
pub struct Attestation {
    /// TPMS_ATTEST.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
}

impl TpmIdentity {
    /// A TPM; nothing is asked of it yet.
    pub fn new(
        tcti: &Tcti,
        deadline: Duration,
        endorsement_auth: Option<Passphrase>,
        owner_auth: Option<Passphrase>,
    ) -> Self {
        Self {
            manager: Manager::of(tcti),
            deadline,
            endorsement_auth,
            owner_auth,
        }
    }

    /// What the TPM is known by.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn endorsement(&self) -> Result<Endorsement, TpmError> {
        self.call("show its endorsement key", |connection| {
            let (_, public) = connection.endorsement_key()?;
            let certificate = connection.nv(ENDORSEMENT_CERTIFICATE)?;
            Ok(Endorsement {
                public: public.marshall()?,
                certificate,
            })
        })
    }

    /// The public area of [`AttestationKey::Endorsed`].
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn attestation_key(&self) -> Result<Vec<u8>, TpmError> {
        self.call("make an attestation key", |connection| {
            let (_, public) = connection.attestation_key()?;
            Ok(public.marshall()?)
        })
    }

    /// Opens a credential that was made for an attestation key and the TPM's endorsement key. `credential` is the content
    /// of a TPM2B_ID_OBJECT, `secret` that of a TPM2B_ENCRYPTED_SECRET.
    ///
    /// # Errors
    /// [`TpmError::Refused`] when it was made for others.
    pub fn activate(
        &self,
        key: &AttestationKey,
        credential: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, TpmError> {
        let (key, credential, secret) = (key.clone(), credential.to_vec(), secret.to_vec());
        self.call("activate a credential", move |connection| {
            let key = match &key {
                AttestationKey::Endorsed => connection.attestation_key()?.0,
                AttestationKey::Made(wrapped) => connection.load_child(wrapped, &Parent::Ecc, None)?,
            };
            connection.activate(key, &credential, &secret)
        })
    }

    /// Has [`AttestationKey::Endorsed`] quote PCRs, and reads them. `about` goes into what is signed.
    ///
    /// # Errors
    /// [`TpmError::NoSuchPcr`], and others.
    pub fn quote(&self, about: &[u8], pcrs: &PcrSelection) -> Result<(Attestation, PcrValues), TpmError> {
        let (about, pcrs) = (about.to_vec(), pcrs.clone());
        self.call("quote its PCRs", move |connection| {
            let (key, _) = connection.attestation_key()?;
            connection.quote(key, &about, &pcrs)
        })
    }

    /// Makes an RSA attestation key and has it certify the device's key.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn certify(&self, device: &DeviceKey) -> Result<(AttestationKey, Vec<u8>, Attestation), TpmError> {
        let device = device.clone();
        self.call("certify the device's key", move |connection| {
            let made = connection.make_attestation_key()?;
            let parent = Parent::of(&device.wrapped)?;
            let object = connection.load_child(&device.wrapped, &parent, device.password.as_ref())?;
            let key = connection.load_child(&made, &Parent::Ecc, None)?;
            let sessions = (Some(AuthSession::Password), Some(AuthSession::Password), None);
            let (attest, signature) = connection.context.execute_with_sessions(sessions, |context| {
                context.certify(object.into(), key, Data::default(), SignatureScheme::Null)
            })?;
            let attestation = Attestation {
                attest: attest.marshall()?,
                signature: marshalled(&signature)?,
            };
            let public = made.public.clone();
            Ok((AttestationKey::Made(made), public, attestation))
        })
    }

    /// Signs with the device's key and SHA-256: RSASSA-PKCS1-v1_5, or ECDSA in DER. `message` has at most 1024 bytes.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn sign(&self, device: &DeviceKey, message: &[u8]) -> Result<Vec<u8>, TpmError> {
        let (device, message) = (device.clone(), message.to_vec());
        self.call("sign with the device's key", move |connection| {
            let parent = Parent::of(&device.wrapped)?;
            let key = connection.load_child(&device.wrapped, &parent, device.password.as_ref())?;
            let data = MaxBuffer::try_from(message.as_slice())?;
            let (digest, ticket) = connection.context.execute_without_session(|context| {
                context.hash(data, HashingAlgorithm::Sha256, Hierarchy::Owner)
            })?;
            let made = connection
                .context
                .execute_with_session(Some(AuthSession::Password), |context| {
                    context.sign(key, digest, SignatureScheme::Null, ticket)
                })?;
            match made {
                Signature::RsaSsa(made) => Ok(made.signature().value().to_vec()),
                Signature::EcDsa(made) => Ok(signature::der(
                    made.signature_r().value(),
                    made.signature_s().value(),
                )),
                _ => Err(unfit("it signs by neither RSASSA nor ECDSA").into()),
            }
        })
    }

    /// Does something with nothing else loaded, and leaves nothing behind.
    fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        mut job: impl FnMut(&mut Connection) -> Step<T> + Send + 'static,
    ) -> Result<T, TpmError> {
        let auths = [
            (ObjectHandle::Endorsement, self.endorsement_auth.clone()),
            (ObjectHandle::Owner, self.owner_auth.clone()),
        ];
        self.manager.call(doing, self.deadline, move |connection| {
            connection.make_all_room()?;
            for (hierarchy, auth) in &auths {
                connection
                    .context
                    .tr_set_auth(*hierarchy, auth_of(auth.as_ref())?)?;
            }
            let done = job(connection);
            for (hierarchy, _) in &auths {
                connection.context.tr_set_auth(*hierarchy, Auth::default())?;
            }
            connection.make_all_room()?;
            done
        })
    }
}
