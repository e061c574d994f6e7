//! Of whom nothing is known, and what is not asked while nothing migrates.

use std::time::Duration;

use symbolon_api::forms::{FORMS_METADATA, MIGRATION_METADATA};
use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_ca::client::MigrationSpec;
use symbolon_host::HumanDuration;
use symbolon_pki::suite::Form;
use symbolon_tls::MigrationStage;
use tonic::Request;

use super::{api, issue, stage, sync, to};
use crate::support::{TestAgent, TestServer};

fn at(stage: MigrationStage) -> MigrationSpec {
    MigrationSpec {
        force: true,
        reason: "to begin here".to_owned(),
        ..to(stage)
    }
}

/// How many entries or agents are ready, not ready, and unknown for the next stage, and the first reason.
async fn counts(server: &TestServer) -> ((u64, u64, u64), String) {
    let rules = server.client.migration(None).await.unwrap();
    let check = rules[0].next.as_ref().unwrap();
    let reason = check.parties.first().map(|party| party.reason.clone());
    (
        (check.ready, check.not_ready, check.unknown),
        reason.unwrap_or_default(),
    )
}

#[tokio::test]
async fn an_identity_whose_other_svids_nobody_speaks_for_is_not_ready() {
    use api::MigrationStage::Prefer;
    // Agents outlive the SVIDs of their workloads here.
    let server = TestServer::start_with(|config| {
        config.lifetimes.agent = HumanDuration(Duration::from_secs(4 * 60 * 60));
    })
    .await;
    let (ours, stock) = (
        server.agent(Form::Classical).await,
        server.agent(Form::Classical).await,
    );
    let entry = server.entry(&ours, "/web").await;
    server.client.migrate(&at(MigrationStage::Prefer)).await.unwrap();
    issue(&ours, &entry, Form::Classical).await;
    issue(&ours, &entry, Form::Composite).await;
    let said = Some((Prefer, &["composite"][..]));
    sync(&server, &ours, true, said, "").await.unwrap();
    server.clock.advance(Duration::from_secs(601));
    sync(&server, &ours, true, said, "").await.unwrap();
    assert_eq!(counts(&server).await.0, (1, 0, 0));

    // The same identity on a node whose agent does not report.
    let other = server.entry(&stock, "/web").await;
    issue(&stock, &other, Form::Classical).await;
    let (found, reason) = counts(&server).await;
    assert_eq!(found, (1, 0, 1));
    assert!(reason.contains(stock.spiffe_id.path()), "{reason}");
    // It ends with the SVID.
    server.clock.advance(Duration::from_secs(3601));
    sync(&server, &ours, true, said, "").await.unwrap();
    // The agent that reports was silent for as long, and begins anew.
    server.clock.advance(Duration::from_secs(600));
    sync(&server, &ours, true, said, "").await.unwrap();
    issue(&ours, &entry, Form::Composite).await;
    assert_eq!(counts(&server).await.0, (1, 0, 0));

    // A process beside the one that reports, which named no form.
    say_stock(&server, &ours).await;
    let (found, reason) = counts(&server).await;
    assert_eq!(found, (0, 0, 1));
    assert!(reason.contains("names no form"), "{reason}");
}

async fn say_stock(_server: &TestServer, agent: &TestAgent) {
    use symbolon_api::symbolon::server::v1::migration_client::MigrationClient;
    let request = api::SyncMigrationRequest {
        workloads: vec![api::WorkloadReport {
            spiffe_id: "spiffe://example.org/web".to_owned(),
            stage: api::MigrationStage::Prefer.into(),
            processes: 1,
            peers: Vec::new(),
            stock: true,
        }],
        ..api::SyncMigrationRequest::default()
    };
    let mut client = MigrationClient::new(agent.channel.clone());
    client.sync_migration(request).await.unwrap();
}

#[tokio::test]
async fn a_node_without_the_new_form_holds_up_accept_though_another_has_it() {
    let server = TestServer::start().await;
    let (one, two) = (
        server.agent(Form::Classical).await,
        server.agent(Form::Classical).await,
    );
    let alias = server.entry(&one, "/web").await;
    let other = server.entry(&two, "/web").await;
    server.client.migrate(&at(MigrationStage::Issue)).await.unwrap();
    for agent in [&one, &two] {
        sync(&server, agent, true, None, "").await.unwrap();
    }
    issue(&one, &alias, Form::Composite).await;
    issue(&two, &other, Form::Classical).await;
    let (found, _) = counts(&server).await;
    assert_eq!(found, (1, 1, 0));
    issue(&two, &other, Form::Composite).await;
    assert_eq!(counts(&server).await.0, (2, 0, 0));
}

#[tokio::test]
async fn while_nothing_migrates_nothing_is_asked_or_kept() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let hint = async |forms: Option<&'static str>| {
        let mut request = Request::new(GetBundleRequest { output_mask: None });
        if let Some(forms) = forms {
            request
                .metadata_mut()
                .insert(FORMS_METADATA, forms.parse().unwrap());
        }
        let answer = BundleClient::new(agent.channel.clone()).get_bundle(request).await;
        let found = answer.unwrap().metadata().get(MIGRATION_METADATA).cloned();
        found.map(|stage| stage.to_str().unwrap().to_owned())
    };
    assert_eq!(hint(Some("composite")).await, None);
    let told = sync(&server, &agent, true, None, "").await.unwrap();
    assert!(told.otherwise.is_none() && told.entries.is_empty());
    let again = sync(&server, &agent, true, None, &told.digest).await.unwrap();
    assert!(again.unchanged);

    let done = server.client.migrate(&to(MigrationStage::Publish)).await.unwrap();
    assert_eq!(stage(&done), "publish");
    assert_eq!(
        counts(&server).await.0,
        (0, 0, 1),
        "what was said before is not known"
    );
    assert_eq!(hint(Some("composite")).await.as_deref(), Some("publish"));
    // Stock callers get what they always got.
    assert_eq!(hint(None).await, None);
    sync(&server, &agent, true, None, "").await.unwrap();
    assert_eq!(counts(&server).await.0, (1, 0, 0));
    // What some entries are at is what agents have to know of, wherever the others are.
    let some = MigrationSpec {
        entries: "spiffe-id-prefix:/some".to_owned(),
        ..at(MigrationStage::Require)
    };
    server.client.migrate(&some).await.unwrap();
    assert_eq!(hint(Some("composite")).await.as_deref(), Some("require"));
}
