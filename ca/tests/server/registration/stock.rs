//! What stock software is shown, and what it cannot change.

use std::time::{Duration, SystemTime};

use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{EntryPolicy, EntrySpec, Reader};
use symbolon_pki::suite::Form;
use tonic::{Code, Status};

use super::everything_of_spire;
use crate::support::{TestServer, id, message, wire_id};

#[tokio::test]
async fn what_stock_software_does_not_know_survives_its_updates() {
    let server = TestServer::start().await;
    let spec = EntrySpec {
        policy: EntryPolicy {
            allowed_forms: vec![Form::Composite, Form::Classical],
            leaf_key_algorithms: vec!["ecdsa-p256".to_owned(), "mldsa65-ecdsa-p256".to_owned()],
            not_before: None,
            not_after: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)),
        },
        ..EntrySpec::new(id("/web"), id("/p"), vec!["unix:uid:1".parse().unwrap()])
    };
    let made = server.client.create_entry(&spec).await.unwrap();
    let mut client = EntryClient::new(server.local().await);
    let whole = types::Entry {
        id: made.id.clone(),
        hint: "stock".to_owned(),
        ..message("/web", "/p")
    };
    for input_mask in [None, Some(everything_of_spire())] {
        let request = api::BatchUpdateEntryRequest {
            entries: vec![whole.clone()],
            input_mask,
            output_mask: Some(everything_of_spire()),
        };
        let result = client
            .batch_update_entry(request)
            .await
            .unwrap()
            .into_inner()
            .results
            .remove(0);
        let shown = result.entry.unwrap();
        assert_eq!(
            (shown.hint.as_str(), shown.allowed_forms.len(), shown.not_after),
            ("stock", 0, 0)
        );
    }
    let now = server.client.entry(&made.id).await.unwrap();
    assert_eq!(now.hint, "stock");
    assert_eq!(now.allowed_forms, ["classical", "composite"]);
    assert_eq!(now.leaf_key_algorithms, made.leaf_key_algorithms);
    assert_eq!(now.not_after, made.not_after);
}

#[tokio::test]
async fn filters_are_spires() {
    let server = TestServer::start().await;
    let mut client = EntryClient::new(server.local().await);
    let entries = vec![
        types::Entry {
            downstream: true,
            ..message("/below", "/p")
        },
        types::Entry {
            hint: "h".to_owned(),
            ..message("/hinted", "/p")
        },
        message("/plain", "/q"),
    ];
    client
        .batch_create_entry(api::BatchCreateEntryRequest {
            entries,
            output_mask: None,
        })
        .await
        .unwrap();
    type Filter = api::list_entries_request::Filter;
    let none = Filter::default;
    // `spire-server entry show` always says that by_downstream is false, and expects everything.
    for (filter, expected) in [
        (
            Filter {
                by_downstream: Some(false),
                ..none()
            },
            3,
        ),
        (
            Filter {
                by_downstream: Some(true),
                ..none()
            },
            1,
        ),
        (
            Filter {
                by_hint: Some(String::new()),
                ..none()
            },
            3,
        ),
        (
            Filter {
                by_hint: Some("h".to_owned()),
                ..none()
            },
            1,
        ),
        (
            Filter {
                by_parent_id: wire_id("/p"),
                by_downstream: Some(false),
                ..none()
            },
            2,
        ),
    ] {
        let request = api::ListEntriesRequest {
            filter: Some(filter.clone()),
            ..Default::default()
        };
        let found = client
            .list_entries(request)
            .await
            .unwrap()
            .into_inner()
            .entries
            .len();
        assert_eq!(found, expected, "{filter:?}");
        let Filter {
            by_spiffe_id,
            by_parent_id,
            by_selectors,
            by_federates_with,
            by_hint,
            by_downstream,
        } = filter;
        let filter = api::count_entries_request::Filter {
            by_spiffe_id,
            by_parent_id,
            by_selectors,
            by_federates_with,
            by_hint,
            by_downstream,
        };
        let count = client
            .count_entries(api::CountEntriesRequest { filter: Some(filter) })
            .await;
        assert_eq!(
            usize::try_from(count.unwrap().into_inner().count).unwrap(),
            expected
        );
    }
    let foreign = Some(types::Spiffeid {
        trust_domain: "other.org".to_owned(),
        path: "/p".to_owned(),
    });
    let names = |r#match, names: &[&str]| {
        Some(types::FederatesWithMatch {
            trust_domains: names.iter().map(|name| (*name).to_owned()).collect(),
            r#match,
        })
    };
    for (field, filter) in [
        (
            "by_spiffe_id",
            Filter {
                by_spiffe_id: foreign.clone(),
                ..none()
            },
        ),
        (
            "by_spiffe_id",
            Filter {
                by_spiffe_id: wire_id("/spire/server"),
                ..none()
            },
        ),
        (
            "by_parent_id",
            Filter {
                by_parent_id: foreign,
                ..none()
            },
        ),
        (
            "by_parent_id",
            Filter {
                by_parent_id: wire_id(""),
                ..none()
            },
        ),
        (
            "by_federates_with",
            Filter {
                by_federates_with: names(0, &[]),
                ..none()
            },
        ),
        (
            "by_federates_with",
            Filter {
                by_federates_with: names(0, &["a b"]),
                ..none()
            },
        ),
        (
            "by_federates_with",
            Filter {
                by_federates_with: names(9, &["a.org"]),
                ..none()
            },
        ),
    ] {
        let request = api::ListEntriesRequest {
            filter: Some(filter),
            ..Default::default()
        };
        let status: Status = client.list_entries(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
        assert!(status.message().starts_with(field), "{field}: {status}");
    }
}
