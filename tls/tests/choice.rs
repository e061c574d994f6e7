//! Which certificate a peer gets to see: the table of design §2, from both sides, with our peers and stock ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use common::*;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::{DigitallySignedStruct, Error, HandshakeKind, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::{Form, Suite};
use symbolon_tls::{
    Acceptor, AuthorizeId, ClientAuth, ClientOptions, CompositeSchemes, IdentitySource, ListenerOptions,
    StaticSource,
};

/// What the client and the server present, given whom each trusts, when both hold every form.
async fn presented(
    client_trusts: &[Form],
    server_trusts: &[Form],
    options: ListenerOptions,
) -> (Option<Form>, Option<Form>) {
    let domain = Domain::new("example.org");
    let client = source(domain.svids("client", &FORMS), domain.bundles(client_trusts));
    let server = source(domain.svids("server", &FORMS), domain.bundles(server_trusts));
    let (client, server) = connected(
        &connector(&client, domain.any(), ClientOptions::default()),
        &acceptor(&server, domain.any(), options),
    )
    .await;
    (client.info().presented, server.info().presented)
}

#[tokio::test]
async fn each_side_presents_what_the_other_trusts() {
    use Form::{Classical, Composite, MlDsa};
    let trusts: [(&[Form], Form); 6] = [
        (&[Classical], Classical),
        (&[Classical, MlDsa], MlDsa),
        (&[Classical, Composite], Composite),
        (&FORMS, Composite),
        (&[MlDsa], MlDsa),
        (&[Composite], Composite),
    ];
    for (client_trusts, server_presents) in trusts {
        for (server_trusts, client_presents) in trusts {
            let got = presented(client_trusts, server_trusts, ListenerOptions::default()).await;
            assert_eq!(
                got,
                (Some(client_presents), Some(server_presents)),
                "client trusts {client_trusts:?}, server trusts {server_trusts:?}"
            );
        }
    }
}

#[tokio::test]
async fn composites_of_a_trust_domain_out_of_reach_are_not_asked_for() {
    let (ours, theirs) = (Domain::new("example.org"), Domain::new("example.com"));
    let bundles = [ours.bundle(&[Form::Classical]), theirs.bundle(&FORMS)];
    let client = source(ours.svids("client", &FORMS), bundles.into_iter().collect());
    let server = source(ours.svids("server", &FORMS), ours.bundles(&FORMS));
    let listener = acceptor(&server, ours.any(), ListenerOptions::default());

    let (_, end) = connected(
        &connector(&client, ours.any(), ClientOptions::default()),
        &listener,
    )
    .await;
    assert_eq!(end.info().presented, Some(Form::Classical));

    // A client that may talk to both offers composite for the other's sake, and by naming its authorities tells this
    // server that the offer is not meant for it.
    let (_, end) = connected(
        &connector(&client, AuthorizeId::Any, ClientOptions::default()),
        &listener,
    )
    .await;
    assert_eq!(end.info().presented, Some(Form::Classical));
}

#[tokio::test]
async fn only_the_default_identity_is_presented() {
    let domain = Domain::new("example.org");
    let mut identities = domain.svids("web", &[Form::Classical]);
    identities.extend(domain.svids("admin", &[Form::Composite]));
    let server = source(identities, domain.bundles(&FORMS));
    let client = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
    let (end, _) = connected(
        &connector(&client, domain.any(), ClientOptions::default()),
        &acceptor(&server, domain.any(), ListenerOptions::default()),
    )
    .await;
    assert_eq!(
        end.info().peer.as_ref().unwrap().spiffe_id,
        id("spiffe://example.org/web")
    );
}

#[tokio::test]
async fn a_rotated_svid_is_presented_from_the_next_handshake_on() {
    let domain = Domain::new("example.org");
    let client = source(domain.svids("client", &FORMS), domain.bundles(&[Form::Classical]));
    let server = source(domain.svids("server", &[Form::Classical]), domain.bundles(&FORMS));
    let (connector, acceptor) = (
        connector(&client, domain.any(), ClientOptions::default()),
        acceptor(&server, domain.any(), ListenerOptions::default()),
    );
    let leaf = |end: &symbolon_tls::Connection<_>| end.info().peer.as_ref().unwrap().leaf.sha256();
    let (first, _) = connected(&connector, &acceptor).await;
    let (same, _) = connected(&connector, &acceptor).await;
    assert_eq!(leaf(&first), leaf(&same));

    server.set_identities(domain.svids("server", &FORMS));
    let (rotated, _) = connected(&connector, &acceptor).await;
    assert_ne!(leaf(&first), leaf(&rotated));
    assert_eq!(rotated.info().peer.as_ref().unwrap().form, Form::Classical);

    // New roots at the client change what it is offered, without a new connector.
    client.set_bundles(domain.bundles(&FORMS));
    let (hybrid, _) = connected(&connector, &acceptor).await;
    assert_eq!(hybrid.info().peer.as_ref().unwrap().form, Form::Composite);
}

#[tokio::test]
async fn code_points_can_be_configured_and_must_agree() {
    let domain = Domain::new("example.org");
    let suite = Suite::MlDsa65EcdsaP256;
    let table = CompositeSchemes::default().with(suite, 0xFF45).unwrap();
    let held = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
    let listener = acceptor(
        &held,
        domain.any(),
        ListenerOptions {
            composite_schemes: table.clone(),
            ..ListenerOptions::default()
        },
    );

    let options = ClientOptions {
        composite_schemes: table,
        ..ClientOptions::default()
    };
    let (client, _) = connected(&connector(&held, domain.any(), options), &listener).await;
    assert_eq!(
        client.info().negotiated.peer_signature.as_deref(),
        Some("mldsa65_ecdsa_p256 (0xFF45)")
    );

    // With different tables the composite is out of reach, and the next best form is used.
    let (client, _) = connected(
        &connector(&held, domain.any(), ClientOptions::default()),
        &listener,
    )
    .await;
    assert_eq!(client.info().peer.as_ref().unwrap().form, Form::MlDsa);
    assert_eq!(client.info().presented, Some(Form::MlDsa));
}

/// A client as stock software makes it: rustls' own provider and schemes, ML-DSA included, no word on authorities. It
/// checks the handshake signature and notes the leaf.
#[derive(Debug)]
struct StockVerifier {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Form>>,
}

impl StockVerifier {
    fn new() -> Arc<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Arc::new(Self {
            provider,
            seen: Mutex::default(),
        })
    }

    fn config(self: &Arc<Self>) -> Arc<ClientConfig> {
        assert!(
            self.supported_verify_schemes()
                .contains(&SignatureScheme::ML_DSA_65)
        );
        Arc::new(
            ClientConfig::builder_with_provider(self.provider.clone())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(self.clone())
                .with_no_client_auth(),
        )
    }
}

impl ServerCertVerifier for StockVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let leaf = Certificate::from_der(end_entity).unwrap();
        *self.seen.lock().unwrap() = leaf.subject_key().ok().map(SubjectKey::form);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("TLS 1.3 alone")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A stock client's connection: kind of handshake, group, tickets that came with the first data.
async fn stock_handshake(
    config: Arc<ClientConfig>,
    acceptor: &Acceptor,
) -> (Option<HandshakeKind>, String, u32) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (client, server) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("server.invalid").unwrap();
    let (client, server) = tokio::join!(
        tokio_rustls::TlsConnector::from(config).connect(name, client),
        acceptor.accept(server)
    );
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    server.write_all(b"x").await.unwrap();
    server.flush().await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    let state = client.get_ref().1;
    (
        state.handshake_kind(),
        server.info().negotiated.key_exchange.clone(),
        state.tls13_tickets_received(),
    )
}

fn optional(source: &Arc<StaticSource>, options: ListenerOptions) -> Acceptor {
    Acceptor::new(
        source.clone(),
        AuthorizeId::Any,
        ClientAuth::Optional,
        options,
        clock(),
    )
}

#[tokio::test]
async fn a_stock_client_that_computes_ml_dsa_gets_the_classical_chain() {
    let domain = Domain::new("example.org");
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let stock = StockVerifier::new();
    let (_, group, _) = stock_handshake(stock.config(), &optional(&server, ListenerOptions::default())).await;
    assert_eq!(*stock.seen.lock().unwrap(), Some(Form::Classical));
    assert_eq!(group, "X25519MLKEM768");

    let told = ListenerOptions {
        prefer_ml_dsa: true,
        ..ListenerOptions::default()
    };
    stock_handshake(stock.config(), &optional(&server, told)).await;
    assert_eq!(*stock.seen.lock().unwrap(), Some(Form::MlDsa));
}

#[tokio::test]
async fn nothing_is_resumed() {
    let domain = Domain::new("example.org");
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let acceptor = optional(&server, ListenerOptions::default());
    let config = StockVerifier::new().config();
    for _ in 0..2 {
        let (kind, _, tickets) = stock_handshake(config.clone(), &acceptor).await;
        assert!(matches!(
            kind,
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest)
        ));
        assert_eq!(tickets, 0);
    }
    // The configurations for others' stacks say the same.
    let config = acceptor.config().unwrap();
    assert_eq!(config.send_tls13_tickets, 0);
    assert!(!config.session_storage.can_cache());
    assert!(!config.ticketer.enabled());
    let mine = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
    let config = symbolon_tls::client_config(mine, domain.any(), clock()).unwrap();
    assert_eq!(
        format!("{:?}", config.resumption),
        format!("{:?}", Resumption::disabled())
    );
}

#[tokio::test]
async fn long_lived_configurations_follow_the_source() {
    let domain = Domain::new("example.org");
    let client = source(vec![], domain.bundles(&[Form::Classical]));
    let server = source(
        domain.svids("server", &[Form::Classical]),
        domain.bundles(&[Form::Classical]),
    );
    let client_config = symbolon_tls::client_config(client.clone(), domain.any(), clock()).unwrap();
    let server_config = symbolon_tls::server_config(
        server.clone(),
        domain.any(),
        ClientAuth::Required,
        ListenerOptions::default(),
        clock(),
    )
    .unwrap();
    let connect = async || {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("server.invalid").unwrap();
        tokio::join!(
            tokio_rustls::TlsConnector::from(client_config.clone()).connect(name, near),
            tokio_rustls::TlsAcceptor::from(server_config.clone()).accept(far),
        )
    };
    // No SVID yet: the client has nothing to present and is refused.
    assert!(connect().await.1.is_err());

    client.set_identities(domain.svids("client", &FORMS));
    client.set_bundles(domain.bundles(&FORMS));
    server.set(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let (near, far) = connect().await;
    let (near, far) = (near.unwrap(), far.unwrap());
    let peer = symbolon_tls::peer_identity(far.get_ref().1).unwrap();
    assert_eq!(peer.spiffe_id, id("spiffe://example.org/client"));
    assert_eq!(peer.form, Form::Composite);
    let negotiated = symbolon_tls::negotiated(near.get_ref().1, &CompositeSchemes::default()).unwrap();
    assert_eq!(negotiated.key_exchange, "X25519MLKEM768");
    assert_eq!(
        negotiated.peer_signature.as_deref(),
        Some("mldsa65_ecdsa_p256 (0xFE2D)")
    );
}

#[test]
fn svids_and_bundles_replaced_together_are_seen_together() {
    let domain = Domain::new("example.org");
    let svids = domain.svids("one", &[Form::Classical]);
    let held = source(Vec::new(), BundleSet::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..20_000 {
                match round % 2 {
                    0 => held.set(svids.clone(), domain.bundles(&[Form::Classical])),
                    _ => held.set(Vec::new(), BundleSet::new()),
                }
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let (identities, bundles) = held.both();
            assert_eq!(identities.is_empty(), bundles.is_empty());
        }
    });
}
