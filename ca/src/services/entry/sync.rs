//! `SyncAuthorizedEntries`: an agent's entries without resending what it has.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use symbolon_api::MAX_PAGE;
use symbolon_api::spire::api::server::entry::v1::{
    EntryRevision, SyncAuthorizedEntriesRequest, SyncAuthorizedEntriesResponse,
};
use symbolon_api::spire::api::types;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use super::asking::About;
use crate::datastore::EntryRecord;
use crate::services::MAX_REPLY;
use crate::services::paging::framed;
use crate::wire::{entry_message, mask_entry, seconds};

/// How long an agent may take over its next request.
const PATIENCE: Duration = Duration::from_secs(60);

type Sender = mpsc::Sender<Result<SyncAuthorizedEntriesResponse, Status>>;

/// Talks with one agent, until it has what it wants. Each turn is about the entries that `authorized` says it may serve
/// by then, in the order of their ids.
///
/// # Errors
/// What the agent does wrong, for it to be told, or why it may not go on.
pub(super) async fn run<F>(
    authorized: impl Fn(About) -> F,
    mut requests: impl Stream<Item = Result<SyncAuthorizedEntriesRequest, Status>> + Unpin,
    replies: &Sender,
) -> Result<(), Status>
where
    F: Future<Output = Result<Vec<Arc<EntryRecord>>, Status>>,
{
    let Some(opening) = next(&mut requests).await? else {
        return Err(Status::invalid_argument("the first message is missing"));
    };
    if !opening.ids.is_empty() {
        return Err(Status::invalid_argument("ids must be empty in the first message"));
    }
    let mask = opening.output_mask;
    if mask.as_ref().is_some_and(|mask| !mask.revision_number) {
        return Err(Status::invalid_argument(
            "output_mask leaves out revision_number, by which the agent sees what is new",
        ));
    }
    let entries = authorized(About::All).await?;
    if let Some(whole) = fitting(&entries, mask.as_ref()) {
        return reply(replies, whole).await;
    }
    send_revisions(&entries, replies).await?;
    drop(entries);

    while let Some(request) = next(&mut requests).await? {
        // As in SPIRE they come in the order of their ids. What is there no more, or never was the agent's, is left out
        // without a word; what is named twice comes once.
        let ids = request.ids.into_iter().collect();
        let entries = authorized(About::These(ids)).await?;
        send_entries(entries.iter().map(|entry| show(entry, mask.as_ref())), replies).await?;
    }
    Ok(())
}

/// All entries in one answer, if they fit one.
fn fitting(
    entries: &[Arc<EntryRecord>],
    mask: Option<&types::EntryMask>,
) -> Option<SyncAuthorizedEntriesResponse> {
    if entries.len() > MAX_PAGE {
        return None;
    }
    let entries: Vec<_> = entries.iter().map(|entry| show(entry, mask)).collect();
    let fits = entries.iter().map(length).sum::<usize>() <= MAX_REPLY;
    fits.then(|| SyncAuthorizedEntriesResponse {
        entries,
        ..Default::default()
    })
}

fn show(entry: &EntryRecord, mask: Option<&types::EntryMask>) -> types::Entry {
    mask_entry(entry_message(entry), mask)
}

async fn next(
    requests: &mut (impl Stream<Item = Result<SyncAuthorizedEntriesRequest, Status>> + Unpin),
) -> Result<Option<SyncAuthorizedEntriesRequest>, Status> {
    tokio::time::timeout(PATIENCE, requests.next())
        .await
        .map_err(|_| Status::deadline_exceeded("the agent sent nothing for too long"))?
        .transpose()
}

async fn send_revisions(entries: &[Arc<EntryRecord>], replies: &Sender) -> Result<(), Status> {
    let mut pages = entries.chunks(MAX_PAGE).peekable();
    while let Some(page) = pages.next() {
        let revision = |entry: &Arc<EntryRecord>| EntryRevision {
            id: entry.id.clone(),
            revision_number: i64::try_from(entry.revision_number).unwrap_or(i64::MAX),
            created_at: seconds(entry.created_at),
        };
        let response = SyncAuthorizedEntriesResponse {
            entry_revisions: page.iter().map(revision).collect(),
            entries: Vec::new(),
            more: pages.peek().is_some(),
        };
        reply(replies, response).await?;
    }
    Ok(())
}

/// Sends entries in pages that are neither too many nor too long; the last one, even if it is empty, says that it is.
async fn send_entries(entries: impl Iterator<Item = types::Entry>, replies: &Sender) -> Result<(), Status> {
    let mut page: Vec<types::Entry> = Vec::new();
    let mut filled = 0;
    for entry in entries {
        let added = length(&entry);
        if !page.is_empty() && (page.len() == MAX_PAGE || filled + added > MAX_REPLY) {
            let entries = std::mem::take(&mut page);
            reply(
                replies,
                SyncAuthorizedEntriesResponse {
                    entries,
                    more: true,
                    ..Default::default()
                },
            )
            .await?;
            filled = 0;
        }
        filled += added;
        page.push(entry);
    }
    reply(
        replies,
        SyncAuthorizedEntriesResponse {
            entries: page,
            ..Default::default()
        },
    )
    .await
}

fn length(entry: &types::Entry) -> usize {
    framed(entry.encoded_len())
}

async fn reply(replies: &Sender, response: SyncAuthorizedEntriesResponse) -> Result<(), Status> {
    replies
        .send(Ok(response))
        .await
        .map_err(|_| Status::cancelled("the agent is gone"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;

    use spiffe::SpiffeId;

    use super::*;
    use crate::datastore::Selector;

    fn entries(count: usize, hint: usize) -> Vec<Arc<EntryRecord>> {
        let id = |path: &str| SpiffeId::new(format!("spiffe://example.org{path}")).unwrap();
        let entry = |number: usize| EntryRecord {
            revision_number: 3,
            hint: "h".repeat(hint),
            ..EntryRecord::new(
                format!("{number:05}"),
                id(&format!("/{number}")),
                id("/spire/agent/x/a"),
                [Selector::new("unix", "uid:1")].into(),
                SystemTime::UNIX_EPOCH + Duration::from_secs(5),
            )
        };
        (0..count).map(|number| Arc::new(entry(number))).collect()
    }

    /// Runs a whole conversation whose requests are known beforehand.
    async fn talk(
        authorized: Vec<Arc<EntryRecord>>,
        requests: Vec<SyncAuthorizedEntriesRequest>,
    ) -> (Vec<SyncAuthorizedEntriesResponse>, Result<(), Status>) {
        talk_about(vec![Ok(authorized)], requests).await
    }

    /// As [`talk`], where what the agent may serve changes from turn to turn and then stays.
    async fn talk_about(
        turns: Vec<Result<Vec<Arc<EntryRecord>>, Status>>,
        requests: Vec<SyncAuthorizedEntriesRequest>,
    ) -> (Vec<SyncAuthorizedEntriesResponse>, Result<(), Status>) {
        let (sender, mut replies) = mpsc::channel(1);
        let requests = tokio_stream::iter(requests.into_iter().map(Ok));
        let turn = AtomicUsize::new(0);
        let server = tokio::spawn(async move {
            let authorized = |about: About| {
                let at = turn.fetch_add(1, Ordering::Relaxed).min(turns.len() - 1);
                let mut entries = turns[at].clone();
                if let (About::These(ids), Ok(entries)) = (about, &mut entries) {
                    entries.retain(|entry| ids.contains(&entry.id));
                }
                std::future::ready(entries)
            };
            run(authorized, requests, &sender).await
        });
        let mut received = Vec::new();
        while let Some(reply) = replies.recv().await {
            received.push(reply.unwrap());
        }
        (received, server.await.unwrap())
    }

    fn ask(ids: &[&str]) -> SyncAuthorizedEntriesRequest {
        SyncAuthorizedEntriesRequest {
            output_mask: None,
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[tokio::test]
    async fn what_fits_a_page_is_sent_whole() {
        for count in [0, 1, MAX_PAGE] {
            let (replies, end) = talk(entries(count, 0), vec![ask(&[])]).await;
            end.unwrap();
            assert_eq!(replies.len(), 1);
            assert_eq!((replies[0].entries.len(), replies[0].more), (count, false));
        }
    }

    #[tokio::test]
    async fn more_is_sent_as_revisions_and_then_as_asked_for() {
        let all = entries(2 * MAX_PAGE + 1, 0);
        let wanted: Vec<_> = all.iter().map(|entry| entry.id.as_str()).collect();
        let (replies, end) = talk(
            all.clone(),
            vec![
                ask(&[]),
                ask(&["00007", "nobody's", "00007"]),
                ask(&wanted),
                ask(&[]),
            ],
        )
        .await;
        end.unwrap();
        let shape: Vec<_> = replies
            .iter()
            .map(|reply| (reply.entry_revisions.len(), reply.entries.len(), reply.more))
            .collect();
        let revisions = [(MAX_PAGE, 0, true), (MAX_PAGE, 0, true), (1, 0, false)];
        let pages = [(0, MAX_PAGE, true), (0, MAX_PAGE, true), (0, 1, false)];
        assert_eq!(shape[..3], revisions);
        assert_eq!(shape[3], (0, 1, false));
        assert_eq!(shape[4..7], pages);
        assert_eq!(shape[7..], [(0, 0, false)]);
        let revision = &replies[0].entry_revisions[7];
        assert_eq!(
            (
                revision.id.as_str(),
                revision.revision_number,
                revision.created_at
            ),
            ("00007", 3, 5)
        );
        assert_eq!(replies[3].entries[0].id, "00007");
    }

    #[tokio::test]
    async fn each_turn_is_about_what_the_agent_may_serve_by_then() {
        let before = entries(MAX_PAGE + 1, 0);
        let mut changed = EntryRecord::clone(&before[1]);
        changed.revision_number = 4;
        let after = [&[Arc::new(changed)], &before[2..]].concat();
        let asked = vec![ask(&[]), ask(&["00000", "00001", "00002"]), ask(&["00002"])];
        let banned = Status::permission_denied("banned");
        let (replies, end) = talk_about(vec![Ok(before), Ok(after), Err(banned)], asked).await;
        let shown: Vec<_> = replies[2]
            .entries
            .iter()
            .map(|entry| (entry.id.as_str(), entry.revision_number))
            .collect();
        assert_eq!(shown, [("00001", 4), ("00002", 3)]);
        assert_eq!(replies.len(), 3, "nothing after the agent lost its right");
        assert_eq!(end.unwrap_err().message(), "banned");
    }

    #[tokio::test]
    async fn long_entries_make_short_pages() {
        let all = entries(400, 20_000);
        let wanted: Vec<_> = all.iter().map(|entry| entry.id.as_str()).collect();
        let (replies, end) = talk(all.clone(), vec![ask(&[]), ask(&wanted)]).await;
        end.unwrap();
        assert_eq!(replies[0].entry_revisions.len(), 400);
        assert!(replies.iter().all(|reply| reply.encoded_len() <= MAX_REPLY));
        assert_eq!(
            replies.iter().map(|reply| reply.entries.len()).sum::<usize>(),
            400
        );
        assert!(
            replies
                .iter()
                .rev()
                .skip(1)
                .skip_while(|r| r.entries.is_empty())
                .all(|r| r.more || r.entries.is_empty())
        );
        assert!(!replies.last().unwrap().more);
    }

    #[tokio::test]
    async fn a_wrong_opening_is_refused() {
        let masked = SyncAuthorizedEntriesRequest {
            output_mask: Some(types::EntryMask::default()),
            ids: vec![],
        };
        for (requests, field) in [
            (vec![], "first message"),
            (vec![ask(&["1"])], "ids"),
            (vec![masked], "revision_number"),
        ] {
            let (replies, end) = talk(entries(1, 0), requests).await;
            assert!(replies.is_empty());
            let status = end.unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().contains(field), "{status}");
        }
    }
}
