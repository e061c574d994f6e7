//! Migration across families over the wire: every stage with its check, and the way back.

mod quiet;
mod sets;
mod unknown;

use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::server::svid::v1::{BatchNewX509svidRequest, NewX509svidParams};
use symbolon_api::symbolon::server::v1 as api;
use symbolon_api::symbolon::server::v1::migration_client::MigrationClient;
use symbolon_ca::client::{ClientError, MigrationSpec};
use symbolon_ca::migration::WishedStage;
use symbolon_ca::views::MigrationChangeView;
use symbolon_pki::suite::Form;
use symbolon_tls::{MigrationStage, MigrationTarget};
use tonic::{Code, Status};

use crate::support::{Key, TestAgent, TestServer, asking};

fn next() -> MigrationSpec {
    MigrationSpec {
        entries: String::new(),
        target: None,
        stage: WishedStage::Next,
        force: false,
        reason: String::new(),
        dry_run: false,
        quiet: None,
    }
}

fn to(stage: MigrationStage) -> MigrationSpec {
    MigrationSpec {
        target: Some(MigrationTarget::Hybrid),
        stage: WishedStage::To(stage),
        ..next()
    }
}

fn stage(done: &MigrationChangeView) -> &str {
    done.rule.as_ref().map_or("none", |rule| rule.stage.as_str())
}

/// Why it was refused.
async fn refused(server: &TestServer, spec: &MigrationSpec, code: Code) -> String {
    match server.client.migrate(spec).await.unwrap_err() {
        ClientError::Refused(status) => {
            assert_eq!(status.code(), code, "{status}");
            status.message().to_owned()
        }
        other => panic!("{other}"),
    }
}

/// What an agent says at a sync: whether it holds the composite authorities, and what its one workload follows and saw.
async fn sync(
    server: &TestServer,
    agent: &TestAgent,
    holds: bool,
    workload: Option<(api::MigrationStage, &[&str])>,
    known: &str,
) -> Result<api::SyncMigrationResponse, Status> {
    let bundle = server.server.authorities().bundle();
    let ids = bundle.authorities_of(Form::Composite);
    let ids = ids.map(|authority| authority.certificate.skid().unwrap().to_string());
    let held = api::HeldAuthorities {
        family: "composite".to_owned(),
        authority_ids: ids.filter(|_| holds).collect(),
    };
    let workloads = workload.into_iter().map(|(stage, peers)| api::WorkloadReport {
        spiffe_id: "spiffe://example.org/web".to_owned(),
        stage: stage.into(),
        processes: 1,
        peers: peers
            .iter()
            .map(|form| api::PeerCount {
                form: (*form).to_owned(),
                count: 1,
                stage: stage.into(),
            })
            .collect(),
        stock: false,
    });
    let request = api::SyncMigrationRequest {
        held: vec![held],
        workloads: workloads.collect(),
        known_digest: known.to_owned(),
    };
    let mut client = MigrationClient::new(agent.channel.clone());
    Ok(client.sync_migration(request).await?.into_inner())
}

async fn issue(agent: &TestAgent, entry_id: &str, form: Form) {
    let params = NewX509svidParams {
        entry_id: entry_id.to_owned(),
        csr: Key::new(form).csr(None),
        ..NewX509svidParams::default()
    };
    let request = BatchNewX509svidRequest { params: vec![params] };
    let mut client = SvidClient::new(agent.channel.clone());
    let answer = client.batch_new_x509svid(asking(request, "composite")).await;
    let results = answer.unwrap().into_inner().results;
    assert_eq!(
        results[0].status.as_ref().unwrap().code,
        0,
        "{:?}",
        results[0].status
    );
}

#[tokio::test]
async fn each_stage_waits_for_those_in_scope_and_none_is_left_out() {
    use api::MigrationStage::{Accept, Prefer, Publish};
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    assert!(server.client.migration(None).await.unwrap().is_empty());
    assert!(
        refused(&server, &next(), Code::InvalidArgument)
            .await
            .contains("hybrid")
    );
    assert!(
        refused(&server, &to(MigrationStage::Issue), Code::FailedPrecondition)
            .await
            .contains("leaves stages out")
    );

    // To publish: nothing stands in the way.
    let begin = MigrationSpec {
        target: Some(MigrationTarget::Hybrid),
        ..next()
    };
    let done = server.client.migrate(&begin).await.unwrap();
    assert_eq!((done.changed, stage(&done)), (true, "publish"));

    // To issue: agents hold the roots.
    let told = sync(&server, &agent, false, None, "").await.unwrap();
    assert_eq!(told.otherwise.as_ref().unwrap().stage(), Publish);
    assert!(
        sync(&server, &agent, false, None, &told.digest)
            .await
            .unwrap()
            .unchanged
    );
    let reason = refused(&server, &next(), Code::FailedPrecondition).await;
    assert!(reason.contains("has not fetched the authority"), "{reason}");
    sync(&server, &agent, true, None, "").await.unwrap();
    assert_eq!(stage(&server.client.migrate(&next()).await.unwrap()), "issue");

    // To accept: a living SVID of the target's form.
    issue(&agent, &entry, Form::Classical).await;
    let reason = refused(&server, &next(), Code::FailedPrecondition).await;
    assert!(
        reason.contains("spiffe://example.org/web") && reason.contains("composite"),
        "{reason}"
    );
    let looked = server.client.migration(None).await.unwrap();
    let check = looked[0].next.as_ref().unwrap();
    assert_eq!(
        (check.stage.as_str(), check.may, check.not_ready),
        ("accept", false, 1)
    );
    assert_eq!(check.parties[0].entry_id, entry);
    issue(&agent, &entry, Form::Composite).await;
    assert_eq!(stage(&server.client.migrate(&next()).await.unwrap()), "accept");

    // To prefer: those who report follow.
    sync(&server, &agent, true, Some((Publish, &[])), "")
        .await
        .unwrap();
    assert!(
        refused(&server, &next(), Code::FailedPrecondition)
            .await
            .contains("`publish`")
    );
    let told = sync(&server, &agent, true, Some((Accept, &["classical"])), "")
        .await
        .unwrap();
    assert_eq!(told.otherwise.unwrap().stage(), Accept);
    assert_eq!(stage(&server.client.migrate(&next()).await.unwrap()), "prefer");

    // To require: nothing classical for the quiet time.
    sync(&server, &agent, true, Some((Prefer, &["classical"])), "")
        .await
        .unwrap();
    assert!(
        refused(&server, &next(), Code::FailedPrecondition)
            .await
            .contains("classical")
    );
    server.clock.advance(Duration::from_secs(601));
    sync(&server, &agent, true, Some((Prefer, &["composite"])), "")
        .await
        .unwrap();
    let done = server.client.migrate(&next()).await.unwrap();
    assert_eq!(stage(&done), "require");
    assert!(!done.rule.unwrap().forced);
    assert!(
        refused(&server, &next(), Code::FailedPrecondition)
            .await
            .contains("last stage")
    );

    // Back, at once, and to nothing.
    assert_eq!(
        stage(&server.client.migrate(&to(MigrationStage::Publish)).await.unwrap()),
        "publish"
    );
    let off = MigrationSpec {
        stage: WishedStage::Off,
        ..next()
    };
    assert_eq!(stage(&server.client.migrate(&off).await.unwrap()), "none");
    assert!(
        sync(&server, &agent, true, None, "")
            .await
            .unwrap()
            .otherwise
            .is_none()
    );
    refused(&server, &off, Code::NotFound).await;
}

#[tokio::test]
async fn force_wants_a_reason_and_outlives_the_server() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    issue(&agent, &entry, Form::Classical).await;
    let forced = MigrationSpec {
        force: true,
        ..to(MigrationStage::Require)
    };
    assert!(
        refused(&server, &forced, Code::InvalidArgument)
            .await
            .contains("reason")
    );
    let dry = MigrationSpec {
        dry_run: true,
        ..to(MigrationStage::Accept)
    };
    let found = server.client.migrate(&dry).await.unwrap();
    assert_eq!((found.changed, found.check.unwrap().not_ready), (false, 1));
    assert!(server.client.migration(None).await.unwrap().is_empty());
    // Everybody is ready, and it is refused all the same.
    issue(&agent, &entry, Form::Composite).await;
    let found = server.client.migrate(&dry).await.unwrap().check.unwrap();
    assert_eq!((found.may, found.ready, found.not_ready), (false, 1, 0));
    assert!(found.obstacle.contains("leaves stages out"), "{found:?}");

    let forced = MigrationSpec {
        reason: "a drill".to_owned(),
        ..forced
    };
    let done = server.client.migrate(&forced).await.unwrap().rule.unwrap();
    assert!(
        done.forced && done.reason == "a drill" && done.by.contains("process"),
        "{done:?}"
    );
    let server = server.restart(|_| {}).await.unwrap();
    let kept = server.client.migration(None).await.unwrap();
    assert_eq!(
        (kept.len(), kept[0].stage.as_str(), kept[0].revision),
        (1, "require", done.revision)
    );
}

#[tokio::test]
async fn some_entries_are_held_back_or_kept_out() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    // This one goes by the rule for all.
    server.entry(&agent, "/web").await;
    let held = server.entry(&agent, "/held").await;
    server.client.migrate(&to(MigrationStage::Publish)).await.unwrap();
    let out = MigrationSpec {
        entries: "spiffe-id-prefix:/held".to_owned(),
        stage: WishedStage::Off,
        ..next()
    };
    assert_eq!(stage(&server.client.migrate(&out).await.unwrap()), "off");
    let told = sync(&server, &agent, true, None, "").await.unwrap();
    assert_eq!(told.otherwise.unwrap().stage(), api::MigrationStage::Publish);
    let own: Vec<_> = told
        .entries
        .iter()
        .map(|one| (one.entry_id.as_str(), one.stage()))
        .collect();
    assert_eq!(own, [(held.as_str(), api::MigrationStage::Off)]);

    let clear = MigrationSpec {
        stage: WishedStage::Clear,
        ..out.clone()
    };
    assert_eq!(stage(&server.client.migrate(&clear).await.unwrap()), "none");
    assert!(
        sync(&server, &agent, true, None, "")
            .await
            .unwrap()
            .entries
            .is_empty()
    );
    refused(&server, &clear, Code::NotFound).await;
    let nonsense = MigrationSpec {
        entries: "name:web".to_owned(),
        ..out
    };
    assert!(
        refused(&server, &nonsense, Code::InvalidArgument)
            .await
            .contains("spiffe-id-prefix")
    );
    let elsewhere = MigrationSpec {
        target: Some(MigrationTarget::PostQuantum),
        ..next()
    };
    assert!(
        refused(&server, &elsewhere, Code::FailedPrecondition)
            .await
            .contains("off")
    );
}

#[tokio::test]
async fn what_is_on_record_is_in_force_though_it_cannot_be_read_back() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let database = server.config.data_dir.join("server").join("db");
    let mut database = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(database))
        .await
        .unwrap();
    let spoil = "CREATE TRIGGER spoil AFTER INSERT ON migration_change BEGIN \
                 UPDATE migration_change SET target = 'elsewhere' WHERE revision = NEW.revision; END";
    sqlx::query(spoil).execute(&mut database).await.unwrap();
    let done = server.client.migrate(&to(MigrationStage::Publish)).await.unwrap();
    assert_eq!((done.changed, stage(&done)), (true, "publish"));
    let told = sync(&server, &agent, true, None, "").await.unwrap();
    assert_eq!(told.otherwise.unwrap().stage(), api::MigrationStage::Publish);
}
