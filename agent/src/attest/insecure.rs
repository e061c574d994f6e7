//! Asking a server that nobody vouches for who it is.
//!
//! What comes back is used as the bootstrap bundle, so everything after this is verified as always. But whoever answers
//! this one call decides whom the agent believes from then on.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use spiffe::SpiffeId;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::time::SystemClock;
use symbolon_tls::grpc::ALPN_H2;
use symbolon_tls::{KexPolicy, crypto_provider};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::server::{self, CallError};
use crate::telemetry::{Counted, Observed};

/// Longest time for connecting, and for the handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bundle that the server at `address` gives, if it says that it is `server`.
pub(super) async fn fetch_bundle(address: &str, server: SpiffeId) -> Result<TrustBundle, CallError> {
    let trust_domain = server.trust_domain().clone();
    let fetched = tokio::time::timeout(server::CALL_TIMEOUT, async {
        let channel = Observed::client(connect(address, server).await?, Counted::default().calls);
        server::fetch_bundle(channel, &trust_domain, &SystemClock).await
    });
    let fetched = fetched.await.map_err(|_| CallError::Timeout)??;
    Ok(fetched.bundle)
}

async fn connect(address: &str, server: SpiffeId) -> Result<Channel, CallError> {
    let unreachable =
        |reason: String| tonic::Status::unavailable(format!("cannot connect to {address}: {reason}"));
    let provider = crypto_provider(&KexPolicy::default());
    let verifier = Anyone {
        server,
        provider: provider.clone(),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| unreachable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|error| unreachable(error.to_string()))?;
    let target = address.to_owned();
    let dial = service_fn(move |_| {
        let (connector, name, target) = (connector.clone(), name.clone(), target.clone());
        async move {
            let handshake = async { connector.connect(name, TcpStream::connect(target).await?).await };
            tokio::time::timeout(PATIENCE, handshake).await?.map(TokioIo::new)
        }
    });
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).map_err(|e| unreachable(e.to_string()))?;
    endpoint.connect_with_connector(dial).await.map_err(|error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        unreachable(cause.to_string()).into()
    })
}

/// Accepts whoever holds the key of the certificate presented, if that claims the server's identity.
#[derive(Debug)]
struct Anyone {
    server: SpiffeId,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let claimed = Certificate::from_der(end_entity)
            .ok()
            .and_then(|leaf| leaf.spiffe_id().ok());
        if claimed.as_ref() == Some(&self.server) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 alone is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // The classical ones: what every server has.
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA256,
        ]
    }
}
