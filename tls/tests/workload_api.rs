//! The Workload API client and the live source against an agent that behaves well, badly, and not at all.

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

use agent::Agent;
use common::*;
use symbolon_api::spiffe::workload as wire;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle};
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Form, Suite};
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient, WorkloadApiError};
use symbolon_tls::{Backoff, ClientOptions, Connector, IdentitySource, ListenerOptions, X509Source};
use tonic::Status;

const QUICK: Backoff = Backoff {
    first: Duration::from_millis(1),
    longest: Duration::from_millis(10),
};

/// Fails a test that would hang.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("nothing happened for 20 s")
}

/// An SVID as the agent sends it.
fn wire_svid(domain: &Domain, path: &str, form: Form) -> wire::X509svid {
    let key = PrivateKey::generate(form.default_suite()).unwrap();
    let identity = domain.svid_of(path, key.signer().unwrap());
    wire::X509svid {
        spiffe_id: identity.spiffe_id().to_string(),
        x509_svid: identity
            .chain()
            .iter()
            .flat_map(|certificate| certificate.to_vec())
            .collect(),
        x509_svid_key: key.to_pkcs8_der().unwrap().to_vec(),
        bundle: domain.authority(form).certificate().der().to_vec(),
        hint: format!("internal/{form}"),
        form: form.to_string(),
    }
}

fn answer(domain: &Domain, forms: &[Form]) -> wire::X509svidResponse {
    wire::X509svidResponse {
        svids: forms.iter().map(|form| wire_svid(domain, "one", *form)).collect(),
        ..wire::X509svidResponse::default()
    }
}

struct Socket {
    _directory: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Socket {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api.sock");
        Self {
            _directory: directory,
            path,
        }
    }

    fn endpoint(&self) -> Endpoint {
        format!("unix://{}", self.path.display()).parse().unwrap()
    }
}

#[tokio::test]
async fn every_call_carries_the_header_and_forms_only_when_asked_for() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(answer(&domain, &FORMS));
    let socket = Socket::new();
    let _serving = agent.serve(&socket.path);
    let client = soon(WorkloadApiClient::connect(&socket.endpoint()))
        .await
        .unwrap();

    let context = soon(client.fetch_x509(&[Form::Composite, Form::MlDsa]))
        .await
        .unwrap();
    assert_eq!(
        context.svids.iter().map(|svid| svid.form()).collect::<Vec<_>>(),
        FORMS
    );
    assert_eq!(context.svids[2].hint, "internal/composite");
    assert_eq!(context.svids[2].private_key.suite(), Suite::MlDsa65EcdsaP256);
    assert_eq!(*context.svids[0].spiffe_id(), id("spiffe://example.org/one"));
    let bundle = context.bundles.get(&domain.name).unwrap();
    assert_eq!(bundle.x509_authorities.len(), 3);

    soon(client.fetch_x509(&[])).await.unwrap();
    soon(client.fetch_x509(&[Form::Classical])).await.unwrap();
    let bundles = soon(client.fetch_x509_bundles(&[Form::Composite])).await.unwrap();
    assert_eq!(bundles.get(&domain.name).unwrap().x509_authorities.len(), 1);
    assert_eq!(
        *agent.asked.lock().unwrap(),
        [
            Some("composite,ml-dsa".to_owned()),
            None,
            None,
            Some("composite".to_owned())
        ]
    );
}

#[tokio::test]
async fn an_agent_may_listen_on_tcp() {
    let domain = Domain::new("example.org");
    let agent = Agent::new(answer(&domain, &[Form::Classical]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: Endpoint = format!("tcp://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let _serving = agent.serve_tcp(listener);
    let client = soon(WorkloadApiClient::connect(&endpoint)).await.unwrap();
    let context = soon(client.fetch_x509(&[])).await.unwrap();
    assert_eq!(*context.svids[0].spiffe_id(), id("spiffe://example.org/one"));
}

#[tokio::test]
async fn jwt_calls_work() {
    let domain = Domain::new("example.org");
    let mut agent = Agent::new(answer(&domain, &[Form::Classical]));
    let mut published = TrustBundle::new(domain.name.clone());
    let key = SubjectKey::Suite(
        PrivateKey::generate(Suite::EcdsaP256)
            .unwrap()
            .public_key()
            .unwrap(),
    );
    published.jwt_authorities = vec![JwtAuthority::from_spki_der("one", &key.spki_der()).unwrap()];
    // As SPIRE's agents send it: a plain key set, without `use`.
    agent.jwks = published.to_jwt_jwks().into_bytes();
    let socket = Socket::new();
    let _serving = agent.serve(&socket.path);
    let client = soon(WorkloadApiClient::connect(&socket.endpoint()))
        .await
        .unwrap();

    let audience = ["web".to_owned(), "db".to_owned()];
    let svids = soon(client.fetch_jwt(&audience, Some(&id("spiffe://example.org/two"))))
        .await
        .unwrap();
    assert_eq!(svids[0].spiffe_id, id("spiffe://example.org/two"));
    assert_eq!(*svids[0].token, "token.for.web+db");
    assert!(!format!("{svids:?}").contains("token.for"), "tokens are secrets");
    let bundles = soon(client.fetch_jwt_bundles()).await.unwrap();
    assert_eq!(
        bundles.get(&domain.name).unwrap().jwt_authorities,
        published.jwt_authorities
    );
    assert_eq!(
        soon(client.validate_jwt("web", "good")).await.unwrap(),
        id("spiffe://example.org/one")
    );
    let error = soon(client.validate_jwt("web", "bad")).await.unwrap_err();
    assert!(error.to_string().contains("the token has expired"), "{error}");
}

#[tokio::test]
async fn a_broken_answer_is_refused_by_part() {
    let domain = Domain::new("example.org");
    let good = answer(&domain, &[Form::Classical, Form::Composite]);
    type Spoil = fn(&mut wire::X509svidResponse);
    let broken: [(&str, Spoil); 7] = [
        ("it holds no SVID", |answer| answer.svids.clear()),
        ("SVID 1", |answer| answer.svids[1].x509_svid_key.truncate(40)),
        ("does not belong to the leaf", |answer| {
            answer.svids[0].x509_svid_key = PrivateKey::generate(Suite::EcdsaP256)
                .unwrap()
                .to_pkcs8_der()
                .unwrap()
                .to_vec();
        }),
        ("its certificate is for spiffe://example.org/one", |answer| {
            answer.svids[1].spiffe_id = "spiffe://example.org/other".to_owned();
        }),
        ("SVID 0", |answer| answer.svids[0].x509_svid.truncate(100)),
        ("the bundle of SVID 1", |answer| {
            answer.svids[1].bundle.truncate(100);
        }),
        ("\"spiffe://\" is not a trust domain", |answer| {
            answer
                .federated_bundles
                .insert("spiffe://".to_owned(), Vec::new());
        }),
    ];
    let agent = Agent::new(good.clone());
    let socket = Socket::new();
    let _serving = agent.serve(&socket.path);
    let client = soon(WorkloadApiClient::connect(&socket.endpoint()))
        .await
        .unwrap();
    soon(client.fetch_x509(&[])).await.unwrap();
    for (words, spoil) in broken {
        let mut answer = good.clone();
        spoil(&mut answer);
        agent.send(answer);
        let error = soon(client.fetch_x509(&[])).await.unwrap_err();
        assert!(matches!(error, WorkloadApiError::Response(_)), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn federated_bundles_stand_apart() {
    let (ours, theirs) = (Domain::new("example.org"), Domain::new("example.com"));
    let mut message = answer(&ours, &[Form::Classical]);
    let foreign = theirs.authority(Form::Classical).certificate().der().to_vec();
    message
        .federated_bundles
        .insert("spiffe://example.com".to_owned(), foreign);
    let agent = Agent::new(message);
    let socket = Socket::new();
    let _serving = agent.serve(&socket.path);
    let client = soon(WorkloadApiClient::connect(&socket.endpoint()))
        .await
        .unwrap();
    let context = soon(client.fetch_x509(&[])).await.unwrap();
    for domain in [&ours, &theirs] {
        let bundle = context.bundles.get(&domain.name).unwrap();
        assert_eq!(
            bundle.x509_authorities[0].certificate,
            *domain.authority(Form::Classical).certificate()
        );
    }
}

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
async fn nobody_there_is_said_so() {
    let socket = Socket::new();
    let error = soon(WorkloadApiClient::connect(&socket.endpoint()))
        .await
        .unwrap_err();
    assert!(error.is_worth_retrying());
    let text = error.to_string();
    assert!(
        text.contains("api.sock") && text.contains("No such file"),
        "{text}"
    );
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
