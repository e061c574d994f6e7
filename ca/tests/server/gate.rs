//! Every method, asked for by everybody: the tables over real connections, limits, and the operator's policy.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use symbolon_api::spire::api::server::agent::v1 as agents;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::entry::v1::{CountEntriesRequest, ListEntriesRequest};
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::server::svid::v1::{BatchNewX509svidRequest, NewX509svidParams};
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_api::{MAX_MESSAGE, denial_reason, retry_delay};
use symbolon_ca::authorization::rules::rule_of;
use symbolon_ca::client::{EntrySpec, Reader};
use symbolon_ca::config::LimitsConfig;
use symbolon_ca::server::Server;
use symbolon_host::duration::HumanDuration;
use symbolon_pki::suite::Form;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::authorization::workload;
use crate::support::{Key, TestServer, attest, config, id, words};

/// Calls a method with an empty message and gives what it is answered.
async fn call(channel: &Channel, path: &str) -> Result<(), Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path: PathAndQuery = path.parse().unwrap();
    let codec = ProstCodec::<(), ()>::default();
    client.unary(Request::new(()), path, codec).await.map(|_| ())
}

/// Every method of the server's own services.
fn methods() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(symbolon_api::FILE_DESCRIPTOR_SET)
        .unwrap()
        .file;
    // What has no package is the agent's to serve, and what is for workloads.
    let elsewhere = ["", "symbolon.workload.v1"];
    let served = files.iter().filter(|file| !elsewhere.contains(&file.package()));
    let paths = served.flat_map(|file| {
        file.service.iter().flat_map(|service| {
            let name = format!("{}.{}", file.package(), service.name());
            service
                .method
                .iter()
                .map(move |method| format!("/{name}/{}", method.name()))
        })
    });
    paths.collect()
}

#[tokio::test]
async fn whoever_may_not_call_a_method_is_turned_away_from_it() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let nobody = server
        .with_svid(&workload(&server, "/web", Form::Classical).await)
        .await;
    let stranger = server.anonymous().await;
    let methods = methods();
    assert!(methods.len() > 60, "{}", methods.len());
    for path in &methods {
        let rule = rule_of(path).unwrap();
        for (who, channel, may) in [
            ("an agent", &agent.channel, rule.any || rule.agent),
            ("a workload", &nobody, rule.any),
            ("a stranger", &stranger, rule.any),
        ] {
            let outcome = call(channel, path).await;
            let denied = matches!(&outcome, Err(status) if status.code() == Code::PermissionDenied);
            assert_eq!(denied, !may, "{path} of {who}: {outcome:?}");
            if let Err(status) = &outcome
                && rule.agent
                && who == "a workload"
            {
                assert!(
                    denial_reason(status).is_some(),
                    "{path}: an agent could not tell why"
                );
            }
        }
    }
    let status = call(&stranger, "/spire.api.server.agent.v1.Agent/Attest")
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let local = server.local().await;
    for path in methods.iter().filter(|path| !rule_of(path).unwrap().local) {
        let Err(status) = call(&local, path).await else {
            continue;
        };
        let may = rule_of(path).unwrap().any;
        assert_eq!(status.code() == Code::PermissionDenied, !may, "{path}: {status}");
    }
}

#[tokio::test]
async fn a_right_opens_what_it_is_for_and_a_ban_closes_all() {
    let server = TestServer::start().await;
    let granted = async |path: &str, grant: fn(&mut EntrySpec)| {
        let identity = workload(&server, path, Form::Classical).await;
        let selectors = vec!["unix:uid:1".parse().unwrap()];
        let mut spec = EntrySpec::new(id(path), id("/spire/agent/x/a"), selectors);
        grant(&mut spec);
        server.client.create_entry(&spec).await.unwrap();
        server.with_svid(&identity).await
    };
    let admin = granted("/admin", |spec| spec.admin = true).await;
    let below = granted("/below", |spec| spec.downstream = true).await;
    let agent = server.agent(Form::Classical).await;
    server.client.ban_agent(&agent.spiffe_id).await.unwrap();
    let evicted = server.agent(Form::Classical).await;
    server.client.delete_agent(&evicted.spiffe_id).await.unwrap();
    for path in &methods() {
        let rule = rule_of(path).unwrap();
        for (who, channel, may, reason) in [
            ("an administrator", &admin, rule.admin, None),
            ("a server below", &below, rule.downstream, None),
            ("a banned agent", &agent.channel, false, Some(Reason::AgentBanned)),
            (
                "an evicted agent",
                &evicted.channel,
                false,
                Some(Reason::AgentNotAttested),
            ),
        ] {
            // What they may they could do, too, and this is not about that.
            if may || rule.any {
                continue;
            }
            let status = call(channel, path).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied, "{path} of {who}: {status}");
            if rule.agent && reason.is_some() {
                assert_eq!(denial_reason(&status), reason, "{path} of {who}: {status}");
            }
        }
    }
}

/// No limits but these.
pub(crate) fn limited(change: impl FnOnce(&mut LimitsConfig)) -> LimitsConfig {
    let mut limits = LimitsConfig {
        wait: HumanDuration(Duration::ZERO),
        ..LimitsConfig::OFF
    };
    change(&mut limits);
    limits
}

#[tokio::test]
async fn attestations_from_one_address_are_bounded_and_a_refusal_spends_nothing() {
    let server =
        TestServer::start_with(|config| config.limits = limited(|limits| limits.attestation = 1)).await;
    let tokens = [server.token().await, server.token().await, server.token().await];
    let channel = server.anonymous().await;
    let tries = tokens.iter().map(|token| {
        let csr = Key::new(Form::Classical).csr(None);
        attest(channel.clone(), "join_token", token.as_bytes(), csr)
    });
    let outcomes = futures_util::future::join_all(tries).await;
    let refused: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .collect();
    assert!(!refused.is_empty(), "three at once are more than one a second");
    for status in refused {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(retry_delay(status).is_some(), "{status}");
    }
    // On the next server, without limits, the tokens that are left work.
    let mut server = server;
    server.config.limits = LimitsConfig::OFF;
    let server = server.restart(|_| {}).await.unwrap();
    for (token, outcome) in tokens.iter().zip(&outcomes) {
        let csr = Key::new(Form::Classical).csr(None);
        let again = attest(server.anonymous().await, "join_token", token.as_bytes(), csr).await;
        assert_eq!(again.is_ok(), outcome.is_err());
    }
}

#[tokio::test]
async fn a_batch_counts_by_its_requests() {
    let server = TestServer::start_with(|config| config.limits = limited(|limits| limits.signing = 2)).await;
    let agent = server.agent(Form::Classical).await;
    let entry_id = server.entry(&agent, "/web").await;
    let batch = async |count: usize| {
        let params = (0..count).map(|_| NewX509svidParams {
            entry_id: entry_id.clone(),
            csr: Key::new(Form::Classical).csr(None),
            ..Default::default()
        });
        let params = params.collect();
        SvidClient::new(agent.channel.clone())
            .batch_new_x509svid(BatchNewX509svidRequest { params })
            .await
    };
    let before = server.certificate_count().await;
    let status = batch(3).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("exceeds burst size (2)"), "{status}");
    assert_eq!(server.certificate_count().await, before);
    assert_eq!(batch(2).await.unwrap().into_inner().results.len(), 2);
}

#[tokio::test]
async fn a_server_with_its_hands_full_says_so_and_still_hears_its_operator() {
    let server = TestServer::start_with(|config| config.limits = limited(|limits| limits.calls = 4)).await;
    let agent = server.agent(Form::Classical).await;
    let stranger = server.anonymous().await;
    // One attestation that does not go on is all that strangers may have of four places.
    let (saying, said) = mpsc::channel::<agents::AttestAgentRequest>(1);
    let pending = AgentClient::new(stranger.clone())
        .attest_agent(ReceiverStream::new(said))
        .await
        .unwrap();
    let status = BundleClient::new(stranger.clone())
        .get_bundle(GetBundleRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(retry_delay(&status).is_some() && status.metadata().get("grpc-retry-pushback-ms").is_some());
    BundleClient::new(agent.channel.clone())
        .get_bundle(GetBundleRequest::default())
        .await
        .unwrap();
    server.client.agents().await.unwrap();
    // When that is over there is a place again.
    drop((saying, pending));
    let again = async {
        while BundleClient::new(stranger.clone())
            .get_bundle(GetBundleRequest::default())
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again)
        .await
        .unwrap();
}

#[tokio::test]
async fn messages_that_are_too_long_are_refused_as_grpc_does() {
    let server = TestServer::start().await;
    let huge = "x".repeat(MAX_MESSAGE + 1);
    let status = EntryClient::new(server.local().await)
        .list_entries(ListEntriesRequest {
            page_token: huge.clone(),
            ..Default::default()
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    let status = attest(
        server.anonymous().await,
        "join_token",
        huge.as_bytes(),
        Key::new(Form::Classical).csr(None),
    )
    .await
    .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(server.client.agents().await.unwrap().is_empty());
}

#[tokio::test]
async fn configured_administrators_need_no_entry() {
    let admin = "spiffe://example.org/ops".parse().unwrap();
    let server = TestServer::start_with(|config| config.authorization.admin_ids = vec![admin]).await;
    for (path, code) in [("/ops", Code::Ok), ("/ops/not", Code::PermissionDenied)] {
        let identity = workload(&server, path, Form::Composite).await;
        let mut client = EntryClient::new(server.with_svid(&identity).await);
        let outcome = client.count_entries(CountEntriesRequest::default()).await;
        assert_eq!(
            outcome.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{path}"
        );
    }
    // It makes nobody an agent.
    let identity = workload(&server, "/ops", Form::Classical).await;
    let status = AgentClient::new(server.with_svid(&identity).await)
        .post_status(agents::PostStatusRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

const POLICY: &str = "package symbolon.authz
default allow := false
allow if input.name != \"CountEntries\"
allow if input.metadata[\"x-ticket\"] == [\"OPS-7\"]
";

#[tokio::test]
async fn a_policy_takes_away_what_the_table_gives_and_never_more() {
    let server = TestServer::start_with(|config| {
        let file = config.data_dir.with_file_name("policy.rego");
        std::fs::write(&file, POLICY).unwrap();
        config.authorization.policy = Some(file);
        config.authorization.policy_timeout_ms = 1000;
    })
    .await;
    let count = async |channel: Channel, ticket: Option<&'static str>| {
        let mut request = Request::new(CountEntriesRequest::default());
        if let Some(ticket) = ticket {
            request.metadata_mut().insert("x-ticket", ticket.parse().unwrap());
        }
        EntryClient::new(channel).count_entries(request).await.map(|_| ())
    };
    let local = server.local().await;
    let status = count(local.clone(), None).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("policy"), "{status}");
    assert!(count(local.clone(), Some("OPS-8")).await.is_err());
    count(local, Some("OPS-7")).await.unwrap();
    let stranger = count(server.anonymous().await, Some("OPS-7")).await.unwrap_err();
    assert_eq!(stranger.code(), Code::PermissionDenied);
    assert!(
        !stranger.message().contains("policy"),
        "the table refused before: {stranger}"
    );
    server.agent(Form::Classical).await;
}

#[tokio::test]
async fn a_server_does_not_start_without_the_policy_that_it_is_told_to_have() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut config = config(dir.path());
    let file = dir.path().join("policy.rego");
    config.authorization.policy = Some(file.clone());
    let clock = crate::support::TestClock::new();
    for (text, expected) in [
        (None, "cannot read the policy's file"),
        (Some("package symbolon.authz\nallow :="), "is wrong"),
        (Some("package symbolon.authz\nallow := \"yes\""), "cannot decide"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let error = Server::start(&config, Arc::clone(&clock) as _).await.unwrap_err();
        assert!(words(&error).contains(expected), "{}", words(&error));
        assert!(!config.data_dir.exists(), "nothing was begun");
    }
}

#[tokio::test]
async fn an_id_of_another_trust_domain_is_nobody_s() {
    let server = TestServer::start().await;
    let id = Some(types::Spiffeid {
        trust_domain: "other.org".to_owned(),
        path: "/spire/agent/x/a".to_owned(),
    });
    let mut client = AgentClient::new(server.local().await);
    let get = agents::GetAgentRequest {
        id: id.clone(),
        output_mask: None,
    };
    let statuses = [
        client.get_agent(get).await.unwrap_err(),
        client
            .ban_agent(agents::BanAgentRequest { id: id.clone() })
            .await
            .unwrap_err(),
        client
            .delete_agent(agents::DeleteAgentRequest { id })
            .await
            .unwrap_err(),
    ];
    for status in statuses {
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("outside the trust domain"), "{status}");
    }
}
