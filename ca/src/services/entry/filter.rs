//! Conditions of listings and counts.

use symbolon_api::spire::api::server::entry::v1::{count_entries_request, list_entries_request};
use tonic::Status;

use crate::datastore::EntryFilter;
use crate::wire::{federation_filter, selector_filter, spiffe_id};

/// A count's conditions are a listing's.
pub(super) fn counted(filter: count_entries_request::Filter) -> list_entries_request::Filter {
    let count_entries_request::Filter {
        by_spiffe_id,
        by_parent_id,
        by_selectors,
        by_federates_with,
        by_hint,
        by_downstream,
    } = filter;
    list_entries_request::Filter {
        by_spiffe_id,
        by_parent_id,
        by_selectors,
        by_federates_with,
        by_hint,
        by_downstream,
    }
}

/// Reads the conditions.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(super) fn read_filter(filter: &list_entries_request::Filter) -> Result<EntryFilter, Status> {
    let id = |field, id: &Option<_>| match id {
        Some(id) => spiffe_id(field, Some(id)).map(Some),
        None => Ok(None),
    };
    Ok(EntryFilter {
        spiffe_id: id("by_spiffe_id", &filter.by_spiffe_id)?,
        parent_id: id("by_parent_id", &filter.by_parent_id)?,
        selectors: selector_filter("by_selectors", filter.by_selectors.as_ref())?,
        federates_with: federation_filter("by_federates_with", filter.by_federates_with.as_ref())?,
        hint: filter.by_hint.clone(),
        downstream: filter.by_downstream,
    })
}
