//! By what a server is watched: its pages, its figures against the contract in the book, and request ids. And what it
//! takes from a configuration that is read again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::agent::v1::{CountAgentsRequest, ListAgentsRequest};
use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::localauthority::v1::PrepareJwtAuthorityRequest;
use symbolon_api::spire::api::server::localauthority::v1::local_authority_client::LocalAuthorityClient;
use symbolon_ca::client::Reader as _;
use symbolon_ca::config::{Changes, LimitsConfig, SoftwareStoreConfig, StoreConfig};
use symbolon_ca::server::ServerError;
use symbolon_ca::telemetry::{FIGURES, REQUEST_ID};
use symbolon_host::HumanDuration;
use symbolon_hsm::StoreName;
use symbolon_pki::suite::Form;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Request};

use crate::support::{Key, TestServer, attest, config, id};

/// How long something is waited for that is sure to come.
const PATIENCE: Duration = Duration::from_secs(120);

const CONTRACT: &str = include_str!("../../../docs/src/reference/telemetry.md");

async fn watched() -> TestServer {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    TestServer::start_with(|config| {
        config.health.address = Some(any);
        config.metrics.address = Some(any);
    })
    .await
}

/// The status and the body of a page.
async fn get(address: Option<SocketAddr>, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address.unwrap()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// The figures, once this line is among them.
async fn shown_with(test: &TestServer, line: &str) -> String {
    let shown = async {
        loop {
            let (status, page) = get(test.server.metrics_addr(), "/metrics").await;
            assert_eq!(status, 200);
            if page.lines().any(|shown| shown == line) {
                return page;
            }
            tokio::task::yield_now().await;
        }
    };
    let shown = tokio::time::timeout(PATIENCE, shown).await;
    shown.unwrap_or_else(|_| panic!("{line:?} was not shown"))
}

#[test]
fn the_books_table_is_the_list_of_figures() {
    let rows = CONTRACT
        .lines()
        .filter(|line| line.starts_with("| `symbolon_server_"));
    let written: Vec<[String; 4]> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            [cells[1], cells[2], cells[3], cells[4]].map(|cell| cell.replace('`', ""))
        })
        .collect();
    let defined: Vec<[String; 4]> = FIGURES
        .iter()
        .map(|figure| {
            let kind = figure.kind.name().to_owned();
            [
                figure.name.to_owned(),
                kind,
                figure.labels.join(", "),
                figure.help.to_owned(),
            ]
        })
        .collect();
    assert_eq!(written, defined);
}

#[tokio::test]
async fn what_is_shown_is_what_the_contract_says() {
    let test = watched().await;
    let agent = test.agent(Form::Composite).await;
    test.entry(&agent, "/web").await;
    let refused = AgentClient::new(agent.channel.clone())
        .list_agents(ListAgentsRequest::default())
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let spent = attest(
        test.anonymous().await,
        "join_token",
        b"never-made",
        Key::new(Form::Classical).csr(None),
    )
    .await;
    spent.unwrap_err();

    // A successor for each family.
    test.clock.advance(Duration::from_secs(13 * 60 * 60));
    test.server.authorities().rotate_due().await.unwrap();
    let page = shown_with(
        &test,
        "symbolon_server_authority_changes_total{family=\"jwt\",state=\"prepared\"} 2",
    )
    .await;
    let shown: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    let defined: Vec<String> = FIGURES
        .iter()
        .map(|figure| format!("{} {}", figure.name, figure.kind.name()))
        .collect();
    assert_eq!(shown, defined.iter().map(String::as_str).collect());
    for line in [
        "symbolon_server_attestations_total{type=\"join_token\",outcome=\"attested\"} 1",
        "symbolon_server_attestations_total{type=\"join_token\",outcome=\"refused\"} 1",
        "symbolon_server_denials_total{reason=\"not_allowed\"} 1",
        "symbolon_server_svids_total{form=\"composite\",outcome=\"issued\"}",
        "symbolon_server_rpc_total{service=\"spire.api.server.agent.v1.Agent\",method=\"ListAgents\",code=\"PermissionDenied\"} 1",
        "symbolon_server_rpc_seconds_count{service=\"spire.api.server.agent.v1.Agent\",method=\"AttestAgent\"} 2",
        "symbolon_server_issuance_seconds_count{kind=\"x509\"}",
        "symbolon_server_agents 1.0",
        "symbolon_server_entries 1.0",
        "symbolon_server_authorities{family=\"jwt\",state=\"active\"} 1.0",
        "symbolon_server_authority_expiry_timestamp_seconds{family=\"composite\"}",
    ] {
        assert!(
            page.lines().any(|shown| shown.starts_with(line)),
            "{line} is not in\n{page}"
        );
    }
    // Each label is one that the contract has.
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else {
            continue;
        };
        let figure = FIGURES.iter().find(|figure| {
            name.starts_with(figure.name) && {
                let rest = &name[figure.name.len()..];
                ["", "_total", "_bucket", "_sum", "_count"].contains(&rest)
            }
        });
        let figure = figure.unwrap_or_else(|| panic!("{name} is not in the contract"));
        let labels = rest.split_once('}').unwrap().0;
        for label in labels
            .split(',')
            .filter_map(|pair| pair.split_once("=\""))
            .map(|(label, _)| label)
        {
            assert!(label == "le" || figure.labels.contains(&label), "{line}");
        }
    }
}

#[tokio::test]
async fn a_method_that_there_is_not_adds_no_series() {
    let test = watched().await;
    let mut client = tonic::client::Grpc::new(test.local().await);
    for path in ["/a.B/C", "/spire.api.server.agent.v1.Agent/Nothing"] {
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<GetBundleRequest, GetBundleRequest>::default();
        let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
        let refused = client
            .unary(Request::new(GetBundleRequest::default()), path, codec)
            .await;
        assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    }
    let (_, page) = get(test.server.metrics_addr(), "/metrics").await;
    let unknown =
        "symbolon_server_rpc_total{service=\"unknown\",method=\"unknown\",code=\"Unimplemented\"} 2";
    assert!(page.contains(unknown) && !page.contains("Nothing"), "{page}");
}

#[tokio::test]
async fn ready_signs_with_every_family_and_leaves_nothing_behind() {
    let test = watched().await;
    let before = test.certificate_count().await;
    let (status, body) = get(test.server.health_addr(), "/ready").await;
    assert_eq!((status, body.as_str()), (200, "ready\n"));
    assert_eq!(
        test.certificate_count().await,
        before,
        "throwaways are not on record"
    );
    assert_eq!(
        get(test.server.health_addr(), "/live").await,
        (200, "alive\n".to_owned())
    );
    assert_eq!(
        test.server.health_addr(),
        test.server.metrics_addr(),
        "an address that is named twice is taken once"
    );
    let (_, page) = get(test.server.metrics_addr(), "/metrics").await;
    assert!(
        !page.contains("form=\"jwt\""),
        "nobody was issued a token: {page}"
    );
}

#[tokio::test]
async fn a_server_whose_authorities_have_expired_lives_and_is_not_ready() {
    let test = watched().await;
    test.clock.advance(Duration::from_secs(25 * 60 * 60));
    let (status, body) = get(test.server.health_addr(), "/ready").await;
    assert_eq!(status, 503);
    for family in ["classical", "ml-dsa", "composite", "catalyst", "jwt"] {
        assert!(
            body.lines().any(|line| line.starts_with(&format!("{family}: "))),
            "{family} is not in {body}"
        );
    }
    assert_eq!(get(test.server.health_addr(), "/live").await.0, 200);
}

/// Its key is in a store of its own, which loses its directory before the successor can be made.
#[tokio::test]
async fn of_a_family_whose_key_is_away_it_alone_is_named() {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let name = |name: &str| StoreName::parse(name).unwrap();
    let test = TestServer::start_with(|config| {
        config.health.address = Some(any);
        for store in ["software", "tokens"] {
            let software = StoreConfig::Software(SoftwareStoreConfig::default());
            config.stores.insert(name(store), software);
        }
        config.key_stores = vec![name("software")];
        config.families.jwt.store = vec![name("tokens")];
    })
    .await;
    std::fs::remove_dir_all(test.data_dir().join("server/keys/tokens")).unwrap();
    test.clock.advance(Duration::from_secs(25 * 60 * 60));
    test.server.authorities().rotate_due().await.unwrap_err();
    let (status, body) = get(test.server.health_addr(), "/ready").await;
    assert_eq!(status, 503);
    let named: Vec<_> = body.lines().filter_map(|line| line.split_once(": ")).collect();
    assert!(
        named.iter().all(|(family, _)| *family == "jwt") && !named.is_empty(),
        "{body}"
    );
}

/// Somebody else holds the datastore's file, so that the call cannot be answered in its caller's time.
#[tokio::test]
async fn a_call_that_its_caller_gives_up_is_in_the_figures() {
    let test = watched().await;
    let path = test.data_dir().join("server/db");
    let options = SqliteConnectOptions::new().filename(path);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    let holding = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut client = LocalAuthorityClient::new(test.local().await);
    // Its client gives up by itself, too, and either may be the first.
    let line = |code: &str| {
        format!(
            "symbolon_server_rpc_total{{service=\"spire.api.server.localauthority.v1.LocalAuthority\",\
             method=\"PrepareJWTAuthority\",code=\"{code}\"}} "
        )
    };
    let lines = ["DeadlineExceeded", "Cancelled"].map(line);
    let counted = async {
        loop {
            // On a busy machine the time may be over before the server has heard of the call.
            let mut request = Request::new(PrepareJwtAuthorityRequest {});
            request.set_timeout(Duration::from_millis(500));
            client.prepare_jwt_authority(request).await.unwrap_err();
            let (_, page) = get(test.server.metrics_addr(), "/metrics").await;
            if page
                .lines()
                .any(|shown| lines.iter().any(|line| shown.starts_with(line.as_str())))
            {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.unwrap();
    holding.rollback().await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_refused_by_section_and_leaves_no_data_directory() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::TempDir::new().unwrap();
    let mut config = config(dir.path());
    config.health.address = Some(taken.local_addr().unwrap());
    let error = TestServer::on(dir, crate::support::TestClock::new(), config.clone()).await;
    let Err(error @ ServerError::Watch(_)) = error.map(|_| ()) else {
        panic!("it started");
    };
    assert!(error.to_string().contains("[health]"), "{error}");
    assert!(!config.data_dir.exists());
}

#[tokio::test]
async fn every_reply_has_the_id_of_its_call() {
    let test = TestServer::start().await;
    let mut bundles = BundleClient::new(test.anonymous().await);
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let reply = bundles.get_bundle(GetBundleRequest::default()).await.unwrap();
        ids.insert(
            reply
                .metadata()
                .get(REQUEST_ID.as_str())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
        );
    }
    let denied = AgentClient::new(test.anonymous().await)
        .count_agents(CountAgentsRequest::default())
        .await;
    let denied = denied.unwrap_err();
    ids.insert(
        denied
            .metadata()
            .get(REQUEST_ID.as_str())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned(),
    );
    assert_eq!(ids.len(), 3, "they differ: {ids:?}");
}

#[tokio::test]
async fn what_can_change_is_taken_and_the_rest_is_named() {
    let test = TestServer::start().await;
    let same = test.server.reload(&test.config).unwrap();
    assert_eq!(same, Changes::default());

    let agent = test.agent(Form::Classical).await;
    let as_admin = async || {
        AgentClient::new(agent.channel.clone())
            .count_agents(CountAgentsRequest::default())
            .await
    };
    assert_eq!(as_admin().await.unwrap_err().code(), Code::PermissionDenied);

    let mut next = test.config.clone();
    next.lifetimes.svid = HumanDuration(Duration::from_secs(120));
    next.lifetimes.authority = HumanDuration(Duration::from_secs(7200));
    next.limits.signing = 7;
    next.authorization.admin_ids = vec![agent.spiffe_id.clone()];
    next.server_name = "other".to_owned();
    next.log.filter = "debug".to_owned();
    let changes = test.server.reload(&next).unwrap();
    assert_eq!(
        changes.taken,
        [
            "log.filter",
            "lifetimes.svid",
            "limits",
            "authorization.admin_ids"
        ]
    );
    assert_eq!(changes.kept, ["server_name", "lifetimes.authority"]);

    as_admin().await.unwrap();
    let server = test.client.server().await.unwrap();
    let limit = |name: &str| {
        server
            .limits
            .iter()
            .find(|limit| limit.name == name)
            .unwrap()
            .value
    };
    assert_eq!(
        (
            limit("limits.signing"),
            limit("lifetimes.svid"),
            limit("lifetimes.authority")
        ),
        (7, 120, 86_400)
    );
    assert_eq!((server.agents, server.entries), (1, 0));
    let again = test.server.reload(&next).unwrap();
    assert_eq!(again.taken, [""; 0], "what was taken is not news");
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_changes_nothing() {
    let test = TestServer::start().await;
    let mut next = test.config.clone();
    next.limits = LimitsConfig::OFF;
    next.authorization.admin_ids = vec![id("/operator")];
    next.lifetimes.svid = HumanDuration(Duration::ZERO);
    let error = test.server.reload(&next).unwrap_err();
    assert!(error.to_string().contains("lifetimes.svid"), "{error}");
    next.lifetimes = test.config.lifetimes;
    next.authorization.policy = Some(test.data_dir().join("no-such.rego"));
    test.server.reload(&next).unwrap_err();
    let server = test.client.server().await.unwrap();
    let calls = server
        .limits
        .iter()
        .find(|limit| limit.name == "limits.calls")
        .unwrap();
    assert_eq!(calls.value, 512);
}
