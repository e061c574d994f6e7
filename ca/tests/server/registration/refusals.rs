//! Entries that are refused.

use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::{EntryQuery, Reader};
use tonic::Code;

use super::everything_of_spire;
use crate::support::{TestServer, message, wire_id};

/// A message that is refused, and words of the refusal.
type Case<T> = (Code, &'static str, T);

async fn unchanged(server: &TestServer, before: &[symbolon_ca::views::EntryView], what: &str) {
    let now = server.client.entries(&EntryQuery::default()).await.unwrap();
    assert_eq!(now, before, "{what}");
}

#[tokio::test]
async fn what_is_wrong_with_an_entry_is_named_and_changes_nothing() {
    let server = TestServer::start().await;
    let mut client = EntryClient::new(server.local().await);
    let there = types::Entry {
        id: "there".to_owned(),
        ..message("/there", "/p")
    };
    let creation = |entry: types::Entry| api::BatchCreateEntryRequest {
        entries: vec![entry],
        output_mask: None,
    };
    client.batch_create_entry(creation(there.clone())).await.unwrap();
    let before = server.client.entries(&EntryQuery::default()).await.unwrap();

    let base = || message("/a", "/p");
    let other = |path: &str| {
        Some(types::Spiffeid {
            trust_domain: "other.org".to_owned(),
            path: path.to_owned(),
        })
    };
    let selector = |kind: &str, value: &str| types::Selector {
        r#type: kind.to_owned(),
        value: value.to_owned(),
    };
    let texts = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    let invalid = Code::InvalidArgument;
    let mut cases: Vec<Case<types::Entry>> = vec![
        (
            invalid,
            "spiffe_id",
            types::Entry {
                spiffe_id: None,
                ..base()
            },
        ),
        (
            invalid,
            "spiffe_id",
            types::Entry {
                spiffe_id: other("/a"),
                ..base()
            },
        ),
        (
            invalid,
            "spiffe_id",
            types::Entry {
                spiffe_id: wire_id("/spire/agent/x/a"),
                ..base()
            },
        ),
        (
            invalid,
            "parent_id",
            types::Entry {
                parent_id: None,
                ..base()
            },
        ),
        (
            invalid,
            "parent_id",
            types::Entry {
                parent_id: other("/p"),
                ..base()
            },
        ),
        (
            invalid,
            "selectors",
            types::Entry {
                selectors: vec![],
                ..base()
            },
        ),
        (
            invalid,
            "selectors",
            types::Entry {
                selectors: vec![selector("a:b", "c")],
                ..base()
            },
        ),
        (
            invalid,
            "selectors",
            types::Entry {
                selectors: vec![selector("unix", "")],
                ..base()
            },
        ),
        (
            invalid,
            "selectors",
            types::Entry {
                selectors: vec![selector("unix", &"x".repeat(5_000))],
                ..base()
            },
        ),
        (
            invalid,
            "x509_svid_ttl",
            types::Entry {
                x509_svid_ttl: -1,
                ..base()
            },
        ),
        (
            invalid,
            "jwt_svid_ttl",
            types::Entry {
                jwt_svid_ttl: i32::MIN,
                ..base()
            },
        ),
        (
            invalid,
            "federates_with",
            types::Entry {
                federates_with: texts(&["nobody.org"]),
                ..base()
            },
        ),
        (
            invalid,
            "federates_with",
            types::Entry {
                federates_with: texts(&["example.org"]),
                ..base()
            },
        ),
        (
            invalid,
            "federates_with",
            types::Entry {
                federates_with: texts(&["spiffe://a.org/path"]),
                ..base()
            },
        ),
        (
            invalid,
            "expires_at",
            types::Entry {
                expires_at: -1,
                ..base()
            },
        ),
        (
            invalid,
            "dns_names",
            types::Entry {
                dns_names: texts(&["a..b"]),
                ..base()
            },
        ),
        (
            invalid,
            "dns_names",
            types::Entry {
                dns_names: texts(&["a\0.org"]),
                ..base()
            },
        ),
        (
            invalid,
            "hint",
            types::Entry {
                hint: "x".repeat(1_025),
                ..base()
            },
        ),
        (
            invalid,
            "allowed_forms",
            types::Entry {
                allowed_forms: texts(&["Composite"]),
                ..base()
            },
        ),
        (
            invalid,
            "leaf_key_algorithms",
            types::Entry {
                leaf_key_algorithms: texts(&["rsa-1024"]),
                ..base()
            },
        ),
        (
            invalid,
            "not_before",
            types::Entry {
                not_before: i64::MIN,
                ..base()
            },
        ),
        (
            invalid,
            "not_after",
            types::Entry {
                not_before: 20,
                not_after: 20,
                ..base()
            },
        ),
        (
            invalid,
            "owner",
            types::Entry {
                owner: "a\nb".to_owned(),
                ..base()
            },
        ),
    ];
    for (code, field, entry) in &cases {
        let updated = types::Entry {
            id: "there".to_owned(),
            ..entry.clone()
        };
        let own = types::EntryMask {
            allowed_forms: true,
            leaf_key_algorithms: true,
            not_before: true,
            not_after: true,
            owner: true,
            ..everything_of_spire()
        };
        let request = api::BatchUpdateEntryRequest {
            entries: vec![updated],
            input_mask: Some(own),
            output_mask: None,
        };
        let result = client
            .batch_update_entry(request)
            .await
            .unwrap()
            .into_inner()
            .results
            .remove(0);
        let status = result.status.unwrap();
        assert_eq!(
            Code::from(status.code),
            *code,
            "update {field}: {}",
            status.message
        );
        assert!(
            status.message.starts_with(field) && result.entry.is_none(),
            "{}",
            status.message
        );
    }
    cases.push((
        invalid,
        "id",
        types::Entry {
            id: "a b".to_owned(),
            ..base()
        },
    ));
    cases.push((
        invalid,
        "id",
        types::Entry {
            id: "x".repeat(256),
            ..base()
        },
    ));
    cases.push((
        Code::AlreadyExists,
        "entry",
        types::Entry {
            id: "there".to_owned(),
            ..base()
        },
    ));
    for (code, field, entry) in cases {
        let result = client
            .batch_create_entry(creation(entry))
            .await
            .unwrap()
            .into_inner()
            .results
            .remove(0);
        let status = result.status.unwrap();
        assert_eq!(
            Code::from(status.code),
            code,
            "create {field}: {}",
            status.message
        );
        assert!(
            status.message.starts_with(field) && result.entry.is_none(),
            "{}",
            status.message
        );
        unchanged(&server, &before, field).await;
    }
    // One like it that is there is shown, and not another made.
    let again = types::Entry {
        id: String::new(),
        hint: "h".to_owned(),
        ..there
    };
    let result = client
        .batch_create_entry(creation(again))
        .await
        .unwrap()
        .into_inner()
        .results
        .remove(0);
    assert_eq!(Code::from(result.status.unwrap().code), Code::AlreadyExists);
    assert_eq!(result.entry.unwrap().id, "there");
    unchanged(&server, &before, "like it").await;
}
