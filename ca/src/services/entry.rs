//! `spire.api.server.entry.v1.Entry`: registration entries, for operators and for the agents that serve them.

mod asking;
mod batch;
mod filter;
mod room;
mod sync;

use std::sync::Arc;

use prost::Message;
use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::types;
use symbolon_pki::text::printable;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

use self::asking::Asking;
use self::filter::{counted, read_filter};
use self::room::Room;
use super::paging::{Wanted, framed, page};
use super::{Core, MAX_REPLY};
use crate::authorization::calling_agent;
use crate::datastore::RecordKind;
use crate::wire::{entry_message, mask_entry};

/// The service.
#[derive(Debug)]
pub(crate) struct EntryService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::entry_server::Entry for EntryService {
    async fn count_entries(
        &self,
        request: Request<api::CountEntriesRequest>,
    ) -> Result<Response<api::CountEntriesResponse>, Status> {
        let filter = request.into_inner().filter.map(counted).unwrap_or_default();
        let filter = read_filter(&filter, &self.0.trust_domain)?;
        let count = self.0.datastore.count_entries(&filter).await?;
        Ok(Response::new(api::CountEntriesResponse {
            count: i32::try_from(count).unwrap_or(i32::MAX),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<api::ListEntriesRequest>,
    ) -> Result<Response<api::ListEntriesResponse>, Status> {
        let api::ListEntriesRequest {
            filter,
            output_mask,
            page_size,
            page_token,
        } = request.into_inner();
        let wanted = Wanted::read(page_size, &page_token)?;
        let filter = &read_filter(&filter.unwrap_or_default(), &self.0.trust_domain)?;
        let fetch = |request| async move { self.0.datastore.list_entries(filter, &request).await };
        let message = |entry| mask_entry(entry_message(&entry), output_mask.as_ref());
        let (entries, next_page_token) = page(wanted, message, fetch).await?;
        Ok(Response::new(api::ListEntriesResponse {
            entries,
            next_page_token,
        }))
    }

    async fn get_entry(
        &self,
        request: Request<api::GetEntryRequest>,
    ) -> Result<Response<types::Entry>, Status> {
        let api::GetEntryRequest { id, output_mask } = request.into_inner();
        if id.is_empty() {
            return Err(Status::invalid_argument("id is missing"));
        }
        let entry = self.0.datastore.entry(&id).await?;
        let entry = entry.ok_or_else(|| {
            let id = printable(&id);
            Status::not_found(format!("id: {} {id:?} does not exist", RecordKind::Entry))
        })?;
        Ok(Response::new(mask_entry(
            entry_message(&entry),
            output_mask.as_ref(),
        )))
    }

    async fn batch_create_entry(
        &self,
        request: Request<api::BatchCreateEntryRequest>,
    ) -> Result<Response<api::BatchCreateEntryResponse>, Status> {
        let api::BatchCreateEntryRequest { entries, output_mask } = request.into_inner();
        let mut room = Room::of("entries", entries.len())?;
        let mut results = Vec::with_capacity(entries.len());
        for entry in &entries {
            let mut result = match room.ensure(entry) {
                Ok(()) => batch::create(&self.0, entry, output_mask.as_ref()).await,
                Err(status) => api::batch_create_entry_response::Result {
                    status: Some((&status).into()),
                    entry: None,
                },
            };
            room.take(&mut result.entry);
            results.push(result);
        }
        Ok(Response::new(api::BatchCreateEntryResponse { results }))
    }

    async fn batch_update_entry(
        &self,
        request: Request<api::BatchUpdateEntryRequest>,
    ) -> Result<Response<api::BatchUpdateEntryResponse>, Status> {
        let api::BatchUpdateEntryRequest {
            entries,
            input_mask,
            output_mask,
        } = request.into_inner();
        let mut room = Room::of("entries", entries.len())?;
        let mut results = Vec::with_capacity(entries.len());
        for entry in &entries {
            let mut result = match room.ensure(entry) {
                Ok(()) => batch::update(&self.0, entry, input_mask.as_ref(), output_mask.as_ref()).await,
                Err(status) => api::batch_update_entry_response::Result {
                    status: Some((&status).into()),
                    entry: None,
                },
            };
            room.take(&mut result.entry);
            results.push(result);
        }
        Ok(Response::new(api::BatchUpdateEntryResponse { results }))
    }

    async fn batch_delete_entry(
        &self,
        request: Request<api::BatchDeleteEntryRequest>,
    ) -> Result<Response<api::BatchDeleteEntryResponse>, Status> {
        let ids = request.into_inner().ids;
        Room::of("ids", ids.len())?;
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            results.push(batch::delete(&self.0, id).await);
        }
        Ok(Response::new(api::BatchDeleteEntryResponse { results }))
    }

    async fn get_authorized_entries(
        &self,
        request: Request<api::GetAuthorizedEntriesRequest>,
    ) -> Result<Response<api::GetAuthorizedEntriesResponse>, Status> {
        let agent = calling_agent(&request)?;
        let mask = request.get_ref().output_mask.as_ref();
        let authorized = self.0.registrations.authorized(&agent, self.0.clock.now());
        let entries: Vec<_> = authorized
            .iter()
            .map(|entry| mask_entry(entry_message(entry), mask))
            .collect();
        if entries
            .iter()
            .map(|entry| framed(entry.encoded_len()))
            .sum::<usize>()
            > MAX_REPLY
        {
            let message = format!(
                "{} entries do not fit one reply; use SyncAuthorizedEntries",
                entries.len()
            );
            return Err(Status::resource_exhausted(message));
        }
        Ok(Response::new(api::GetAuthorizedEntriesResponse { entries }))
    }

    type SyncAuthorizedEntriesStream = ReceiverStream<Result<api::SyncAuthorizedEntriesResponse, Status>>;

    async fn sync_authorized_entries(
        &self,
        request: Request<Streaming<api::SyncAuthorizedEntriesRequest>>,
    ) -> Result<Response<Self::SyncAuthorizedEntriesStream>, Status> {
        let asking = Asking::of(&request)?;
        let (sender, replies) = mpsc::channel(1);
        let core = Arc::clone(&self.0);
        let stopping = core.stopping.clone();
        let work = async move {
            let authorized = |about| asking.authorized(&core, about);
            let done = tokio::select! {
                done = sync::run(authorized, request.into_inner(), &sender) => done,
                () = stopping.cancelled() => Err(Status::unavailable("the server is stopping")),
            };
            if let Err(status) = done
                && sender.send(Err(status)).await.is_err()
            {
                tracing::debug!("the agent left during a sync");
            }
        };
        tokio::spawn(work.in_current_span());
        Ok(Response::new(ReceiverStream::new(replies)))
    }
}
