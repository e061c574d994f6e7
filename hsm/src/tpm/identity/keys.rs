//! The keys by which a TPM shows itself.

use tss_esapi::abstraction::AsymmetricAlgorithmSelection;
use tss_esapi::abstraction::ek::create_ek_public_from_default_template_2;
use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::constants::SessionType;
use tss_esapi::handles::{AuthHandle, KeyHandle, PersistentTpmHandle, TpmHandle};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm, RsaSchemeAlgorithm};
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{
    Auth, Data, Digest, EncryptedSecret, IdObject, Nonce, Private, Public, PublicBuilder, PublicKeyRsa,
    PublicRsaParameters, PublicRsaParametersBuilder, RsaExponent, RsaScheme, Signature, SignatureScheme,
    SymmetricDefinitionObject,
};
use tss_esapi::traits::{Marshall as _, UnMarshall as _};

use super::super::codes::Step;
use super::super::config::PcrSelection;
use super::super::connection::Connection;
use super::super::error::TpmError;
use super::super::pcr::{self, MOST_AT_ONCE};
use super::super::policy::PcrValues;
use super::super::root;
use super::{Attestation, Wrapped};
use crate::secret::Passphrase;

/// Where an RSA endorsement key is kept, if it is (TCG Provisioning Guidance, section 7.8).
const ENDORSEMENT_KEY: u32 = 0x8101_0001;

/// TPM_ALG_RSASSA, TPM_ALG_ECDSA.
const ALG_RSASSA: u16 = 0x0014;
const ALG_ECDSA: u16 = 0x0018;

/// What a wrapped key was made under.
pub(super) enum Parent {
    Rsa,
    Ecc,
}

impl Parent {
    pub(super) fn of(wrapped: &Wrapped) -> Step<Self> {
        match Public::unmarshall(&wrapped.public) {
            Ok(Public::Rsa { .. }) => Ok(Self::Rsa),
            Ok(Public::Ecc { .. }) => Ok(Self::Ecc),
            _ => Err(unfit("its public part is neither RSA's nor ECC's").into()),
        }
    }

    fn template(&self) -> Step<Public> {
        match self {
            // The one that stores have, too.
            Self::Ecc => root::template(),
            Self::Rsa => {
                let parameters = PublicRsaParametersBuilder::new_restricted_decryption_key(
                    SymmetricDefinitionObject::AES_128_CFB,
                    RsaKeyBits::Rsa2048,
                    RsaExponent::default(),
                )
                .build()?;
                rsa(
                    ObjectAttributesBuilder::new().with_no_da(true).with_decrypt(true),
                    parameters,
                )
            }
        }
    }
}

/// An RSA key that its TPM made and keeps, restricted to what a TPM makes.
fn rsa(attributes: ObjectAttributesBuilder, parameters: PublicRsaParameters) -> Step<Public> {
    let attributes = attributes
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_restricted(true)
        .build()?;
    Ok(PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Rsa)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_rsa_parameters(parameters)
        .with_rsa_unique_identifier(PublicKeyRsa::default())
        .build()?)
}

impl Connection {
    /// The endorsement key, if the TPM keeps it, else made anew: it is the same key.
    pub(super) fn endorsement_key(&mut self) -> Step<(KeyHandle, Public)> {
        let template = endorsement_template()?;
        if self.has_handle(ENDORSEMENT_KEY)? {
            let kept = TpmHandle::Persistent(PersistentTpmHandle::new(ENDORSEMENT_KEY)?);
            let handle = KeyHandle::from(self.context.tr_from_tpm_public(kept)?);
            let (public, ..) = self
                .context
                .execute_without_session(|context| context.read_public(handle))?;
            if is_made_by(&public, &template) {
                return Ok((handle, public));
            }
        }
        let made = self
            .context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.create_primary(Hierarchy::Endorsement, template, None, None, None, None)
            })?;
        self.remember_key(made.key_handle)?;
        Ok((made.key_handle, made.out_public))
    }

    fn remember_key(&mut self, handle: KeyHandle) -> Step<()> {
        let name = self.context.tr_get_name(handle.into())?.value().to_vec();
        self.remember(name, handle);
        Ok(())
    }

    /// A storage root key, for as long as `work` takes.
    fn under<T>(&mut self, parent: &Parent, work: impl FnOnce(&mut Self, KeyHandle) -> Step<T>) -> Step<T> {
        let template = parent.template()?;
        let made = self
            .context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.create_primary(Hierarchy::Owner, template, None, None, None, None)
            })?;
        let done = work(self, made.key_handle);
        self.context.flush_context(made.key_handle.into())?;
        done
    }

    pub(super) fn load_child(
        &mut self,
        wrapped: &Wrapped,
        parent: &Parent,
        password: Option<&Passphrase>,
    ) -> Step<KeyHandle> {
        let public = Public::unmarshall(&wrapped.public).map_err(|_| unfit("its public part is none"))?;
        let private =
            Private::try_from(wrapped.private.as_slice()).map_err(|_| unfit("its private part is none"))?;
        let loaded = self.under(parent, |this, parent| {
            let load = this
                .context
                .execute_with_session(Some(AuthSession::Password), |context| {
                    context.load(parent, private, public)
                });
            Ok(load?)
        })?;
        self.remember_key(loaded)?;
        self.context.tr_set_auth(loaded.into(), auth_of(password)?)?;
        Ok(loaded)
    }

    /// RSA, as stock servers ask for.
    pub(super) fn make_attestation_key(&mut self) -> Step<Wrapped> {
        let scheme = RsaScheme::create(RsaSchemeAlgorithm::RsaSsa, Some(HashingAlgorithm::Sha256))?;
        let parameters = PublicRsaParametersBuilder::new()
            .with_scheme(scheme)
            .with_key_bits(RsaKeyBits::Rsa2048)
            .with_exponent(RsaExponent::default())
            .with_is_signing_key(true)
            .with_is_decryption_key(false)
            .with_restricted(true)
            .build()?;
        let template = rsa(ObjectAttributesBuilder::new().with_sign_encrypt(true), parameters)?;
        let made = self.under(&Parent::Ecc, |this, parent| {
            let create = this
                .context
                .execute_with_session(Some(AuthSession::Password), |context| {
                    context.create(parent, template, None, None, None, None)
                });
            Ok(create?)
        })?;
        Ok(Wrapped {
            public: made.out_public.marshall()?,
            private: made.out_private.value().to_vec(),
        })
    }

    pub(super) fn activate(&mut self, key: KeyHandle, credential: &[u8], secret: &[u8]) -> Step<Vec<u8>> {
        let unfit = |reason| TpmError::UnfitKey {
            what: "the server's credential",
            reason,
        };
        let credential = IdObject::try_from(credential).map_err(|_| unfit("it is too long"))?;
        let secret = EncryptedSecret::try_from(secret).map_err(|_| unfit("its secret is too long"))?;
        let (endorsement, _) = self.endorsement_key()?;
        let session = self.start_session(None, SessionType::Policy)?;
        let policy = PolicySession::try_from(session)?;
        // What the endorsement key's policy asks for: whoever may use its hierarchy.
        self.context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.policy_secret(
                    policy,
                    AuthHandle::Endorsement,
                    Nonce::default(),
                    Digest::default(),
                    Nonce::default(),
                    None,
                )
            })?;
        let sessions = (Some(AuthSession::Password), Some(session), None);
        let opened = self.context.execute_with_sessions(sessions, |context| {
            context.activate_credential(key, endorsement, credential, secret)
        })?;
        Ok(opened.value().to_vec())
    }

    pub(super) fn quote(
        &mut self,
        key: KeyHandle,
        about: &[u8],
        pcrs: &PcrSelection,
    ) -> Step<(Attestation, PcrValues)> {
        let banks: Vec<_> = pcrs
            .banks()
            .map(|(bank, numbers)| (bank, numbers.iter().copied().collect::<Vec<_>>()))
            .collect();
        let mut values = PcrValues::new();
        for (bank, numbers) in &banks {
            let of_bank = values.entry(bank.name().to_owned()).or_default();
            for some in numbers.chunks(MOST_AT_ONCE) {
                let list = pcr::list([(*bank, some)])?;
                let (_, _, digests) = self
                    .context
                    .execute_without_session(|context| context.pcr_read(list))?;
                if digests.len() != some.len() {
                    let missing = some.get(digests.len()).or(some.first());
                    let pcr = format!("{}:{}", bank.name(), missing.copied().unwrap_or_default());
                    return Err(TpmError::NoSuchPcr { pcr }.into());
                }
                let digests = digests.value().iter().map(|digest| hex::encode(digest.value()));
                of_bank.extend(some.iter().copied().zip(digests));
            }
        }
        let list = pcr::list(banks.iter().map(|(bank, numbers)| (*bank, numbers.as_slice())))?;
        let about = Data::try_from(about)?;
        let (attest, signature) = self
            .context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.quote(key, about, SignatureScheme::Null, list)
            })?;
        let attestation = Attestation {
            attest: attest.marshall()?,
            signature: marshalled(&signature)?,
        };
        Ok((attestation, values))
    }
}

fn endorsement_template() -> Step<Public> {
    let rsa = AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048);
    Ok(create_ek_public_from_default_template_2(rsa, None)?)
}

/// Whether a key differs from its template by what makes it a key alone.
fn is_made_by(public: &Public, template: &Public) -> bool {
    match (public, template) {
        (
            Public::Rsa {
                object_attributes,
                name_hashing_algorithm,
                auth_policy,
                parameters,
                ..
            },
            Public::Rsa {
                object_attributes: attributes,
                name_hashing_algorithm: hash,
                auth_policy: policy,
                parameters: wanted,
                ..
            },
        ) => {
            object_attributes == attributes
                && name_hashing_algorithm == hash
                && auth_policy == policy
                && parameters == wanted
        }
        _ => false,
    }
}

/// A TPMT_SIGNATURE, which the wrapper does not write.
pub(super) fn marshalled(signature: &Signature) -> Step<Vec<u8>> {
    let sized = |bytes: &[u8]| {
        let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        [&len.to_be_bytes()[..], bytes].concat()
    };
    let head = |algorithm: u16, hash: HashingAlgorithm| {
        let hash = tss_esapi::constants::AlgorithmIdentifier::from(hash);
        [algorithm.to_be_bytes(), u16::from(hash).to_be_bytes()].concat()
    };
    match signature {
        Signature::RsaSsa(made) => Ok([
            head(ALG_RSASSA, made.hashing_algorithm()),
            sized(made.signature().value()),
        ]
        .concat()),
        Signature::EcDsa(made) => Ok([
            head(ALG_ECDSA, made.hashing_algorithm()),
            sized(made.signature_r().value()),
            sized(made.signature_s().value()),
        ]
        .concat()),
        _ => Err(unfit("it signs by neither RSASSA nor ECDSA").into()),
    }
}

pub(super) fn unfit(reason: &'static str) -> TpmError {
    TpmError::UnfitKey {
        what: "attestation",
        reason,
    }
}

pub(super) fn auth_of(password: Option<&Passphrase>) -> Step<Auth> {
    let password = password.map_or(&[][..], Passphrase::expose);
    Ok(Auth::try_from(password).map_err(|_| unfit("its password is too long"))?)
}
