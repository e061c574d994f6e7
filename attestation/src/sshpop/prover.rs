//! The node's half.

use async_trait::async_trait;
use symbolon_crypto::random;
use zeroize::Zeroizing;

use super::certificate::HostCertificate;
use super::message::{Answer, Challenge, Evidence, NONCE_LEN, signed};
use super::{HostKey, METHOD};
use crate::x509pop::message::{read, write};
use crate::{Prover, ProverError};

/// Proves a node by an SSH host certificate and its key.
#[derive(Debug)]
pub struct SshPopProver {
    certificate: HostCertificate,
    key: HostKey,
}

impl SshPopProver {
    /// Proves the node by this certificate and its private key.
    ///
    /// # Errors
    /// [`ProverError::Evidence`]: another key than the certificate's.
    pub fn new(certificate: HostCertificate, key: HostKey) -> Result<Self, ProverError> {
        if key.public().as_ref() != Some(&certificate.key) {
            return Err(unusable("the host key is not the certificate's".to_owned()));
        }
        Ok(Self { certificate, key })
    }
}

#[async_trait]
impl Prover for SshPopProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        Ok(Zeroizing::new(
            Evidence::new(self.certificate.as_bytes()).to_json(),
        ))
    }

    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        let challenge: Challenge =
            read("the challenge", challenge).map_err(|error| unusable(error.to_string()))?;
        // One of another length would have us sign something else.
        let server: &[u8; NONCE_LEN] = challenge.nonce.as_slice().try_into().map_err(|_| {
            let found = challenge.nonce.as_slice().len();
            unusable(format!("the server's nonce has {found} bytes, not {NONCE_LEN}"))
        })?;
        let mut nonce = [0; NONCE_LEN];
        random::fill(&mut nonce).map_err(|error| unusable(error.to_string()))?;
        let signature = self.key.sign(&signed(server, &nonce)).map_err(unusable)?;
        Ok(write(&Answer {
            nonce: nonce[..].into(),
            signature: Some(signature),
        }))
    }
}

fn unusable(reason: String) -> ProverError {
    ProverError::Evidence {
        method: METHOD,
        reason,
    }
}
