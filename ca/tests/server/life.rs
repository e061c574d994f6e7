//! A server comes up, goes down, and comes back as the same one.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_ca::authorities::ChangeKind;
use symbolon_ca::client::{CertificateQuery, Client, EntryQuery, EntrySpec, Reader};
use symbolon_ca::offline::Offline;
use symbolon_ca::server::{Server, socket_path};
use symbolon_pki::suite::{Family, Form};
use tokio_stream::wrappers::ReceiverStream;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::support::{TestServer, id};

fn ids(server: &TestServer) -> Vec<String> {
    let authorities = server.server.authorities();
    let active = |family| authorities.active(family).unwrap().authority_id().to_string();
    [Family::Classical, Family::MlDsa, Family::Composite]
        .map(active)
        .to_vec()
}

#[tokio::test]
async fn a_new_server_says_what_it_is() {
    let server = TestServer::start().await;
    assert!(server.client.is_healthy().await.unwrap());
    let info = server.client.server().await.unwrap();
    assert_eq!(
        (info.trust_domain.as_str(), info.version.as_deref()),
        ("example.org", Some(env!("CARGO_PKG_VERSION")))
    );
    let active: Vec<_> = info
        .authorities
        .iter()
        .filter(|a| a.state == "active")
        .map(|a| (a.family.as_str(), a.suite.as_str()))
        .collect();
    assert_eq!(
        active,
        [
            ("classical", "ecdsa-p256"),
            ("ml-dsa", "ml-dsa-65"),
            ("composite", "mldsa65-ecdsa-p256"),
            ("catalyst", "ecdsa-p256"),
            ("jwt", "ecdsa-p256")
        ]
    );
    let alternative = |family: &str| {
        let authority = info.authorities.iter().find(|a| a.family == family);
        authority.unwrap().alternative.clone()
    };
    assert_eq!(
        (alternative("catalyst").as_deref(), alternative("classical")),
        (Some("ml-dsa-65"), None)
    );
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let socket = server.server.socket_path().to_owned();
    assert_eq!(socket, socket_path(&server.data_dir()));
    assert_eq!(
        (mode(socket.clone()), mode(socket.parent().unwrap().to_owned())),
        (0o600, 0o700)
    );
    server.server.shutdown().await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn its_own_certificates_are_on_record() {
    let server = TestServer::start().await;
    let found = server
        .client
        .certificates(&CertificateQuery::default())
        .await
        .unwrap();
    let of = |profile: &str| -> Vec<_> {
        found
            .iter()
            .filter(|c| c.profile == profile)
            .map(|c| c.form.as_str())
            .collect()
    };
    let all = ["catalyst", "composite", "ml-dsa", "classical"];
    assert_eq!(of("authority"), all, "newest first");
    let mut own = of("server");
    own.sort_by_key(|form| all.iter().position(|known| known == form));
    assert_eq!(own, all, "made at the same time");
    assert!(
        found
            .iter()
            .all(|c| c.state == "issued" && c.sha256.is_some() && c.der.is_none())
    );
    let one = server.client.certificate(&found[0].serial).await.unwrap();
    let hash = symbolon_crypto::digest::sha256(one.der.as_deref().unwrap());
    assert_eq!(one.sha256, Some(hex::encode(hash)));
    let composite = CertificateQuery {
        form: Some(Form::Composite),
        limit: Some(1),
        ..Default::default()
    };
    assert_eq!(server.client.certificates(&composite).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_restart_keeps_authorities_and_renews_the_servers_own_svids() {
    let first = TestServer::start().await;
    let (before, certificates) = (ids(&first), first.certificate_count().await);
    let second = first
        .restart(|clock| clock.advance(Duration::from_secs(60)))
        .await
        .unwrap();
    assert_eq!(ids(&second), before);
    assert!(second.server.changes().is_empty());
    assert_eq!(
        second.certificate_count().await,
        certificates + 4,
        "one SVID of its own in each form"
    );

    let third = second
        .restart(|clock| clock.advance(Duration::from_secs(25 * 3600)))
        .await
        .unwrap();
    let replaced: Vec<_> = third
        .server
        .changes()
        .iter()
        .filter(|c| c.kind == ChangeKind::ReplacedExpired)
        .map(|c| c.family)
        .collect();
    let configured = Family::ALL.into_iter().filter(|family| *family != Family::Wit);
    assert_eq!(replaced, configured.collect::<Vec<_>>());
    assert!(ids(&third).iter().all(|id| !before.contains(id)));
    assert!(third.client.is_healthy().await.unwrap());
}

#[tokio::test]
async fn a_server_that_was_killed_comes_back() {
    let first = TestServer::start().await;
    let agent = first.agent(Form::Classical).await;
    first.entry(&agent, "/web").await;
    let before = ids(&first);
    let TestServer {
        dir,
        clock,
        config,
        server,
        client,
    } = first;
    // As abrupt as one process can be to itself: nothing is drained, committed or closed.
    drop((server, client, agent));
    let second = loop {
        match Server::start(&config, clock.clone()).await {
            Ok(server) => break server,
            // Its tasks let go of the lock and the socket when they are next polled.
            Err(error) => {
                let words = error.to_string();
                assert!(words.contains("in use") || words.contains("listening"), "{words}");
                tokio::task::yield_now().await;
            }
        }
    };
    let client = Client::over_socket(second.socket_path()).await.unwrap();
    let second = TestServer {
        dir,
        clock,
        config,
        server: second,
        client,
    };
    assert_eq!(ids(&second), before);
    assert_eq!(
        second.client.entries(&EntryQuery::default()).await.unwrap().len(),
        1
    );
    assert_eq!(second.client.agents().await.unwrap().len(), 1);
}

#[tokio::test]
async fn without_a_server_its_data_directory_gives_the_same_answers() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Composite).await;
    let entry = server.entry(&agent, "/web").await;
    let online: &dyn Reader = &server.client;
    let query = EntryQuery {
        spiffe_id: Some(id("/web")),
        parent_id: None,
    };
    let newest = CertificateQuery {
        limit: Some(3),
        ..CertificateQuery::default()
    };
    let expected = (
        online.entries(&query).await.unwrap(),
        online.entry(&entry).await.unwrap(),
        online.agents().await.unwrap(),
        online.agent(&agent.spiffe_id).await.unwrap(),
        online.certificates(&newest).await.unwrap(),
        online.bundle().await.unwrap(),
        online.server().await.unwrap().authorities,
    );
    let serial = expected.4[0].serial.clone();
    let certificate = online.certificate(&serial).await.unwrap();

    // Beside a server that runs, and after it.
    let beside = Offline::open(&server.data_dir()).await.unwrap();
    assert_eq!(beside.agents().await.unwrap(), expected.2);
    beside.close().await;
    let TestServer {
        dir,
        config,
        server,
        client,
        ..
    } = server;
    drop((client, agent));
    server.shutdown().await.unwrap();

    let offline = Offline::open(&config.data_dir).await.unwrap();
    let found = (
        offline.entries(&query).await.unwrap(),
        offline.entry(&entry).await.unwrap(),
        offline.agents().await.unwrap(),
        offline
            .agent(&id(expected.2[0]
                .spiffe_id
                .strip_prefix("spiffe://example.org")
                .unwrap()))
            .await
            .unwrap(),
        offline.certificates(&newest).await.unwrap(),
        offline.bundle().await.unwrap(),
        offline.server().await.unwrap().authorities,
    );
    assert_eq!(found, expected);
    assert_eq!(offline.certificate(&serial).await.unwrap(), certificate);
    assert!(offline.entry("nobody's").await.unwrap_err().is_not_found());
    assert!(offline.certificate("abc").await.unwrap_err().is_not_found());
    let down = Client::over_socket(&socket_path(&config.data_dir))
        .await
        .unwrap_err();
    assert!(down.is_unreachable(), "{down}");
    assert!(
        Offline::open(&dir.path().join("nothing"))
            .await
            .unwrap_err()
            .to_string()
            .contains("no data directory")
    );
}

#[tokio::test]
async fn reflection_shows_what_is_served_and_no_more() {
    let server = TestServer::start().await;
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(server.local().await)
        .server_reflection_info(tokio_stream::iter([list]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers
        .message()
        .await
        .unwrap()
        .unwrap()
        .message_response
        .unwrap();
    let MessageResponse::ListServicesResponse(services) = answer else {
        panic!("{answer:?}")
    };
    let mut names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    names.retain(|name| !name.starts_with("grpc."));
    names.sort();
    assert_eq!(
        names,
        [
            "spire.api.server.agent.v1.Agent",
            "spire.api.server.bundle.v1.Bundle",
            "spire.api.server.debug.v1.Debug",
            "spire.api.server.entry.v1.Entry",
            "spire.api.server.localauthority.v1.LocalAuthority",
            "spire.api.server.logger.v1.Logger",
            "spire.api.server.svid.v1.SVID",
            "spire.api.server.trustdomain.v1.TrustDomain",
            "symbolon.server.v1.Authorities",
            "symbolon.server.v1.Certificates",
            "symbolon.server.v1.Migration",
            "symbolon.server.v1.Server"
        ]
    );
}

#[tokio::test]
async fn entries_that_end_are_forgotten_and_stop_counting() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let end = symbolon_pki::time::Clock::now(&*server.clock) + Duration::from_secs(30);
    let mut spec = EntrySpec::new(
        id("/admin"),
        agent.spiffe_id.clone(),
        vec!["unix:uid:1".parse().unwrap()],
    );
    spec.expires_at = Some(end);
    server.client.create_entry(&spec).await.unwrap();
    // The next start forgets at once.
    let server = server
        .restart(|clock| clock.advance(Duration::from_secs(60)))
        .await
        .unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    while !server
        .client
        .entries(&EntryQuery::default())
        .await
        .unwrap()
        .is_empty()
    {
        assert!(tokio::time::Instant::now() < deadline, "the entry is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn stopping_does_not_wait_for_streams_that_wait_for_their_callers() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let (_asking, questions) = tokio::sync::mpsc::channel(1);
    let mut answers = EntryClient::new(agent.channel.clone())
        .sync_authorized_entries(ReceiverStream::new(questions))
        .await
        .unwrap()
        .into_inner();
    // The server waits for the agent's first message, which never comes.
    let stopping = tokio::spawn(server.server.shutdown());
    let status = answers.message().await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
    drop((answers, agent, server.client));
    // Calls in progress are waited for, ten seconds long.
    tokio::time::timeout(Duration::from_secs(9), stopping)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}
