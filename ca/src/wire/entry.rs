//! Registration entries.

mod own;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::entry::AdditionalAttributes;
use symbolon_issuance::{MAX_DNS_NAMES, check_dns_name};
use tonic::Status;

use self::own::{check_policy, read_forms, read_key_algorithms, read_owner};
use super::selectors::{read_selectors, read_trust_domains, selector_messages};
use super::{lifetime, member_id, moment, optional_seconds, seconds, workload_id};
use crate::datastore::EntryRecord;

/// Longest id of an entry, in bytes.
pub(crate) const MAX_ID: usize = 255;
/// Longest hint, in bytes, as in SPIRE.
const MAX_HINT: usize = 1024;
/// The most selectors of an entry.
const MAX_SELECTORS: usize = 100;
/// The most trust domains that an entry federates with.
const MAX_FEDERATION: usize = 100;

/// Every field of SPIRE's: what an update without a mask changes.
pub(crate) const STOCK_FIELDS: types::EntryMask = types::EntryMask {
    spiffe_id: true,
    parent_id: true,
    selectors: true,
    x509_svid_ttl: true,
    federates_with: true,
    admin: true,
    downstream: true,
    expires_at: true,
    dns_names: true,
    revision_number: true,
    store_svid: true,
    jwt_svid_ttl: true,
    hint: true,
    created_at: true,
    additional_attributes: true,
    allowed_forms: false,
    not_before: false,
    not_after: false,
    leaf_key_algorithms: false,
    owner: false,
};

/// Every field: what an answer without a mask shows.
pub(crate) const ALL_FIELDS: types::EntryMask = types::EntryMask {
    allowed_forms: true,
    not_before: true,
    not_after: true,
    leaf_key_algorithms: true,
    owner: true,
    ..STOCK_FIELDS
};

/// An entry as a message, complete.
pub(crate) fn entry_message(entry: &EntryRecord) -> types::Entry {
    let ttl = |ttl: Option<Duration>| ttl.map_or(0, |ttl| i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX));
    let attributes = AdditionalAttributes {
        disable_x509_svid_prefetch: entry.disable_x509_svid_prefetch,
        jwt_svid_include_jti: entry.jwt_svid_include_jti,
    };
    types::Entry {
        id: entry.id.clone(),
        spiffe_id: Some((&entry.spiffe_id).into()),
        parent_id: Some((&entry.parent_id).into()),
        selectors: selector_messages(&entry.selectors),
        x509_svid_ttl: ttl(entry.x509_svid_ttl),
        federates_with: entry.federates_with.iter().map(ToString::to_string).collect(),
        admin: entry.admin,
        downstream: entry.downstream,
        expires_at: optional_seconds(entry.expires_at),
        dns_names: entry.dns_names.clone(),
        revision_number: i64::try_from(entry.revision_number).unwrap_or(i64::MAX),
        store_svid: entry.store_svid,
        jwt_svid_ttl: ttl(entry.jwt_svid_ttl),
        hint: entry.hint.clone(),
        created_at: seconds(entry.created_at),
        additional_attributes: Some(attributes).filter(|set| *set != AdditionalAttributes::default()),
        allowed_forms: entry.allowed_forms.iter().map(ToString::to_string).collect(),
        not_before: optional_seconds(entry.not_before),
        not_after: optional_seconds(entry.not_after),
        leaf_key_algorithms: entry.leaf_key_algorithms.iter().cloned().collect(),
        owner: entry.owner.clone(),
    }
}

/// Takes away what a mask leaves out.
pub(crate) fn mask_entry(entry: types::Entry, mask: Option<&types::EntryMask>) -> types::Entry {
    let types::EntryMask {
        spiffe_id,
        parent_id,
        selectors,
        x509_svid_ttl,
        federates_with,
        admin,
        downstream,
        expires_at,
        dns_names,
        revision_number,
        store_svid,
        jwt_svid_ttl,
        hint,
        created_at,
        additional_attributes,
        allowed_forms,
        not_before,
        not_after,
        leaf_key_algorithms,
        owner,
    } = *mask.unwrap_or(&ALL_FIELDS);
    types::Entry {
        id: entry.id,
        spiffe_id: entry.spiffe_id.filter(|_| spiffe_id),
        parent_id: entry.parent_id.filter(|_| parent_id),
        selectors: keep(selectors, entry.selectors),
        x509_svid_ttl: keep(x509_svid_ttl, entry.x509_svid_ttl),
        federates_with: keep(federates_with, entry.federates_with),
        admin: keep(admin, entry.admin),
        downstream: keep(downstream, entry.downstream),
        expires_at: keep(expires_at, entry.expires_at),
        dns_names: keep(dns_names, entry.dns_names),
        revision_number: keep(revision_number, entry.revision_number),
        store_svid: keep(store_svid, entry.store_svid),
        jwt_svid_ttl: keep(jwt_svid_ttl, entry.jwt_svid_ttl),
        hint: keep(hint, entry.hint),
        created_at: keep(created_at, entry.created_at),
        additional_attributes: entry.additional_attributes.filter(|_| additional_attributes),
        allowed_forms: keep(allowed_forms, entry.allowed_forms),
        not_before: keep(not_before, entry.not_before),
        not_after: keep(not_after, entry.not_after),
        leaf_key_algorithms: keep(leaf_key_algorithms, entry.leaf_key_algorithms),
        owner: keep(owner, entry.owner),
    }
}

fn keep<T: Default>(wanted: bool, value: T) -> T {
    if wanted { value } else { T::default() }
}

/// Reads an entry that is to be made, as it will be under the id `fresh_id` if it brings none.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub fn new_entry(
    message: &types::Entry,
    fresh_id: String,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<EntryRecord, Status> {
    let id = match message.id.as_str() {
        "" => fresh_id,
        id => read_id(id)?.to_owned(),
    };
    let spiffe_id = workload_id("spiffe_id", message.spiffe_id.as_ref(), trust_domain)?;
    let parent_id = member_id("parent_id", message.parent_id.as_ref(), trust_domain)?;
    let blank = EntryRecord::new(id, spiffe_id, parent_id, [].into(), now);
    apply_entry(blank, message, Some(&ALL_FIELDS), trust_domain)
}

/// The entry that `current` becomes by the fields of `message` that `mask` names; without a mask by all of SPIRE's, so
/// that programs that know no others leave the others alone.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(crate) fn apply_entry(
    current: EntryRecord,
    message: &types::Entry,
    mask: Option<&types::EntryMask>,
    trust_domain: &TrustDomain,
) -> Result<EntryRecord, Status> {
    let mask = mask.unwrap_or(&STOCK_FIELDS);
    let mut entry = current;
    if mask.spiffe_id {
        entry.spiffe_id = workload_id("spiffe_id", message.spiffe_id.as_ref(), trust_domain)?;
    }
    if mask.parent_id {
        entry.parent_id = member_id("parent_id", message.parent_id.as_ref(), trust_domain)?;
    }
    if mask.selectors {
        bounded("selectors", message.selectors.len(), MAX_SELECTORS)?;
        entry.selectors = read_selectors("selectors", &message.selectors)?.into();
        if entry.selectors.is_empty() {
            return Err(Status::invalid_argument(
                "selectors: there are none, which would match everything",
            ));
        }
    }
    if mask.x509_svid_ttl {
        entry.x509_svid_ttl = lifetime("x509_svid_ttl", message.x509_svid_ttl)?;
    }
    if mask.jwt_svid_ttl {
        entry.jwt_svid_ttl = lifetime("jwt_svid_ttl", message.jwt_svid_ttl)?;
    }
    if mask.federates_with {
        bounded("federates_with", message.federates_with.len(), MAX_FEDERATION)?;
        entry.federates_with = read_trust_domains("federates_with", &message.federates_with)?;
    }
    if mask.admin {
        entry.admin = message.admin;
    }
    if mask.downstream {
        entry.downstream = message.downstream;
    }
    if mask.expires_at {
        entry.expires_at = moment("expires_at", message.expires_at)?;
    }
    if mask.dns_names {
        entry.dns_names = read_dns_names(&message.dns_names)?;
    }
    if mask.store_svid {
        entry.store_svid = message.store_svid;
    }
    if mask.hint {
        bounded("hint", message.hint.len(), MAX_HINT)?;
        if message.hint.chars().any(char::is_control) {
            return Err(Status::invalid_argument("hint has a control character in it"));
        }
        entry.hint.clone_from(&message.hint);
    }
    if mask.additional_attributes {
        let attributes = message.additional_attributes.unwrap_or_default();
        entry.disable_x509_svid_prefetch = attributes.disable_x509_svid_prefetch;
        entry.jwt_svid_include_jti = attributes.jwt_svid_include_jti;
    }
    if mask.allowed_forms {
        entry.allowed_forms = read_forms("allowed_forms", &message.allowed_forms)?;
    }
    if mask.leaf_key_algorithms {
        entry.leaf_key_algorithms = read_key_algorithms("leaf_key_algorithms", &message.leaf_key_algorithms)?;
    }
    if mask.not_before {
        entry.not_before = moment("not_before", message.not_before)?;
    }
    if mask.not_after {
        entry.not_after = moment("not_after", message.not_after)?;
    }
    if mask.owner {
        entry.owner = read_owner("owner", &message.owner)?;
    }
    check_storable(&entry)?;
    check_policy(&entry)?;
    Ok(entry)
}

/// What SPIRE asks of entries whose SVIDs go to a store.
fn check_storable(entry: &EntryRecord) -> Result<(), Status> {
    if !entry.store_svid {
        return Ok(());
    }
    // Stores are addressed by one attestor's selectors.
    let kind = entry.selectors.first().map(|first| &first.kind);
    if entry
        .selectors
        .iter()
        .any(|selector| Some(&selector.kind) != kind)
    {
        return Err(Status::invalid_argument(
            "selectors: with store_svid all must be of one type",
        ));
    }
    if entry.disable_x509_svid_prefetch {
        return Err(Status::invalid_argument(
            "additional_attributes: disable_x509_svid_prefetch makes no sense with store_svid, which needs the SVID \
             before anybody asks",
        ));
    }
    Ok(())
}

fn bounded(field: &str, found: usize, most: usize) -> Result<(), Status> {
    if found <= most {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "{field} has {found} parts; {most} are allowed"
    )))
}

fn read_id(id: &str) -> Result<&str, Status> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if id.len() <= MAX_ID && id.bytes().all(fits) {
        return Ok(id);
    }
    Err(Status::invalid_argument(format!(
        "id must be 1 to {MAX_ID} letters, digits, hyphens, dots and underscores"
    )))
}

fn read_dns_names(names: &[String]) -> Result<Vec<String>, Status> {
    bounded("dns_names", names.len(), MAX_DNS_NAMES)?;
    for (position, name) in names.iter().enumerate() {
        check_dns_name(name).map_err(|error| Status::invalid_argument(format!("dns_names: {error}")))?;
        if names.iter().take(position).any(|earlier| earlier == name) {
            return Err(Status::invalid_argument(format!(
                "dns_names: {name:?} is there twice"
            )));
        }
    }
    Ok(names.to_vec())
}
