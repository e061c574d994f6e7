//! Registration entries, for operators and for agents.

use std::time::Duration;

use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{EntryChanges, EntryQuery, EntrySpec, Reader};
use tonic::Code;

use crate::support::{TestServer, id, message, wire_id};

#[tokio::test]
async fn the_client_makes_changes_finds_and_removes_entries() {
    let server = TestServer::start().await;
    let mut spec = EntrySpec::new(
        id("/web"),
        id("/spire/agent/x/a"),
        vec!["unix:uid:1".parse().unwrap(), "unix:gid:2".parse().unwrap()],
    );
    spec.x509_svid_ttl = Some(Duration::from_secs(60));
    spec.dns_names = vec!["web.example.org".to_owned()];
    spec.hint = "internal".to_owned();
    let made = server.client.create_entry(&spec).await.unwrap();
    assert_eq!(
        (made.spiffe_id.as_str(), made.x509_svid_ttl, made.revision_number),
        ("spiffe://example.org/web", Some(60), 0)
    );
    assert_eq!(made.selectors, ["unix:gid:2", "unix:uid:1"]);
    let again = server.client.create_entry(&spec).await.unwrap_err();
    assert!(again.to_string().contains(&made.id), "{again}");

    let changes = EntryChanges {
        hint: Some(String::new()),
        x509_svid_ttl: Some(Duration::ZERO),
        ..EntryChanges::default()
    };
    let changed = server.client.update_entry(&made.id, &changes).await.unwrap();
    assert_eq!(
        (
            changed.hint.as_str(),
            changed.x509_svid_ttl,
            changed.revision_number
        ),
        ("", None, 1)
    );
    assert_eq!(changed.dns_names, made.dns_names);
    assert_eq!(server.client.entry(&made.id).await.unwrap(), changed);
    let query = |path: &str| EntryQuery {
        spiffe_id: Some(id(path)),
        parent_id: None,
    };
    assert_eq!(server.client.entries(&query("/web")).await.unwrap(), [changed]);
    assert_eq!(server.client.entries(&query("/db")).await.unwrap(), []);

    server.client.delete_entry(&made.id).await.unwrap();
    assert!(
        server
            .client
            .delete_entry(&made.id)
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert!(server.client.entry(&made.id).await.unwrap_err().is_not_found());
    assert!(
        server
            .client
            .update_entry(&made.id, &changes)
            .await
            .unwrap_err()
            .is_not_found()
    );
}

#[tokio::test]
async fn each_item_of_a_batch_succeeds_or_fails_by_itself() {
    let server = TestServer::start().await;
    let mut client = EntryClient::new(server.local().await);
    let foreign = types::Entry {
        spiffe_id: Some(types::Spiffeid {
            trust_domain: "other.org".to_owned(),
            path: "/a".to_owned(),
        }),
        ..message("/a", "/p")
    };
    let federated = types::Entry {
        federates_with: vec!["other.org".to_owned()],
        ..message("/f", "/p")
    };
    let entries = vec![
        types::Entry {
            id: "one".to_owned(),
            ..message("/a", "/p")
        },
        types::Entry {
            selectors: vec![],
            ..message("/b", "/p")
        },
        message("/a", "/p"),
        foreign,
        types::Entry {
            id: "one".to_owned(),
            ..message("/c", "/p")
        },
        federated,
        message("/d", "/p"),
    ];
    let mask = Some(types::EntryMask {
        spiffe_id: true,
        ..Default::default()
    });
    let request = api::BatchCreateEntryRequest {
        entries,
        output_mask: mask,
    };
    let results = client
        .batch_create_entry(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    let found: Vec<_> = results
        .iter()
        .map(|r| (r.status.as_ref().unwrap().code.into(), r.entry.is_some()))
        .collect();
    let expected = [
        (Code::Ok, true),
        (Code::InvalidArgument, false),
        (Code::AlreadyExists, true),
        (Code::InvalidArgument, false),
        (Code::AlreadyExists, false),
        (Code::InvalidArgument, false),
        (Code::Ok, true),
    ];
    assert_eq!(found, expected, "{results:?}");
    let words = |index: usize| results[index].status.as_ref().unwrap().message.as_str();
    assert!(
        words(1).contains("selectors")
            && words(3).contains("spiffe_id")
            && words(5).contains("federates_with")
    );
    let shown = results[2].entry.as_ref().unwrap();
    assert_eq!(
        (shown.id.as_str(), shown.selectors.len()),
        ("one", 0),
        "the one that is there, masked"
    );

    let updates = vec![
        types::Entry {
            id: "one".to_owned(),
            hint: "h".to_owned(),
            ..Default::default()
        },
        types::Entry {
            id: String::new(),
            ..Default::default()
        },
        types::Entry {
            id: "two".to_owned(),
            ..Default::default()
        },
    ];
    let mask = types::EntryMask {
        hint: true,
        ..Default::default()
    };
    let request = api::BatchUpdateEntryRequest {
        entries: updates,
        input_mask: Some(mask),
        output_mask: None,
    };
    let results = client
        .batch_update_entry(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    let found: Vec<Code> = results
        .iter()
        .map(|r| r.status.as_ref().unwrap().code.into())
        .collect();
    assert_eq!(found, [Code::Ok, Code::InvalidArgument, Code::NotFound]);
    let updated = results[0].entry.as_ref().unwrap();
    assert_eq!(
        (
            updated.hint.as_str(),
            updated.revision_number,
            updated.spiffe_id.clone()
        ),
        ("h", 1, wire_id("/a"))
    );

    // A stock update without a mask replaces everything of SPIRE's.
    let whole = types::Entry {
        id: "one".to_owned(),
        ..message("/a2", "/p")
    };
    let request = api::BatchUpdateEntryRequest {
        entries: vec![whole],
        ..Default::default()
    };
    let results = client
        .batch_update_entry(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    let updated = results[0].entry.as_ref().unwrap();
    assert_eq!(
        (updated.hint.as_str(), updated.spiffe_id.clone()),
        ("", wire_id("/a2"))
    );

    let request = api::BatchDeleteEntryRequest {
        ids: ["one", "", "two"].map(str::to_owned).to_vec(),
    };
    let results = client
        .batch_delete_entry(request)
        .await
        .unwrap()
        .into_inner()
        .results;
    let found: Vec<(Code, &str)> = results
        .iter()
        .map(|r| (r.status.as_ref().unwrap().code.into(), r.id.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (Code::Ok, "one"),
            (Code::InvalidArgument, ""),
            (Code::NotFound, "two")
        ]
    );

    let request = api::BatchCreateEntryRequest {
        entries: vec![message("/x", "/p"); 5001],
        output_mask: None,
    };
    let status = client.batch_create_entry(request).await.unwrap_err();
    assert!(
        status.code() == Code::InvalidArgument && status.message().contains("5001"),
        "{status}"
    );
}

#[tokio::test]
async fn an_oversized_message_is_refused() {
    let server = TestServer::start().await;
    let mut client = EntryClient::new(server.local().await);
    let hint = "x".repeat(symbolon_api::MAX_MESSAGE);
    let entries = vec![types::Entry {
        hint,
        ..message("/a", "/p")
    }];
    let status = client
        .batch_create_entry(api::BatchCreateEntryRequest {
            entries,
            output_mask: None,
        })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(server.client.entries(&EntryQuery::default()).await.unwrap(), []);
}
