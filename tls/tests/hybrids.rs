//! Catalyst chains and pairs: what they are worth in a handshake, and what an agent's answer must hold of them.

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
use symbolon_api::spiffe::workload as wire;
use symbolon_issuance::{
    Authority, AuthorityKeys, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority,
    prepare_svid,
};
use symbolon_pki::bundle::{TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{Half, PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::ChainReason;
use symbolon_tls::workload_api::X509Context;
use symbolon_tls::{ClientOptions, ListenerOptions, PathPolicy, PeerError, StaticSource, SvidIdentity};

fn signer(suite: Suite) -> SuiteSigner {
    PrivateKey::generate(suite).unwrap().signer().unwrap()
}

fn subject(signer: &SuiteSigner) -> SubjectKey {
    SubjectKey::Suite(signer.public_key().clone())
}

fn serial() -> Serial {
    Serial::random(symbolon_crypto::random::fill).unwrap()
}

/// An authority of `domain` with this native key, under this serial number and so this name.
fn catalyst_authority(domain: &Domain, native: &SuiteSigner, serial: Serial) -> Authority {
    let keys = AuthorityKeys::catalyst(native.clone(), signer(Suite::MlDsa65)).unwrap();
    let spec = AuthoritySpec {
        trust_domain: &domain.name,
        ttl: Duration::from_secs(24 * 3600),
        path_len: None,
    };
    let issued = prepare_authority(&spec, &keys, serial, now())
        .unwrap()
        .sign(&keys)
        .unwrap();
    Authority::new(Certificate::from_der(issued.der()).unwrap(), keys).unwrap()
}

fn issue(authority: &Authority, path: &str, key: &SubjectKey, beside: Beside<'_>) -> Vec<u8> {
    let id = id(&format!("spiffe://{}/{path}", authority.trust_domain()));
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &id,
        key,
        beside,
        dns_names: &[],
        ttl: Duration::from_secs(3600),
        serial: serial(),
        now: now(),
    };
    let linted = prepare_svid(authority, &request).unwrap();
    linted.sign(authority).unwrap().into_der()
}

/// A catalyst SVID with a new key.
fn catalyst(authority: &Authority, path: &str) -> Arc<SvidIdentity> {
    let (native, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa65));
    let der = issue(
        authority,
        path,
        &subject(&native),
        Beside::Alternative(&subject(&alternative)),
    );
    Arc::new(SvidIdentity::new(vec![der], native).unwrap())
}

/// A trust domain that has a catalyst authority as well.
struct Site {
    domain: Domain,
    authority: Authority,
    /// Somebody else's, who has the native key of [`authority`](Self::authority) and not the alternative one.
    forger: Authority,
}

impl Site {
    fn new() -> Self {
        let domain = Domain::new("example.org");
        let (native, number) = (signer(Suite::EcdsaP256), serial());
        let authority = catalyst_authority(&domain, &native, number);
        let forger = catalyst_authority(&domain, &native, number);
        Self {
            domain,
            authority,
            forger,
        }
    }

    fn bundle(&self, forms: &[Form]) -> TrustBundle {
        let mut bundle = self.domain.bundle(forms);
        let certificate = self.authority.certificate().clone();
        bundle.x509_authorities.push(X509Authority::new(certificate));
        bundle
    }

    fn holder(&self, identities: Vec<Arc<SvidIdentity>>) -> Arc<StaticSource> {
        source(identities, self.bundle(&[Form::Classical]).into())
    }

    fn classical(&self, path: &str) -> Arc<SvidIdentity> {
        self.domain.svid(path, Suite::EcdsaP256)
    }
}

fn dialling(peer_policy: PathPolicy, chain_policy: PathPolicy) -> ClientOptions {
    ClientOptions {
        peer_policy,
        chain_policy,
        ..ClientOptions::default()
    }
}

#[tokio::test]
async fn a_catalyst_chain_is_presented_and_believed_as_a_classical_one() {
    let site = Site::new();
    let (a, b) = (
        site.holder(vec![catalyst(&site.authority, "a")]),
        site.holder(vec![catalyst(&site.authority, "b")]),
    );
    let (client, server) = connected(
        &connector(&a, site.domain.any(), ClientOptions::default()),
        &acceptor(&b, site.domain.any(), ListenerOptions::default()),
    )
    .await;
    for end in [&client, &server] {
        let info = end.info();
        assert_eq!(info.presented, Some(Form::Catalyst));
        let peer = info.peer.as_ref().unwrap();
        // Both halves of the chain are right, and the handshake is signed with the native key alone.
        assert_eq!((peer.form, peer.chain_form), (Form::Classical, Form::Catalyst));
        assert_eq!(
            info.negotiated.own_signature.as_deref(),
            Some("ecdsa_secp256r1_sha256")
        );
    }
    // Who holds both presents the classical one to those who want nothing in particular.
    let both = site.holder(vec![site.classical("c"), catalyst(&site.authority, "c")]);
    let (client, _) = connected(
        &connector(&both, site.domain.any(), ClientOptions::default()),
        &acceptor(&b, site.domain.any(), ListenerOptions::default()),
    )
    .await;
    assert_eq!(client.info().presented, Some(Form::Classical));
}

#[tokio::test]
async fn a_policy_for_the_chain_gets_the_catalyst_one_and_keeps_out_a_forged_authority() {
    use PathPolicy::{ClassicalOk, HybridRequired, PqRequired};
    let site = Site::new();
    let asking = site.holder(vec![site.classical("client")]);
    let meets = async |identities: Vec<Arc<SvidIdentity>>, peer, chain| {
        let server = site.holder(identities);
        let connector = connector(&asking, site.domain.any(), dialling(peer, chain));
        let acceptor = acceptor(&server, site.domain.any(), ListenerOptions::default());
        handshake(&connector, &acceptor).await
    };
    let honest = || vec![site.classical("server"), catalyst(&site.authority, "server")];
    let forged = || vec![catalyst(&site.forger, "server")];
    for chain in [PqRequired, HybridRequired] {
        let (client, server) = meets(honest(), ClassicalOk, chain).await;
        assert_eq!(server.unwrap().info().presented, Some(Form::Catalyst), "{chain}");
        assert_eq!(
            client.unwrap().info().peer.as_ref().unwrap().chain_form,
            Form::Catalyst
        );

        let (client, _) = meets(forged(), ClassicalOk, chain).await;
        match client.unwrap_err().peer_error() {
            Some(PeerError::Chain(error)) => {
                assert!(
                    matches!(*error.reason, ChainReason::Alternative { .. }),
                    "{error}"
                );
                assert_eq!(error.half(), Some(Half::PostQuantum));
            }
            other => panic!("{other:?}"),
        }
        let (client, _) = meets(vec![site.classical("server")], ClassicalOk, chain).await;
        assert!(client.unwrap_err().to_string().contains("classical"), "{chain}");

        // The handshake itself is worth no more than the native key.
        let (client, _) = meets(honest(), chain, ClassicalOk).await;
        match client.unwrap_err().peer_error() {
            Some(PeerError::Chain(error)) => assert!(
                matches!(
                    *error.reason,
                    ChainReason::Policy {
                        form: Form::Classical,
                        ..
                    }
                ),
                "{error}"
            ),
            // Nothing that the client would take was held, so the server presented none.
            None => {}
            other => panic!("{other:?}"),
        }
    }
    // Who does not ask believes the forger, and is told what the chain is worth.
    let (client, _) = meets(forged(), ClassicalOk, ClassicalOk).await;
    assert_eq!(
        client.unwrap().info().peer.as_ref().unwrap().chain_form,
        Form::Classical
    );
}

#[tokio::test]
async fn a_listener_asks_the_same_of_its_clients() {
    let site = Site::new();
    let listening = || ListenerOptions {
        chain_policy: PathPolicy::HybridRequired,
        ..ListenerOptions::default()
    };
    let server = site.holder(vec![site.classical("server")]);
    let client = site.holder(vec![
        site.classical("client"),
        catalyst(&site.authority, "client"),
    ]);
    let (_, end) = connected(
        &connector(&client, site.domain.any(), ClientOptions::default()),
        &acceptor(&server, site.domain.any(), listening()),
    )
    .await;
    assert_eq!(end.info().peer.as_ref().unwrap().chain_form, Form::Catalyst);
    let client = site.holder(vec![site.classical("client")]);
    let (_, end) = handshake(
        &connector(&client, site.domain.any(), ClientOptions::default()),
        &acceptor(&server, site.domain.any(), listening()),
    )
    .await;
    end.unwrap_err();
}

/// The two halves of a pair as an agent sends them.
fn pair(domain: &Domain, path: &str) -> [wire::X509svid; 2] {
    let [first_key, second_key] =
        [Suite::EcdsaP256, Suite::MlDsa65].map(|suite| PrivateKey::generate(suite).unwrap());
    let [first_signer, second_signer] = [&first_key, &second_key].map(|key| key.signer().unwrap());
    let classical = domain.authority(Form::Classical);
    let first = issue(classical, path, &subject(&first_signer), Beside::Nothing);
    let certificate = Certificate::from_der(&first).unwrap();
    let request = CsrBuilder::new(&second_signer)
        .related_to(&certificate, &first_signer, now())
        .build()
        .unwrap();
    let request = Csr::from_der(&request).unwrap();
    let related = request
        .related_request()
        .unwrap()
        .prove(&certificate, now())
        .unwrap();
    let ml_dsa = domain.authority(Form::MlDsa);
    let second = issue(ml_dsa, path, &subject(&second_signer), Beside::Related(&related));
    let message = |der: Vec<u8>, key: &PrivateKey, authority: &Authority| wire::X509svid {
        spiffe_id: format!("spiffe://{}/{path}", domain.name),
        x509_svid: der,
        x509_svid_key: key.to_pkcs8_der().unwrap().to_vec(),
        bundle: authority.certificate().der().to_vec(),
        form: "paired".to_owned(),
        ..wire::X509svid::default()
    };
    [
        message(first, &first_key, classical),
        message(second, &second_key, ml_dsa),
    ]
}

fn read(svids: Vec<wire::X509svid>) -> Result<X509Context, String> {
    let message = wire::X509svidResponse {
        svids,
        ..wire::X509svidResponse::default()
    };
    X509Context::from_wire(message).map_err(|error| error.to_string())
}

#[test]
fn a_pair_is_taken_whole_or_not_at_all() {
    let domain = Domain::new("example.org");
    let [first, second] = pair(&domain, "one");
    let context = read(vec![first.clone(), second.clone()]).unwrap();
    let halves: Vec<_> = context
        .svids
        .iter()
        .map(|svid| (svid.form(), svid.half()))
        .collect();
    assert_eq!(
        halves,
        [
            (Form::Paired, Some(Half::Classical)),
            (Form::Paired, Some(Half::PostQuantum))
        ]
    );
    // In a handshake each is what its key is.
    let forms: Vec<_> = context
        .identities()
        .iter()
        .map(|identity| identity.form())
        .collect();
    assert_eq!(forms, [Form::Classical, Form::Paired]);

    let plain = || {
        let [mut plain, _] = pair(&domain, "plain");
        plain.form = "classical".to_owned();
        plain
    };
    let [other_first, other_second] = pair(&domain, "one");
    let [_, elsewhere] = pair(&domain, "two");
    for (svids, words) in [
        (
            vec![plain(), first.clone()],
            "the other half of the pair is missing",
        ),
        (
            vec![plain(), second.clone()],
            "the other half of the pair is missing",
        ),
        (vec![second.clone(), first.clone(), plain()], "the other half"),
        (vec![first.clone(), plain(), second.clone()], "the other half"),
        (
            vec![first.clone(), other_second.clone(), plain()],
            "names another one",
        ),
        (
            vec![first.clone(), elsewhere, plain()],
            "the other half of the pair is for",
        ),
    ] {
        let context = read(svids).unwrap();
        let kept: Vec<_> = context.svids.iter().map(|svid| svid.form()).collect();
        assert_eq!(kept, [Form::Classical], "{words}");
        assert!(
            context
                .skipped
                .iter()
                .any(|error| error.to_string().contains(words)),
            "{words}: {:?}",
            context.skipped
        );
    }
    let context = read(vec![first, second, other_first, other_second]).unwrap();
    assert_eq!((context.svids.len(), context.skipped.len()), (4, 0));
}

#[test]
fn a_catalyst_svid_brings_the_key_that_its_certificate_names() {
    let site = Site::new();
    let [native, alternative, other] =
        [Suite::EcdsaP256, Suite::MlDsa65, Suite::MlDsa65].map(|suite| PrivateKey::generate(suite).unwrap());
    let key = subject(&native.signer().unwrap());
    let beside = subject(&alternative.signer().unwrap());
    let der = issue(&site.authority, "one", &key, Beside::Alternative(&beside));
    let message = |alternative_key: Vec<u8>| wire::X509svid {
        spiffe_id: "spiffe://example.org/one".to_owned(),
        x509_svid: der.clone(),
        x509_svid_key: native.to_pkcs8_der().unwrap().to_vec(),
        alternative_key,
        bundle: site.authority.certificate().der().to_vec(),
        form: "catalyst".to_owned(),
        ..wire::X509svid::default()
    };
    let pkcs8 = |key: &PrivateKey| key.to_pkcs8_der().unwrap().to_vec();
    let context = read(vec![message(pkcs8(&alternative))]).unwrap();
    assert_eq!(context.svids[0].form(), Form::Catalyst);
    assert!(context.svids[0].alternative_key.is_some());
    // An agent that keeps the key to itself gives a classical SVID with an adornment.
    assert!(
        read(vec![message(Vec::new())]).unwrap().svids[0]
            .alternative_key
            .is_none()
    );
    let error = read(vec![message(pkcs8(&other))]).unwrap_err();
    assert!(
        error.contains("not the one that its certificate names"),
        "{error}"
    );
    let error = read(vec![message(vec![1, 2, 3])]).unwrap_err();
    assert!(error.contains("its alternative key"), "{error}");
}
