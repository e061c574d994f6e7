//! Names that are longer than any there is, and odd ones.

use symbolon_api::spire::api::server::svid::v1 as api;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_ca::config::FamilyConfig;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Form;
use tonic::{Code, Status};

use crate::hostile::assert_argument;
use crate::support::{Key, TestServer, attest};

/// Whoever repeats what strangers write at length fills its own disk with it.
#[tokio::test]
async fn what_is_longer_than_any_name_is_repeated_nowhere() {
    let server = TestServer::start_with(|config| config.families.wit = Some(FamilyConfig::default())).await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    let key = Key::new(Form::Classical);
    let long = "\u{1}".repeat(100_000);
    let of_type = async |kind: &str| {
        let answer = attest(server.anonymous().await, kind, b"guess", key.csr(None)).await;
        answer.unwrap_err()
    };
    assert_argument(&of_type(&long).await, "params.data.type: 100000 bytes", &"type");
    let odd = of_type("\u{1b}[31m").await;
    assert_argument(&odd, "params.data.type", &"type");
    assert!(
        !odd.message().contains("\u{1b}") && !odd.message().contains("1b"),
        "{odd}"
    );

    let mut svids = SvidClient::new(agent.channel.clone());
    let request = api::NewJwtsvidRequest {
        entry_id: long.clone(),
        audience: vec!["db".to_owned()],
    };
    let status = svids.new_jwtsvid(request).await.unwrap_err();
    assert_argument(&status, "entry_id: 100000 bytes", &"jwt");

    let x509 = |entry_id: &str, form: &str| api::NewX509svidParams {
        entry_id: entry_id.to_owned(),
        csr: key.csr(None),
        form: form.to_owned(),
    };
    let request = api::BatchNewX509svidRequest {
        params: vec![x509(&long, ""), x509(&entry, &long), x509(&entry, "")],
    };
    let results = svids
        .batch_new_x509svid(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    let status = |status: &Option<types::Status>| {
        let status = status.clone().unwrap();
        Status::new(Code::from_i32(status.code), status.message)
    };
    assert_argument(&status(&results[0].status), "entry_id: 100000 bytes", &"x509");
    assert_argument(&status(&results[1].status), "form: 100000 bytes", &"form");
    assert!(results[2].svid.is_some(), "the others are none the worse for it");

    let holder = Key::new(Form::Classical);
    let public_key = SubjectKey::Suite(holder.signer.public_key().clone()).spki_der();
    let wit = |entry_id: &str, algorithm: &str| api::NewWitsvidParams {
        entry_id: entry_id.to_owned(),
        public_key: public_key.clone(),
        signing_algorithm: algorithm.to_owned(),
    };
    let request = api::BatchNewWitsvidRequest {
        params: vec![wit(&long, "ES256"), wit(&entry, &long), wit(&entry, "ES256")],
    };
    let results = svids
        .batch_new_witsvid(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_argument(&status(&results[0].status), "entry_id: 100000 bytes", &"wit");
    assert_argument(
        &status(&results[1].status),
        "signing_algorithm: 100000 bytes",
        &"algorithm",
    );
    assert!(results[2].svid.is_some());
}
