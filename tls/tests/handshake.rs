//! Handshakes between our two sides: every form, and every way to be refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey, SignError};
use symbolon_pki::key::{PrivateKey, SuiteSigner};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::ChainReason;
use symbolon_tls::{
    Acceptor, AuthorizeId, ClientAuth, ClientOptions, CompositeSchemes, Connector, HandshakeError,
    ListenerOptions, PeerError, SvidIdentity, TlsError,
};
use tokio::io::AsyncReadExt;

/// The bundles that make a peer present an SVID of `form`.
fn forms_to_see(form: Form) -> Vec<Form> {
    if form == Form::Classical {
        vec![Form::Classical]
    } else {
        vec![Form::Classical, form]
    }
}

#[tokio::test]
async fn every_suite_authenticates_both_sides() {
    let domain = Domain::new("example.org");
    let schemes = CompositeSchemes::default();
    for suite in Suite::DEFAULTS {
        let bundles = domain.bundles(&forms_to_see(suite.form()));
        let client = source(vec![domain.svid("client", suite)], bundles.clone());
        let server = source(vec![domain.svid("server", suite)], bundles);
        let (client, server) = connected(
            &connector(&client, domain.any(), ClientOptions::default()),
            &acceptor(&server, domain.any(), ListenerOptions::default()),
        )
        .await;

        let name = schemes.name(schemes.scheme_of(suite).unwrap());
        for (end, peer) in [
            (&client, "spiffe://example.org/server"),
            (&server, "spiffe://example.org/client"),
        ] {
            let info = end.info();
            let identity = info.peer.as_ref().unwrap();
            assert_eq!(identity.spiffe_id, id(peer), "{suite}");
            assert_eq!(identity.form, suite.form());
            assert_eq!(info.presented, Some(suite.form()));
            assert_eq!(info.negotiated.peer_signature.as_deref(), Some(name.as_str()));
            assert_eq!(info.negotiated.own_signature.as_deref(), Some(name.as_str()));
            assert_eq!(info.negotiated.key_exchange, "X25519MLKEM768");
            assert_eq!(info.negotiated.cipher_suite, "TLS13_AES_256_GCM_SHA384");
        }
    }
}

#[tokio::test]
async fn a_peer_of_another_trust_domain_is_refused_with_the_reason() {
    let (ours, theirs) = (Domain::new("example.org"), Domain::new("example.com"));
    let client = source(ours.svids("client", &FORMS), ours.bundles(&FORMS));
    let server = source(theirs.svids("server", &FORMS), theirs.bundles(&FORMS));
    let listener = acceptor(&server, AuthorizeId::Any, ListenerOptions::default());

    let (end, other) = handshake(
        &connector(&client, AuthorizeId::Any, ClientOptions::default()),
        &listener,
    )
    .await;
    let Some(PeerError::Chain(error)) = end.as_ref().unwrap_err().peer_error() else {
        panic!("{end:?}");
    };
    assert_eq!(
        *error.reason,
        ChainReason::UnknownTrustDomain(theirs.name.clone())
    );
    assert!(other.is_err());

    // With the other's bundle the chain is good, and the identity still not the one that was wanted.
    client.set_bundles([ours.bundle(&FORMS), theirs.bundle(&FORMS)].into_iter().collect());
    let (end, _) = handshake(
        &connector(&client, ours.any(), ClientOptions::default()),
        &listener,
    )
    .await;
    let error = end.unwrap_err();
    assert!(
        matches!(error.peer_error(), Some(PeerError::NotAuthorised { .. })),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("spiffe://example.com/server is not authorised"),
        "{error}"
    );
}

#[tokio::test]
async fn a_bundle_with_the_same_name_and_other_authorities_is_no_trust() {
    let (ours, impostor) = (Domain::new("example.org"), Domain::new("example.org"));
    for form in FORMS {
        let client = source(ours.svids("client", &[form]), ours.bundles(&[form]));
        let server = source(impostor.svids("server", &[form]), impostor.bundles(&[form]));
        let (end, _) = handshake(
            &connector(&client, AuthorizeId::Any, ClientOptions::default()),
            &acceptor(&server, AuthorizeId::Any, ListenerOptions::default()),
        )
        .await;
        let Some(PeerError::Chain(error)) = end.as_ref().unwrap_err().peer_error() else {
            panic!("{form}: {end:?}");
        };
        assert!(
            matches!(*error.reason, ChainReason::IssuerNotFound { .. }),
            "{form}: {error}"
        );
    }
}

#[tokio::test]
async fn a_client_is_refused_by_the_server_with_the_reason() {
    let domain = Domain::new("example.org");
    let held = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
    let only_admin = AuthorizeId::OneOf(vec![id("spiffe://example.org/admin")]);
    let (client, server) = handshake(
        &connector(&held, domain.any(), ClientOptions::default()),
        &acceptor(&held, only_admin, ListenerOptions::default()),
    )
    .await;
    let error = server.unwrap_err();
    assert!(
        error.to_string().contains("only spiffe://example.org/admin is"),
        "{error}"
    );
    // TLS 1.3: the client learns of it with its first read.
    let error = client.unwrap().read_u8().await.unwrap_err();
    assert!(error.to_string().contains("alert"), "{error}");
}

#[tokio::test]
async fn an_expired_svid_is_refused_by_either_side() {
    let domain = Domain::new("example.org");
    let held = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
    let later = Arc::new(FixedClock(now() + Duration::from_secs(3602)));
    let expired = |error: &HandshakeError| match error.peer_error() {
        Some(PeerError::Chain(error)) => matches!(*error.reason, ChainReason::Expired { .. }),
        _ => false,
    };

    let late_client = Connector::new(
        held.clone(),
        domain.any(),
        later.clone(),
        ClientOptions::default(),
    );
    let (client, _) = handshake(
        &late_client,
        &acceptor(&held, domain.any(), ListenerOptions::default()),
    )
    .await;
    assert!(expired(&client.unwrap_err()));

    let late_server = Acceptor::new(
        held.clone(),
        domain.any(),
        ClientAuth::Required,
        ListenerOptions::default(),
        later,
    );
    let (_, server) = handshake(
        &connector(&held, domain.any(), ClientOptions::default()),
        &late_server,
    )
    .await;
    assert!(expired(&server.unwrap_err()));
}

/// A key whose signatures have one bit wrong.
#[derive(Debug)]
struct Corrupting(Arc<dyn HeldKey>);

impl HeldKey for Corrupting {
    fn component(&self) -> Component {
        self.0.component()
    }

    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        let mut signature = self.0.sign(message, context)?;
        // The last byte is inside s of an ECDSA signature and inside the hints of an ML-DSA one: both stay well formed
        // in length.
        *signature.last_mut().unwrap() ^= 1;
        Ok(signature)
    }
}

/// An SVID whose handshake signature is wrong in the component for which `wrong` says so.
fn corrupted(domain: &Domain, suite: Suite, wrong: fn(Component) -> bool) -> SvidIdentity {
    let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
    let good = domain.svid_of("server", signer.clone());
    let keys = signer
        .keys()
        .iter()
        .map(|key| match wrong(key.component()) {
            true => Arc::new(Corrupting(key.clone())) as Arc<dyn HeldKey>,
            false => key.clone(),
        })
        .collect();
    let chain = good
        .chain()
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect();
    SvidIdentity::new(chain, SuiteSigner::new(suite, keys).unwrap()).unwrap()
}

#[tokio::test]
async fn a_wrong_half_of_the_handshake_signature_is_refused_by_name() {
    let domain = Domain::new("example.org");
    for suite in [
        Suite::MlDsa65EcdsaP256,
        Suite::MlDsa44Ed25519,
        Suite::MlDsa87EcdsaP384,
    ] {
        for (wrong, half) in [
            (
                (|component| component.is_ml_dsa()) as fn(Component) -> bool,
                "post-quantum half",
            ),
            (|component| !component.is_ml_dsa(), "classical half"),
        ] {
            let client = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
            let server = source(
                vec![Arc::new(corrupted(&domain, suite, wrong))],
                domain.bundles(&FORMS),
            );
            let (client, server) = handshake(
                &connector(&client, domain.any(), ClientOptions::default()),
                &acceptor(&server, domain.any(), ListenerOptions::default()),
            )
            .await;
            let error = client.unwrap_err();
            assert!(
                matches!(error.peer_error(), Some(PeerError::HandshakeSignature { .. })),
                "{suite}: {error}"
            );
            assert!(error.to_string().contains(half), "{suite}: {error}");
            assert!(server.is_err());
        }
    }
}

#[tokio::test]
async fn a_wrong_single_signature_is_refused() {
    let domain = Domain::new("example.org");
    for suite in [Suite::EcdsaP256, Suite::Ed25519, Suite::MlDsa65] {
        let held = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
        let server = source(
            vec![Arc::new(corrupted(&domain, suite, |_| true))],
            domain.bundles(&FORMS),
        );
        let (client, _) = handshake(
            &connector(&held, domain.any(), ClientOptions::default()),
            &acceptor(&server, domain.any(), ListenerOptions::default()),
        )
        .await;
        let error = client.unwrap_err();
        assert!(
            matches!(error.peer_error(), Some(PeerError::HandshakeSignature { .. })),
            "{suite}: {error}"
        );
    }
}

#[tokio::test]
async fn a_client_without_an_svid_is_let_in_only_where_that_is_optional() {
    let domain = Domain::new("example.org");
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let nobody = source(vec![], domain.bundles(&FORMS));
    let connector =
        Connector::without_identity(nobody.clone(), domain.any(), clock(), ClientOptions::default());

    let optional = Acceptor::new(
        server.clone(),
        domain.any(),
        ClientAuth::Optional,
        ListenerOptions::default(),
        clock(),
    );
    let (client, end) = connected(&connector, &optional).await;
    assert!(end.info().peer.is_none());
    assert_eq!(end.info().negotiated.peer_signature, None);
    assert_eq!(client.info().presented, None);
    assert_eq!(client.info().peer.as_ref().unwrap().form, Form::Composite);

    let (_, end) = handshake(
        &connector,
        &acceptor(&server, domain.any(), ListenerOptions::default()),
    )
    .await;
    assert!(end.is_err());

    // One who ought to have an SVID and has none yet does not even try.
    let mutual = Connector::new(nobody, domain.any(), clock(), ClientOptions::default());
    let (client, _) = handshake(&mutual, &optional).await;
    assert!(matches!(
        client,
        Err(HandshakeError::Configuration(TlsError::NoIdentity))
    ));
}

#[tokio::test]
async fn a_presented_svid_must_be_good_even_where_it_is_optional() {
    let (ours, theirs) = (Domain::new("example.org"), Domain::new("example.com"));
    let server = source(ours.svids("server", &FORMS), ours.bundles(&FORMS));
    let client = source(theirs.svids("client", &FORMS), ours.bundles(&FORMS));
    let optional = Acceptor::new(
        server,
        AuthorizeId::Any,
        ClientAuth::Optional,
        ListenerOptions::default(),
        clock(),
    );
    let (_, end) = handshake(
        &connector(&client, ours.any(), ClientOptions::default()),
        &optional,
    )
    .await;
    assert!(matches!(end.unwrap_err().peer_error(), Some(PeerError::Chain(_))));
}

#[tokio::test]
async fn a_chain_longer_than_any_is_not_read() {
    let domain = Domain::new("example.org");
    let signer = PrivateKey::generate(Suite::EcdsaP256).unwrap().signer().unwrap();
    let svid = domain.svid_of("client", signer.clone());
    let root = domain.authority(Form::Classical).certificate().der().to_vec();
    let mut chain = vec![svid.chain()[0].to_vec()];
    chain.extend(vec![root; 8]);
    let long = Arc::new(SvidIdentity::new(chain, signer).unwrap());
    let client = source(vec![long], domain.bundles(&FORMS));
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let (_, end) = handshake(
        &connector(&client, domain.any(), ClientOptions::default()),
        &acceptor(&server, domain.any(), ListenerOptions::default()),
    )
    .await;
    assert!(matches!(
        end.unwrap_err().peer_error(),
        Some(PeerError::TooManyCertificates { presented: 9, max: 8 })
    ));
}

#[tokio::test]
async fn silence_is_not_waited_for_longer_than_set() {
    let domain = Domain::new("example.org");
    let held = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
    let options = ListenerOptions {
        handshake_timeout: Duration::from_millis(20),
        ..ListenerOptions::default()
    };
    let (_silent, server) = tokio::io::duplex(1024);
    let error = acceptor(&held, domain.any(), options)
        .accept(server)
        .await
        .unwrap_err();
    assert!(matches!(error, HandshakeError::Timeout(_)), "{error}");
    assert!(error.to_string().contains("0.02 s"), "{error}");
}

#[tokio::test]
async fn an_svid_with_another_key_is_refused_before_it_is_presented() {
    let domain = Domain::new("example.org");
    let chain = vec![domain.svid("one", Suite::EcdsaP256).chain()[0].to_vec()];
    let other = PrivateKey::generate(Suite::EcdsaP256).unwrap().signer().unwrap();
    let error = SvidIdentity::new(chain, other.clone()).unwrap_err();
    assert!(
        error.to_string().contains("does not belong to the leaf"),
        "{error}"
    );
    assert!(SvidIdentity::new(vec![], other.clone()).is_err());
    assert!(SvidIdentity::new(vec![b"no certificate".to_vec()], other).is_err());
}
