//! The Workload API client against an agent that behaves well, badly, and not at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "common/agent.rs"]
mod agent;
mod common;

use agent::{Agent, Socket, answer, soon};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::KeyPair as _;
use common::*;
use symbolon_api::spiffe::workload as wire;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle};
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Form, Suite};
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient, WorkloadApiError, X509Svid};

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
    let broken: [(&str, Spoil); 4] = [
        ("it holds no SVID", |answer| answer.svids.clear()),
        ("SVID 0", |answer| {
            answer
                .svids
                .iter_mut()
                .for_each(|svid| svid.x509_svid.truncate(100));
        }),
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
async fn an_svid_that_cannot_be_used_is_left_out_and_reported() {
    let domain = Domain::new("example.org");
    let good = answer(&domain, &[Form::Classical, Form::Composite]);
    let rsa = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let spki: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
    let rsa_certificate = domain.certify("one", &SubjectKey::from_spki_der(spki.as_ref()).unwrap());
    let rsa_key = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).unwrap().as_ref().to_vec();

    type Spoil<'a> = &'a dyn Fn(&mut wire::X509svid);
    let spoilt: [(&str, Spoil<'_>); 5] = [
        ("unknown private key algorithm", &|svid| {
            svid.x509_svid = rsa_certificate.clone();
            svid.x509_svid_key = rsa_key.clone();
        }),
        ("malformed", &|svid| svid.x509_svid_key.truncate(40)),
        ("does not belong to the leaf", &|svid| {
            let other = PrivateKey::generate(Suite::EcdsaP256).unwrap();
            svid.x509_svid_key = other.to_pkcs8_der().unwrap().to_vec();
        }),
        ("its certificate is for spiffe://example.org/one", &|svid| {
            svid.spiffe_id = "spiffe://example.org/other".to_owned();
        }),
        ("certificate 1", &|svid| svid.x509_svid.truncate(100)),
    ];
    let agent = Agent::new(good.clone());
    let socket = Socket::new();
    let _serving = agent.serve(&socket.path);
    let client = soon(WorkloadApiClient::connect(&socket.endpoint()))
        .await
        .unwrap();
    assert!(soon(client.fetch_x509(&[])).await.unwrap().skipped.is_empty());
    for (words, spoil) in spoilt {
        for index in [0, 1] {
            let mut answer = good.clone();
            spoil(&mut answer.svids[index]);
            agent.send(answer);
            let context = soon(client.fetch_x509(&[])).await.unwrap();
            let forms: Vec<_> = context.svids.iter().map(X509Svid::form).collect();
            assert_eq!(forms, [[Form::Composite], [Form::Classical]][index], "{words}");
            let [error] = context.skipped.as_slice() else {
                panic!("{:?}", context.skipped)
            };
            let text = error.to_string();
            assert!(text.starts_with(&format!("SVID {index} (")), "{text}");
            assert!(text.contains(words), "{text}");
            // Whom to trust is known from all of the answer.
            let bundle = context.bundles.get(&domain.name).unwrap();
            assert_eq!(bundle.x509_authorities.len(), 2);
        }
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
