//! For how long nothing classical may have been seen is the server's to say.

use std::time::Duration;

use symbolon_ca::client::MigrationSpec;
use symbolon_host::HumanDuration;
use symbolon_pki::suite::Form;
use symbolon_tls::MigrationStage;
use tonic::Code;

use super::{api, issue, next, refused, stage, sync, to};
use crate::support::TestServer;

fn at(stage: MigrationStage) -> MigrationSpec {
    MigrationSpec {
        force: true,
        reason: "to begin here".to_owned(),
        ..to(stage)
    }
}

fn after(seconds: u64) -> MigrationSpec {
    MigrationSpec {
        quiet: Some(Duration::from_secs(seconds)),
        ..next()
    }
}

#[tokio::test]
async fn less_than_the_server_says_is_for_force_and_is_on_record() {
    use api::MigrationStage::Prefer;
    let server = TestServer::start_with(|config| {
        config.migration.quiet = HumanDuration(Duration::from_secs(60));
    })
    .await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    server.client.migrate(&at(MigrationStage::Prefer)).await.unwrap();
    issue(&agent, &entry, Form::Composite).await;
    sync(&server, &agent, true, Some((Prefer, &["classical"])), "")
        .await
        .unwrap();
    server.clock.advance(Duration::from_secs(1));

    // A peer of a second ago, and whoever asks says that a second is enough.
    for seconds in [0, 1, 59] {
        let reason = refused(&server, &after(seconds), Code::FailedPrecondition).await;
        assert!(
            reason.contains("`migration.quiet`") && reason.contains("1m"),
            "{reason}"
        );
    }
    let looked = server
        .client
        .migration(Some(Duration::from_secs(1)))
        .await
        .unwrap();
    let check = looked[0].next.as_ref().unwrap();
    assert!(!check.may && check.obstacle.contains("for force"), "{check:?}");
    assert_eq!(check.quiet_seconds, Some(1));

    // More is anybody's to ask for.
    server.clock.advance(Duration::from_secs(60));
    sync(&server, &agent, true, Some((Prefer, &[])), "")
        .await
        .unwrap();
    let reason = refused(&server, &after(120), Code::FailedPrecondition).await;
    assert!(reason.contains("classical"), "{reason}");
    let looked = server.client.migration(None).await.unwrap();
    let check = looked[0].next.as_ref().unwrap();
    assert!(check.may && check.quiet_seconds == Some(60), "{check:?}");

    let forced = MigrationSpec {
        force: true,
        reason: "a drill".to_owned(),
        ..after(1)
    };
    let done = server.client.migrate(&forced).await.unwrap();
    assert_eq!(stage(&done), "require");
    let server = server.restart(|_| {}).await.unwrap();
    let kept = server.client.migration(None).await.unwrap();
    assert_eq!(
        (kept[0].forced, kept[0].quiet_seconds, kept[0].reason.as_str()),
        (true, Some(1), "a drill")
    );
}

#[tokio::test]
async fn what_is_configured_counts_and_a_reload_takes_it() {
    use api::MigrationStage::Prefer;
    let server = TestServer::start_with(|config| {
        config.migration.quiet = HumanDuration(Duration::from_secs(2));
    })
    .await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/web").await;
    server.client.migrate(&at(MigrationStage::Prefer)).await.unwrap();
    issue(&agent, &entry, Form::Composite).await;
    let said = Some((Prefer, &["composite"][..]));
    sync(&server, &agent, true, said, "").await.unwrap();
    server.clock.advance(Duration::from_secs(2));
    // What nobody has spoken of may have been anything.
    let reason = refused(&server, &next(), Code::FailedPrecondition).await;
    assert!(reason.contains("less than 2 s"), "{reason}");
    sync(&server, &agent, true, said, "").await.unwrap();

    let mut other = server.config.clone();
    other.migration.quiet = HumanDuration(Duration::from_secs(10));
    let changes = server.server.reload(&other).unwrap();
    assert_eq!(changes.taken, ["migration.quiet"]);
    let reason = refused(&server, &next(), Code::FailedPrecondition).await;
    assert!(reason.contains("less than 10 s"), "{reason}");

    server.server.reload(&server.config).unwrap();
    let done = server.client.migrate(&next()).await.unwrap().rule.unwrap();
    assert_eq!(
        (done.stage.as_str(), done.forced, done.quiet_seconds),
        ("require", false, Some(2))
    );
}
