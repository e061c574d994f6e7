//! An SVID's key as rustls wants to hold it.

use rustls::sign::{Signer, SigningKey};
use rustls::{OtherError, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use std::sync::Arc;
use symbolon_pki::key::SuiteSigner;

/// A suite's signer under its TLS scheme. A suite signs with one scheme only, so there is nothing to choose.
///
/// Signing blocks, as rustls' own signers do; with a key in a token that is a round trip to it.
#[derive(Clone, Debug)]
pub(crate) struct SuiteSigningKey {
    signer: SuiteSigner,
    scheme: SignatureScheme,
}

impl SuiteSigningKey {
    pub(crate) fn new(signer: SuiteSigner, scheme: SignatureScheme) -> Self {
        Self { signer, scheme }
    }
}

impl SigningKey for SuiteSigningKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&self.scheme)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.signer.public_key().spki_der().into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        // Asked for TLS 1.2 cipher suites alone; TLS 1.3 separates the two.
        match self.scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 | SignatureScheme::ECDSA_NISTP384_SHA384 => {
                SignatureAlgorithm::ECDSA
            }
            SignatureScheme::ED25519 => SignatureAlgorithm::ED25519,
            other => SignatureAlgorithm::Unknown(u16::from(other).to_be_bytes()[1]),
        }
    }
}

impl Signer for SuiteSigningKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.signer
            .sign(message)
            .map_err(|error| rustls::Error::Other(OtherError(Arc::new(error))))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
