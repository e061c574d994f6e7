//! Peers that are not ours: stock ones with RSA keys, and dishonest ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/dishonest.rs"]
mod dishonest;

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use common::*;
use dishonest::Dishonest;
use rustls::SignatureScheme;
use rustls::client::ClientConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use symbolon_pki::bundle::{TrustBundle, X509Authority};
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Form, Suite};
use symbolon_tls::{ClientOptions, HandshakeError, ListenerOptions, PeerError};

/// rustls' own provider's client, presenting an RSA SVID and trusting our connector's verifier for the server.
#[tokio::test]
async fn an_rsa_svid_of_a_stock_client_is_accepted() {
    let domain = Domain::new("example.org");
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    for size in [KeySize::Rsa2048, KeySize::Rsa3072] {
        let key = aws_lc_rs::rsa::KeyPair::generate(size).unwrap();
        let spki: PublicKeyX509Der<'_> = aws_lc_rs::signature::KeyPair::public_key(&key).as_der().unwrap();
        let certificate = domain.certify("rsa", &SubjectKey::from_spki_der(spki.as_ref()).unwrap());
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap().as_ref().to_vec();
        let key = PrivateKeyDer::Pkcs8(pkcs8.into());
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let certified = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);

        let nobody = source(vec![], domain.bundles(&FORMS));
        let template = symbolon_tls::bootstrap_client_config(nobody, domain.any(), clock()).unwrap();
        let mut config = ClientConfig::clone(&template);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));

        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("server.invalid").unwrap();
        let acceptor = acceptor(&server, domain.any(), ListenerOptions::default());
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let (_client, server) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
        let server = server.unwrap();
        let info = server.info();
        assert_eq!(
            info.peer.as_ref().unwrap().spiffe_id,
            id("spiffe://example.org/rsa")
        );
        assert_eq!(info.peer.as_ref().unwrap().form, Form::Classical);
        let scheme = info.negotiated.peer_signature.clone().unwrap();
        assert!(scheme.starts_with("rsa_pss_rsae_sha"), "{scheme}");
    }
}

/// What our client says to a server that holds one of the two keys of a composite SVID.
async fn with_one_half(half: usize, scheme: SignatureScheme) -> HandshakeError {
    let domain = Domain::new("example.org");
    let signer = PrivateKey::generate(Suite::MlDsa65EcdsaP256)
        .unwrap()
        .signer()
        .unwrap();
    let dishonest = Dishonest {
        chain: domain.svid_of("server", signer.clone()).chain().to_vec(),
        key: signer.keys()[half].clone(),
        scheme,
    };
    let client = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
    let connector = connector(&client, domain.any(), ClientOptions::default());
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("server.invalid").unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(dishonest.server());
    tokio::join!(connector.connect(name, near), acceptor.accept(far))
        .0
        .unwrap_err()
}

#[tokio::test]
async fn one_half_of_a_composite_key_opens_nothing() {
    // Under its own scheme: the signature is genuine, and the certificate is for more than that.
    for (half, scheme) in [
        (0, SignatureScheme::ML_DSA_65),
        (1, SignatureScheme::ECDSA_NISTP256_SHA256),
    ] {
        let error = with_one_half(half, scheme).await;
        let Some(PeerError::WrongScheme { key, .. }) = error.peer_error() else {
            panic!("{error}")
        };
        assert_eq!(key, "mldsa65-ecdsa-p256");
    }
    // Under the composite's: it is no composite signature.
    for half in [0, 1] {
        let error = with_one_half(half, SignatureScheme::from(0xFE2D)).await;
        assert!(
            matches!(error.peer_error(), Some(PeerError::HandshakeSignature { .. })),
            "{error}"
        );
    }
}

#[tokio::test]
async fn more_authorities_than_can_be_named_do_no_harm() {
    let domain = Domain::new("example.org");
    let mut authorities = domain.bundle(&FORMS).x509_authorities;
    // About 70 octets each: more than the 24 KiB of names that are sent.
    authorities.extend(
        (0..400).map(|_| X509Authority::new(authority(&domain.name, Suite::Ed25519).certificate().clone())),
    );
    let bundle = TrustBundle {
        x509_authorities: authorities,
        ..TrustBundle::new(domain.name.clone())
    };
    let client = source(domain.svids("client", &FORMS), bundle.clone().into());
    let server = source(domain.svids("server", &FORMS), bundle.into());
    let (end, other) = connected(
        &connector(&client, domain.any(), ClientOptions::default()),
        &acceptor(&server, domain.any(), ListenerOptions::default()),
    )
    .await;
    assert_eq!(end.info().peer.as_ref().unwrap().form, Form::Composite);
    assert_eq!(other.info().peer.as_ref().unwrap().form, Form::Composite);
}
