//! The smallest loops that sign with a token or a TPM: what its own binding can do, and no more.

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use symbolon_crypto::{Component, digest};
use symbolon_test_tokens::{LABEL, PIN, Token};

use crate::issuer::AnyError;
use crate::rate::{Turn, Work};

/// Signs with a key on a PKCS#11 token, one session a thread.
pub struct BareToken {
    module: Pkcs11,
    slot: Slot,
    /// `CKA_ID`.
    id: Vec<u8>,
    component: Component,
    message: Vec<u8>,
}

impl BareToken {
    /// For the key of this `CKA_ID`, and messages like this one. The module is loaded and initialised already, by a
    /// store in this process.
    ///
    /// # Errors
    /// When the token is not there.
    pub fn new(token: &Token, id: Vec<u8>, component: Component, message: Vec<u8>) -> Result<Self, AnyError> {
        let module = Pkcs11::new(&token.module)?;
        let mut slots = module.get_slots_with_token()?.into_iter();
        let is_ours = |slot: &Slot| {
            module
                .get_token_info(*slot)
                .is_ok_and(|info| info.label() == LABEL)
        };
        let slot = slots.find(is_ours).ok_or("the token is not there")?;
        Ok(Self {
            module,
            slot,
            id,
            component,
            message,
        })
    }

    fn session(&self) -> Result<(Session, ObjectHandle), AnyError> {
        let session = self.module.open_rw_session(self.slot)?;
        match session.login(UserType::User, Some(&AuthPin::new(PIN.into()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(error.into()),
        }
        let wanted = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Id(self.id.clone()),
        ];
        let found = session.find_objects(&wanted)?;
        let key = found.first().copied().ok_or("the key is not there")?;
        Ok((session, key))
    }
}

impl Work for BareToken {
    fn ready(&self) -> Result<Turn<'_>, AnyError> {
        let (session, key) = self.session()?;
        Ok(Box::new(move || {
            // Hashing is part of an ECDSA signature; the token's part begins with the hash.
            let signed = match self.component {
                Component::EcdsaP256Sha256 => {
                    session.sign(&Mechanism::Ecdsa, key, &digest::sha256(&self.message))
                }
                _ => {
                    let how = SignAdditionalContext::new(HedgeType::Preferred, None);
                    session.sign(&Mechanism::MlDsa(how), key, &self.message)
                }
            };
            signed?;
            Ok(())
        }))
    }
}

#[cfg(feature = "tpm")]
pub use self::tpm::BareTpm;

#[cfg(feature = "tpm")]
mod tpm {
    use std::sync::{Arc, Mutex, PoisonError, Weak};

    use symbolon_crypto::digest;
    use tss_esapi::attributes::{ObjectAttributesBuilder, SessionAttributesBuilder};
    use tss_esapi::constants::SessionType;
    use tss_esapi::constants::tss::{TPM2_RH_NULL, TPM2_ST_HASHCHECK};
    use tss_esapi::handles::{KeyHandle, ObjectHandle, PersistentTpmHandle, SessionHandle, TpmHandle};
    use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
    use tss_esapi::interface_types::ecc::EccCurve;
    use tss_esapi::interface_types::session_handles::AuthSession;
    use tss_esapi::structures::{
        Auth, Digest, EccPoint, EccScheme, HashScheme, HashcheckTicket, Private, Public, PublicBuilder,
        PublicEccParametersBuilder, SignatureScheme, SymmetricDefinition,
    };
    use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;
    use tss_esapi::{Context, TctiNameConf};

    use crate::issuer::AnyError;
    use crate::rate::{Turn, Work};

    /// The storage root key, which a store has made already.
    const SRK: u32 = 0x8100_0001;

    /// Signs with an ECDSA P-256 key in a TPM. A TPM does one thing at a time, and a swtpm serves one connection: the
    /// threads share it.
    pub struct BareTpm {
        tcti: String,
        /// Whether the key's password is proven in a session, or sent.
        by_session: bool,
        key: (Private, Public),
        message: Vec<u8>,
        connection: Mutex<Weak<Mutex<Connection>>>,
    }

    /// What threads share for as long as one of them works. The last one out closes it: a swtpm serves nobody else
    /// meanwhile.
    struct Connection {
        context: Context,
        key: KeyHandle,
        session: AuthSession,
    }

    impl BareTpm {
        /// Makes a key of its own, as the store makes its keys.
        ///
        /// # Errors
        /// When the TPM cannot be reached, or refuses.
        pub fn new(tcti: &str, by_session: bool, message: Vec<u8>) -> Result<Self, AnyError> {
            let (mut context, srk, session) = connect(tcti)?;
            let attributes = ObjectAttributesBuilder::new()
                .with_fixed_tpm(true)
                .with_fixed_parent(true)
                .with_sensitive_data_origin(true)
                .with_user_with_auth(true)
                .with_no_da(true)
                .with_sign_encrypt(true)
                .build()?;
            let scheme = EccScheme::EcDsa(HashScheme::new(HashingAlgorithm::Sha256));
            let curve = EccCurve::NistP256;
            let template = PublicBuilder::new()
                .with_public_algorithm(PublicAlgorithm::Ecc)
                .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
                .with_object_attributes(attributes)
                .with_ecc_parameters(
                    PublicEccParametersBuilder::new_unrestricted_signing_key(scheme, curve).build()?,
                )
                .with_ecc_unique_identifier(EccPoint::default())
                .build()?;
            let made = context.execute_with_session(Some(session), |context| {
                context.create(srk, template, Some(password()?), None, None, None)
            })?;
            context.flush_context(SessionHandle::from(session).into())?;
            Ok(Self {
                tcti: tcti.to_owned(),
                by_session,
                key: (made.out_private, made.out_public),
                message,
                connection: Mutex::default(),
            })
        }

        fn connection(&self) -> Result<Arc<Mutex<Connection>>, AnyError> {
            let mut shared = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(connection) = shared.upgrade() {
                return Ok(connection);
            }
            let (mut context, srk, session) = connect(&self.tcti)?;
            let (private, public) = self.key.clone();
            let key =
                context.execute_with_session(Some(session), |context| context.load(srk, private, public))?;
            context.tr_set_auth(key.into(), password()?)?;
            let made = Arc::new(Mutex::new(Connection {
                context,
                key,
                session,
            }));
            *shared = Arc::downgrade(&made);
            Ok(made)
        }
    }

    fn password() -> Result<Auth, tss_esapi::Error> {
        Auth::try_from(vec![7; 32])
    }

    fn connect(tcti: &str) -> Result<(Context, KeyHandle, AuthSession), AnyError> {
        let name: TctiNameConf = tcti.parse()?;
        let mut context = Context::new(name)?;
        let handle = TpmHandle::Persistent(PersistentTpmHandle::new(SRK)?);
        let srk = KeyHandle::from(context.tr_from_tpm_public(handle)?);
        let session = context.start_auth_session(
            Some(srk),
            None,
            None,
            SessionType::Hmac,
            SymmetricDefinition::AES_128_CFB,
            HashingAlgorithm::Sha256,
        )?;
        let session = session.ok_or("the TPM gives no session")?;
        let (attributes, mask) = SessionAttributesBuilder::new()
            .with_continue_session(true)
            .build();
        context.tr_sess_set_attributes(session, attributes, mask)?;
        Ok((context, srk, session))
    }

    impl Work for BareTpm {
        fn ready(&self) -> Result<Turn<'_>, AnyError> {
            let connection = self.connection()?;
            Ok(Box::new(move || {
                let digest = Digest::try_from(digest::sha256(&self.message).to_vec())?;
                let no_ticket = HashcheckTicket::try_from(TPMT_TK_HASHCHECK {
                    tag: TPM2_ST_HASHCHECK,
                    hierarchy: TPM2_RH_NULL,
                    digest: Default::default(),
                })?;
                let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                let Connection {
                    context,
                    key,
                    session,
                } = &mut *connection;
                let session = if self.by_session {
                    *session
                } else {
                    AuthSession::Password
                };
                context.execute_with_session(Some(session), |context| {
                    context.sign(*key, digest, SignatureScheme::Null, no_ticket)
                })?;
                Ok(())
            }))
        }
    }

    impl Drop for Connection {
        fn drop(&mut self) {
            let session = ObjectHandle::from(SessionHandle::from(self.session));
            for handle in [ObjectHandle::from(self.key), session] {
                if let Err(error) = self.context.flush_context(handle) {
                    eprintln!("something is left in the TPM: {error}");
                }
            }
        }
    }
}
