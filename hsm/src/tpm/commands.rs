//! What a store asks of its TPM.

use symbolon_crypto::Component;
use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::constants::tss::{TPM2_RH_NULL, TPM2_ST_HASHCHECK};
use tss_esapi::constants::{AlgorithmIdentifier, CapabilityType, EccCurveIdentifier, Tss2ResponseCodeKind};
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    Auth, CapabilityData, Digest, EccPoint, EccScheme, HashScheme, HashcheckTicket, KeyedHashScheme, Public,
    PublicBuilder, PublicEccParametersBuilder, PublicKeyedHashParameters, SensitiveData, Signature,
    SignatureScheme,
};
use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;

use super::codes::{self, Failure, Step};
use super::config::{Authorization, PcrSelection};
use super::connection::{Connection, Protect};
use super::error::TpmError;
use super::policy::{self, PcrValues};
use super::records::{Blob, SECRET_LEN};
use super::signature;

/// The curve and hash of an ECDSA component; `None` for every other.
fn ecdsa(
    component: Component,
) -> Option<(
    EccCurve,
    EccCurveIdentifier,
    HashingAlgorithm,
    AlgorithmIdentifier,
)> {
    match component {
        Component::EcdsaP256Sha256 => Some((
            EccCurve::NistP256,
            EccCurveIdentifier::NistP256,
            HashingAlgorithm::Sha256,
            AlgorithmIdentifier::Sha256,
        )),
        Component::EcdsaP384Sha384 => Some((
            EccCurve::NistP384,
            EccCurveIdentifier::NistP384,
            HashingAlgorithm::Sha384,
            AlgorithmIdentifier::Sha384,
        )),
        _ => None,
    }
}

impl Connection {
    /// What the TPM lacks for keys of `component`; `None` when nothing. `pcrs` are those that seeds are sealed to.
    pub(super) fn lacks(&mut self, component: Component, pcrs: &PcrSelection) -> Step<Option<String>> {
        if let Some((_, curve, _, hash)) = ecdsa(component) {
            let has = self.has_algorithm(AlgorithmIdentifier::EcDsa)?
                && self.has_algorithm(hash)?
                && self.has_curve(curve)?;
            return Ok((!has).then(|| "the TPM lacks the curve, the hash, or ECDSA as a whole".to_owned()));
        }
        if !component.is_ml_dsa() {
            return Ok(Some("a TPM holds ECDSA keys on P-256 and P-384 and sealed ML-DSA seeds; such keys are kept in software stores".to_owned()));
        }
        if !self.has_algorithm(AlgorithmIdentifier::KeyedHash)? {
            return Ok(Some("the TPM cannot seal".to_owned()));
        }
        match self.read_pcrs(pcrs) {
            Ok(_) => Ok(None),
            Err(Failure::Final(error @ TpmError::NoSuchPcr { .. })) => Ok(Some(error.to_string())),
            Err(failure) => Err(failure),
        }
    }

    /// Asks for one algorithm alone: the wrapper fails at lists with a number that it does not know.
    fn has_algorithm(&mut self, wanted: AlgorithmIdentifier) -> Step<bool> {
        let found = self.capability(CapabilityType::Algorithms, u16::from(wanted).into())?;
        Ok(matches!(found, Some(CapabilityData::Algorithms(list)) if list.find(wanted).is_some()))
    }

    fn has_curve(&mut self, wanted: EccCurveIdentifier) -> Step<bool> {
        let found = self.capability(CapabilityType::EccCurves, u16::from(wanted).into())?;
        Ok(match found {
            Some(CapabilityData::EccCurves(list)) => list.into_inner().contains(&wanted),
            _ => false,
        })
    }

    pub(super) fn capability(&mut self, which: CapabilityType, first: u32) -> Step<Option<CapabilityData>> {
        match self
            .context
            .execute_without_session(|context| context.get_capability(which, first, 1))
        {
            Ok((data, _)) => Ok(Some(data)),
            // The first that there is lies beyond the one wanted, and the wrapper does not know it.
            Err(tss_esapi::Error::WrapperError(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a signing key with a password. Returns it, and its public key as a point.
    pub(super) fn create_key(&mut self, component: Component, password: &[u8]) -> Step<(Blob, Vec<u8>)> {
        let mismatch = TpmError::Mismatch { component };
        let (curve, _, hash, _) = ecdsa(component).ok_or_else(|| mismatch.clone())?;
        let attributes = ObjectAttributesBuilder::new()
            .with_fixed_tpm(true)
            .with_fixed_parent(true)
            .with_sensitive_data_origin(true)
            .with_user_with_auth(true)
            .with_no_da(true)
            .with_sign_encrypt(true)
            .build()?;
        let scheme = EccScheme::EcDsa(HashScheme::new(hash));
        let template = PublicBuilder::new()
            .with_public_algorithm(PublicAlgorithm::Ecc)
            .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
            .with_object_attributes(attributes)
            .with_ecc_parameters(
                PublicEccParametersBuilder::new_unrestricted_signing_key(scheme, curve).build()?,
            )
            .with_ecc_unique_identifier(EccPoint::default())
            .build()?;
        let (blob, public) = self.create(template, password, None)?;
        let Public::Ecc { unique, .. } = public else {
            return Err(mismatch.into());
        };
        let len = component.private_key_len();
        let point = signature::point(unique.x().value(), unique.y().value(), len).ok_or(mismatch)?;
        Ok((blob, point))
    }

    /// Seals a secret, to PCR values if they are given.
    pub(super) fn seal(&mut self, secret: &[u8], pcrs: Option<&PcrValues>) -> Step<Blob> {
        let digest = match pcrs {
            Some(values) => Digest::try_from(&policy::digest(values)?[..])?,
            None => Digest::default(),
        };
        // With a policy, there is no way to the secret but the policy. The password, an empty one, is enough for what
        // does not give it out: to have it certified that the object is there, and under which policy.
        let attributes = ObjectAttributesBuilder::new()
            .with_fixed_tpm(true)
            .with_fixed_parent(true)
            .with_no_da(true)
            .with_user_with_auth(pcrs.is_none())
            .build()?;
        let template = PublicBuilder::new()
            .with_public_algorithm(PublicAlgorithm::KeyedHash)
            .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
            .with_object_attributes(attributes)
            .with_auth_policy(digest)
            .with_keyed_hash_parameters(PublicKeyedHashParameters::new(KeyedHashScheme::Null))
            .with_keyed_hash_unique_identifier(Digest::default())
            .build()?;
        let (blob, _) = self.create(template, &[], Some(SensitiveData::try_from(secret)?))?;
        Ok(blob)
    }

    fn create(
        &mut self,
        template: Public,
        password: &[u8],
        secret: Option<SensitiveData>,
    ) -> Step<(Blob, Public)> {
        self.make_room()?;
        let password = Auth::try_from(password)?;
        let srk = self.srk()?;
        let session = self.session(Protect::Both)?;
        let made = self.context.execute_with_session(Some(session), |context| {
            context.create(srk, template, Some(password), secret, None, None)
        })?;
        Ok((Blob::new(&made.out_public, &made.out_private)?, made.out_public))
    }

    /// Gives a sealed secret that has no policy.
    pub(super) fn unseal(&mut self, blob: &Blob) -> Step<SensitiveData> {
        let object = self.load(blob, &[])?;
        let session = self.session(Protect::Answer)?;
        let secret = self
            .context
            .execute_with_session(Some(session), |context| context.unseal(object.into()))?;
        self.overwrite()?;
        Ok(secret)
    }

    /// Gives a secret that is sealed to PCR values.
    pub(super) fn unseal_by_policy(&mut self, blob: &Blob, sealed: &PcrValues) -> Step<SensitiveData> {
        let object = self.load(blob, &[])?;
        let session = self.policy_session()?;
        self.apply_pcr_policy(session, sealed)?;
        let unsealed = self
            .context
            .execute_with_session(Some(session.into()), |context| context.unseal(object.into()));
        match unsealed {
            Ok(secret) => {
                self.overwrite()?;
                Ok(secret)
            }
            Err(error) => {
                self.end_policy_session()?;
                Err(match codes::kind(error) {
                    Some(Tss2ResponseCodeKind::PolicyFail | Tss2ResponseCodeKind::PcrChanged) => {
                        self.explain(sealed)?.into()
                    }
                    _ => error.into(),
                })
            }
        }
    }

    /// Has libtss2 write an answer with more in it over the one in its buffer, which was a secret.
    fn overwrite(&mut self) -> Step<()> {
        self.context
            .execute_without_session(|context| context.get_random(SECRET_LEN + 16))?;
        Ok(())
    }

    /// Signs a digest, of the length that the key's scheme has, as DER.
    pub(super) fn sign(
        &mut self,
        key: KeyHandle,
        authorization: Authorization,
        component: Component,
        digest: &[u8],
    ) -> Step<Vec<u8>> {
        let session = match authorization {
            Authorization::Session => self.session(Protect::Nothing)?,
            Authorization::Password => AuthSession::Password,
        };
        let digest = Digest::try_from(digest)?;
        // We hashed it, not the TPM, and so have no ticket from it; only restricted keys ask for one.
        let no_ticket = HashcheckTicket::try_from(TPMT_TK_HASHCHECK {
            tag: TPM2_ST_HASHCHECK,
            hierarchy: TPM2_RH_NULL,
            digest: Default::default(),
        })?;
        let made = self.context.execute_with_session(Some(session), |context| {
            context.sign(key, digest, SignatureScheme::Null, no_ticket)
        })?;
        match made {
            Signature::EcDsa(made) => Ok(signature::der(
                made.signature_r().value(),
                made.signature_s().value(),
            )),
            _ => Err(TpmError::Mismatch { component }.into()),
        }
    }
}
