//! What the server's operator asks on the private socket: the log's level, figures, and what goes with an agent.

use std::time::Duration;

use symbolon_api::spire::api::server::agent::v1 as agents;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::debug::v1::GetInfoRequest;
use symbolon_api::spire::api::server::debug::v1::debug_client::DebugClient;
use symbolon_api::spire::api::server::logger::v1::logger_client::LoggerClient;
use symbolon_api::spire::api::server::logger::v1::{
    GetLoggerRequest, ResetLogLevelRequest, SetLogLevelRequest,
};
use symbolon_api::spire::api::types::{LogLevel, Logger};
use symbolon_ca::client::{EntrySpec, Reader};
use symbolon_ca::server::{Environment, Server};
use symbolon_host::logging::{self, LogFormat};
use symbolon_pki::suite::Form;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use tonic::Code;
use tracing::Level;

use crate::support::{Key, TestClock, TestServer, attest, config, id, wire_id};

fn levels(logger: &Logger) -> (LogLevel, LogLevel) {
    (logger.current_level(), logger.launch_level())
}

#[tokio::test]
async fn the_log_s_level_is_really_changed_and_goes_back() {
    let dir = tempfile::TempDir::new().unwrap();
    let control = logging::init("error", LogFormat::Text).unwrap();
    let environment = Environment {
        log: Some(control.clone()),
        ..Environment::new(TestClock::new())
    };
    let server = Server::start_with(&config(dir.path()), environment)
        .await
        .unwrap();
    let channel = unix_channel(server.socket_path(), &ChannelOptions::default())
        .await
        .unwrap();
    let mut client = LoggerClient::new(channel);
    let logger = client.get_logger(GetLoggerRequest {}).await.unwrap().into_inner();
    assert_eq!(levels(&logger), (LogLevel::Error, LogLevel::Error));
    let shows = |level: Level| match level {
        Level::WARN => tracing::enabled!(target: "symbolon_ca", Level::WARN),
        Level::DEBUG => tracing::enabled!(target: "symbolon_ca", Level::DEBUG),
        _ => tracing::enabled!(target: "symbolon_ca", Level::ERROR),
    };
    assert!(shows(Level::ERROR) && !shows(Level::WARN));

    // Quieter only, so that the other tests of this process do not fill the terminal.
    for (level, errors, warnings) in [
        (LogLevel::Warn, true, true),
        (LogLevel::Error, true, false),
        // Nobody silences the log altogether.
        (LogLevel::Fatal, true, false),
        (LogLevel::Panic, true, false),
    ] {
        let request = SetLogLevelRequest {
            new_level: level.into(),
        };
        let logger = client.set_log_level(request).await.unwrap().into_inner();
        let told = match level {
            LogLevel::Fatal | LogLevel::Panic => LogLevel::Error,
            level => level,
        };
        assert_eq!(levels(&logger), (told, LogLevel::Error));
        assert_eq!(
            (shows(Level::ERROR), shows(Level::WARN)),
            (errors, warnings),
            "{level:?}"
        );
    }
    for (new_level, words) in [
        (0, "new_level is missing"),
        (8, "there is no level 8"),
        (-1, "there is no level -1"),
    ] {
        let status = client
            .set_log_level(SetLogLevelRequest { new_level })
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(words), "{status}");
    }
    assert_eq!(control.current(), "error", "a refusal changes nothing");
    let logger = client
        .reset_log_level(ResetLogLevelRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(levels(&logger), (LogLevel::Error, LogLevel::Error));
    assert!(shows(Level::ERROR) && !shows(Level::DEBUG));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_server_within_another_program_leaves_its_log_alone() {
    let server = TestServer::start().await;
    let mut client = LoggerClient::new(server.local().await);
    let status = client.get_logger(GetLoggerRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let request = SetLogLevelRequest {
        new_level: LogLevel::Debug.into(),
    };
    assert_eq!(
        client.set_log_level(request).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    // Over TCP there is no such service at all.
    let mut stranger = LoggerClient::new(server.anonymous().await);
    let status = stranger.get_logger(GetLoggerRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn the_figures_are_those_of_this_moment() {
    let server = TestServer::start().await;
    let mut client = DebugClient::new(server.local().await);
    let info = client.get_info(GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (
            info.agents_count,
            info.entries_count,
            info.federated_bundles_count
        ),
        (0, 0, 1)
    );
    assert_eq!(info.uptime, 0);
    let leaf = &info.svid_chain[0];
    assert_eq!(leaf.id, wire_id("/spire/server"));
    assert!(leaf.subject.contains("O="), "{}", leaf.subject);
    let root = info.svid_chain.last().unwrap();
    assert_eq!(info.svid_chain.len(), 2);
    assert!(root.expires_at >= leaf.expires_at && root.id != leaf.id && root.subject != leaf.subject);

    let agent = server.agent(Form::Classical).await;
    for path in ["/a", "/b"] {
        server.entry(&agent, path).await;
    }
    let again = client.get_info(GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(again, info, "an answer serves for five seconds");
    server.clock.advance(Duration::from_secs(65));
    let later = client.get_info(GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (later.agents_count, later.entries_count, later.uptime),
        (1, 2, 65)
    );
}

#[tokio::test]
async fn the_alias_of_a_token_goes_with_its_agent_and_other_entries_stay() {
    let server = TestServer::start().await;
    let mut client = AgentClient::new(server.local().await);
    let request = agents::CreateJoinTokenRequest {
        ttl: 600,
        token: String::new(),
        agent_id: wire_id("/rack/7"),
    };
    let token = client
        .create_join_token(request)
        .await
        .unwrap()
        .into_inner()
        .value;
    let csr = Key::new(Form::Classical).csr(None);
    attest(server.anonymous().await, "join_token", token.as_bytes(), csr)
        .await
        .unwrap();
    let agent = id(&format!("/spire/agent/join_token/{token}"));
    let spec = EntrySpec::new(id("/web"), agent.clone(), vec!["unix:uid:1000".parse().unwrap()]);
    server.client.create_entry(&spec).await.unwrap();
    assert_eq!(server.client.entries(&Default::default()).await.unwrap().len(), 2);
    server.client.delete_agent(&agent).await.unwrap();
    let left = server.client.entries(&Default::default()).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].spiffe_id, "spiffe://example.org/web");
}

#[tokio::test]
async fn agents_are_listed_by_every_condition() {
    let server = TestServer::start().await;
    let (first, second) = (
        server.agent(Form::Classical).await,
        server.agent(Form::Composite).await,
    );
    server.client.ban_agent(&second.spiffe_id).await.unwrap();
    let mut client = AgentClient::new(server.local().await);
    type Filter = agents::list_agents_request::Filter;
    let all = Filter::default;
    for (filter, expected) in [
        (all(), vec![&first.spiffe_id, &second.spiffe_id]),
        (
            Filter {
                by_attestation_type: "join_token".to_owned(),
                ..all()
            },
            vec![&first.spiffe_id, &second.spiffe_id],
        ),
        (
            Filter {
                by_attestation_type: "x509pop".to_owned(),
                ..all()
            },
            vec![],
        ),
        (
            Filter {
                by_banned: Some(true),
                ..all()
            },
            vec![&second.spiffe_id],
        ),
        (
            Filter {
                by_banned: Some(false),
                ..all()
            },
            vec![&first.spiffe_id],
        ),
        (
            Filter {
                by_can_reattest: Some(true),
                ..all()
            },
            vec![],
        ),
        (
            Filter {
                by_expires_before: "2000-01-01 00:00:00 +0000 UTC".to_owned(),
                ..all()
            },
            vec![],
        ),
        (
            Filter {
                by_expires_before: "2100-01-01 00:00:00 +0100 +01".to_owned(),
                by_banned: Some(false),
                ..all()
            },
            vec![&first.spiffe_id],
        ),
    ] {
        let request = agents::ListAgentsRequest {
            filter: Some(filter.clone()),
            ..Default::default()
        };
        let found = client.list_agents(request).await.unwrap().into_inner().agents;
        let ids: Vec<_> = found.iter().map(|agent| agent.id.clone()).collect();
        let expected: Vec<_> = expected.iter().map(|id| Some((*id).into())).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
    let request = agents::ListAgentsRequest {
        page_size: 1,
        output_mask: Some(symbolon_api::spire::api::types::AgentMask::default()),
        ..Default::default()
    };
    let page = client.list_agents(request).await.unwrap().into_inner();
    assert!(!page.next_page_token.is_empty());
    assert_eq!(
        page.agents[0].attestation_type, "",
        "a mask that names nothing leaves the id"
    );
    assert_eq!(page.agents.len(), 1);
}
