//! Entries that come under another rule of migration without a change of the rules.

use symbolon_ca::client::{EntryChanges, EntrySpec, MigrationSpec};
use symbolon_ca::migration::WishedStage;
use symbolon_ca::telemetry;
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::Lines;
use super::support::{TestServer, id};

/// All entries at `require`, and those below `/held` at `accept`.
async fn migrate(server: &TestServer) {
    for (entries, stage) in [
        ("", MigrationStage::Publish),
        ("spiffe-id-prefix:/held", MigrationStage::Accept),
        ("", MigrationStage::Require),
    ] {
        let spec = MigrationSpec {
            entries: entries.to_owned(),
            target: Some(MigrationTarget::Hybrid),
            stage: WishedStage::To(stage),
            force: true,
            reason: "a test".to_owned(),
            dry_run: false,
            quiet: None,
        };
        server.client.migrate(&spec).await.unwrap();
    }
}

pub(super) async fn entries_that_go_forward_by_a_change_are_told_of(server: &TestServer, lines: &Lines) {
    migrate(server).await;
    let make = async |path: &str| {
        let selectors = vec!["unix:uid:1000".parse().unwrap()];
        let spec = EntrySpec::new(id(path), id("/moved/parent"), selectors);
        server.client.create_entry(&spec).await.unwrap().id
    };
    let rename = async |entry: &str, path: &str| {
        let changes = EntryChanges {
            spiffe_id: Some(id(path)),
            ..EntryChanges::default()
        };
        server.client.update_entry(entry, &changes).await.unwrap();
    };
    let held = make("/held/web").await;
    rename(&held, "/held/other").await;
    assert!(lines.events(telemetry::MIGRATION_ENTRY_MOVED).is_empty());

    rename(&held, "/free/web").await;
    let moved = lines.only(telemetry::MIGRATION_ENTRY_MOVED);
    let fields = &moved["fields"];
    for (name, value) in [
        ("entry_id", held.as_str()),
        ("spiffe_id", "spiffe://example.org/free/web"),
        ("target", "hybrid"),
        ("from", "accept"),
        ("to", "require"),
    ] {
        assert_eq!(fields[name], value, "{moved}");
    }
    assert_eq!(
        (&moved["level"], &fields["is_new"]),
        (&"WARN".into(), &false.into())
    );
    assert!(moved["span"]["request_id"].is_string(), "{moved}");

    let new = make("/free/new").await;
    let all = lines.events(telemetry::MIGRATION_ENTRY_MOVED);
    assert_eq!(all.len(), 2);
    let fields = &all[1]["fields"];
    assert_eq!(
        (&fields["entry_id"], &fields["is_new"]),
        (&new.into(), &true.into())
    );
    assert_eq!(
        (&fields["from"], &fields["to"]),
        (&"off".into(), &"require".into())
    );
    // Back goes whoever may write entries, as a rule does.
    rename(&held, "/held/web").await;
    assert_eq!(lines.events(telemetry::MIGRATION_ENTRY_MOVED).len(), 2);
}
