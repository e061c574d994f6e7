//! Registration entries, for operators and for agents.

use std::time::Duration;

use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{EntryChanges, EntryQuery, EntrySpec, Reader};
use symbolon_pki::suite::Form;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::support::{Key, TestServer, attest, id};

fn wire_id(path: &str) -> Option<types::Spiffeid> {
    Some((&id(path)).into())
}

fn message(path: &str, parent: &str) -> types::Entry {
    types::Entry {
        spiffe_id: wire_id(path),
        parent_id: wire_id(parent),
        selectors: vec![types::Selector {
            r#type: "unix".to_owned(),
            value: "uid:1".to_owned(),
        }],
        ..types::Entry::default()
    }
}

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
        entries: vec![message("/x", "/p"); 501],
        output_mask: None,
    };
    let status = client.batch_create_entry(request).await.unwrap_err();
    assert!(
        status.code() == Code::InvalidArgument && status.message().contains("501"),
        "{status}"
    );
}

#[tokio::test]
async fn lists_are_filtered_masked_and_paged() {
    let server = TestServer::start().await;
    let mut client = EntryClient::new(server.local().await);
    let entries = (0..5)
        .map(|n| types::Entry {
            hint: if n == 0 { "first".to_owned() } else { String::new() },
            ..message(&format!("/{n}"), "/p")
        })
        .collect();
    client
        .batch_create_entry(api::BatchCreateEntryRequest {
            entries,
            output_mask: None,
        })
        .await
        .unwrap();
    let list = |filter, page_size, page_token: String| api::ListEntriesRequest {
        filter,
        output_mask: Some(types::EntryMask {
            hint: true,
            ..Default::default()
        }),
        page_size,
        page_token,
    };
    let (mut sizes, mut token) = (Vec::new(), String::new());
    loop {
        let page = client
            .list_entries(list(None, 2, token))
            .await
            .unwrap()
            .into_inner();
        assert!(
            page.entries
                .iter()
                .all(|entry| entry.spiffe_id.is_none() && !entry.id.is_empty())
        );
        sizes.push(page.entries.len());
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    type Filter = api::list_entries_request::Filter;
    let any = |value: &str| types::SelectorMatch {
        selectors: vec![types::Selector {
            r#type: "unix".to_owned(),
            value: value.to_owned(),
        }],
        r#match: 3,
    };
    for (filter, expected) in [
        (
            Filter {
                by_hint: Some("first".to_owned()),
                ..Default::default()
            },
            1,
        ),
        (
            Filter {
                by_hint: Some(String::new()),
                ..Default::default()
            },
            4,
        ),
        (
            Filter {
                by_spiffe_id: wire_id("/3"),
                ..Default::default()
            },
            1,
        ),
        (
            Filter {
                by_parent_id: wire_id("/p"),
                by_downstream: Some(false),
                ..Default::default()
            },
            5,
        ),
        (
            Filter {
                by_selectors: Some(any("uid:1")),
                ..Default::default()
            },
            5,
        ),
        (
            Filter {
                by_selectors: Some(any("uid:2")),
                ..Default::default()
            },
            0,
        ),
    ] {
        let found = client
            .list_entries(list(Some(filter.clone()), 0, String::new()))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(found.entries.len(), expected, "{filter:?}");
    }
    for (filter, size, token, field) in [
        (None, -1, "", "page_size"),
        (None, 1, "next", "page_token"),
        (
            Some(Filter {
                by_selectors: Some(types::SelectorMatch::default()),
                ..Default::default()
            }),
            0,
            "",
            "by_selectors",
        ),
        (
            Some(Filter {
                by_spiffe_id: Some(types::Spiffeid::default()),
                ..Default::default()
            }),
            0,
            "",
            "by_spiffe_id",
        ),
    ] {
        let status = client
            .list_entries(list(filter, size, token.to_owned()))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(field), "{status}");
    }
    let status = client
        .get_entry(api::GetEntryRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "id is missing")
    );
    let filter = api::count_entries_request::Filter {
        by_hint: Some("first".to_owned()),
        ..Default::default()
    };
    let count = client
        .count_entries(api::CountEntriesRequest { filter: Some(filter) })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(count.count, 1);
}

#[tokio::test]
async fn agents_see_what_stands_below_them_and_their_other_names() {
    let server = TestServer::start().await;
    let token = server
        .client
        .create_join_token(Duration::from_secs(60), Some(&id("/rack/7")))
        .await
        .unwrap();
    let key = Key::new(Form::Classical);
    let csr = key.csr(None);
    let svid = attest(
        server.anonymous().await,
        "join_token",
        token.token.as_bytes(),
        csr,
    )
    .await
    .unwrap()
    .svid
    .unwrap();
    let agent = server.agent_with(key, svid).await;
    assert_eq!(agent.spiffe_id.to_string(), token.agent_id);
    let other = server.agent(Form::Classical).await;
    let own = server.entry(&agent, "/own").await;
    let selectors = || vec!["unix:uid:1".parse().unwrap()];
    let nested = server
        .client
        .create_entry(&EntrySpec::new(id("/nested"), id("/own"), selectors()))
        .await
        .unwrap()
        .id;
    let racked = server
        .client
        .create_entry(&EntrySpec::new(id("/racked"), id("/rack/7"), selectors()))
        .await
        .unwrap()
        .id;
    let foreign = server.entry(&other, "/foreign").await;

    let mut client = EntryClient::new(agent.channel.clone());
    let found = client
        .get_authorized_entries(api::GetAuthorizedEntriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    let ids: Vec<_> = found.entries.iter().map(|entry| entry.id.clone()).collect();
    for id in [&own, &nested, &racked] {
        assert!(ids.contains(id));
    }
    assert!(!ids.contains(&foreign));
    assert_eq!(ids.len(), 4, "and the entry of its other name");

    let (asking, questions) = tokio::sync::mpsc::channel(1);
    asking
        .send(api::SyncAuthorizedEntriesRequest::default())
        .await
        .unwrap();
    let mut answers = client
        .sync_authorized_entries(ReceiverStream::new(questions))
        .await
        .unwrap()
        .into_inner();
    let page = answers.message().await.unwrap().unwrap();
    assert_eq!((page.entries, page.more), (found.entries, false));
    assert!(answers.message().await.unwrap().is_none());

    server.client.delete_entry(&own).await.unwrap();
    let found = client
        .get_authorized_entries(api::GetAuthorizedEntriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.entries.len(), 2, "what hung on it is gone with it");
}

#[tokio::test]
async fn many_entries_are_synced_over_pages() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let mut local = EntryClient::new(server.local().await);
    for batch in 0..2 {
        let entry = |n: usize| types::Entry {
            parent_id: Some((&agent.spiffe_id).into()),
            ..message(&format!("/{batch}/{n}"), "/p")
        };
        let request = api::BatchCreateEntryRequest {
            entries: (0..300).map(entry).collect(),
            output_mask: None,
        };
        local.batch_create_entry(request).await.unwrap();
    }
    let (asking, questions) = tokio::sync::mpsc::channel(1);
    asking
        .send(api::SyncAuthorizedEntriesRequest::default())
        .await
        .unwrap();
    let mut answers = EntryClient::new(agent.channel.clone())
        .sync_authorized_entries(ReceiverStream::new(questions))
        .await
        .unwrap()
        .into_inner();
    let mut revisions = Vec::new();
    loop {
        let page = answers.message().await.unwrap().unwrap();
        assert!(page.entries.is_empty() && page.entry_revisions.len() <= 500);
        revisions.extend(page.entry_revisions);
        if !page.more {
            break;
        }
    }
    assert_eq!(revisions.len(), 600);
    let ids: Vec<_> = revisions
        .iter()
        .take(3)
        .map(|revision| revision.id.clone())
        .collect();
    asking
        .send(api::SyncAuthorizedEntriesRequest {
            output_mask: None,
            ids: ids.clone(),
        })
        .await
        .unwrap();
    let page = answers.message().await.unwrap().unwrap();
    assert_eq!(
        page.entries
            .iter()
            .map(|entry| entry.id.clone())
            .collect::<Vec<_>>(),
        ids
    );
    drop(asking);
    assert!(answers.message().await.unwrap().is_none());

    // Without page size everything that fits comes at once.
    let all = local
        .list_entries(api::ListEntriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((all.entries.len(), all.next_page_token.as_str()), (600, ""));
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
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert_eq!(server.client.entries(&EntryQuery::default()).await.unwrap(), []);
}
