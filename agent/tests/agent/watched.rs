//! By what an agent is watched: its pages, and its figures against the contract in the book.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use symbolon_agent::telemetry::FIGURES;
use symbolon_pki::suite::Form;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Site, my_uid, private_file, within, workload};

const CONTRACT: &str = include_str!("../../../docs/src/reference/telemetry.md");

#[test]
fn the_books_table_is_the_list_of_figures() {
    let rows = CONTRACT
        .lines()
        .filter(|line| line.starts_with("| `symbolon_agent_"));
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

#[tokio::test]
async fn an_agent_is_ready_once_it_is_in_sync_and_shows_what_the_contract_says() {
    let site = Site::start().await;
    let mut config = site.agent_config();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    config.health.address = Some(any);
    config.metrics.address = Some(any);
    // Without evidence it listens, and is not ready.
    private_file(&site.token_path(), "never-made");
    if let Ok(agent) = site.try_agent(config.clone()).await {
        let (status, body) = get(agent.health_addr(), "/ready").await;
        assert!(
            status == 503 && body.contains("not been in sync"),
            "{status} {body}"
        );
        let _refused = agent.shutdown().await;
    }
    site.new_token().await;
    let agent = site.agent_with(config).await;
    assert_eq!(
        get(agent.health_addr(), "/live").await,
        (200, "alive\n".to_owned())
    );
    assert_eq!(
        get(agent.health_addr(), "/ready").await,
        (200, "ready\n".to_owned())
    );
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    within(workload(&agent).await.fetch_x509(&[Form::Classical]))
        .await
        .unwrap();

    // The workload has let go of its stream, which is noticed in a moment.
    let ended = "symbolon_agent_workload_api_request_seconds_count{method=\"FetchX509SVID\"} 1";
    let page = within(async {
        loop {
            let (status, page) = get(agent.metrics_addr(), "/metrics").await;
            assert_eq!(status, 200);
            if page.lines().any(|line| line == ended) {
                return page;
            }
            tokio::task::yield_now().await;
        }
    })
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
        "symbolon_agent_server_calls_total{method=\"PostStatus\",code=\"OK\"} 1",
        "symbolon_agent_server_calls_total{method=\"SyncAuthorizedEntries\",code=",
        "symbolon_agent_server_call_seconds_count{method=\"GetBundle\"}",
        "symbolon_agent_workload_api_requests_total{method=\"FetchX509SVID\",code=",
        "symbolon_agent_ready 1.0",
        "symbolon_agent_entries 1.0",
        "symbolon_agent_bundle_staleness_seconds ",
        "symbolon_agent_svid_expiry_timestamp_seconds{form=\"composite\"} ",
        "symbolon_agent_authority_expiry_timestamp_seconds ",
    ] {
        assert!(
            page.lines().any(|shown| shown.starts_with(line)),
            "{line} is not in\n{page}"
        );
    }
}
