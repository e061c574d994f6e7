//! What proves a node, made from what the configuration names. Files are read each time that the node has to attest.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use spiffe::TrustDomain;
use symbolon_attestation::Prover;
use symbolon_attestation::x509pop::{NodeKey, X509PopProver};
use symbolon_hsm::read_private;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::pem::{self, MAX_PEM_LEN};

use super::EvidenceError;
use crate::config::X509PopSection;

/// Longest private key that is read, in bytes of PEM.
pub(super) const MAX_KEY_LEN: usize = 64 * 1024;

/// By a certificate and its key.
pub(super) fn x509pop(
    trust_domain: &TrustDomain,
    section: &X509PopSection,
) -> Result<Box<dyn Prover>, EvidenceError> {
    let mut chain = certificates(&section.certificate)?;
    if let Some(path) = &section.intermediates {
        chain.extend(certificates(path)?);
    }
    let path = &section.private_key;
    let key = read_private(path, MAX_KEY_LEN).map_err(|error| {
        let system = std::error::Error::source(&error).map(|source| format!(": {source}"));
        unusable(path, format!("{error}{}", system.unwrap_or_default()))
    })?;
    let key = NodeKey::from_pem(&key).map_err(|reason| unusable(path, reason))?;
    let prover = X509PopProver::new(trust_domain.clone(), &chain, key);
    let prover = prover.map_err(|error| unusable(&section.certificate, error.to_string()))?;
    Ok(Box::new(prover))
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, EvidenceError> {
    let content = content(path, MAX_PEM_LEN)?;
    pem::certificates(&content)
        .and_then(|blocks| blocks.into_iter().collect())
        .map_err(|error| unusable(path, error.to_string()))
}

pub(super) fn content(path: &Path, most: usize) -> Result<Vec<u8>, EvidenceError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64 + 1).read_to_end(&mut content));
    match read {
        Ok(_) if content.len() <= most => Ok(content),
        Ok(_) => Err(unusable(path, format!("it has more than {most} bytes"))),
        Err(error) => Err(unusable(path, error.to_string())),
    }
}

pub(super) fn unusable(path: &Path, reason: String) -> EvidenceError {
    EvidenceError::Unusable {
        from: path.display().to_string(),
        reason,
    }
}

#[cfg(feature = "tpm")]
pub(super) use self::with_tpm::{tpm, tpm_devid};

/// With a TPM.
#[cfg(feature = "tpm")]
mod with_tpm {
    use spiffe::TrustDomain;
    use symbolon_attestation::Prover;
    use symbolon_attestation::tpm::TpmProver;
    use symbolon_attestation::tpm_devid::{DevIdProver, public_area};
    use symbolon_hsm::tpm::identity::{DeviceKey, TpmIdentity, Wrapped};
    use symbolon_hsm::{Passphrase, PassphraseError, SecretSource};

    use super::{EvidenceError, certificates, content, unusable};
    use crate::config::{TpmDevIdSection, TpmSection};

    /// Longest part of a TPM's key, in bytes.
    const MAX_BLOB_LEN: usize = 4096;

    /// By the machine's TPM.
    pub(in crate::attest) fn tpm(
        trust_domain: &TrustDomain,
        section: &TpmSection,
    ) -> Result<Box<dyn Prover>, EvidenceError> {
        let above = match &section.certificates {
            Some(path) => certificates(path)?,
            None => Vec::new(),
        };
        let endorsement = password(section.endorsement_auth.as_deref())?;
        let tpm = TpmIdentity::new(&section.tcti, section.deadline.0, endorsement, None);
        let prover = TpmProver::new(trust_domain.clone(), tpm, above);
        Ok(Box::new(
            prover.map_err(|error| EvidenceError::Other(error.to_string()))?,
        ))
    }

    /// By a device identity.
    pub(in crate::attest) fn tpm_devid(section: &TpmDevIdSection) -> Result<Box<dyn Prover>, EvidenceError> {
        let blob = |path| Ok::<_, EvidenceError>(public_area(&content(path, MAX_BLOB_LEN)?).to_vec());
        let device = DeviceKey {
            wrapped: Wrapped {
                public: blob(&section.devid_public)?,
                private: blob(&section.devid_private)?,
            },
            password: password(section.devid_auth.as_deref())?,
        };
        let tpm = TpmIdentity::new(
            &section.tcti,
            section.deadline.0,
            password(section.endorsement_auth.as_deref())?,
            password(section.owner_auth.as_deref())?,
        );
        let chain = certificates(&section.devid_certificate)?;
        let prover = DevIdProver::new(tpm, chain, device)
            .map_err(|error| unusable(&section.devid_certificate, error.to_string()))?;
        Ok(Box::new(prover))
    }

    fn password(source: Option<&str>) -> Result<Option<Passphrase>, EvidenceError> {
        let Some(text) = source else { return Ok(None) };
        let unusable = |reason: String| EvidenceError::Unusable {
            from: text.to_owned(),
            reason,
        };
        let source: SecretSource = text.parse().map_err(|_| unusable("it is no source".to_owned()))?;
        let nobody_to_ask = || Err(PassphraseError::Prompt(std::io::ErrorKind::Unsupported.into()));
        source
            .read(nobody_to_ask)
            .map(Some)
            .map_err(|error| unusable(error.to_string()))
    }
}
