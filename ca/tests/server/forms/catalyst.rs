//! SVIDs with two keys, of workloads and of agents.

use std::sync::Arc;

use symbolon_ca::client::Reader as _;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::Clock as _;
use symbolon_pki::verify::{PathPolicy, VerifyOptions, verify_x509_svid_with};
use symbolon_tls::SvidIdentity;
use tonic::Code;

use super::{ask, first_half, second_request, signer};
use crate::support::{Key, TestAgent, TestServer, asking, id};

#[tokio::test]
async fn a_catalyst_svid_is_classical_to_those_who_do_not_look() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    let (native, alternative) = (signer(Suite::EcdsaP256), signer(Suite::MlDsa65));
    let csr = || {
        CsrBuilder::new(&native)
            .alternative(&alternative)
            .build()
            .unwrap()
    };
    for form in ["", "catalyst"] {
        let certificate = ask(&agent, &entry, csr(), form, "catalyst").await.unwrap();
        assert_eq!(certificate.subject_key().unwrap().form(), Form::Classical);
        assert!(certificate.unprocessed_critical_extensions().is_empty());
        let mut options = VerifyOptions::default();
        options.policy = PathPolicy::HybridRequired;
        let chain = std::slice::from_ref(&certificate);
        let verified = verify_x509_svid_with(chain, &server.bundles(), server.clock.now(), &options).unwrap();
        assert_eq!((verified.form, verified.spiffe_id), (Form::Catalyst, id("/web")));
        let on_record = server
            .client
            .certificate(&certificate.serial_hex())
            .await
            .unwrap();
        assert_eq!(
            (on_record.form.as_str(), on_record.algorithm.as_str()),
            ("catalyst", "ecdsa-p256")
        );
        assert_eq!(on_record.alternative.as_deref(), Some("ml-dsa-65"));
    }

    let before = server.certificate_count().await;
    // Either key by itself, or with another partner, is a component of two keys.
    let alone = |signer: &SuiteSigner| CsrBuilder::new(signer).build().unwrap();
    let elsewhere = CsrBuilder::new(&signer(Suite::EcdsaP256))
        .alternative(&alternative)
        .build()
        .unwrap();
    for (csr, words) in [
        (alone(&native), "part of another key"),
        (alone(&alternative), "part of another key"),
        (elsewhere, "part of another key"),
    ] {
        let (code, message) = ask(&agent, &entry, csr, "", "catalyst,ml-dsa").await.unwrap_err();
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.contains(words), "{words}: {message}");
    }
    for (csr, form, forms, words) in [
        (
            csr(),
            "classical",
            "catalyst",
            "form is classical, and csr is for one of form catalyst",
        ),
        (
            Key::new(Form::Classical).csr(None),
            "catalyst",
            "catalyst",
            "alternative key of ML-DSA",
        ),
        (
            csr(),
            "",
            "composite",
            "send the metadata symbolon-forms: catalyst",
        ),
    ] {
        let (code, message) = ask(&agent, &entry, csr, form, forms).await.unwrap_err();
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.contains(words), "{words}: {message}");
    }
    assert_eq!(server.certificate_count().await, before);
}

#[tokio::test]
async fn an_agent_may_be_catalyst_and_not_a_pair() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    let first = first_half(&agent, &entry).await;
    let mut client =
        symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient::new(agent.channel.clone());
    let mut renew = async |csr: Vec<u8>, forms: &'static str| {
        let params = symbolon_api::spire::api::server::agent::v1::AgentX509svidParams { csr };
        let message = symbolon_api::spire::api::server::agent::v1::RenewAgentRequest { params: Some(params) };
        let renewed = client.renew_agent(asking(message, forms)).await;
        renewed.map(|answer| answer.into_inner().svid.unwrap())
    };
    let pair = second_request(&server, &first, &signer(Suite::MlDsa65));
    let status = renew(pair, "paired").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("an agent has one SVID"), "{status}");

    let native = signer(Suite::EcdsaP256);
    let csr = CsrBuilder::new(&native)
        .alternative(&signer(Suite::MlDsa65))
        .build()
        .unwrap();
    let svid = renew(csr, "catalyst").await.unwrap();
    assert_eq!(svid.form, "catalyst");
    let identity = Arc::new(SvidIdentity::new(svid.cert_chain, native).unwrap());
    // It calls with it as with any classical one.
    let renewed = TestAgent {
        spiffe_id: agent.spiffe_id.clone(),
        channel: server.with_svid(&identity).await,
    };
    ask(
        &renewed,
        &entry,
        Key::new(Form::Classical).csr(None),
        "",
        "classical",
    )
    .await
    .unwrap();
}
