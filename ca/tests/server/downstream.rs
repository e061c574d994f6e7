//! Authorities for servers below this one.

use std::sync::Arc;
use std::time::Duration;

use symbolon_api::spire::api::server::entry::v1::BatchCreateEntryRequest;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::svid::v1 as api;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{CertificateQuery, Reader};
use symbolon_issuance::{Authority, Beside, Serial, SvidProfile, SvidRequest, prepare_svid};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::{PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::{Clock, unix_seconds};
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::SvidIdentity;
use tonic::Code;
use tonic::transport::Channel;

use crate::support::{Key, TestServer, asking, foreign_request, id, message};

/// A channel for a workload whose entry says that it is a server below this one, or does not.
async fn workload(server: &TestServer, path: &str, downstream: bool) -> Channel {
    let entry = types::Entry {
        downstream,
        ..message(path, "/spire/agent/x/a")
    };
    workload_of(server, path, entry).await
}

/// A channel for a workload with this entry.
async fn workload_of(server: &TestServer, path: &str, entry: types::Entry) -> Channel {
    let request = BatchCreateEntryRequest {
        entries: vec![entry],
        output_mask: None,
    };
    let created = EntryClient::new(server.local().await)
        .batch_create_entry(request)
        .await
        .unwrap();
    assert_eq!(created.into_inner().results[0].status.as_ref().unwrap().code, 0);
    let key = Key::new(Form::Classical);
    let request = api::MintX509svidRequest {
        csr: key.csr(Some(&id(path))),
        ttl: 0,
    };
    let svid = SvidClient::new(server.local().await)
        .mint_x509svid(request)
        .await
        .unwrap();
    let chain = svid.into_inner().svid.unwrap().cert_chain;
    let identity = Arc::new(SvidIdentity::new(chain, key.signer).unwrap());
    server.with_svid(&identity).await
}

fn request(csr: Vec<u8>, preferred_ttl: i32) -> api::NewDownstreamX509caRequest {
    api::NewDownstreamX509caRequest { csr, preferred_ttl }
}

/// An SVID that the server below issues, verified with nothing but the roots of the one above.
fn issues(server: &TestServer, answer: &api::NewDownstreamX509caResponse, signer: SuiteSigner) -> Form {
    let now = server.clock.now();
    let certificate = Certificate::from_der(&answer.ca_cert_chain[0]).unwrap();
    let below = Authority::new(certificate.clone(), signer).unwrap();
    let leaf = Key::new(below.family().to_string().parse().unwrap());
    let svid = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &id("/below"),
        key: &SubjectKey::Suite(leaf.signer.public_key().clone()),
        beside: Beside::Nothing,
        dns_names: &[],
        ttl: Duration::from_secs(60),
        serial: Serial::random(symbolon_crypto::random::fill).unwrap(),
        now,
    };
    let issued = prepare_svid(&below, &svid).unwrap().sign(&below).unwrap();
    let chain = [Certificate::from_der(issued.der()).unwrap(), certificate];
    let verified = verify_x509_svid(&chain, &server.bundles(), now).unwrap();
    assert_eq!(verified.spiffe_id, id("/below"));
    verified.form
}

#[tokio::test]
async fn a_server_below_gets_an_authority_in_each_form_that_it_asks_for() {
    let server = TestServer::start().await;
    let mut client = SvidClient::new(workload(&server, "/nested", true).await);
    for form in Form::OF_KEYS {
        let key = Key::new(form);
        let message = request(key.csr(None), 3_600);
        if form != Form::Classical {
            let status = client.new_downstream_x509ca(message.clone()).await.unwrap_err();
            assert_eq!(
                status.code(),
                Code::InvalidArgument,
                "a stock server asks for nothing"
            );
            assert!(status.message().contains("did not ask for"), "{status}");
        }
        let answer = match form {
            Form::Classical => client.new_downstream_x509ca(message).await,
            form => client.new_downstream_x509ca(asking(message, form.name())).await,
        };
        let answer = answer.unwrap().into_inner();
        assert_eq!(
            answer.ca_cert_chain.len(),
            1,
            "our own is a root and stands among the authorities"
        );
        let ca = Certificate::from_der(&answer.ca_cert_chain[0]).unwrap();
        assert!(ca.is_ca());
        assert_eq!(ca.spiffe_id().unwrap().to_string(), "spiffe://example.org");
        let life = ca.not_after().duration_since(server.clock.now()).unwrap();
        assert!((3_598..=3_600).contains(&life.as_secs()), "{life:?}");
        assert_eq!(issues(&server, &answer, key.signer), form);

        let roots: Vec<_> = answer
            .x509_authorities
            .iter()
            .map(|der| Certificate::from_der(der).unwrap())
            .collect();
        let above = server.server.authorities().active(form.family()).unwrap();
        assert!(roots.iter().any(|root| root.der() == above.certificate().der()));
        if form == Form::Classical {
            assert!(
                roots
                    .iter()
                    .all(|root| root.subject_key().unwrap().form() == Form::Classical)
            );
        }
        let recorded = server.client.certificate(&ca.serial_hex()).await.unwrap();
        assert_eq!(
            (recorded.profile.as_str(), recorded.der.as_deref()),
            ("authority", Some(ca.der()))
        );
        let entry = server
            .client
            .entries(&Default::default())
            .await
            .unwrap()
            .remove(0);
        assert_eq!(
            recorded.entry_id,
            Some(entry.id),
            "whoever looks for it later finds who has it"
        );
    }
}

/// Stock servers can have RSA keys, which no authority of ours has.
#[tokio::test]
async fn an_rsa_key_of_a_stock_server_is_certified() {
    let server = TestServer::start().await;
    let mut client = SvidClient::new(workload(&server, "/nested", true).await);
    for name in ["rsa2048-sha256", "rsa4096-sha512"] {
        let answer = client
            .new_downstream_x509ca(request(foreign_request(name), 0))
            .await
            .unwrap();
        let ca = Certificate::from_der(&answer.into_inner().ca_cert_chain[0]).unwrap();
        let usage = ca.key_usage().unwrap();
        assert!(
            ca.is_ca() && usage.key_cert_sign() && !usage.key_encipherment(),
            "{name}"
        );
        let above = server
            .server
            .authorities()
            .active(Form::Classical.family())
            .unwrap();
        assert_eq!(ca.akid(), Some(above.authority_id()));
    }
}

#[tokio::test]
async fn a_lifetime_is_cut_to_what_our_own_authority_has_left() {
    let server = TestServer::start().await;
    let mut client = SvidClient::new(workload(&server, "/nested", true).await);
    server.clock.advance(Duration::from_secs(600));
    let above = server
        .server
        .authorities()
        .active(Form::Classical.family())
        .unwrap();
    for ttl in [0, i32::MAX] {
        let answer = client
            .new_downstream_x509ca(request(Key::new(Form::Classical).csr(None), ttl))
            .await;
        let ca = Certificate::from_der(&answer.unwrap().into_inner().ca_cert_chain[0]).unwrap();
        assert_eq!(ca.not_after(), above.certificate().not_after());
    }
}

#[tokio::test]
async fn what_cannot_be_certified_is_refused_by_its_field() {
    let server = TestServer::start().await;
    let mut client = SvidClient::new(workload(&server, "/nested", true).await);
    let good = Key::new(Form::Classical);
    let mut broken = good.csr(None);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let catalyst = PrivateKey::generate(Suite::MlDsa65).unwrap().signer().unwrap();
    let catalyst = CsrBuilder::new(&good.signer)
        .alternative(&catalyst)
        .build()
        .unwrap();
    let query = CertificateQuery::default();
    let before = server.client.certificates(&query).await.unwrap();
    for (csr, ttl, words) in [
        (vec![], 0, "csr is missing"),
        (vec![1, 2, 3], 0, "csr: "),
        (vec![0x30; 100_000], 0, "csr: "),
        (broken, 0, "csr: "),
        (catalyst, 0, "csr: "),
        (good.csr(None), -1, "preferred_ttl is -1"),
        (foreign_request("two-uris"), i32::MIN, "preferred_ttl is "),
    ] {
        let status = client.new_downstream_x509ca(request(csr, ttl)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{words}: {status}");
        assert!(status.message().starts_with(words), "{words}: {status}");
    }
    assert_eq!(server.client.certificates(&query).await.unwrap(), before);
}

/// A key certified for a workload is no authority's, in whole or in half.
#[tokio::test]
async fn no_part_of_a_key_serves_twice() {
    let server = TestServer::start().await;
    let mut client = SvidClient::new(workload(&server, "/nested", true).await);
    let composite = Key::new(Form::Composite);
    let answer = client
        .new_downstream_x509ca(asking(request(composite.csr(None), 0), "composite"))
        .await;
    answer.unwrap();
    let half = SuiteSigner::new(Suite::MlDsa65, composite.signer.keys()[..1].to_vec()).unwrap();
    let csr = CsrBuilder::new(&half).spiffe_id(&id("/web")).build().unwrap();
    let minted = SvidClient::new(server.local().await)
        .mint_x509svid(asking(api::MintX509svidRequest { csr, ttl: 0 }, "ml-dsa"))
        .await;
    let status = minted.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("part of another key"), "{status}");
}

#[tokio::test]
async fn only_servers_below_may_ask() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let before = server.certificate_count().await;
    let callers = [server.anonymous().await, server.local().await, agent.channel];
    let csr = Key::new(Form::Classical).csr(None);
    for channel in callers {
        let status = SvidClient::new(channel)
            .new_downstream_x509ca(request(csr.clone(), 0))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
    }
    assert_eq!(server.certificate_count().await, before);
    let plain = workload(&server, "/plain", false).await;
    let status = SvidClient::new(plain)
        .new_downstream_x509ca(request(csr, 0))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

/// An entry says the same of an authority as of an SVID.
#[tokio::test]
async fn its_entry_says_of_which_form_and_how_long_it_may_be() {
    let server = TestServer::start().await;
    let end = server.clock.now() + Duration::from_secs(600);
    let entry = types::Entry {
        downstream: true,
        allowed_forms: vec!["composite".to_owned()],
        not_after: i64::try_from(unix_seconds(end)).unwrap(),
        ..message("/nested", "/spire/agent/x/a")
    };
    let mut client = SvidClient::new(workload_of(&server, "/nested", entry).await);
    let before = server.certificate_count().await;
    let csr = Key::new(Form::Classical).csr(None);
    let status = client.new_downstream_x509ca(request(csr, 0)).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("it allows composite"), "{status}");
    assert_eq!(server.certificate_count().await, before);

    let csr = Key::new(Form::Composite).csr(None);
    let answer = client
        .new_downstream_x509ca(asking(request(csr, 3_600), "composite"))
        .await;
    let ca = Certificate::from_der(&answer.unwrap().into_inner().ca_cert_chain[0]).unwrap();
    assert_eq!(unix_seconds(ca.not_after()), unix_seconds(end));

    // What one entry does not allow another may.
    let entry = types::Entry {
        downstream: true,
        ..message("/nested", "/spire/agent/x/b")
    };
    let mut client = SvidClient::new(workload_of(&server, "/nested", entry).await);
    let csr = Key::new(Form::Classical).csr(None);
    client.new_downstream_x509ca(request(csr, 0)).await.unwrap();
}
