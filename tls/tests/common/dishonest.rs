//! A peer that does as it likes: it presents what nobody asked for and signs as nobody offered.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::sync::Arc;

use rustls::client::{ClientConfig, ResolvesClientCert};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::CertificateDer;
use symbolon_crypto::{HeldKey, MlDsaContext};
use symbolon_tls::{KexPolicy, crypto_provider};

/// Presents a certificate and signs with a key and under a scheme of its own choice.
#[derive(Clone, Debug)]
pub(crate) struct Dishonest {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: Arc<dyn HeldKey>,
    pub(crate) scheme: SignatureScheme,
}

impl Dishonest {
    /// It as a server that asks for no client certificate.
    pub(crate) fn server(self) -> Arc<ServerConfig> {
        Arc::new(
            ServerConfig::builder_with_provider(crypto_provider(&KexPolicy::PostQuantum))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(self)),
        )
    }

    /// It as a client that trusts as `template` does.
    pub(crate) fn client(self, template: &ClientConfig) -> Arc<ClientConfig> {
        let mut config = template.clone();
        config.client_auth_cert_resolver = Arc::new(self);
        Arc::new(config)
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::new(self.chain.clone(), Arc::new(self.clone())))
    }
}

impl ResolvesServerCert for Dishonest {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }
}

impl ResolvesClientCert for Dishonest {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl SigningKey for Dishonest {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Dishonest {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.key.sign(message, MlDsaContext::EMPTY).unwrap())
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
