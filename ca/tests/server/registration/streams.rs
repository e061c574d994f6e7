//! Syncs that last while things change.

use std::time::Duration;

use symbolon_api::denial_reason;
use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_ca::client::EntryChanges;
use symbolon_pki::suite::Form;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::support::{TestAgent, TestServer, message};

/// Opens a sync of more entries than a page has, and reads the revisions.
async fn open_sync(
    server: &TestServer,
    agent: &TestAgent,
) -> (
    tokio::sync::mpsc::Sender<api::SyncAuthorizedEntriesRequest>,
    Streaming<api::SyncAuthorizedEntriesResponse>,
    Vec<String>,
) {
    let mut local = EntryClient::new(server.local().await);
    for batch in 0..2 {
        let entry = |n: usize| types::Entry {
            parent_id: Some((&agent.spiffe_id).into()),
            ..message(&format!("/{batch}/{n}"), "/p")
        };
        let request = api::BatchCreateEntryRequest {
            entries: (0..300).map(entry).collect(),
            output_mask: Some(types::EntryMask::default()),
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
    let mut ids = Vec::new();
    loop {
        let page = answers.message().await.unwrap().unwrap();
        ids.extend(page.entry_revisions.into_iter().map(|revision| revision.id));
        if !page.more {
            break;
        }
    }
    assert_eq!(ids.len(), 600);
    (asking, answers, ids)
}

fn question(ids: &[String]) -> api::SyncAuthorizedEntriesRequest {
    api::SyncAuthorizedEntriesRequest {
        output_mask: None,
        ids: ids.to_vec(),
    }
}

#[tokio::test]
async fn a_sync_is_about_the_entries_there_are_by_each_turn() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Classical).await;
    let (asking, mut answers, ids) = open_sync(&server, &agent).await;
    server.client.delete_entry(&ids[0]).await.unwrap();
    let changes = EntryChanges {
        hint: Some("new".to_owned()),
        ..EntryChanges::default()
    };
    server.client.update_entry(&ids[1], &changes).await.unwrap();
    asking.send(question(&ids[..2])).await.unwrap();
    let page = answers.message().await.unwrap().unwrap();
    let shown: Vec<_> = page
        .entries
        .iter()
        .map(|entry| (&entry.id, entry.hint.as_str()))
        .collect();
    assert_eq!((shown, page.more), (vec![(&ids[1], "new")], false));
}

#[tokio::test]
async fn a_sync_ends_for_an_agent_that_loses_its_right_meanwhile() {
    type Lose = fn(&TestServer);
    let reasons: [(bool, Lose, Reason); 3] = [
        (true, |_| {}, Reason::AgentBanned),
        (false, |_| {}, Reason::AgentNotAttested),
        (
            true,
            |server| server.clock.advance(Duration::from_secs(7_200)),
            Reason::AgentExpired,
        ),
    ];
    for (bans, lose, reason) in reasons {
        let server = TestServer::start().await;
        let agent = server.agent(Form::Classical).await;
        let (asking, mut answers, ids) = open_sync(&server, &agent).await;
        match bans {
            true => server.client.ban_agent(&agent.spiffe_id).await.unwrap(),
            false => server.client.delete_agent(&agent.spiffe_id).await.unwrap(),
        }
        lose(&server);
        asking.send(question(&ids[..1])).await.unwrap();
        let status = answers.message().await.unwrap_err();
        assert_eq!(denial_reason(&status), Some(reason), "{status}");
    }
}
