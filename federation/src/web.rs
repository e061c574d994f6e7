//! Believing an endpoint as a browser would.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::version::TLS13;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use symbolon_pki::time::Clock;
use symbolon_tls::{KexPolicy, crypto_provider};

use crate::clock::RustlsClock;
use crate::error::WebRootsError;

/// Whom of the web's authorities to believe.
#[derive(Clone, Debug)]
pub struct WebRoots(Arc<RootCertStore>);

impl WebRoots {
    /// Those of Mozilla's list, as it was when this program was built.
    #[must_use]
    pub fn mozilla() -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        Self(Arc::new(roots))
    }

    /// Those in a file of PEM, and nobody else.
    ///
    /// # Errors
    /// [`WebRootsError`].
    pub fn from_file(path: &Path) -> Result<Self, WebRootsError> {
        let pem = std::fs::read(path).map_err(|source| WebRootsError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::from_pem(&pem)
    }

    /// Those in PEM, and nobody else.
    ///
    /// # Errors
    /// [`WebRootsError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, WebRootsError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let refused = |reason: String| WebRootsError::Certificate { index, reason };
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| refused(error.to_string()))?;
        }
        match roots.is_empty() {
            true => Err(WebRootsError::Empty),
            false => Ok(Self(Arc::new(roots))),
        }
    }

    /// TLS 1.3 that believes them, hybrid key exchange first, for HTTP/1.1 and without a certificate of the client's.
    ///
    /// # Errors
    /// Why TLS cannot be set up so.
    pub fn client_config(&self, kex: &KexPolicy, clock: &Arc<dyn Clock>) -> Result<ClientConfig, String> {
        let provider = crypto_provider(kex);
        let verifier = WebPkiServerVerifier::builder_with_provider(self.0.clone(), provider.clone())
            .build()
            .map_err(|error| error.to_string())?;
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(RustlsClock(clock.clone())))
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| error.to_string())?
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![crate::exchange::ALPN.to_vec()];
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_certificates_are_refused() {
        assert!(matches!(WebRoots::from_pem(b""), Err(WebRootsError::Empty)));
        let broken = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            WebRoots::from_pem(broken),
            Err(WebRootsError::Certificate { index: 0, .. })
        ));
        let missing = WebRoots::from_file(Path::new("/nowhere/roots.pem")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/roots.pem"), "{missing}");
        assert!(!WebRoots::mozilla().0.is_empty());
    }
}
