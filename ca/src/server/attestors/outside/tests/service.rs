//! A service that is asked over TLS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use symbolon_tls::{KexPolicy, crypto_provider};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What a service was asked: the request line, the credentials, and the body.
pub(super) type Asked = Arc<Mutex<Vec<(String, Option<String>, String)>>>;

/// A service over TLS at a port of this machine.
pub(super) struct Service {
    pub(super) port: u16,
    pub(super) certificate: String,
    pub(super) asked: Asked,
}

impl Service {
    /// Answers each path with a status and a body; the key exchange is classical alone if `is_old`.
    pub(super) async fn start(answers: BTreeMap<&'static str, (u16, String)>, is_old: bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let provider = match is_old {
            false => crypto_provider(&KexPolicy::PostQuantum),
            true => Arc::new(rustls::crypto::CryptoProvider {
                kx_groups: vec![rustls::crypto::aws_lc_rs::kx_group::X25519],
                ..rustls::crypto::aws_lc_rs::default_provider()
            }),
        };
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let service = Self {
            port: listener.local_addr().unwrap().port(),
            certificate: certificate.pem(),
            asked: Asked::default(),
        };
        let asked = service.asked.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Whoever does not like the handshake goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let (line, credentials, body) = request(&mut stream).await;
                let path = line.split(' ').nth(1).unwrap().to_owned();
                asked.lock().unwrap().push((line, credentials, body));
                let (status, body) = answers
                    .get(path.as_str())
                    .cloned()
                    .unwrap_or((404, "{}".to_owned()));
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
                stream
                    .write_all(format!("{head}{body}").as_bytes())
                    .await
                    .unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        service
    }
}

/// One request: its line, its credentials, its body.
async fn request(stream: &mut (impl AsyncReadExt + Unpin)) -> (String, Option<String>, String) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let field = |name: &str| {
                let line = head.lines().find_map(|line| line.strip_prefix(name))?;
                Some(line.trim().to_owned())
            };
            let len: usize = field("content-length:").map_or(0, |len| len.parse().unwrap());
            if body.len() >= len {
                let line = head.lines().next().unwrap().to_owned();
                return (line, field("authorization:"), body.to_owned());
            }
        }
        let mut more = [0; 4096];
        let len = stream.read(&mut more).await.unwrap();
        assert!(len > 0, "{text}");
        read.extend_from_slice(&more[..len]);
    }
}
