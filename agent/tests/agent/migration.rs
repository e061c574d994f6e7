//! How far entries are in their migration: what is said last counts, whatever goes wrong.

use std::path::Path;
use std::time::Duration;

use symbolon_agent::{Phase, RunningAgent};
use symbolon_ca::client::{EntrySpec, MigrationSpec};
use symbolon_ca::config::ServerConfig;
use symbolon_ca::migration::WishedStage;
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock as _;
use symbolon_tls::workload_api::WorkloadApiError;
use symbolon_tls::{Migration, MigrationStage, MigrationTarget};

use crate::support::{Site, my_uid, status_of, within, workload};

const REQUIRE: Migration = Migration {
    target: MigrationTarget::Hybrid,
    stage: MigrationStage::Require,
};

const TARGETS: [Form; 2] = [Form::Classical, Form::Composite];

/// A server whose policy keeps agents from what it names, and its configuration.
async fn site() -> (Site, ServerConfig) {
    let mut kept = None;
    let site = Site::start_with(|dir, config| {
        config.authorization.policy = Some(dir.join("policy.rego"));
        config.authorization.policy_timeout_ms = 1000;
        config.migration.quiet = symbolon_host::HumanDuration(Duration::from_secs(1));
        deny(dir, "nothing");
        kept = Some(config.clone());
    })
    .await;
    (site, kept.unwrap())
}

fn deny(dir: &Path, method: &str) {
    let rules = format!(
        "package symbolon.authz\ndefault allow := true\nallow := false if endswith(input.method, \"/{method}\")\n"
    );
    std::fs::write(dir.join("policy.rego"), rules).unwrap();
}

fn refuse(site: &Site, config: &ServerConfig, method: &str) {
    deny(site.dir.path(), method);
    site.server().reload(config).unwrap();
}

async fn set(site: &Site, stage: WishedStage) {
    let spec = MigrationSpec {
        entries: String::new(),
        target: Some(MigrationTarget::Hybrid),
        stage,
        force: true,
        reason: "a test".to_owned(),
        dry_run: false,
        quiet: None,
    };
    site.client().migrate(&spec).await.unwrap();
}

/// What a workload that asks for these forms is told.
async fn told(agent: &RunningAgent, forms: &[Form]) -> Option<Migration> {
    let context = within(workload(agent).await.fetch_x509(forms)).await.unwrap();
    context.svids[0].migration
}

#[tokio::test]
async fn a_demand_outlives_refusals_and_restarts() {
    let (site, config) = site().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    assert_eq!(told(&agent, &TARGETS).await, None);
    // While nothing migrates it does not ask, and so is told and keeps nothing.
    for name in ["migration", "holders"] {
        assert!(!site.dir.path().join("node/agent").join(name).exists(), "{name}");
    }
    set(&site, WishedStage::To(MigrationStage::Require)).await;
    site.sync(&agent).await;
    assert_eq!(told(&agent, &TARGETS).await, Some(REQUIRE));
    // Who does not get what it takes to verify others by is not told to demand it.
    assert_eq!(told(&agent, &[Form::MlDsa]).await, None);
    assert_eq!(told(&agent, &[]).await, None);

    // A policy of the operator's, as well as an older server behind the same address.
    refuse(&site, &config, "SyncMigration");
    site.sync(&agent).await;
    assert_eq!(told(&agent, &TARGETS).await, Some(REQUIRE));
    within(agent.shutdown()).await.unwrap();
    let agent = site.agent_with(site.agent_config()).await;
    assert_eq!(told(&agent, &TARGETS).await, Some(REQUIRE));

    // To go back is a decision.
    refuse(&site, &config, "nothing");
    set(&site, WishedStage::Off).await;
    within(agent.shutdown()).await.unwrap();
    let agent = site.agent_with(site.agent_config()).await;
    assert_eq!(told(&agent, &TARGETS).await, None);
    within(agent.shutdown()).await.unwrap();

    let kept = site.dir.path().join("node/agent/migration");
    std::fs::write(&kept, "{").unwrap();
    let error = match site.try_agent(site.agent_config()).await {
        Err(error) => error.to_string(),
        Ok(agent) => within(agent.stopped()).await.unwrap().to_string(),
    };
    assert!(error.contains("agent/migration"), "{error}");
}

#[tokio::test]
async fn a_new_agent_that_cannot_be_told_serves_nobody_until_it_is() {
    let (site, config) = site().await;
    set(&site, WishedStage::To(MigrationStage::Require)).await;
    refuse(&site, &config, "SyncMigration");
    site.new_token().await;
    let agent = site.try_agent(site.agent_config()).await.unwrap();
    let status = status_of(&agent, |status| status.last_error.is_some()).await;
    assert!(!matches!(status.phase, Phase::Ready), "{status:?}");
    let error = within(workload(&agent).await.fetch_x509(&TARGETS))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, WorkloadApiError::Status(status) if status.code() == tonic::Code::Unavailable),
        "{error}"
    );
    refuse(&site, &config, "nothing");
    site.time
        .pass(Duration::from_secs(60), agent.ready())
        .await
        .unwrap();
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    assert_eq!(told(&agent, &TARGETS).await, Some(REQUIRE));
}

#[tokio::test]
async fn a_new_agent_that_cannot_be_told_serves_before_anything_is_demanded() {
    let (site, config) = site().await;
    set(&site, WishedStage::To(MigrationStage::Publish)).await;
    refuse(&site, &config, "SyncMigration");
    site.new_token().await;
    let agent = site.agent_with(site.agent_config()).await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    site.sync(&agent).await;
    assert_eq!(told(&agent, &TARGETS).await, None);
}

#[tokio::test]
async fn who_names_no_form_is_unknown() {
    let (site, _) = site().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    set(&site, WishedStage::To(MigrationStage::Prefer)).await;
    site.sync(&agent).await;
    report_quiet(&site, &agent).await;
    assert_eq!(unknown(&site).await, (0, true, String::new()));
    // Who names the forms and has said nothing since the last report, once that is forgotten.
    told(&agent, &TARGETS).await;
    site.time.advance(Duration::from_secs(181));
    site.sync(&agent).await;
    let (count, may, reason) = unknown(&site).await;
    assert_eq!((count, may), (1, false));
    assert!(reason.contains("have not reported"), "{reason}");
    report_quiet(&site, &agent).await;
    assert_eq!(unknown(&site).await, (0, true, String::new()));

    told(&agent, &[]).await;
    site.sync(&agent).await;
    let (count, may, reason) = unknown(&site).await;
    assert_eq!((count, may), (1, false));
    assert!(reason.contains("names no form"), "{reason}");
}

/// How many entries nothing is known of, whether the next stage may come, and why not.
async fn unknown(site: &Site) -> (u64, bool, String) {
    let rules = site.client().migration(None).await.unwrap();
    let check = rules[0].next.clone().unwrap();
    let reason = check.parties.first().map(|party| party.reason.clone());
    (check.unknown, check.may, reason.unwrap_or_default())
}

/// A process reports, and again after the quiet time.
async fn report_quiet(site: &Site, agent: &RunningAgent) {
    report(agent).await;
    site.sync(agent).await;
    site.time.advance(Duration::from_secs(2));
    report(agent).await;
    site.sync(agent).await;
}

#[tokio::test]
async fn an_agents_next_run_knows_who_has_svids_until_they_end() {
    let (site, _) = site().await;
    let begun = site.time.now();
    let agent = site.agent().await;
    let short = |entry: &mut EntrySpec| entry.x509_svid_ttl = Some(Duration::from_secs(600));
    site.register_with(&agent, "/web", &[&my_uid()], short).await;
    set(&site, WishedStage::To(MigrationStage::Prefer)).await;
    site.sync(&agent).await;
    told(&agent, &[]).await;
    // Since the last sync, which is what it is kept at otherwise.
    within(agent.shutdown()).await.unwrap();
    let agent = site.agent_with(site.agent_config()).await;
    report_quiet(&site, &agent).await;
    let (count, may, reason) = unknown(&site).await;
    assert_eq!((count, may), (1, false));
    assert!(reason.contains("names no form"), "{reason}");
    let kept = site.dir.path().join("node/agent/holders");
    assert!(
        std::fs::read_to_string(&kept)
            .unwrap()
            .contains("spiffe://example.org/web")
    );

    while unknown(&site).await.0 > 0 {
        let lived = site.time.now().duration_since(begun).unwrap();
        assert!(lived < Duration::from_secs(1500), "{:?}", unknown(&site).await);
        site.time.advance(Duration::from_secs(100));
        report_quiet(&site, &agent).await;
    }
    assert_eq!(unknown(&site).await, (0, true, String::new()));
    let lived = site.time.now().duration_since(begun).unwrap();
    assert!(lived >= Duration::from_secs(600), "{lived:?}");

    // A damaged file costs nobody its SVIDs.
    within(agent.shutdown()).await.unwrap();
    std::fs::write(&kept, "{").unwrap();
    let agent = site.agent_with(site.agent_config()).await;
    report_quiet(&site, &agent).await;
    assert_eq!(unknown(&site).await, (0, true, String::new()));
}

#[tokio::test]
async fn who_is_given_svids_while_the_server_is_away_is_known_to_the_next_run() {
    let (mut site, _) = site().await;
    let agent = site.agent().await;
    site.register(&agent, "/web", &[&my_uid()]).await;
    set(&site, WishedStage::To(MigrationStage::Prefer)).await;
    site.sync(&agent).await;
    // Who names the forms is none of them.
    told(&agent, &TARGETS).await;
    site.stop_server().await;
    let away = status_of(&agent, |status| status.last_error.is_some());
    site.time.pass(Duration::from_secs(10), away).await;
    let kept = site.dir.path().join("node/agent/holders");
    let knows_of_stock = || {
        let kept = std::fs::read(&kept).ok();
        let kept = kept.and_then(|kept| serde_json::from_slice::<serde_json::Value>(&kept).ok());
        kept.is_some_and(|kept| kept["stock"]["spiffe://example.org/web"].is_u64())
    };
    assert!(!knows_of_stock());
    told(&agent, &[]).await;
    // The agent is not told to end: it is as if it were killed after that.
    let is_kept = async {
        while !knows_of_stock() {
            tokio::task::yield_now().await;
        }
    };
    site.time.pass(Duration::from_secs(600), is_kept).await;
}

/// Says what a process on `symbolon-tls` says, at the stage `prefer`.
async fn report(agent: &RunningAgent) {
    use symbolon_api::symbolon::workload::v1 as own;
    use symbolon_api::symbolon::workload::v1::handshakes_client::HandshakesClient;
    use symbolon_api::{WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE};
    use symbolon_tls::grpc::{ChannelOptions, unix_channel};

    told(agent, &TARGETS).await;
    let channel = unix_channel(agent.socket(), &ChannelOptions::default())
        .await
        .unwrap();
    let mut request = tonic::Request::new(own::ReportHandshakesRequest {
        spiffe_id: "spiffe://example.org/web".to_owned(),
        reporter: "a1".to_owned(),
        stage: "prefer".to_owned(),
        counts: Vec::new(),
    });
    let metadata = request.metadata_mut();
    metadata.insert(WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE.parse().unwrap());
    let mut client = HandshakesClient::new(channel);
    within(client.report_handshakes(request)).await.unwrap();
}
