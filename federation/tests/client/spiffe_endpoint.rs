//! `https_spiffe`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_federation::{FetchError, RedirectError};
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::suite::Suite;
use symbolon_pki::time::Clock as _;
use symbolon_tls::{HandshakeError, PeerError, peer_error};

use crate::endpoint::{Domain, TestClock, answer, at_spiffe, client, counting, ok, serve, spiffe};

#[tokio::test]
async fn an_endpoint_is_believed_by_the_bundle_that_is_held() {
    let clock = TestClock::new();
    for suite in [Suite::EcdsaP256, Suite::MlDsa65, Suite::MlDsa65EcdsaP256] {
        let domain = Domain::new("example.com", suite, clock.now());
        let document = domain.bundle().to_jwks();
        let port = serve(spiffe(&domain, &clock), move |_| Some(ok(&document))).await;
        let held = BundleSet::from(domain.bundle());
        let endpoint = at_spiffe(port, domain.endpoint_id());
        let fetched = client("", &clock).fetch(&domain.name, &endpoint, &held).await;
        assert_eq!(fetched.unwrap(), domain.bundle(), "{suite}");
    }
}

#[tokio::test]
async fn an_endpoint_may_be_another_trust_domains() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let host = Domain::new("host.example", Suite::EcdsaP256, clock.now());
    let document = domain.bundle().to_jwks();
    let port = serve(spiffe(&host, &clock), move |_| Some(ok(&document))).await;
    let endpoint = at_spiffe(port, host.endpoint_id());
    let client = client("", &clock);
    let fetched = client.fetch(&domain.name, &endpoint, &host.bundle().into()).await;
    assert_eq!(fetched.unwrap(), domain.bundle());
    // The bundle of the trust domain that it speaks of says nothing about it.
    let error = client
        .fetch(&domain.name, &endpoint, &domain.bundle().into())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, FetchError::NoBundle(name) if *name == host.name),
        "{error}"
    );
}

#[tokio::test]
async fn who_does_not_prove_itself_is_not_heard() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let impostor = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let (answering, asked) = counting();
    let port = serve(spiffe(&impostor, &clock), answering).await;
    let client = client("", &clock);
    let endpoint = at_spiffe(port, domain.endpoint_id());

    // Another authority, no authority, no bundle.
    let error = client
        .fetch(&domain.name, &endpoint, &domain.bundle().into())
        .await
        .unwrap_err();
    let FetchError::Spiffe { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(peer_error(source), Some(PeerError::Chain(_))), "{error}");
    for held in [BundleSet::new(), TrustBundle::new(domain.name.clone()).into()] {
        let error = client.fetch(&domain.name, &endpoint, &held).await.unwrap_err();
        assert!(matches!(error, FetchError::NoBundle(_)), "{error}");
    }
    // The right authority, and another identity than was agreed upon.
    let other = SpiffeId::new("spiffe://example.com/other").unwrap();
    let error = client
        .fetch(&domain.name, &at_spiffe(port, other), &impostor.bundle().into())
        .await
        .unwrap_err();
    let FetchError::Spiffe { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(peer_error(source), Some(PeerError::NotAuthorised { .. })),
        "{error}"
    );
    // The right identity, expired by the clock that was given.
    clock.advance(Duration::from_secs(2 * 3600));
    let endpoint = at_spiffe(port, impostor.endpoint_id());
    let error = client
        .fetch(&domain.name, &endpoint, &impostor.bundle().into())
        .await
        .unwrap_err();
    let FetchError::Spiffe { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(source, HandshakeError::Io(_)), "{error}");
    assert!(peer_error(source).is_some(), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_identity_belongs_to_one_place() {
    let clock = TestClock::new();
    let domain = Domain::new("example.com", Suite::EcdsaP256, clock.now());
    let port = serve(spiffe(&domain, &clock), |_| {
        Some(answer("307 Temporary Redirect", "location: /there\r\n", ""))
    })
    .await;
    let endpoint = at_spiffe(port, domain.endpoint_id());
    let error = client("", &clock)
        .fetch(&domain.name, &endpoint, &domain.bundle().into())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::Redirect {
                reason: RedirectError::Spiffe,
                ..
            }
        ),
        "{error}"
    );
}
