//! The node's half.

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_hsm::PcrSelection;
use symbolon_hsm::tpm::identity::{AttestationKey, TpmIdentity};
use symbolon_pki::certificate::Certificate;
use zeroize::Zeroizing;

use super::message::{Answer, Challenge, Evidence, Quote};
use super::pcrs::Occurrence;
use super::{MAX_CERTIFICATES, METHOD};
use crate::bytes::Bytes;
use crate::x509pop::message::{read, write};
use crate::{Prover, ProverError};

/// Proves a machine by its TPM.
#[derive(Debug)]
pub struct TpmProver {
    trust_domain: TrustDomain,
    tpm: TpmIdentity,
    certificates: Vec<Certificate>,
    csr_sha256: [u8; 32],
}

impl TpmProver {
    /// Proves the machine with this TPM. `certificates` are those of the endorsement key and above it: its own first where
    /// the TPM itself has none, else those above it alone.
    ///
    /// # Errors
    /// [`ProverError::Evidence`] for too many.
    pub fn new(
        trust_domain: TrustDomain,
        tpm: TpmIdentity,
        certificates: Vec<Certificate>,
    ) -> Result<Self, ProverError> {
        if certificates.len() > MAX_CERTIFICATES {
            return Err(unusable(format!(
                "there are {} certificates; {MAX_CERTIFICATES} are allowed",
                certificates.len()
            )));
        }
        Ok(Self {
            trust_domain,
            tpm,
            certificates,
            csr_sha256: [0; 32],
        })
    }
}

#[async_trait]
impl Prover for TpmProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        let tpm = self.tpm.clone();
        let (endorsement, key) =
            in_the_background(METHOD, move || Ok((tpm.endorsement()?, tpm.attestation_key()?))).await?;
        let own = endorsement.certificate.as_deref().map(der_alone);
        let above = self.certificates.iter().map(Certificate::der);
        let certificates: Vec<_> = own.into_iter().chain(above).map(Bytes::from).collect();
        if certificates.len() > MAX_CERTIFICATES {
            return Err(unusable(format!(
                "there are {} certificates, the TPM's own included; {MAX_CERTIFICATES} are allowed",
                certificates.len()
            )));
        }
        let evidence = Evidence {
            ek_public: Bytes(endorsement.public),
            ek_certificates: certificates,
            ak_public: Bytes(key),
        };
        Ok(Zeroizing::new(evidence.to_json()))
    }

    fn bind(&mut self, csr_sha256: [u8; 32]) {
        self.csr_sha256 = csr_sha256;
    }

    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        let challenge: Challenge =
            read("the challenge", challenge).map_err(|error| unusable(error.to_string()))?;
        let pcrs: Option<PcrSelection> = challenge
            .pcrs
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error| unusable(format!("the server asks for PCRs that there are not: {error}")))?;
        let (tpm, trust_domain, csr_sha256) = (self.tpm.clone(), self.trust_domain.clone(), self.csr_sha256);
        let answer = in_the_background(METHOD, move || {
            let secret = Zeroizing::new(tpm.activate(
                &AttestationKey::Endorsed,
                challenge.credential.as_slice(),
                challenge.secret.as_slice(),
            )?);
            let occurrence = Occurrence {
                trust_domain: &trust_domain,
                csr_sha256: &csr_sha256,
                nonce: challenge.nonce.as_slice(),
            };
            let proof = occurrence.opened(&secret);
            let quote = match pcrs {
                Some(pcrs) => Some(quote(&tpm, &occurrence.quoted(), &pcrs)?),
                None => None,
            };
            Ok(Answer {
                proof: Bytes::from(&proof[..]),
                quote,
            })
        })
        .await?;
        Ok(write(&answer))
    }
}

fn quote(tpm: &TpmIdentity, about: &[u8], pcrs: &PcrSelection) -> Result<Quote, symbolon_hsm::TpmError> {
    let (attestation, values) = tpm.quote(about, pcrs)?;
    let values = values.into_iter().flat_map(|(bank, values)| {
        let named = move |(number, value)| (format!("{bank}:{number}"), value);
        values.into_iter().map(named)
    });
    Ok(Quote {
        attest: Bytes(attestation.attest),
        signature: Bytes(attestation.signature),
        values: values.collect(),
    })
}

/// Has a thread that may wait do something with a TPM.
pub(crate) async fn in_the_background<T: Send + 'static>(
    method: &'static str,
    work: impl FnOnce() -> Result<T, symbolon_hsm::TpmError> + Send + 'static,
) -> Result<T, ProverError> {
    let unusable = |reason: String| ProverError::Evidence { method, reason };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| unusable(error.to_string()))?
        .map_err(|error| unusable(error.to_string()))
}

/// A certificate without what makers left after it in the TPM's memory: a SEQUENCE with a length of two bytes.
pub(crate) fn der_alone(stored: &[u8]) -> &[u8] {
    match stored {
        [0x30, 0x82, high, low, ..] => {
            let len = 4 + usize::from(u16::from_be_bytes([*high, *low]));
            stored.get(..len).unwrap_or(stored)
        }
        other => other,
    }
}

fn unusable(reason: String) -> ProverError {
    ProverError::Evidence {
        method: METHOD,
        reason,
    }
}
