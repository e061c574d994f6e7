//! What a peer's proof must be worth: whoever forges a classical chain must not pass for a hybrid peer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "common/dishonest.rs"]
mod dishonest;

use std::sync::{Arc, Mutex};

use common::*;
use dishonest::Dishonest;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls_pki_types::ServerName;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::ChainReason;
use symbolon_tls::{
    ClientOptions, CompositeSchemes, HandshakeError, KexPolicy, ListenerOptions, PathPolicy, PeerError,
    StaticSource, bootstrap_client_config, crypto_provider,
};

fn dialling(peer_policy: PathPolicy) -> ClientOptions {
    ClientOptions {
        peer_policy,
        ..ClientOptions::default()
    }
}

fn listening(peer_policy: PathPolicy) -> ListenerOptions {
    ListenerOptions {
        peer_policy,
        ..ListenerOptions::default()
    }
}

/// The policy and the form for which the peer was refused.
fn refused(error: &HandshakeError) -> (PathPolicy, Form) {
    match error.peer_error() {
        Some(PeerError::Chain(chain)) => match *chain.reason {
            ChainReason::Policy { policy, form } => (policy, form),
            ref other => panic!("{other}"),
        },
        _ => panic!("{error}"),
    }
}

/// Both ends in one domain, each holding these forms and trusting those.
fn held(domain: &Domain, path: &str, forms: &[Form], trusts: &[Form]) -> Arc<StaticSource> {
    source(domain.svids(path, forms), domain.bundles(trusts))
}

#[tokio::test]
async fn each_side_gets_what_its_policy_demands() {
    use Form::{Classical, Composite, MlDsa};
    use PathPolicy::{ClassicalOk, HybridRequired, PqRequired};
    let domain = Domain::new("example.org");
    let all = [Classical, MlDsa, Composite];
    for (policy, trusts, form) in [
        (ClassicalOk, &[Classical][..], Classical),
        (PqRequired, &[Classical, MlDsa], MlDsa),
        (PqRequired, &all, Composite),
        (PqRequired, &[Composite], Composite),
        (HybridRequired, &all, Composite),
        (HybridRequired, &[Composite], Composite),
    ] {
        // One side demands, the other takes what comes, and the other way round.
        let (strict, lax) = (
            held(&domain, "a", &all, trusts),
            held(&domain, "b", &all, &[Classical]),
        );
        let (_, server) = connected(
            &connector(&strict, domain.any(), dialling(policy)),
            &acceptor(&lax, domain.any(), listening(ClassicalOk)),
        )
        .await;
        assert_eq!(server.info().presented, Some(form), "{policy} {trusts:?}");
        let (client, server) = connected(
            &connector(&lax, domain.any(), dialling(ClassicalOk)),
            &acceptor(&strict, domain.any(), listening(policy)),
        )
        .await;
        assert_eq!(client.info().presented, Some(form), "{policy} {trusts:?}");
        assert_eq!(server.info().peer.as_ref().unwrap().form, form);
    }
}

/// Somebody who can forge for `form`'s authority, and presents what he forged whatever is offered.
fn forger(domain: &Domain, form: Form) -> Dishonest {
    let suite = form.default_suite();
    let forged = domain.svid("victim", suite);
    Dishonest {
        chain: forged.chain().to_vec(),
        key: forged.signer().keys()[0].clone(),
        scheme: CompositeSchemes::default().scheme_of(suite).unwrap(),
    }
}

#[tokio::test]
async fn whoever_forges_a_weaker_chain_is_no_server_for_those_who_ask_for_more() {
    use PathPolicy::{ClassicalOk, HybridRequired, PqRequired};
    let domain = Domain::new("example.org");
    let client = held(&domain, "client", &FORMS, &FORMS);
    let meets = async |form, policy| {
        let connector = connector(&client, domain.any(), dialling(policy));
        let acceptor = tokio_rustls::TlsAcceptor::from(forger(&domain, form).server());
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("server.invalid").unwrap();
        tokio::join!(connector.connect(name, near), acceptor.accept(far)).0
    };
    // The forgery is a good one: those who take classical chains believe it.
    let taken_in = meets(Form::Classical, ClassicalOk).await.unwrap();
    assert_eq!(taken_in.info().peer.as_ref().unwrap().form, Form::Classical);
    assert!(meets(Form::MlDsa, PqRequired).await.is_ok());
    for (form, policy) in [
        (Form::Classical, PqRequired),
        (Form::Classical, HybridRequired),
        (Form::MlDsa, HybridRequired),
    ] {
        assert_eq!(refused(&meets(form, policy).await.unwrap_err()), (policy, form));
    }
}

#[tokio::test]
async fn nor_is_he_a_client_of_listeners_that_ask_for_more() {
    use PathPolicy::{ClassicalOk, HybridRequired, PqRequired};
    let domain = Domain::new("example.org");
    let server = held(&domain, "server", &FORMS, &FORMS);
    let nobody = source(vec![], domain.bundles(&FORMS));
    let template = bootstrap_client_config(nobody, domain.any(), clock()).unwrap();
    let meets = async |form, policy| {
        let acceptor = acceptor(&server, domain.any(), listening(policy));
        let connector = tokio_rustls::TlsConnector::from(forger(&domain, form).client(&template));
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("server.invalid").unwrap();
        tokio::join!(acceptor.accept(far), connector.connect(name, near)).0
    };
    assert!(meets(Form::Classical, ClassicalOk).await.is_ok());
    assert!(meets(Form::MlDsa, PqRequired).await.is_ok());
    for (form, policy) in [
        (Form::Classical, PqRequired),
        (Form::Classical, HybridRequired),
        (Form::MlDsa, HybridRequired),
    ] {
        assert_eq!(refused(&meets(form, policy).await.unwrap_err()), (policy, form));
    }
}

/// Notes which schemes a client offers, and hangs up.
#[derive(Debug, Default)]
struct Listening(Mutex<Vec<SignatureScheme>>);

impl ResolvesServerCert for Listening {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        *self.0.lock().unwrap() = hello.signature_schemes().to_vec();
        None
    }
}

#[tokio::test]
async fn nothing_is_offered_that_would_be_refused() {
    use PathPolicy::{ClassicalOk, HybridRequired, PqRequired};
    let domain = Domain::new("example.org");
    let composites: Vec<_> = CompositeSchemes::default()
        .iter()
        .map(|(_, code)| SignatureScheme::from(code))
        .collect();
    let of = |scheme: SignatureScheme| {
        if composites.contains(&scheme) {
            Form::Composite
        } else if format!("{scheme:?}").starts_with("ML_DSA") {
            Form::MlDsa
        } else {
            Form::Classical
        }
    };
    let all = [Form::Composite, Form::MlDsa, Form::Classical];
    for (policy, trusts, expected) in [
        (ClassicalOk, &FORMS[..], &all[..]),
        (ClassicalOk, &[Form::Classical], &[Form::Classical]),
        (PqRequired, &FORMS, &all[..2]),
        (PqRequired, &[Form::Classical, Form::MlDsa], &[Form::MlDsa]),
        (HybridRequired, &FORMS, &[Form::Composite]),
        // No authority could satisfy the policy: what it wants is offered all the same.
        (PqRequired, &[Form::Classical], &all[..2]),
        (
            HybridRequired,
            &[Form::Classical, Form::MlDsa],
            &[Form::Composite],
        ),
    ] {
        let heard = Arc::new(Listening::default());
        let config = ServerConfig::builder_with_provider(crypto_provider(&KexPolicy::PostQuantum))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(heard.clone());
        let client = held(&domain, "client", &FORMS, trusts);
        let connector = connector(&client, domain.any(), dialling(policy));
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::try_from("server.invalid").unwrap();
        let (client, _) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
        assert!(client.is_err());
        let mut forms: Vec<_> = heard.0.lock().unwrap().iter().copied().map(of).collect();
        forms.dedup();
        assert_eq!(forms, expected, "{policy}, trusting {trusts:?}");
    }
}

#[tokio::test]
async fn without_authorities_that_satisfy_it_a_policy_lets_nobody_in_and_says_why() {
    let domain = Domain::new("example.org");
    let client = held(&domain, "client", &FORMS, &[Form::Classical]);
    let server = held(&domain, "server", &FORMS, &[Form::Classical]);
    let (end, _) = handshake(
        &connector(&client, domain.any(), dialling(PathPolicy::HybridRequired)),
        &acceptor(&server, domain.any(), ListenerOptions::default()),
    )
    .await;
    let Some(PeerError::Chain(error)) = end.as_ref().unwrap_err().peer_error() else {
        panic!("{end:?}");
    };
    assert!(
        matches!(*error.reason, ChainReason::IssuerNotFound { .. }),
        "{error}"
    );
}
