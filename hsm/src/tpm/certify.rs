//! What the TPM says of itself and certifies of what it holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::constants::{CapabilityType, PropertyTag, Tss2ResponseCodeKind};
use tss_esapi::handles::{KeyHandle, NvIndexHandle, NvIndexTpmHandle, TpmHandle};
use tss_esapi::interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::{Hierarchy, NvAuth};
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    CapabilityData, Data, EccPoint, EccScheme, HashScheme, KeyDerivationFunctionScheme, Public,
    PublicBuilder, PublicEccParametersBuilder, Signature, SignatureScheme,
};
use tss_esapi::traits::Marshall as _;

use super::codes::{self, Failure, Step};
use super::connection::{Connection, Protect};
use super::error::TpmError;
use super::records::Blob;
use super::signature;
use crate::custody::{Certification, TpmCertification, TpmHolder};

/// Where makers put the certificate of an endorsement key: on P-256, and of RSA (TCG EK Credential Profile, 2.2.1.4).
const ENDORSEMENT_CERTIFICATES: [u32; 2] = [0x01c0_000a, 0x01c0_0002];

/// The longest certificate that is read.
const MOST_CERTIFICATE: usize = 16 * 1024;

/// What is read of the TPM's memory at once; every TPM gives this much.
const CHUNK: usize = 512;

impl Connection {
    /// What the TPM says of itself.
    pub(super) fn describe(&mut self, root: &[u8]) -> Step<TpmHolder> {
        let [manufacturer, one, two, three, four] = [
            PropertyTag::Manufacturer,
            PropertyTag::VendorString1,
            PropertyTag::VendorString2,
            PropertyTag::VendorString3,
            PropertyTag::VendorString4,
        ];
        let mut letters = |properties: &[PropertyTag]| -> Step<String> {
            let mut text = String::new();
            for &property in properties {
                let bytes = self.property(property)?.to_be_bytes();
                text.extend(
                    bytes
                        .iter()
                        .filter(|byte| byte.is_ascii_graphic() || **byte == b' ')
                        .map(|&b| char::from(b)),
                );
            }
            Ok(text.trim().to_owned())
        };
        let (manufacturer, model) = (letters(&[manufacturer])?, letters(&[one, two, three, four])?);
        let revision = self.property(PropertyTag::Revision)?;
        let (high, low) = (
            self.property(PropertyTag::FirmwareVersion1)?,
            self.property(PropertyTag::FirmwareVersion2)?,
        );
        Ok(TpmHolder {
            manufacturer,
            model,
            firmware_version: format!("{high:08x}{low:08x}"),
            specification: format!("{}.{:02}", revision / 100, revision % 100),
            storage_root: hex::encode(root),
        })
    }

    /// A property; 0 when the TPM does not have it.
    fn property(&mut self, property: PropertyTag) -> Step<u32> {
        let found = self.capability(CapabilityType::TpmProperties, property.into())?;
        Ok(match found {
            Some(CapabilityData::TpmProperties(list)) => list.find(property).map_or(0, |found| found.value()),
            _ => 0,
        })
    }

    /// Certifies an object, of which `in_reach` gives the handle. `about` goes into what is signed.
    pub(super) fn certify(
        &mut self,
        blob: &Blob,
        about: &[u8; 32],
        in_reach: impl FnOnce(&mut Self) -> Step<KeyHandle>,
    ) -> Step<Certification> {
        let (attestation_key, public) = match self.attestation_key() {
            Ok(made) => made,
            Err(Failure::Tss(error)) if is_closed(error) => {
                let reason =
                    "the TPM's endorsement hierarchy has a password, so that it made no attestation key";
                return Ok(Certification::Refused(reason.to_owned()));
            }
            Err(failure) => return Err(failure),
        };
        // The attestation key was loaded last, so it stays when the object is loaded.
        let object = in_reach(self)?;
        let session = self.session(Protect::Nothing)?;
        let about = Data::try_from(&about[..])?;
        let sessions = (Some(session), Some(AuthSession::Password), None);
        let (attest, made) = self.context.execute_with_sessions(sessions, |context| {
            context.certify(object.into(), attestation_key, about, SignatureScheme::Null)
        })?;
        let Signature::EcDsa(made) = made else {
            let doing = "certify a key with ECDSA";
            let reason = "it signed with something else".to_owned();
            return Err(TpmError::Refused { doing, reason }.into());
        };
        let signature = signature::der(made.signature_r().value(), made.signature_s().value());
        Ok(Certification::Made(TpmCertification {
            attest: STANDARD.encode(attest.marshall()?),
            signature: STANDARD.encode(signature),
            object_public: STANDARD.encode(blob.public_bytes()),
            attestation_key_public: STANDARD.encode(public.marshall()?),
            endorsement_certificate: self.endorsement_certificate()?.map(|der| STANDARD.encode(der)),
        }))
    }

    /// The attestation key: a primary key of the endorsement hierarchy, which the TPM makes from this template as the
    /// same key each time, through every clear, until its maker's seed is changed.
    pub(super) fn attestation_key(&mut self) -> Step<(KeyHandle, Public)> {
        let template = attestation_template()?;
        self.make_room()?;
        let made = self
            .context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.create_primary(Hierarchy::Endorsement, template, None, None, None, None)
            })?;
        let public = made.out_public;
        let name = self.context.tr_get_name(made.key_handle.into())?.value().to_vec();
        self.remember(name, made.key_handle);
        Ok((made.key_handle, public))
    }

    /// The certificate that the maker left in the TPM.
    fn endorsement_certificate(&mut self) -> Step<Option<Vec<u8>>> {
        for index in ENDORSEMENT_CERTIFICATES {
            if let Some(found) = self.nv(index)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What an index of the TPM's memory has, if it is there and may be read by all.
    pub(super) fn nv(&mut self, index: u32) -> Step<Option<Vec<u8>>> {
        let found = self.capability(CapabilityType::Handles, index)?;
        let there = matches!(
            found,
            Some(CapabilityData::Handles(handles))
                if handles.first().is_some_and(|&handle| u32::from(handle) == index)
        );
        if !there {
            return Ok(None);
        }
        let handle = TpmHandle::NvIndex(NvIndexTpmHandle::new(index)?);
        let mut object = self.context.tr_from_tpm_public(handle)?;
        let read = self.read_nv(NvIndexHandle::from(object));
        self.context.tr_close(&mut object)?;
        match read {
            Err(Failure::Tss(error)) if codes::kind(error).is_some() => {
                tracing::debug!(
                    reason = codes::reason(error),
                    "the endorsement certificate cannot be read"
                );
                Ok(None)
            }
            other => other,
        }
    }

    fn read_nv(&mut self, index: NvIndexHandle) -> Step<Option<Vec<u8>>> {
        let (public, _) = self
            .context
            .execute_without_session(|context| context.nv_read_public(index))?;
        let len = public.data_size();
        if len > MOST_CERTIFICATE {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let wanted = CHUNK.min(len - bytes.len());
            let (Ok(size), Ok(offset)) = (u16::try_from(wanted), u16::try_from(bytes.len())) else {
                return Ok(None);
            };
            let some = self
                .context
                .execute_with_session(Some(AuthSession::Password), |context| {
                    context.nv_read(NvAuth::NvIndex(index), index, size, offset)
                })?;
            if some.value().is_empty() {
                return Ok(None);
            }
            bytes.extend_from_slice(some.value());
        }
        Ok(Some(bytes))
    }
}

fn is_closed(error: tss_esapi::Error) -> bool {
    matches!(
        codes::kind(error),
        Some(
            Tss2ResponseCodeKind::BadAuth
                | Tss2ResponseCodeKind::AuthFail
                | Tss2ResponseCodeKind::Hierarchy
                | Tss2ResponseCodeKind::Lockout
        )
    )
}

/// A key on P-256 that signs by ECDSA, and only what its TPM itself made.
fn attestation_template() -> Step<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_restricted(true)
        .with_sign_encrypt(true)
        .build()?;
    let scheme = EccScheme::EcDsa(HashScheme::new(HashingAlgorithm::Sha256));
    let parameters = PublicEccParametersBuilder::new()
        .with_ecc_scheme(scheme)
        .with_curve(EccCurve::NistP256)
        .with_key_derivation_function_scheme(KeyDerivationFunctionScheme::Null)
        .with_is_signing_key(true)
        .with_is_decryption_key(false)
        .with_restricted(true)
        .build()?;
    Ok(PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(parameters)
        .with_ecc_unique_identifier(EccPoint::default())
        .build()?)
}
