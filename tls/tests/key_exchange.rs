//! Handshakes between our two sides: every group, and who may use the classical ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use common::*;
use symbolon_tls::{ClientOptions, KexPolicy, KxGroup, ListenerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn every_group_carries_data() {
    let domain = Domain::new("example.org");
    let held = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
    let groups = KxGroup::HYBRID.into_iter().chain(KxGroup::CLASSICAL);
    for group in groups {
        let options = ClientOptions {
            kex: KexPolicy::Only(vec![group]),
            ..ClientOptions::default()
        };
        let listening = ListenerOptions {
            allow_classical_kex: true,
            ..ListenerOptions::default()
        };
        let (mut client, mut server) = connected(
            &connector(&held, domain.any(), options),
            &acceptor(&held, domain.any(), listening),
        )
        .await;
        assert_eq!(client.info().negotiated.key_exchange, group.name());
        assert_eq!(server.info().negotiated.key_exchange, group.name());

        client.write_all(b"both halves").await.unwrap();
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"both halves");
    }
}

#[tokio::test]
async fn a_client_without_a_hybrid_group_is_refused() {
    let domain = Domain::new("example.org");
    let held = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
    let classical = ClientOptions {
        kex: KexPolicy::Only(KxGroup::CLASSICAL.to_vec()),
        ..ClientOptions::default()
    };
    let (client, server) = handshake(
        &connector(&held, domain.any(), classical),
        &acceptor(&held, domain.any(), ListenerOptions::default()),
    )
    .await;
    assert!(client.is_err());
    let error = server.unwrap_err();
    assert!(error.to_string().contains("NoKxGroupsInCommon"), "{error}");
}

#[tokio::test]
async fn a_server_without_a_hybrid_group_is_refused() {
    let domain = Domain::new("example.org");
    let held = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
    let classical = ListenerOptions {
        kex: KexPolicy::Only(KxGroup::CLASSICAL.to_vec()),
        ..ListenerOptions::default()
    };
    let (client, server) = handshake(
        &connector(&held, domain.any(), ClientOptions::default()),
        &acceptor(&held, domain.any(), classical),
    )
    .await;
    assert!(client.is_err() && server.is_err());
}

#[tokio::test]
async fn naming_classical_groups_is_not_allowing_them() {
    let domain = Domain::new("example.org");
    let held = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
    let classical = ClientOptions {
        kex: KexPolicy::Only(KxGroup::CLASSICAL.to_vec()),
        ..ClientOptions::default()
    };
    for kex in [
        KexPolicy::AllowClassical,
        KexPolicy::Only(vec![KxGroup::X25519]),
        KexPolicy::Only(vec![KxGroup::X25519MlKem768, KxGroup::SecP256r1]),
    ] {
        let options = ListenerOptions {
            kex,
            ..ListenerOptions::default()
        };
        let listener = acceptor(&held, domain.any(), options);
        let (client, server) = handshake(&connector(&held, domain.any(), classical.clone()), &listener).await;
        assert!(client.is_err() && server.is_err());
    }

    // Allowed, and one of them named: that one, for those who know no hybrid group of the listener's.
    let options = ListenerOptions {
        allow_classical_kex: true,
        kex: KexPolicy::Only(vec![KxGroup::SecP256r1, KxGroup::SecP384r1MlKem1024]),
        ..ListenerOptions::default()
    };
    let listener = acceptor(&held, domain.any(), options);
    for (kex, expected) in [
        (KexPolicy::Only(KxGroup::CLASSICAL.to_vec()), "secp256r1"),
        (KexPolicy::AllowClassical, "SecP384r1MLKEM1024"),
    ] {
        let options = ClientOptions {
            kex,
            ..ClientOptions::default()
        };
        let (client, _server) = connected(&connector(&held, domain.any(), options), &listener).await;
        assert_eq!(client.info().negotiated.key_exchange, expected);
    }
}

#[tokio::test]
async fn a_listener_that_allows_classical_groups_still_takes_a_hybrid_where_it_can() {
    let domain = Domain::new("example.org");
    let held = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
    let client = ClientOptions {
        kex: KexPolicy::Only(vec![KxGroup::X25519, KxGroup::SecP256r1MlKem768]),
        ..ClientOptions::default()
    };
    let listening = ListenerOptions {
        allow_classical_kex: true,
        ..ListenerOptions::default()
    };
    let (client, _server) = connected(
        &connector(&held, domain.any(), client),
        &acceptor(&held, domain.any(), listening),
    )
    .await;
    assert_eq!(client.info().negotiated.key_exchange, "SecP256r1MLKEM768");
}
