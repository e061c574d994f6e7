//! Registration entries.

use prost::Message;
use symbolon_api::spire::api::server::entry::v1 as api;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::types;
use symbolon_api::{MAX_BATCH, MAX_MESSAGE, MAX_PAGE};
use tonic::transport::Channel;

use super::results::{check, missing, of_all, of_one};
use super::{Client, ClientError, EntryChanges, EntryQuery, EntrySpec, page_size};
use crate::views::EntryView;

/// Longest batch in bytes: some room is left for what goes around the entries.
const MAX_BATCH_LEN: usize = MAX_MESSAGE / 2;

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
        let answer = self.entry_client().batch_create_entry(request).await?;
        let result = of_one(answer.into_inner().results)?;
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
        let answer = self.entry_client().batch_update_entry(request).await?;
        let result = of_one(answer.into_inner().results)?;
        entry(result.status, result.entry)
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_entry(&self, id: &str) -> Result<(), ClientError> {
        let ids = [id.to_owned()];
        of_one(self.delete_entries(&ids).await?)?
    }

    /// Removes entries, each by itself; says of each in order what became of it.
    ///
    /// # Errors
    /// [`ClientError`] where the server could not be asked about all of them.
    pub async fn delete_entries(&self, ids: &[String]) -> Result<Vec<Result<(), ClientError>>, ClientError> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_BATCH) {
            let request = api::BatchDeleteEntryRequest { ids: ids.to_vec() };
            let answer = self.entry_client().batch_delete_entry(request).await?;
            let results = of_all(ids.len(), answer.into_inner().results)?;
            outcomes.extend(results.into_iter().map(|result| check(result.status)));
        }
        Ok(outcomes)
    }

    /// Makes entries, each by itself; says of each in order which id it has, which is all that is asked to be shown.
    pub(crate) async fn create_messages(
        &self,
        entries: Vec<types::Entry>,
    ) -> Result<Vec<Result<String, ClientError>>, ClientError> {
        let mut outcomes = Vec::with_capacity(entries.len());
        for entries in batches(entries) {
            let wanted = entries.len();
            let request = api::BatchCreateEntryRequest {
                entries,
                output_mask: Some(types::EntryMask::default()),
            };
            let answer = self.entry_client().batch_create_entry(request).await?;
            let results = of_all(wanted, answer.into_inner().results)?;
            outcomes.extend(
                results
                    .into_iter()
                    .map(|result| id_of(result.status, result.entry)),
            );
        }
        Ok(outcomes)
    }

    /// Changes the fields of entries that `mask` names, each entry by itself; says of each in order what became of it.
    pub(crate) async fn update_messages(
        &self,
        entries: Vec<types::Entry>,
        mask: types::EntryMask,
    ) -> Result<Vec<Result<String, ClientError>>, ClientError> {
        let mut outcomes = Vec::with_capacity(entries.len());
        for entries in batches(entries) {
            let wanted = entries.len();
            let request = api::BatchUpdateEntryRequest {
                entries,
                input_mask: Some(mask),
                output_mask: Some(types::EntryMask::default()),
            };
            let answer = self.entry_client().batch_update_entry(request).await?;
            let results = of_all(wanted, answer.into_inner().results)?;
            outcomes.extend(
                results
                    .into_iter()
                    .map(|result| id_of(result.status, result.entry)),
            );
        }
        Ok(outcomes)
    }

    /// Every entry with every field, oldest first.
    pub(crate) async fn entry_messages(&self, query: &EntryQuery) -> Result<Vec<types::Entry>, ClientError> {
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
            found.extend(page.entries);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    pub(super) async fn list_entries(&self, query: &EntryQuery) -> Result<Vec<EntryView>, ClientError> {
        let found = self.entry_messages(query).await?;
        Ok(found.into_iter().map(EntryView::from).collect())
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

/// Entries in groups that are neither too many nor too long for one call.
fn batches(entries: Vec<types::Entry>) -> Vec<Vec<types::Entry>> {
    let mut batches: Vec<Vec<types::Entry>> = Vec::new();
    let mut filled = 0;
    for entry in entries {
        let length = entry.encoded_len();
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && filled + length <= MAX_BATCH_LEN => {
                filled += length;
                batch.push(entry);
            }
            _ => {
                filled = length;
                batches.push(vec![entry]);
            }
        }
    }
    batches
}

fn entry(status: Option<types::Status>, entry: Option<types::Entry>) -> Result<EntryView, ClientError> {
    check(status)?;
    entry.map(EntryView::from).ok_or_else(|| missing("entry"))
}

fn id_of(status: Option<types::Status>, entry: Option<types::Entry>) -> Result<String, ClientError> {
    check(status)?;
    entry.map(|entry| entry.id).ok_or_else(|| missing("entry"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_neither_too_many_nor_too_long() {
        let entry = |hint: usize| types::Entry {
            hint: "h".repeat(hint),
            ..types::Entry::default()
        };
        let sizes = |entries: Vec<types::Entry>| batches(entries).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(Vec::new()), [0; 0]);
        assert_eq!(
            sizes(vec![entry(1); MAX_BATCH * 2 + 1]),
            [MAX_BATCH, MAX_BATCH, 1]
        );
        assert_eq!(sizes(vec![entry(MAX_BATCH_LEN / 3); 5]), [2, 2, 1]);
        assert_eq!(sizes(vec![entry(MAX_BATCH_LEN); 2]), [1, 1]);
    }
}
