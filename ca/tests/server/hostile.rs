//! Fields that are missing, malformed, oversized or somebody else's, for each method of the agents' service: the code, the
//! field by name, and that nothing was changed.

use symbolon_api::denial_reason;
use symbolon_api::spire::api::server::agent::v1 as api;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_ca::client::Reader;
use symbolon_pki::suite::Form;
use tonic::{Code, Status};

use crate::support::{Key, TestServer, asking, attest, foreign_request};

fn id(trust_domain: &str, path: &str) -> Option<types::Spiffeid> {
    Some(types::Spiffeid {
        trust_domain: trust_domain.to_owned(),
        path: path.to_owned(),
    })
}

/// IDs that name no agent of this trust domain, and what is said of each.
fn wrong_ids() -> Vec<(Option<types::Spiffeid>, &'static str)> {
    let long: &'static str = Box::leak(format!("/spire/agent/{}", "a".repeat(5000)).into_boxed_str());
    vec![
        (None, "id is missing"),
        (id("", ""), "id: "),
        (id("", "/spire/agent/x/a"), "id: "),
        (id("other.org", "/spire/agent/x/a"), "outside the trust domain"),
        (id("example.org", ""), "has no path"),
        (id("example.org", "/spire/server"), "is no agent's"),
        (id("example.org", "/spire/agent"), "is no agent's"),
        (id("example.org", "/web"), "is no agent's"),
        (id("example.org", "/spire/agent/../server"), "id: "),
        (id("example.org", "/spire/agent/a b"), "id: "),
        (id("example.org", "/spire/agent/%2e"), "id: "),
        (id("example.org", "/spire/agent/a/"), "id: "),
        (id("example.org", "/spire/agent/a\n"), "id: "),
        (id("example.org", long), "a SPIFFE ID has at most 2048"),
        (id(long, "/spire/agent/x/a"), "a SPIFFE ID has at most 2048"),
        (id("example.org:8081", "/spire/agent/a"), "id: "),
        (id("me@example.org", "/spire/agent/a"), "id: "),
    ]
}

pub(crate) fn assert_argument(status: &Status, words: &str, what: &dyn std::fmt::Debug) {
    assert_eq!(status.code(), Code::InvalidArgument, "{what:?}: {status}");
    assert!(status.message().contains(words), "{what:?}: {status}");
    assert!(status.message().len() < 8192, "{what:?}");
}

#[tokio::test]
async fn ids_of_agents() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let before = server.client.agents().await.unwrap();
    let mut client = AgentClient::new(server.local().await);
    for (id, words) in wrong_ids() {
        let get = api::GetAgentRequest {
            id: id.clone(),
            output_mask: None,
        };
        let status = client.get_agent(get).await.unwrap_err();
        assert_argument(&status, words, &id);
        let status = client
            .ban_agent(api::BanAgentRequest { id: id.clone() })
            .await
            .unwrap_err();
        assert_argument(&status, words, &id);
        let status = client
            .delete_agent(api::DeleteAgentRequest { id: id.clone() })
            .await
            .unwrap_err();
        assert_argument(&status, words, &id);
    }
    let nobody = id("example.org", "/spire/agent/x/nobody");
    let get = api::GetAgentRequest {
        id: nobody.clone(),
        output_mask: None,
    };
    for status in [
        client.get_agent(get).await.unwrap_err(),
        client
            .ban_agent(api::BanAgentRequest { id: nobody.clone() })
            .await
            .unwrap_err(),
        client
            .delete_agent(api::DeleteAgentRequest { id: nobody })
            .await
            .unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::NotFound, "{status}");
    }
    assert_eq!(server.client.agents().await.unwrap(), before);
    agent.renew(&Key::new(Form::Classical)).await.unwrap();
}

type Filter = api::list_agents_request::Filter;

fn selector(kind: &str, value: &str) -> types::Selector {
    types::Selector {
        r#type: kind.to_owned(),
        value: value.to_owned(),
    }
}

fn by_selectors(selectors: Vec<types::Selector>, r#match: i32) -> Filter {
    Filter {
        by_selector_match: Some(types::SelectorMatch { selectors, r#match }),
        ..Default::default()
    }
}

#[tokio::test]
async fn filters_and_pages_of_agents() {
    let server = TestServer::start().await;
    server.agent(Form::Classical).await;
    let mut client = AgentClient::new(server.local().await);
    let by_time = |text: &str| Filter {
        by_expires_before: text.to_owned(),
        ..Default::default()
    };
    let many = (0..1001).map(|n| selector("k", &n.to_string())).collect();
    for (filter, words) in [
        (by_selectors(vec![], 0), "by_selector_match"),
        (by_selectors(vec![selector("k", "v")], 4), "by_selector_match"),
        (by_selectors(vec![selector("k", "v")], -1), "by_selector_match"),
        (by_selectors(vec![selector("", "v")], 0), "by_selector_match"),
        (by_selectors(vec![selector("k:k", "v")], 0), "by_selector_match"),
        (by_selectors(vec![selector("k", "")], 0), "by_selector_match"),
        (by_selectors(vec![selector("k", "\u{0}")], 0), "by_selector_match"),
        (
            by_selectors(vec![selector("k", &"v".repeat(5000))], 0),
            "by_selector_match",
        ),
        (by_selectors(many, 3), "more than 1000"),
        (by_time("soon"), "by_expires_before"),
        (by_time("2026-02-30 00:00:00 +0000 UTC"), "by_expires_before"),
        (by_time("1969-12-31 23:59:59 +0000 UTC"), "by_expires_before"),
        (by_time(&"9".repeat(100_000)), "by_expires_before"),
    ] {
        let list = api::ListAgentsRequest {
            filter: Some(filter.clone()),
            ..Default::default()
        };
        assert_argument(&client.list_agents(list).await.unwrap_err(), words, &words);
        let Filter {
            by_attestation_type,
            by_selector_match,
            by_banned,
            by_can_reattest,
            by_expires_before,
        } = filter;
        let count = api::CountAgentsRequest {
            filter: Some(api::count_agents_request::Filter {
                by_attestation_type,
                by_selector_match,
                by_banned,
                by_can_reattest,
                by_expires_before,
            }),
        };
        assert_argument(&client.count_agents(count).await.unwrap_err(), words, &words);
    }
    for (page_size, page_token, words) in [
        (-1, "", "page_size"),
        (i32::MIN, "", "page_size"),
        (1, "x", "page_token"),
        (1, "-1", "page_token"),
        (1, "0", "page_token"),
        (1, "1 OR 1=1", "page_token"),
        (1, "99999999999999999999999", "page_token"),
    ] {
        let list = api::ListAgentsRequest {
            page_size,
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        assert_argument(&client.list_agents(list).await.unwrap_err(), words, &page_token);
    }
    // Nothing is found by what is merely odd.
    for filter in [
        Filter {
            by_attestation_type: "'; DROP TABLE agent; --".to_owned(),
            ..Default::default()
        },
        by_selectors(vec![selector("k", "' OR '1'='1")], 3),
    ] {
        let list = api::ListAgentsRequest {
            filter: Some(filter),
            ..Default::default()
        };
        assert!(
            client
                .list_agents(list)
                .await
                .unwrap()
                .into_inner()
                .agents
                .is_empty()
        );
    }
    assert_eq!(server.client.agents().await.unwrap().len(), 1);
}

#[tokio::test]
async fn requests_for_join_tokens() {
    let server = TestServer::start().await;
    let mut client = AgentClient::new(server.local().await);
    let request = |ttl, token: &str, agent_id| api::CreateJoinTokenRequest {
        ttl,
        token: token.to_owned(),
        agent_id,
    };
    for (request, words) in [
        (request(0, "", None), "ttl is missing"),
        (request(-5, "", None), "ttl is -5"),
        (request(i32::MIN, "", None), "ttl is"),
        (request(60, "..", None), "token: "),
        (request(60, "a/../b", None), "token: "),
        (request(60, "a\u{0}", None), "token: "),
        (request(60, "é", None), "token: "),
        (request(60, &"t".repeat(129), None), "token: "),
        (request(60, "", id("other.org", "/a")), "agent_id: "),
        (request(60, "", id("example.org", "")), "agent_id: "),
        (request(60, "", id("example.org", "/spire/server")), "agent_id: "),
        (
            request(60, "", id("example.org", "/spire/agent/x/a")),
            "agent_id: ",
        ),
        (request(60, "", id("example.org", "/a//b")), "agent_id: "),
    ] {
        let status = client.create_join_token(request).await.unwrap_err();
        assert_argument(&status, words, &words);
    }
    assert!(
        server
            .client
            .entries(&Default::default())
            .await
            .unwrap()
            .is_empty()
    );
    // As long as can be asked for, and still a moment that can be written.
    let longest = client
        .create_join_token(request(i32::MAX, "", None))
        .await
        .unwrap();
    assert!(longest.into_inner().expires_at > i64::from(i32::MAX));
}

#[tokio::test]
async fn what_agents_say_of_themselves() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let mut client = AgentClient::new(agent.channel.clone());
    let status = |agent_version: &str| api::PostStatusRequest {
        agent_version: agent_version.to_owned(),
        current_bundle_serial: u64::MAX,
    };
    for version in ["1.0\n2.0", "\u{0}", "\u{1b}[31m", &"v".repeat(256)] {
        let refused = client.post_status(status(version)).await.unwrap_err();
        assert_argument(&refused, "agent_version", &version.len());
    }
    assert_eq!(
        server.client.agent(&agent.spiffe_id).await.unwrap().agent_version,
        None
    );
    let longest = "v".repeat(255);
    client.post_status(status(&longest)).await.unwrap();
    client.post_status(status("")).await.unwrap();
    let shown = server.client.agent(&agent.spiffe_id).await.unwrap();
    assert_eq!(shown.agent_version, Some(longest));
}

#[tokio::test]
async fn requests_for_renewal() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let mut client = AgentClient::new(agent.channel.clone());
    let before = server.certificate_count().await;
    let request = |csr: Vec<u8>| api::RenewAgentRequest {
        params: Some(api::AgentX509svidParams { csr }),
    };
    let good = Key::new(Form::Classical).csr(None);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    for (csr, words) in [
        (vec![], "csr is missing"),
        (vec![0], "csr: "),
        (vec![0x30; 64], "csr: "),
        (vec![0x30; 20_000], "20000 bytes"),
        (good[..good.len() - 1].to_vec(), "csr: "),
        ([good.clone(), vec![0]].concat(), "csr: "),
        (forged, "csr: "),
        (Key::new(Form::MlDsa).csr(None), "did not ask for"),
    ] {
        let status = client.renew_agent(request(csr)).await.unwrap_err();
        assert_argument(&status, words, &words);
    }
    let status = client
        .renew_agent(api::RenewAgentRequest::default())
        .await
        .unwrap_err();
    assert_argument(&status, "params is missing", &"params");
    let status = client
        .renew_agent(asking(request(good.clone()), "rot13"))
        .await
        .unwrap_err();
    assert_argument(&status, "rot13", &"forms");
    assert_eq!(server.certificate_count().await, before, "nothing was issued");
    client.renew_agent(request(good)).await.unwrap();
}

#[tokio::test]
async fn the_evidence_is_looked_at_before_anything_that_costs_more() {
    let server = TestServer::start().await;
    let before = server.certificate_count().await;
    let channel = server.anonymous().await;
    let mut forged = Key::new(Form::Classical).csr(None);
    *forged.last_mut().unwrap() ^= 1;
    // A request that proves nothing is not even read for a node that has no token.
    let status = attest(channel.clone(), "join_token", b"guess", forged.clone())
        .await
        .unwrap_err();
    assert_argument(&status, "does not exist", &"guess");
    let token = server.token().await;
    let status = attest(channel.clone(), "join_token", token.as_bytes(), forged)
        .await
        .unwrap_err();
    assert_argument(&status, "csr: ", &"forged");
    for name in [
        "refused-p521",
        "refused-pss-salt",
        "refused-rsa1024",
        "refused-sha1",
    ] {
        let status = attest(
            channel.clone(),
            "join_token",
            token.as_bytes(),
            foreign_request(name),
        )
        .await;
        assert_argument(&status.unwrap_err(), "csr: ", &name);
    }
    assert!(server.client.agents().await.unwrap().is_empty());
    assert_eq!(server.certificate_count().await, before);
    let good = Key::new(Form::Classical).csr(None);
    attest(channel, "join_token", token.as_bytes(), good)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_token_whose_agent_is_banned_is_refused_and_lives_on() {
    let server = TestServer::start().await;
    let mut client = AgentClient::new(server.local().await);
    let make = || api::CreateJoinTokenRequest {
        ttl: 600,
        token: "a-token-that-somebody-chose".to_owned(),
        agent_id: None,
    };
    let csr = || Key::new(Form::Classical).csr(None);
    client.create_join_token(make()).await.unwrap();
    let attempt = async || {
        let token = b"a-token-that-somebody-chose";
        attest(server.anonymous().await, "join_token", token, csr()).await
    };
    attempt().await.unwrap();
    let agent = server
        .client
        .agents()
        .await
        .unwrap()
        .remove(0)
        .spiffe_id
        .parse()
        .unwrap();
    server.client.ban_agent(&agent).await.unwrap();
    client.create_join_token(make()).await.unwrap();
    let status = attempt().await.unwrap_err();
    assert_eq!(denial_reason(&status), Some(Reason::AgentBanned), "{status}");
    // The operator lifts the ban, and the token still lets the node in.
    server.client.delete_agent(&agent).await.unwrap();
    attempt().await.unwrap();
}
