//! The node's half.

use async_trait::async_trait;
use symbolon_hsm::tpm::identity::{AttestationKey, DeviceKey, TpmIdentity};
use symbolon_pki::certificate::Certificate;
use zeroize::Zeroizing;

use super::message::{Answer, Challenge, Evidence};
use super::{MAX_CERTIFICATES, METHOD};
use crate::bytes::Bytes;
use crate::tpm::{der_alone, in_the_background};
use crate::x509pop::message::{read, write};
use crate::{Prover, ProverError};

/// Longest nonce that the device's key signs, in bytes: so that no server has it sign anything longer.
const MAX_NONCE: usize = 64;

/// Proves a device by its identity.
#[derive(Debug)]
pub struct DevIdProver {
    tpm: TpmIdentity,
    certificates: Vec<Certificate>,
    device: DeviceKey,
    /// Made with the evidence, and to be shown to be in the TPM.
    key: Option<AttestationKey>,
}

impl DevIdProver {
    /// Proves the device with this TPM, by these certificates, its own first, and its key.
    ///
    /// # Errors
    /// [`ProverError::Evidence`] for no certificate, and for too many.
    pub fn new(
        tpm: TpmIdentity,
        certificates: Vec<Certificate>,
        device: DeviceKey,
    ) -> Result<Self, ProverError> {
        if certificates.is_empty() || certificates.len() > MAX_CERTIFICATES {
            let found = certificates.len();
            return Err(unusable(format!(
                "there are {found} DevID certificates; 1 to {MAX_CERTIFICATES} are allowed"
            )));
        }
        Ok(Self {
            tpm,
            certificates,
            device,
            key: None,
        })
    }
}

#[async_trait]
impl Prover for DevIdProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        let (tpm, device) = (self.tpm.clone(), self.device.clone());
        let (endorsement, (key, public, attestation)) =
            in_the_background(METHOD, move || Ok((tpm.endorsement()?, tpm.certify(&device)?))).await?;
        let certificate = endorsement
            .certificate
            .ok_or_else(|| unusable("the TPM has no certificate of its RSA endorsement key".to_owned()))?;
        let evidence = Evidence {
            device_certificates: Some(
                self.certificates
                    .iter()
                    .map(|one| Bytes::from(one.der()))
                    .collect(),
            ),
            device_public: Bytes(self.device.wrapped.public.clone()),
            endorsement_certificate: Bytes::from(der_alone(&certificate)),
            endorsement_public: Bytes(endorsement.public),
            attestation_public: Bytes(public),
            certified: Bytes(attestation.attest),
            certification_signature: Bytes(attestation.signature),
        };
        self.key = Some(key);
        Ok(Zeroizing::new(evidence.to_json()))
    }

    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        let challenge: Challenge =
            read("the challenge", challenge).map_err(|error| unusable(error.to_string()))?;
        let nonce = challenge.device.0;
        if nonce.is_empty() || nonce.len() > MAX_NONCE {
            let found = nonce.len();
            return Err(unusable(format!(
                "the server's nonce has {found} bytes; 1 to {MAX_NONCE} are signed"
            )));
        }
        let activation = challenge
            .activation
            .ok_or_else(|| unusable("the server's challenge has no CredActivation".to_owned()))?;
        let key = self.key.clone();
        let key =
            key.ok_or_else(|| unusable("there is no attestation key before there is evidence".to_owned()))?;
        let (tpm, device) = (self.tpm.clone(), self.device.clone());
        let answer = in_the_background(METHOD, move || {
            let signature = tpm.sign(&device, &nonce)?;
            let activated = tpm.activate(
                &key,
                activation.credential.as_slice(),
                activation.secret.as_slice(),
            )?;
            Ok(Answer {
                device: Bytes(signature),
                activated: Bytes(activated),
            })
        })
        .await?;
        Ok(write(&answer))
    }
}

/// A blob as TPMs are given it, whether or not its length stands before it: tools write it either way.
pub fn public_area(file: &[u8]) -> &[u8] {
    match file {
        [high, low, rest @ ..] if usize::from(u16::from_be_bytes([*high, *low])) == rest.len() => rest,
        other => other,
    }
}

fn unusable(reason: String) -> ProverError {
    ProverError::Evidence {
        method: METHOD,
        reason,
    }
}
