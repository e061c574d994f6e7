//! Registration entries.

use symbolon_api::MAX_MESSAGE;
use symbolon_api::MAX_PAGE;
use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::{Client, ClientError, EntryChanges, EntryQuery, EntrySpec, page_size};
use crate::views::EntryView;

impl Client {
    /// Makes an entry.
    ///
    /// # Errors
    /// [`ClientError`]; one like it that is there already is [`ClientError::Refused`], and named.
    pub async fn create_entry(&self, spec: &EntrySpec) -> Result<EntryView, ClientError> {
        let request = api::BatchCreateEntryRequest {
            entries: vec![spec.message()?],
            output_mask: None,
        };
        let mut results = self
            .entry_client()
            .batch_create_entry(request)
            .await?
            .into_inner()
            .results;
        let result = results.pop().ok_or_else(no_result)?;
        entry(result.status, result.entry)
    }

    /// Changes an entry.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update_entry(&self, id: &str, changes: &EntryChanges) -> Result<EntryView, ClientError> {
        let (message, mask) = changes.message(id)?;
        let request = api::BatchUpdateEntryRequest {
            entries: vec![message],
            input_mask: Some(mask),
            output_mask: None,
        };
        let mut results = self
            .entry_client()
            .batch_update_entry(request)
            .await?
            .into_inner()
            .results;
        let result = results.pop().ok_or_else(no_result)?;
        entry(result.status, result.entry)
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_entry(&self, id: &str) -> Result<(), ClientError> {
        let request = api::BatchDeleteEntryRequest {
            ids: vec![id.to_owned()],
        };
        let mut results = self
            .entry_client()
            .batch_delete_entry(request)
            .await?
            .into_inner()
            .results;
        check(results.pop().ok_or_else(no_result)?.status)
    }

    pub(super) async fn list_entries(&self, query: &EntryQuery) -> Result<Vec<EntryView>, ClientError> {
        let filter = api::list_entries_request::Filter {
            by_spiffe_id: query.spiffe_id.as_ref().map(Into::into),
            by_parent_id: query.parent_id.as_ref().map(Into::into),
            ..Default::default()
        };
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = api::ListEntriesRequest {
                filter: Some(filter.clone()),
                output_mask: None,
                page_size: page_size(MAX_PAGE),
                page_token,
            };
            let page = self.entry_client().list_entries(request).await?.into_inner();
            found.extend(page.entries.into_iter().map(EntryView::from));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    pub(super) async fn get_entry(&self, id: &str) -> Result<EntryView, ClientError> {
        let request = api::GetEntryRequest {
            id: id.to_owned(),
            output_mask: None,
        };
        Ok(self.entry_client().get_entry(request).await?.into_inner().into())
    }

    fn entry_client(&self) -> EntryClient<Channel> {
        EntryClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }
}

fn entry(status: Option<types::Status>, entry: Option<types::Entry>) -> Result<EntryView, ClientError> {
    check(status)?;
    entry
        .map(EntryView::from)
        .ok_or_else(|| ClientError::Answer("it has no entry".to_owned()))
}

fn check(status: Option<types::Status>) -> Result<(), ClientError> {
    match status {
        Some(status) if status.code == i32::from(Code::Ok) => Ok(()),
        Some(status) => Err(Status::new(Code::from(status.code), status.message).into()),
        None => Err(ClientError::Answer("it has no status".to_owned())),
    }
}

fn no_result() -> ClientError {
    ClientError::Answer("it has no result".to_owned())
}
