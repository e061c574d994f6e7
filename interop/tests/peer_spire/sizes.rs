//! How many identities a stock agent can give one workload before its answer is longer than gRPC's clients read.

use prost::Message as _;
use symbolon_api::WORKLOAD_METADATA;
use symbolon_api::spiffe::workload::X509svidRequest;
use symbolon_api::spiffe::workload::X509svidResponse;
use symbolon_api::spiffe::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use symbolon_interop::server::Server;
use symbolon_interop::spire::Agent;
use symbolon_pki::certificate::Certificate;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};

use crate::agent::until_given;
use crate::{entry, shows, token};

/// What gRPC's clients read unless they are told otherwise.
const MOST: usize = 4 * 1024 * 1024;

const IDENTITIES: usize = 20;

/// The answer itself, which clients take apart and throw away.
async fn answer(agent: &Agent) -> X509svidResponse {
    let channel = unix_channel(&agent.socket(), &ChannelOptions::default())
        .await
        .unwrap();
    let mut request = tonic::Request::new(X509svidRequest {});
    request
        .metadata_mut()
        .insert(WORKLOAD_METADATA, "true".parse().unwrap());
    let mut answers = SpiffeWorkloadApiClient::new(channel)
        .fetch_x509svid(request)
        .await
        .unwrap()
        .into_inner();
    answers.message().await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_answer_holds_hundreds_of_identities() {
    let server = Server::start().unwrap();
    let (evidence, id) = token(&server, &[]);
    let mut agent = Agent::start(&server, "agent", &evidence).unwrap();
    let paths: Vec<String> = (0..IDENTITIES)
        .map(|number| format!("/identity/{number:04}"))
        .collect();
    for path in &paths {
        entry(&server, &id, path, &[]);
    }
    let names: Vec<String> = paths.iter().map(|path| server.id_of(path)).collect();
    until_given(&mut agent, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;

    let answer = answer(&agent).await;
    assert_eq!(answer.svids.len(), IDENTITIES);
    let each = answer.encoded_len() / IDENTITIES;
    let svid = &answer.svids[0];
    let bundle = symbolon_pki::certificate::split_chain(&svid.bundle).unwrap();
    let is_catalyst = |root: &&Certificate| root.alternative().is_some();
    let catalyst: usize = bundle
        .iter()
        .filter(is_catalyst)
        .map(|root| root.der().len())
        .sum();
    let without = each - catalyst;
    println!(
        "an identity: {each} bytes, {catalyst} of them a catalyst root; {} in an answer, {} without",
        MOST / each,
        MOST / without
    );
    assert!(catalyst > 0, "catalyst roots are in every bundle");
    assert!(MOST / each >= 500, "{each} bytes an identity");
    // Stock commands read it, so stock software does.
    let fetched = agent.command(&["api", "fetch", "x509"], &[]).unwrap();
    assert_eq!(
        fetched["svids"].as_array().map(Vec::len),
        Some(IDENTITIES),
        "{fetched}"
    );
    shows("agent/identities in one answer");
}
