//! The node's half.

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_pki::certificate::Certificate;
use zeroize::Zeroizing;

use super::message::{Challenge, Evidence, read, write};
use super::node_key::NodeKey;
use super::{MAX_CERTIFICATES, METHOD};
use crate::{Prover, ProverError};

/// Proves a node by a certificate and its key.
#[derive(Debug)]
pub struct X509PopProver {
    trust_domain: TrustDomain,
    leaf: Certificate,
    payload: Vec<u8>,
    key: NodeKey,
    csr_sha256: [u8; 32],
}

impl X509PopProver {
    /// Proves the node by this chain, leaf first, and the leaf's private key.
    ///
    /// # Errors
    /// [`ProverError::Evidence`]: no certificate, too many, or another key than the leaf's.
    pub fn new(trust_domain: TrustDomain, chain: &[Certificate], key: NodeKey) -> Result<Self, ProverError> {
        let Some(leaf) = chain.first() else {
            return Err(unusable("there is no certificate".to_owned()));
        };
        if chain.len() > MAX_CERTIFICATES {
            let found = chain.len();
            return Err(unusable(format!(
                "there are {found} certificates; {MAX_CERTIFICATES} are allowed"
            )));
        }
        let public = leaf
            .subject_key()
            .map_err(|error| unusable(format!("the certificate's key cannot be used: {error}")))?;
        if !key.is_of(public) {
            return Err(unusable("the private key is not the certificate's".to_owned()));
        }
        Ok(Self {
            trust_domain,
            leaf: leaf.clone(),
            payload: Evidence::new(chain.iter().map(Certificate::der)).to_json(),
            key,
            csr_sha256: [0; 32],
        })
    }
}

#[async_trait]
impl Prover for X509PopProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        Ok(Zeroizing::new(self.payload.clone()))
    }

    /// Only what is signed with keys that SPIRE does not know has room for it.
    fn bind(&mut self, csr_sha256: [u8; 32]) {
        self.csr_sha256 = csr_sha256;
    }

    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        let challenge: Challenge =
            read("the challenge", challenge).map_err(|error| unusable(error.to_string()))?;
        let answer = self
            .key
            .answer(&self.trust_domain, &self.leaf, &self.csr_sha256, &challenge);
        answer.map(|answer| write(&answer)).map_err(unusable)
    }
}

fn unusable(reason: String) -> ProverError {
    ProverError::Evidence {
        method: METHOD,
        reason,
    }
}
