//! What is wrong is named, and costs nothing but the start.

use std::time::Duration;

use symbolon_agent::{AgentConfig, AgentError, EvidenceError, Phase};
use symbolon_pki::suite::Form;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Site, my_uid, private_file, within, workload};

/// Why an agent with this configuration is of no use.
async fn refusal(site: &Site, config: AgentConfig) -> String {
    let agent = match site.try_agent(config).await {
        Ok(agent) => agent,
        Err(error) => return in_full(&error),
    };
    let error = site
        .time
        .pass(Duration::from_secs(5), agent.ready())
        .await
        .unwrap_err()
        .unwrap();
    in_full(&*error)
}

fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

#[tokio::test]
async fn a_node_without_good_evidence_is_told_so() {
    let site = Site::start().await;
    let error = refusal(&site, site.agent_config()).await;
    assert!(
        error.contains("token") && error.contains("cannot be read"),
        "{error}"
    );
    private_file(&site.token_path(), "never-made");
    let error = refusal(&site, site.agent_config()).await;
    assert_eq!(
        error.matches("does not exist or has been used").count(),
        1,
        "said once: {error}"
    );
    let mut config = site.agent_config();
    config.attestor.join_token_file = None;
    let agent = site.try_agent(config).await.unwrap();
    let error = within(agent.ready()).await.unwrap_err().unwrap();
    assert!(
        matches!(&*error, AgentError::Evidence(EvidenceError::NotConfigured)),
        "{error}"
    );
    assert!(!site.dir.path().join("node/agent/svid").exists());
}

#[tokio::test]
async fn a_server_that_the_bundle_does_not_vouch_for_is_refused() {
    let (site, other) = (Site::start().await, Site::start().await);
    site.new_token().await;
    let mut config = site.agent_config();
    config.bootstrap.bundle = Some(other.bundle_path());
    let error = refusal(&site, config).await;
    assert!(
        error.contains("not attested") && error.contains("SVID is refused"),
        "{error}"
    );

    let mut config = site.agent_config();
    config.trust_domain = spiffe::TrustDomain::new("example.com").unwrap();
    let error = refusal(&site, config).await;
    assert!(
        error.contains("example.org") || error.contains("example.com"),
        "{error}"
    );
    // Nothing of it has spent the token.
    site.agent_with(site.agent_config()).await;
}

#[tokio::test]
async fn without_a_bundle_the_first_server_is_believed_if_configured() {
    let site = Site::start().await;
    site.new_token().await;
    let mut config = site.agent_config();
    config.bootstrap.bundle = None;
    config.bootstrap.insecure = true;
    let agent = site.agent_with(config).await;
    assert_eq!(agent.status().form, Some(Form::Composite));
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let context = workload(&agent).await.fetch_x509(&Form::OF_KEYS).await.unwrap();
    assert_eq!(context.svids.len(), 3);
}

#[tokio::test]
async fn a_clock_before_the_authorities_is_told_from_a_wrong_server() {
    let site = Site::start().await;
    site.new_token().await;
    let early = crate::support::TestTime::new();
    let config = site.agent_config();
    let environment = symbolon_agent::Environment {
        clock: std::sync::Arc::new(Early(early.clone())),
        timer: early,
        ..symbolon_agent::Environment::new(&config)
    };
    let agent = symbolon_agent::Agent::start_in(config, environment)
        .await
        .unwrap();
    let error = within(agent.ready()).await.unwrap_err().unwrap();
    assert!(
        in_full(&*error).contains("not valid before"),
        "{}",
        in_full(&*error)
    );
}

/// A day behind.
#[derive(Debug)]
struct Early(std::sync::Arc<crate::support::TestTime>);

impl symbolon_pki::time::Clock for Early {
    fn now(&self) -> std::time::SystemTime {
        symbolon_pki::time::Clock::now(&*self.0) - Duration::from_secs(24 * 3600)
    }
}

#[tokio::test]
async fn a_socket_in_use_or_in_the_way_is_left_alone() {
    let site = Site::start().await;
    let agent = site.agent().await;
    let mut config = site.agent_config();
    config.data_dir = site.dir.path().join("second");
    config.workload_api.socket = Some(agent.socket().to_owned());
    let error = refusal(&site, config.clone()).await;
    assert!(error.contains("another process is listening"), "{error}");
    let file = site.dir.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    config.workload_api.socket = Some(file.clone());
    let error = refusal(&site, config).await;
    assert!(error.contains("is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[tokio::test]
async fn damage_is_named_and_nothing_is_thrown_away() {
    let site = Site::start().await;
    let agent = site.agent().await;
    within(agent.shutdown()).await.unwrap();
    let node = site.dir.path().join("node/agent");

    let good = std::fs::read(node.join("svid")).unwrap();
    std::fs::write(node.join("svid"), "{").unwrap();
    let error = refusal(&site, site.agent_config()).await;
    assert!(error.contains("svid is damaged"), "{error}");
    std::fs::write(node.join("svid"), &good).unwrap();

    let key = std::fs::read_dir(node.join("keys"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "key"))
        .unwrap();
    let sealed = std::fs::read(&key).unwrap();
    let mut broken = sealed.clone();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    std::fs::write(&key, &broken).unwrap();
    let error = refusal(&site, site.agent_config()).await;
    assert!(
        error.contains(&key.file_name().unwrap().to_string_lossy().into_owned()),
        "{error}"
    );
    std::fs::write(&key, &sealed).unwrap();

    let mut config = site.agent_config();
    config.keys.key_file = Some(site.dir.path().join("other.key"));
    let error = refusal(&site, config).await;
    assert!(error.contains("other.key"), "{error}");

    let agent = site.agent_with(site.agent_config()).await;
    assert!(matches!(agent.status().phase, Phase::Ready));
}

#[tokio::test]
async fn health_says_whether_workloads_can_be_served() {
    let mut site = Site::start().await;
    site.new_token().await;
    site.stop_server().await;
    let agent = site.try_agent(site.agent_config()).await.unwrap();
    let mut health = HealthClient::new(
        unix_channel(agent.socket(), &ChannelOptions::default())
            .await
            .unwrap(),
    );
    let answer = health
        .check(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.status(), ServingStatus::NotServing);
    let mut following = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    site.start_server().await;
    let serving =
        async { while following.message().await.unwrap().unwrap().status() != ServingStatus::Serving {} };
    site.time.pass(Duration::from_secs(5), serving).await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let site = Site::start().await;
    site.new_token().await;
    let mut config = site.agent_config();
    config.workload_api.max_connections_per_user = 2;
    let agent = site.agent_with(config).await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    let first = workload(&agent).await;
    let second = workload(&agent).await;
    first.fetch_x509(&[]).await.unwrap();
    second.fetch_x509(&[]).await.unwrap();
    let endpoint = symbolon_tls::workload_api::Endpoint::unix(agent.socket()).unwrap();
    let third = async {
        let third = symbolon_tls::workload_api::WorkloadApiClient::connect(&endpoint).await?;
        third.fetch_x509(&[]).await
    };
    assert!(within(third).await.is_err());
    drop(second);
    let again = async {
        loop {
            let Ok(again) = symbolon_tls::workload_api::WorkloadApiClient::connect(&endpoint).await else {
                continue;
            };
            if again.fetch_x509(&[]).await.is_ok() {
                return;
            }
        }
    };
    within(again).await;
}
