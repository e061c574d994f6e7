//! A component key is part of one key.

use symbolon_api::spire::api::server::svid::v1 as api;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::{PrivateKey, SuiteSigner};
use symbolon_pki::suite::{Form, Suite};
use tonic::Code;

use crate::support::{TestServer, asking};

#[tokio::test]
async fn a_component_key_serves_in_one_key_only_and_that_one_can_be_renewed() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    let composite = PrivateKey::generate(Suite::MlDsa65EcdsaP256).unwrap();
    let signer = composite.signer().unwrap();
    let alone = |index: usize, suite: Suite| {
        let half = signer.keys()[index].clone();
        CsrBuilder::new(&SuiteSigner::new(suite, vec![half]).unwrap())
            .build()
            .unwrap()
    };
    let mut client = SvidClient::new(agent.channel.clone());
    let mut ask = async |csr: Vec<u8>, form: &'static str| {
        let params = vec![api::NewX509svidParams {
            entry_id: entry.clone(),
            csr,
            form: form.to_owned(),
        }];
        let request = asking(api::BatchNewX509svidRequest { params }, form);
        let mut results = client
            .batch_new_x509svid(request)
            .await
            .unwrap()
            .into_inner()
            .results;
        let status = results.remove(0).status.unwrap();
        (Code::from(status.code), status.message)
    };
    let whole = || CsrBuilder::new(&signer).build().unwrap();
    assert_eq!(ask(whole(), "composite").await.0, Code::Ok);
    assert_eq!(
        ask(whole(), "composite").await.0,
        Code::Ok,
        "a renewal with the same key"
    );
    let before = server.certificate_count().await;
    for (index, suite, form) in [(0, Suite::MlDsa65, "ml-dsa"), (1, Suite::EcdsaP256, "classical")] {
        let (code, message) = ask(alone(index, suite), form).await;
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(
            message.contains("part of another key") && message.contains("make a new one"),
            "{message}"
        );
    }
    assert_eq!(
        server.certificate_count().await,
        before,
        "not even an intent is on record"
    );
}

#[tokio::test]
async fn a_whole_key_serves_several_identities_and_in_one_batch_the_first_use_counts() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entries = [
        server.entry(&agent, "/web").await,
        server.entry(&agent, "/db").await,
    ];
    let composite = PrivateKey::generate(Suite::MlDsa65EcdsaP256).unwrap();
    let signer = composite.signer().unwrap();
    let half = SuiteSigner::new(Suite::MlDsa65, vec![signer.keys()[0].clone()]).unwrap();
    let order = |entry: &str, signer: &SuiteSigner, form: Form| api::NewX509svidParams {
        entry_id: entry.to_owned(),
        csr: CsrBuilder::new(signer).build().unwrap(),
        form: form.name().to_owned(),
    };
    let params = vec![
        order(&entries[0], &signer, Form::Composite),
        order(&entries[0], &signer, Form::Composite),
        order(&entries[1], &signer, Form::Composite),
        order(&entries[1], &half, Form::MlDsa),
    ];
    let request = asking(api::BatchNewX509svidRequest { params }, "composite,ml-dsa");
    let answer = SvidClient::new(agent.channel.clone())
        .batch_new_x509svid(request)
        .await
        .unwrap();
    let results = answer.into_inner().results.into_iter();
    let codes: Vec<Code> = results
        .map(|result| Code::from(result.status.unwrap().code))
        .collect();
    assert_eq!(codes, [Code::Ok, Code::Ok, Code::Ok, Code::InvalidArgument]);
}
