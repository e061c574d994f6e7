//! Join tokens: made as asked for, good once, and not for ever.

use std::time::Duration;

use symbolon_api::spire::api::server::agent::v1 as api;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::Reader;
use symbolon_pki::suite::Form;
use tonic::Code;

use crate::support::{Key, TestServer, attest};

#[tokio::test]
async fn of_many_who_have_one_token_one_gets_in() {
    let server = TestServer::start().await;
    let token = server.token().await;
    let channel = server.anonymous().await;
    let tries: Vec<_> = (0..12)
        .map(|_| {
            let (channel, token, csr) = (
                channel.clone(),
                token.clone(),
                Key::new(Form::Classical).csr(None),
            );
            tokio::spawn(async move { attest(channel, "join_token", token.as_bytes(), csr).await.is_ok() })
        })
        .collect();
    let mut admitted = 0;
    for attempt in tries {
        admitted += usize::from(attempt.await.unwrap());
    }
    assert_eq!(admitted, 1);
}

#[tokio::test]
async fn a_late_token_is_refused() {
    let server = TestServer::start().await;
    let token = server.token().await;
    server.clock.advance(Duration::from_secs(601));
    let csr = Key::new(Form::Classical).csr(None);
    let status = attest(server.anonymous().await, "join_token", token.as_bytes(), csr)
        .await
        .unwrap_err();
    assert!(status.message().contains("expired"), "{status}");
}

#[tokio::test]
async fn tokens_are_made_as_asked_for() {
    let server = TestServer::start().await;
    let mut client = AgentClient::new(server.local().await);
    let request = |ttl, token: &str, agent_id: Option<&str>| api::CreateJoinTokenRequest {
        ttl,
        token: token.to_owned(),
        agent_id: agent_id.map(|path| types::Spiffeid {
            trust_domain: "example.org".to_owned(),
            path: path.to_owned(),
        }),
    };
    let made = client
        .create_join_token(request(60, "kite-7", Some("/rack/7")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.value, "kite-7");
    for (request, code, words) in [
        (request(0, "", None), Code::InvalidArgument, "ttl is missing"),
        (request(-1, "", None), Code::InvalidArgument, "ttl is -1"),
        (request(60, "a/b", None), Code::InvalidArgument, "token: "),
        (
            request(60, "", Some("/spire/agent/x")),
            Code::InvalidArgument,
            "agent_id: ",
        ),
        (request(60, "", Some("")), Code::InvalidArgument, "agent_id: "),
        (request(60, "kite-7", None), Code::AlreadyExists, "token: "),
    ] {
        let status = client.create_join_token(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(
            status.message().contains(words) && !status.message().contains("kite"),
            "{status}"
        );
    }
    let entries = server.client.entries(&Default::default()).await.unwrap();
    assert_eq!(entries.len(), 1, "a refused token leaves no entry");
    assert_eq!(entries[0].spiffe_id, "spiffe://example.org/rack/7");
    assert_eq!(
        entries[0].selectors,
        ["spiffe_id:spiffe://example.org/spire/agent/join_token/kite-7"]
    );
}
