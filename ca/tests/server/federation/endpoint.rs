//! A bundle endpoint.

use std::sync::{Arc, Mutex};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::suite::Form;
use symbolon_tls::{Acceptor, AuthorizeId, ClientAuth, ListenerOptions, StaticSource, SvidIdentity};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::relationship;
use crate::support::{Key, TestServer};

/// A bundle endpoint of another trust domain, which publishes what it is told.
pub(crate) struct Endpoint {
    other: TestServer,
    port: u16,
    document: Arc<Mutex<String>>,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        let name = TrustDomain::new("other.org").unwrap();
        let other = TestServer::start_with(|config| config.trust_domain = name.clone()).await;
        let key = Key::new(Form::Classical);
        let request = MintX509svidRequest {
            csr: key.csr(Some(&Self::id())),
            ttl: 0,
        };
        let minted = SvidClient::new(other.local().await)
            .mint_x509svid(request)
            .await
            .unwrap();
        let chain = minted.into_inner().svid.unwrap().cert_chain;
        let svid = Arc::new(SvidIdentity::new(chain, key.signer).unwrap());
        let source = Arc::new(StaticSource::new(vec![svid], BundleSet::new()));
        let authorize = AuthorizeId::AnyIn(name);
        let options = ListenerOptions::default();
        let acceptor = Acceptor::new(
            source,
            authorize,
            ClientAuth::Optional,
            options,
            other.clock.clone(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let document = Arc::new(Mutex::new(other.server.authorities().bundle().to_jwks()));
        let published = document.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(tcp).await else {
                    continue;
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let document = published.lock().unwrap().clone();
                let length = document.len();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{document}");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self {
            other,
            port,
            document,
        }
    }

    fn id() -> SpiffeId {
        "spiffe://other.org/endpoint".parse().unwrap()
    }

    pub(crate) fn bundle(&self) -> TrustBundle {
        (*self.other.server.authorities().bundle()).clone()
    }

    pub(crate) fn publish(&self, document: &str) {
        document.clone_into(&mut self.document.lock().unwrap());
    }

    /// The classical part of the bundle, as stock software hands it over.
    pub(crate) fn message(&self) -> types::Bundle {
        let roots = self.bundle();
        let roots = roots.stock_authorities().map(|authority| types::X509Certificate {
            asn1: authority.certificate.der().to_vec(),
            tainted: false,
        });
        types::Bundle {
            trust_domain: "other.org".to_owned(),
            x509_authorities: roots.collect(),
            ..types::Bundle::default()
        }
    }

    pub(crate) fn relationship(&self) -> types::FederationRelationship {
        types::FederationRelationship {
            trust_domain_bundle: Some(self.message()),
            ..relationship(
                "other.org",
                &format!("https://localhost:{}/", self.port),
                Some(&Self::id().to_string()),
            )
        }
    }
}
