//! Nodes become agents, stay agents, and are looked after.

use std::time::Duration;

use symbolon_api::denial_reason;
use symbolon_api::spire::api::server::agent::v1 as api;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::agent::v1::attest_agent_request::{Params, Step};
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_ca::client::Reader;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;
use tonic::{Code, Status};

use crate::support::{Key, TestAgent, TestServer, attest, attest_step, id};

async fn post_status(agent: &TestAgent) -> Result<(), Status> {
    let request = api::PostStatusRequest {
        agent_version: "1.2.3".to_owned(),
        ..Default::default()
    };
    AgentClient::new(agent.channel.clone())
        .post_status(request)
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_token_lets_one_agent_in_whatever_the_form_of_its_key() {
    let server = TestServer::start().await;
    for form in Form::OF_KEYS {
        let token = server.token().await;
        let key = Key::new(form);
        let result = attest(
            server.anonymous().await,
            "join_token",
            token.as_bytes(),
            key.csr(None),
        )
        .await
        .unwrap();
        assert!(!result.reattestable);
        let svid = result.svid.unwrap();
        let verified = server.verify(&svid.cert_chain);
        assert_eq!(
            (verified.form, verified.spiffe_id),
            (form, id(&format!("/spire/agent/join_token/{token}")))
        );
        assert_eq!(
            svid.form,
            if form == Form::Classical { "" } else { form.name() },
            "stock agents see no field of ours"
        );

        let again = attest(
            server.anonymous().await,
            "join_token",
            token.as_bytes(),
            key.csr(None),
        )
        .await
        .unwrap_err();
        assert_eq!(again.code(), Code::InvalidArgument);
        assert!(
            again.message().contains("has been used") && !again.message().contains(&token),
            "{again}"
        );
    }
    let agents = server.client.agents().await.unwrap();
    assert_eq!(agents.len(), 3);
    assert!(
        agents
            .iter()
            .all(|agent| agent.attestation_type == "join_token" && !agent.banned)
    );
}

#[tokio::test]
async fn what_is_wrong_with_an_attempt_is_named_and_spends_nothing() {
    let server = TestServer::start().await;
    let token = server.token().await;
    let key = Key::new(Form::Composite);
    let csr = key.csr(None);
    let before = server.certificate_count().await;
    let channel = server.anonymous().await;

    // The last byte is the classical half's; the post-quantum half stands before it.
    let broken = |from_end: usize| {
        let mut csr = csr.clone();
        let position = csr.len() - from_end;
        csr[position] ^= 1;
        csr
    };
    for (csr, words) in [
        (broken(1), "classical half"),
        (broken(400), "post-quantum half"),
        (
            csr[..csr.len() / 2].to_vec(),
            "csr: not a DER certificate request",
        ),
        (vec![], "csr is missing"),
        (vec![0x30; 20_000], "20000 bytes"),
    ] {
        let status = attest(channel.clone(), "join_token", token.as_bytes(), csr)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(words), "{words}: {status}");
    }
    for (method, payload, code, words) in [
        (
            "",
            token.as_str(),
            Code::InvalidArgument,
            "params.data.type is missing",
        ),
        (
            "join_token",
            "",
            Code::InvalidArgument,
            "params.data.payload is missing",
        ),
        (
            "join_token",
            "a/b",
            Code::InvalidArgument,
            "the join token is malformed",
        ),
        ("join_token", "guess", Code::InvalidArgument, "does not exist"),
        (
            "telepathy",
            token.as_str(),
            Code::FailedPrecondition,
            "known: join_token",
        ),
    ] {
        let status = attest(channel.clone(), method, payload.as_bytes(), csr.clone())
            .await
            .unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(words), "{words}: {status}");
    }
    // A stranger's words are not repeated at length.
    for method in ["\u{1}".repeat(100_000), "a".repeat(65), "join token\n".to_owned()] {
        let status = attest(channel.clone(), &method, token.as_bytes(), csr.clone())
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        let message = status.message();
        assert!(
            message.contains("params.data.type: ") && message.len() < 1024,
            "{status}"
        );
        assert!(!message.contains(char::is_control), "{status}");
    }
    let huge = vec![b'a'; symbolon_attestation::MAX_MESSAGE + 1];
    let status = attest(channel.clone(), "join_token", &huge, csr.clone())
        .await
        .unwrap_err();
    assert!(status.message().contains("params.data.payload"), "{status}");
    for (step, words) in [
        (None, "params is missing"),
        (Some(Step::ChallengeResponse(vec![1])), "not challenge_response"),
        (Some(Step::Params(Params::default())), "params.data is missing"),
    ] {
        let status = attest_step(channel.clone(), step).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{words}: {status}");
    }

    assert!(server.client.agents().await.unwrap().is_empty());
    assert_eq!(server.certificate_count().await, before, "nothing was issued");
    attest(channel, "join_token", token.as_bytes(), csr)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_renewed_svid_replaces_the_other_on_first_use() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let key = Key::new(Form::Composite);
    let svid = agent.renew(&key).await.unwrap();
    post_status(&agent).await.unwrap();
    // A second renewal, as after an answer that was lost.
    let unused = agent.renew(&Key::new(Form::Classical)).await.unwrap();
    assert_ne!(unused.cert_chain, svid.cert_chain);
    let svid = agent.renew(&key).await.unwrap();

    let renewed = server.agent_with(key, svid.clone()).await;
    assert_eq!(renewed.spiffe_id, agent.spiffe_id);
    post_status(&renewed).await.unwrap();
    let serial = Certificate::from_der(&svid.cert_chain[0])
        .unwrap()
        .serial_decimal();
    let shown = server.client.agent(&agent.spiffe_id).await.unwrap();
    assert_eq!(
        (shown.serial, shown.agent_version.as_deref()),
        (serial, Some("1.2.3"))
    );

    let status = post_status(&agent).await.unwrap_err();
    assert_eq!(denial_reason(&status), Some(Reason::AgentNotActive), "{status}");
    let status = agent.renew(&Key::new(Form::Classical)).await.unwrap_err();
    assert_eq!(denial_reason(&status), Some(Reason::AgentNotActive));
}

#[tokio::test]
async fn bans_deletions_and_the_end_of_an_svid_take_effect_at_once() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    server.client.ban_agent(&agent.spiffe_id).await.unwrap();
    assert_eq!(
        denial_reason(&post_status(&agent).await.unwrap_err()),
        Some(Reason::AgentBanned)
    );
    let shown = server.client.agent(&agent.spiffe_id).await.unwrap();
    assert!(shown.banned && shown.serial.is_empty());

    server.client.delete_agent(&agent.spiffe_id).await.unwrap();
    assert_eq!(
        denial_reason(&post_status(&agent).await.unwrap_err()),
        Some(Reason::AgentNotAttested)
    );
    assert!(
        server
            .client
            .agent(&agent.spiffe_id)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        server
            .client
            .delete_agent(&agent.spiffe_id)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(
        server
            .client
            .ban_agent(&id("/spire/agent/x/y"))
            .await
            .unwrap_err()
            .is_not_found()
    );
    let status = server.client.ban_agent(&id("/web")).await.unwrap_err();
    assert!(status.to_string().contains("is no agent's"), "{status}");

    let agent = server.agent(Form::Classical).await;
    post_status(&agent).await.unwrap();
    server.clock.advance(Duration::from_secs(3601));
    let status = post_status(&agent).await.unwrap_err();
    assert_eq!(
        denial_reason(&status),
        Some(Reason::AgentExpired),
        "the connection outlives the SVID: {status}"
    );
}
