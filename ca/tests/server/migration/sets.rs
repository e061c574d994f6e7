//! What counts is what each entry goes to, whatever rule it is that changes.

use symbolon_ca::client::MigrationSpec;
use symbolon_ca::migration::WishedStage;
use symbolon_pki::suite::Form;
use symbolon_tls::{MigrationStage, MigrationTarget};
use tonic::Code;

use super::{api, issue, next, refused, stage, sync, to};
use crate::support::{TestAgent, TestServer};

const PROD: &str = "spiffe-id-prefix:/ns/prod";

fn forced(spec: MigrationSpec) -> MigrationSpec {
    MigrationSpec {
        force: true,
        reason: "to begin here".to_owned(),
        ..spec
    }
}

fn of(entries: &str, stage: WishedStage) -> MigrationSpec {
    MigrationSpec {
        entries: entries.to_owned(),
        stage,
        ..next()
    }
}

/// All entries at `require` but those of production, which are held at this stage and have a stock workload.
async fn held_at(stage: WishedStage) -> (TestServer, TestAgent, String) {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let entry = server.entry(&agent, "/ns/prod/web").await;
    issue(&agent, &entry, Form::Classical).await;
    server
        .client
        .migrate(&forced(to(MigrationStage::Publish)))
        .await
        .unwrap();
    server.client.migrate(&of(PROD, WishedStage::Off)).await.unwrap();
    let last = MigrationSpec {
        target: Some(MigrationTarget::Hybrid),
        ..of("", WishedStage::To(MigrationStage::Require))
    };
    server.client.migrate(&forced(last)).await.unwrap();
    if stage != WishedStage::Off {
        server.client.migrate(&forced(of(PROD, stage))).await.unwrap();
    }
    (server, agent, entry)
}

#[tokio::test]
async fn a_hold_is_not_taken_away_unchecked() {
    for (held, words) in [
        (WishedStage::Off, "leaves stages out"),
        (WishedStage::To(MigrationStage::Accept), "leaves stages out"),
        (WishedStage::To(MigrationStage::Prefer), "have not reported"),
    ] {
        let (server, agent, entry) = held_at(held).await;
        let clear = of(PROD, WishedStage::Clear);
        let reason = refused(&server, &clear, Code::FailedPrecondition).await;
        assert!(reason.contains(words), "{held:?}: {reason}");
        let told = sync(&server, &agent, true, None, "").await.unwrap();
        assert_eq!(told.entries.len(), 1, "{held:?}: still held");
        assert_eq!(told.entries[0].entry_id, entry);

        let dry = MigrationSpec {
            dry_run: true,
            ..clear.clone()
        };
        let found = server.client.migrate(&dry).await.unwrap();
        let check = found.check.unwrap();
        assert_eq!((check.stage.as_str(), check.may), ("require", false));

        let done = server.client.migrate(&forced(clear)).await.unwrap();
        assert_eq!((done.changed, stage(&done)), (true, "none"));
        let told = sync(&server, &agent, true, None, "").await.unwrap();
        assert_eq!(told.otherwise.unwrap().stage(), api::MigrationStage::Require);
        assert!(told.entries.is_empty());
    }
}

#[tokio::test]
async fn a_new_rule_over_a_hold_is_not_set_unchecked() {
    let (server, _agent, _) = held_at(WishedStage::Off).await;
    for wished in [
        MigrationStage::Require,
        MigrationStage::Prefer,
        MigrationStage::Accept,
    ] {
        // The entries of the wider set are as far as this already, but for those that are held.
        let wider = of("spiffe-id-prefix:/ns", WishedStage::To(wished));
        let reason = refused(&server, &wider, Code::FailedPrecondition).await;
        assert!(
            reason.contains("from `off`") && reason.contains("/ns/prod/web"),
            "{reason}"
        );
    }
    assert_eq!(server.client.migration(None).await.unwrap().len(), 2);
    // Of entries that no hold is about, a rule says what is so already.
    let others = of("spiffe-id-prefix:/web", WishedStage::To(MigrationStage::Require));
    assert_eq!(stage(&server.client.migrate(&others).await.unwrap()), "require");
    // With a slash at its end it is the same set.
    let slash = of(
        "spiffe-id-prefix:/ns/prod/",
        WishedStage::To(MigrationStage::Publish),
    );
    assert_eq!(stage(&server.client.migrate(&slash).await.unwrap()), "publish");
    let rules = server.client.migration(None).await.unwrap();
    let sets: Vec<_> = rules.iter().map(|rule| rule.entries.as_str()).collect();
    assert_eq!(sets, ["spiffe-id-prefix:/web", PROD, ""]);
}

#[tokio::test]
async fn back_goes_every_set_without_a_check() {
    let (server, agent, entry) = held_at(WishedStage::To(MigrationStage::Prefer)).await;
    for (entries, wished) in [
        (PROD, WishedStage::To(MigrationStage::Issue)),
        (PROD, WishedStage::Off),
        ("", WishedStage::To(MigrationStage::Prefer)),
        ("", WishedStage::To(MigrationStage::Publish)),
    ] {
        let done = server.client.migrate(&of(entries, wished)).await.unwrap();
        assert!(done.changed && done.check.is_none(), "{done:?}");
        assert!(!done.rule.unwrap().forced);
    }
    let told = sync(&server, &agent, true, None, "").await.unwrap();
    assert_eq!(
        told.otherwise.as_ref().unwrap().stage(),
        api::MigrationStage::Publish
    );
    let own = &told.entries[0];
    assert_eq!(
        (own.entry_id.as_str(), own.stage()),
        (entry.as_str(), api::MigrationStage::Off)
    );
}
