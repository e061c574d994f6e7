//! Conditions of listings and counts.

use spiffe::TrustDomain;
use symbolon_api::spire::api::server::entry::v1::{count_entries_request, list_entries_request};
use tonic::Status;

use crate::datastore::EntryFilter;
use crate::wire::{federation_filter, member_id, selector_filter, workload_id};

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

/// Reads the conditions. As in SPIRE an empty hint, and a `by_downstream` that is false, are none: its `entry show` always
/// sends the latter and expects every entry.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(super) fn read_filter(
    filter: &list_entries_request::Filter,
    trust_domain: &TrustDomain,
) -> Result<EntryFilter, Status> {
    let spiffe_id = match &filter.by_spiffe_id {
        Some(id) => Some(workload_id("by_spiffe_id", Some(id), trust_domain)?),
        None => None,
    };
    let parent_id = match &filter.by_parent_id {
        Some(id) => Some(member_id("by_parent_id", Some(id), trust_domain)?),
        None => None,
    };
    Ok(EntryFilter {
        spiffe_id,
        parent_id,
        selectors: selector_filter("by_selectors", filter.by_selectors.as_ref())?,
        federates_with: federation_filter("by_federates_with", filter.by_federates_with.as_ref())?,
        hint: filter.by_hint.clone().filter(|hint| !hint.is_empty()),
        downstream: filter.by_downstream.filter(|downstream| *downstream),
    })
}
