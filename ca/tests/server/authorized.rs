//! Registration entries as agents see them.

use std::time::Duration;

use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_ca::client::EntrySpec;
use symbolon_pki::suite::Form;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{Key, TestServer, attest, id, message};

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
