//! Lists and counts: filters, masks and pages.

use symbolon_api::spire::api::server::agent::v1 as agents;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::entry::v1 as entries;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_pki::suite::Form;
use tonic::Code;

use crate::support::{TestServer, message, wire_id};

#[tokio::test]
async fn entries_are_filtered_masked_and_paged() {
    let server = TestServer::start().await;
    let mut client = EntryClient::new(server.local().await);
    let five = (0..5)
        .map(|n| types::Entry {
            hint: if n == 0 { "first".to_owned() } else { String::new() },
            ..message(&format!("/{n}"), "/p")
        })
        .collect();
    client
        .batch_create_entry(entries::BatchCreateEntryRequest {
            entries: five,
            output_mask: None,
        })
        .await
        .unwrap();
    let list = |filter, page_size, page_token: String| entries::ListEntriesRequest {
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
    type Filter = entries::list_entries_request::Filter;
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
            5,
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
        .get_entry(entries::GetEntryRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "id is missing")
    );
    let filter = entries::count_entries_request::Filter {
        by_hint: Some("first".to_owned()),
        ..Default::default()
    };
    let count = client
        .count_entries(entries::CountEntriesRequest { filter: Some(filter) })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(count.count, 1);
}

#[tokio::test]
async fn agents_are_filtered_masked_and_paged() {
    let server = TestServer::start().await;
    let mut spiffe_ids = Vec::new();
    for _ in 0..3 {
        spiffe_ids.push(server.agent(Form::Classical).await.spiffe_id);
    }
    server.client.ban_agent(&spiffe_ids[1]).await.unwrap();
    let mut client = AgentClient::new(server.local().await);
    let mut list = async |filter: Option<agents::list_agents_request::Filter>, size, token: &str| {
        let mask = Some(types::AgentMask {
            banned: true,
            ..Default::default()
        });
        let request = agents::ListAgentsRequest {
            filter,
            output_mask: mask,
            page_size: size,
            page_token: token.to_owned(),
        };
        client.list_agents(request).await.map(tonic::Response::into_inner)
    };
    let page = list(None, 2, "").await.unwrap();
    assert_eq!(page.agents.len(), 2);
    assert!(
        page.agents
            .iter()
            .all(|agent| agent.id.is_some() && agent.attestation_type.is_empty())
    );
    let rest = list(None, 2, &page.next_page_token).await.unwrap();
    assert_eq!((rest.agents.len(), rest.next_page_token.as_str()), (1, ""));
    let banned = agents::list_agents_request::Filter {
        by_banned: Some(true),
        ..Default::default()
    };
    let found = list(Some(banned), 0, "").await.unwrap().agents;
    assert_eq!(
        found,
        [types::Agent {
            id: Some((&spiffe_ids[1]).into()),
            banned: true,
            ..Default::default()
        }]
    );
    let late = |moment: &str| agents::list_agents_request::Filter {
        by_expires_before: moment.to_owned(),
        ..Default::default()
    };
    assert_eq!(
        list(Some(late("2001-01-01 00:00:00 +0000 UTC")), 0, "")
            .await
            .unwrap()
            .agents,
        []
    );
    assert_eq!(
        list(Some(late("2901-01-01 00:00:00 +0000 UTC")), 0, "")
            .await
            .unwrap()
            .agents
            .len(),
        3
    );
    for (filter, size, token, field) in [
        (None, -1, "", "page_size"),
        (None, 0, "x", "page_token"),
        (Some(late("soon")), 0, "", "by_expires_before"),
    ] {
        let status = list(filter, size, token).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(field), "{status}");
    }
    let mut client = AgentClient::new(server.local().await);
    let filter = agents::count_agents_request::Filter {
        by_banned: Some(false),
        ..Default::default()
    };
    let count = client
        .count_agents(agents::CountAgentsRequest { filter: Some(filter) })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(count.count, 2);
}
