//! The live source against an agent that changes its mind, dies and comes back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "common/agent.rs"]
mod agent;
mod common;

use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, Socket, answer, soon};
use common::*;
use symbolon_api::spiffe::workload as wire;
use symbolon_pki::suite::Form;
use symbolon_tls::{Backoff, ClientOptions, Connector, IdentitySource, ListenerOptions, X509Source};
use tonic::Status;

const QUICK: Backoff = Backoff {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(10),
};

#[tokio::test]
async fn a_bundle_that_was_emptied_ends_the_trust_in_its_authorities() {
    let (ours, theirs) = (Domain::new("example.org"), Domain::new("example.com"));
    let federated = |roots: Vec<u8>| {
        let mut message = answer(&ours, &[Form::Classical]);
        message
            .federated_bundles
            .insert("spiffe://example.com".to_owned(), roots);
        message
    };
    let roots = theirs.authority(Form::Classical).certificate().der().to_vec();
    let agent = Agent::new(federated(roots));
    let socket = Socket::new();
    let _serving = agent.serve(&socket.path);
    let source = soon(X509Source::connect(socket.endpoint(), &[], clock(), QUICK))
        .await
        .unwrap();
    let authorities = || source.bundles().get(&theirs.name).unwrap().x509_authorities.len();
    assert_eq!(authorities(), 1);

    agent.send(federated(Vec::new()));
    let mut status = source.subscribe();
    soon(status.wait_for(|status| status.updates == 2 || status.last_error.is_some()))
        .await
        .unwrap();
    assert_eq!(source.status().last_error, None);
    assert_eq!(authorities(), 0);
}

#[tokio::test]
async fn a_source_follows_updates_and_outlives_the_agent() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(answer(&domain, &[Form::Classical]));
    let socket = Socket::new();
    let serving = agent.serve(&socket.path);
    let source = Arc::new(
        soon(X509Source::connect(socket.endpoint(), &FORMS, clock(), QUICK))
            .await
            .unwrap(),
    );
    let mut status = source.subscribe();
    assert_eq!(source.identities().len(), 1);
    assert_eq!(source.status().updated_at, Some(now()));
    assert!(source.status().connected);

    // An update is taken.
    agent.send(answer(&domain, &FORMS));
    soon(status.wait_for(|status| status.updates == 2)).await.unwrap();
    assert_eq!(source.identities().len(), 3);
    let held = source.identities();

    // One that makes no sense is not, and what is held stays.
    agent.send(wire::X509svidResponse::default());
    soon(status.wait_for(|status| status.last_error.is_some()))
        .await
        .unwrap();
    assert_eq!(source.status().updates, 2);
    assert!(Arc::ptr_eq(&held[0], &source.identities()[0]));

    // The agent dies. What is held stays in use: it authenticates.
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    std::fs::remove_file(&socket.path).unwrap();
    agent.updates.send(Err(Status::unavailable("shutting down"))).ok();
    soon(status.wait_for(|status| !status.connected)).await.unwrap();
    assert!(!source.status().stopped);
    let peer = common::source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let connector = Connector::new(source.clone(), domain.any(), clock(), ClientOptions::default());
    let (client, _) = connected(
        &connector,
        &acceptor(&peer, domain.any(), ListenerOptions::default()),
    )
    .await;
    assert_eq!(client.info().peer.as_ref().unwrap().form, Form::Composite);
    assert_eq!(client.info().presented, Some(Form::Composite));

    // It comes back, and with it an update.
    agent.send(answer(&domain, &[Form::Composite]));
    let _serving = agent.serve(&socket.path);
    soon(status.wait_for(|status| status.connected && status.updates == 3))
        .await
        .unwrap();
    assert_eq!(source.identities().len(), 1);
    assert_eq!(source.status().last_error, None);
    assert_eq!(source.context().unwrap().svids[0].form(), Form::Composite);
}

#[tokio::test]
async fn a_source_waits_for_an_agent_that_is_not_ready() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(answer(&domain, &[Form::Classical]));
    *agent.now.lock().unwrap() = Err(Status::permission_denied("no identity issued"));
    let socket = Socket::new();
    let connecting = X509Source::connect(socket.endpoint(), &[], clock(), QUICK);
    let source = soon(async {
        let arrive = async {
            let serving = agent.serve(&socket.path);
            while agent.asked.lock().unwrap().len() < 3 {
                tokio::task::yield_now().await;
            }
            agent.send(answer(&domain, &[Form::Classical]));
            drop(serving);
        };
        tokio::join!(connecting, arrive).0
    })
    .await
    .unwrap();
    assert_eq!(source.identities().len(), 1);
}

#[tokio::test]
async fn invalid_argument_ends_the_tries() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(answer(&domain, &[Form::Classical]));
    *agent.now.lock().unwrap() = Err(Status::invalid_argument("unknown form"));
    let socket = Socket::new();
    let _serving = agent.serve(&socket.path);
    let error = soon(X509Source::connect(socket.endpoint(), &FORMS, clock(), QUICK))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("unknown form"), "{error}");
    assert_eq!(agent.asked.lock().unwrap().len(), 1);

    // After a good start it keeps what it has, and says that it stopped.
    agent.send(answer(&domain, &[Form::Classical]));
    let source = soon(X509Source::connect(socket.endpoint(), &[], clock(), QUICK))
        .await
        .unwrap();
    agent
        .updates
        .send(Err(Status::invalid_argument("go away")))
        .unwrap();
    let mut status = source.subscribe();
    soon(status.wait_for(|status| status.stopped)).await.unwrap();
    assert_eq!(source.identities().len(), 1);
    assert!(source.status().last_error.unwrap().contains("go away"));
}

#[tokio::test]
async fn a_dropped_source_lets_go_of_the_agent() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(answer(&domain, &[Form::Classical]));
    let socket = Socket::new();
    let _serving = agent.serve(&socket.path);
    let source = soon(X509Source::connect(socket.endpoint(), &[], clock(), QUICK))
        .await
        .unwrap();
    let mut status = source.subscribe();
    drop(source);
    // The task's end of the channel is gone.
    soon(async { while status.changed().await.is_ok() {} }).await;
    soon(async {
        while agent.updates.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
