//! Forms, keys and windows.

use std::time::Duration;

use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::svid::v1 as svids;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_ca::client::{EntryChanges, EntryPolicy, EntrySpec};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::time::{Clock, unix_seconds};
use tonic::Code;

use crate::support::{Key, TestAgent, TestServer, asking, id};

/// Asks for one certificate with this CSR, in the form of its key.
async fn ask(agent: &TestAgent, entry: &str, csr: Vec<u8>, form: Form) -> (Code, String, Vec<Vec<u8>>) {
    let params = vec![svids::NewX509svidParams {
        entry_id: entry.to_owned(),
        csr,
        form: String::new(),
    }];
    let request = asking(svids::BatchNewX509svidRequest { params }, form.name());
    let answer = SvidClient::new(agent.channel.clone())
        .batch_new_x509svid(request)
        .await
        .unwrap();
    let result = answer.into_inner().results.remove(0);
    let status = result.status.unwrap();
    let chain = result.svid.map(|svid| svid.cert_chain).unwrap_or_default();
    (status.code.into(), status.message, chain)
}

async fn entry_with(server: &TestServer, agent: &TestAgent, path: &str, policy: EntryPolicy) -> String {
    let spec = EntrySpec {
        policy,
        ..EntrySpec::new(
            id(path),
            agent.spiffe_id.clone(),
            vec!["unix:uid:1".parse().unwrap()],
        )
    };
    server.client.create_entry(&spec).await.unwrap().id
}

fn csr_of(suite: Suite) -> Vec<u8> {
    let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
    CsrBuilder::new(&signer).build().unwrap()
}

#[tokio::test]
async fn an_entry_gives_the_forms_that_it_allows_and_no_others() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let policy = EntryPolicy {
        allowed_forms: vec![Form::Composite],
        ..EntryPolicy::default()
    };
    let entry = entry_with(&server, &agent, "/web", policy).await;
    let before = server.certificate_count().await;
    for form in [Form::Classical, Form::MlDsa] {
        let (code, words, _) = ask(&agent, &entry, Key::new(form).csr(None), form).await;
        assert_eq!(code, Code::PermissionDenied);
        assert!(
            words.starts_with("form: ") && words.ends_with("it allows composite"),
            "{words}"
        );
    }
    assert_eq!(
        server.certificate_count().await,
        before,
        "what is refused leaves no record"
    );
    let csr = Key::new(Form::Composite).csr(None);
    let (code, words, chain) = ask(&agent, &entry, csr, Form::Composite).await;
    assert_eq!(code, Code::Ok, "{words}");
    assert_eq!(server.verify(&chain).form, Form::Composite);

    // The policy is not delivery: what an entry may give is said of it, and an update lifts it.
    let changes = EntryChanges {
        allowed_forms: Some(vec![]),
        ..EntryChanges::default()
    };
    server.client.update_entry(&entry, &changes).await.unwrap();
    let (code, words, _) = ask(
        &agent,
        &entry,
        Key::new(Form::Classical).csr(None),
        Form::Classical,
    )
    .await;
    assert_eq!(code, Code::Ok, "{words}");
}

#[tokio::test]
async fn an_entry_takes_keys_of_the_algorithms_that_it_names_and_no_others() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let policy = EntryPolicy {
        leaf_key_algorithms: vec!["ecdsa-p384".to_owned(), "ml-dsa-87".to_owned()],
        ..EntryPolicy::default()
    };
    let entry = entry_with(&server, &agent, "/web", policy).await;
    let before = server.certificate_count().await;
    for suite in [Suite::EcdsaP256, Suite::MlDsa65] {
        let (code, words, _) = ask(&agent, &entry, csr_of(suite), suite.form()).await;
        assert_eq!(code, Code::InvalidArgument);
        assert!(
            words.starts_with("csr: ") && words.contains(suite.name()) && words.contains("ecdsa-p384"),
            "{words}"
        );
    }
    assert_eq!(server.certificate_count().await, before);
    for suite in [Suite::EcdsaP384, Suite::MlDsa87] {
        let (code, words, _) = ask(&agent, &entry, csr_of(suite), suite.form()).await;
        assert_eq!(code, Code::Ok, "{words}");
    }
}

#[tokio::test]
async fn an_entry_has_effect_in_its_window_and_its_svids_end_with_it() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let now = server.clock.now();
    let after = |seconds| Some(now + Duration::from_secs(seconds));
    let policy = EntryPolicy {
        not_before: after(60),
        not_after: after(360),
        ..EntryPolicy::default()
    };
    let end = unix_seconds(policy.not_after.unwrap());
    let entry = entry_with(&server, &agent, "/web", policy).await;
    let token = async || {
        let request = svids::NewJwtsvidRequest {
            entry_id: entry.clone(),
            audience: vec!["a".to_owned()],
        };
        SvidClient::new(agent.channel.clone()).new_jwtsvid(request).await
    };
    let seen = async || {
        let request = api::GetAuthorizedEntriesRequest::default();
        let answer = EntryClient::new(agent.channel.clone())
            .get_authorized_entries(request)
            .await;
        answer.unwrap().into_inner().entries.len()
    };
    let csr = || Key::new(Form::Classical).csr(None);
    let refused = async || {
        let before = server.certificate_count().await;
        let (code, words, _) = ask(&agent, &entry, csr(), Form::Classical).await;
        assert_eq!(code, Code::NotFound, "{words}");
        assert_eq!(token().await.unwrap_err().code(), Code::NotFound);
        assert_eq!((seen().await, server.certificate_count().await), (0, before));
    };
    refused().await;
    server.clock.advance(Duration::from_secs(61));
    assert_eq!(seen().await, 1);
    let (code, words, chain) = ask(&agent, &entry, csr(), Form::Classical).await;
    assert_eq!(code, Code::Ok, "{words}");
    let leaf = Certificate::from_der(&chain[0]).unwrap();
    assert_eq!(
        unix_seconds(leaf.not_after()),
        end,
        "not the hour that it would have been"
    );
    server.clock.advance(Duration::from_secs(200));
    let token_end = token().await.unwrap().into_inner().svid.unwrap().expires_at;
    assert_eq!(u64::try_from(token_end).unwrap(), end);
    server.clock.advance(Duration::from_secs(100));
    refused().await;
}
