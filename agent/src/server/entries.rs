//! The entries this agent may serve.

use std::collections::BTreeMap;
use std::sync::Arc;

use spiffe::TrustDomain;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::entry::v1::{
    SyncAuthorizedEntriesRequest, SyncAuthorizedEntriesResponse,
};
use symbolon_api::spire::api::types;
use symbolon_api::{MAX_MESSAGE, MAX_PAGE};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{CallError, Wire};
use crate::cache::{Entries, Entry, Version};
use crate::telemetry;

/// Most entries that one agent takes.
const MAX_ENTRIES: usize = 100_000;

/// Brings the entries up to date: what `known` has in the server's revision is not sent again.
pub(crate) async fn sync_entries(
    channel: Wire,
    trust_domain: &TrustDomain,
    known: &Entries,
) -> Result<Entries, CallError> {
    let (asking, questions) = mpsc::channel(1);
    let ask = async |ids: Vec<String>, output_mask| {
        let question = SyncAuthorizedEntriesRequest { output_mask, ids };
        // Fails only after the server ended the stream; reading it says why.
        let _ended = asking.send(question).await;
    };
    ask(Vec::new(), Some(wanted_fields())).await;
    let mut answers = EntryClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .sync_authorized_entries(ReceiverStream::new(questions))
        .await?
        .into_inner();

    let first = Turn::read(&mut answers).await?;
    let mut found = Found::new(trust_domain);
    found.take(first.entries);
    let mut missing = Vec::new();
    for revision in first.revisions {
        let version = Version {
            created_at: revision.created_at,
            revision: revision.revision_number,
        };
        match known.get(&revision.id) {
            Some(entry) if entry.version == version => found.keep(entry),
            _ => missing.push(revision.id),
        }
    }
    for ids in missing.chunks(MAX_PAGE) {
        ask(ids.to_vec(), None).await;
        found.take(Turn::read(&mut answers).await?.entries);
    }
    Ok(found.entries)
}

/// What the server says before it is our turn again.
#[derive(Default)]
struct Turn {
    entries: Vec<types::Entry>,
    revisions: Vec<symbolon_api::spire::api::server::entry::v1::EntryRevision>,
}

impl Turn {
    async fn read(answers: &mut Streaming<SyncAuthorizedEntriesResponse>) -> Result<Self, CallError> {
        let mut turn = Self::default();
        loop {
            let page = answers
                .message()
                .await?
                .ok_or_else(|| CallError::answer("the entries ended before their last page"))?;
            turn.entries.extend(page.entries);
            turn.revisions.extend(page.entry_revisions);
            if turn.entries.len() + turn.revisions.len() > MAX_ENTRIES {
                return Err(CallError::answer(format!(
                    "there are more than {MAX_ENTRIES} entries"
                )));
            }
            if !page.more {
                return Ok(turn);
            }
        }
    }
}

/// Entries in the making.
struct Found<'a> {
    trust_domain: &'a TrustDomain,
    entries: Entries,
}

impl<'a> Found<'a> {
    fn new(trust_domain: &'a TrustDomain) -> Self {
        Self {
            trust_domain,
            entries: BTreeMap::new(),
        }
    }

    fn keep(&mut self, entry: &Arc<Entry>) {
        self.entries.insert(entry.id.clone(), entry.clone());
    }

    /// One entry that makes no sense must not cost the others theirs.
    fn take(&mut self, wire: Vec<types::Entry>) {
        for entry in wire {
            let id = entry.id.clone();
            match Entry::from_wire(entry, self.trust_domain) {
                Ok(entry) => self.keep(&Arc::new(entry)),
                Err(reason) => {
                    tracing::warn!(event = telemetry::ENTRY_IGNORED, entry_id = %id, reason, "an entry cannot be used");
                }
            }
        }
    }
}

/// What the agent reads of an entry.
fn wanted_fields() -> types::EntryMask {
    types::EntryMask {
        spiffe_id: true,
        selectors: true,
        federates_with: true,
        expires_at: true,
        dns_names: true,
        revision_number: true,
        store_svid: true,
        hint: true,
        created_at: true,
        additional_attributes: true,
        allowed_forms: true,
        not_after: true,
        ..types::EntryMask::default()
    }
}
