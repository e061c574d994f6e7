//! Making, changing and removing entries. Each succeeds or fails by itself.

use std::sync::{Mutex, PoisonError};

use symbolon_api::spire::api::server::entry::v1::{
    batch_create_entry_response, batch_delete_entry_response, batch_update_entry_response,
};
use symbolon_api::spire::api::types;
use tonic::Status;

use crate::datastore::{EntryCreation, EntryRecord};
use crate::ids;
use crate::services::{Core, ok};
use crate::telemetry::{ENTRY_CREATED, ENTRY_DELETED, ENTRY_UPDATED, loggable};
use crate::wire::{apply_entry, entry_message, mask_entry, new_entry};

pub(super) async fn create(
    core: &Core,
    message: &types::Entry,
    mask: Option<&types::EntryMask>,
) -> batch_create_entry_response::Result {
    let result = |status, entry: Option<&EntryRecord>| batch_create_entry_response::Result {
        status: Some(status),
        entry: entry.map(|entry| mask_entry(entry_message(entry), mask)),
    };
    match try_create(core, message).await {
        Ok(EntryCreation::Created(entry)) => {
            tracing::info!(
                event = ENTRY_CREATED,
                entry_id = entry.id,
                spiffe_id = %entry.spiffe_id,
                parent_id = loggable(&entry.parent_id),
            );
            core.migrations.note_entry(None, &entry);
            result(ok(), Some(&entry))
        }
        Ok(EntryCreation::Existing(entry)) => {
            let words = format!(
                "entry {:?} has the same spiffe_id, parent_id and selectors",
                entry.id
            );
            result((&Status::already_exists(words)).into(), Some(&entry))
        }
        Err(status) => result((&status).into(), None),
    }
}

async fn try_create(core: &Core, message: &types::Entry) -> Result<EntryCreation, Status> {
    let entry = new_entry(message, ids::fresh()?, &core.trust_domain, core.clock.now())?;
    check_federation(core, &entry).await?;
    Ok(core.registrations.create(&entry).await?)
}

pub(super) async fn update(
    core: &Core,
    message: &types::Entry,
    input_mask: Option<&types::EntryMask>,
    output_mask: Option<&types::EntryMask>,
) -> batch_update_entry_response::Result {
    match try_update(core, message, input_mask).await {
        Ok((before, entry)) => {
            tracing::info!(
                event = ENTRY_UPDATED,
                entry_id = entry.id,
                spiffe_id = %entry.spiffe_id,
                revision = entry.revision_number,
            );
            core.migrations.note_entry(before.as_ref(), &entry);
            let entry = mask_entry(entry_message(&entry), output_mask);
            batch_update_entry_response::Result {
                status: Some(ok()),
                entry: Some(entry),
            }
        }
        Err(status) => batch_update_entry_response::Result {
            status: Some((&status).into()),
            entry: None,
        },
    }
}

/// What the entry was and what it is now.
async fn try_update(
    core: &Core,
    message: &types::Entry,
    mask: Option<&types::EntryMask>,
) -> Result<(Option<EntryRecord>, EntryRecord), Status> {
    if message.id.is_empty() {
        return Err(Status::invalid_argument("id is missing"));
    }
    let change = |current| apply_entry(current, message, mask, &core.trust_domain);
    // What it would become is held against the bundles first. Nothing but the message says with whom it federates.
    if mask.is_none_or(|mask| mask.federates_with)
        && let Some(current) = core.datastore.entry(&message.id).await?
    {
        check_federation(core, &change(current)?).await?;
    }
    let before = Mutex::new(None);
    let noted = |current: EntryRecord| {
        let changed = change(current.clone());
        *before.lock().unwrap_or_else(PoisonError::into_inner) = Some(current);
        changed
    };
    let entry = core.registrations.change(&message.id, noted).await?;
    Ok((before.into_inner().unwrap_or_else(PoisonError::into_inner), entry))
}

pub(super) async fn delete(core: &Core, id: String) -> batch_delete_entry_response::Result {
    let outcome = match id.is_empty() {
        true => Err(Status::invalid_argument("id is missing")),
        false => core.registrations.delete(&id).await.map_err(Status::from),
    };
    let status = match outcome {
        Ok(entry) => {
            tracing::info!(event = ENTRY_DELETED, entry_id = id, spiffe_id = %entry.spiffe_id);
            ok()
        }
        Err(status) => (&status).into(),
    };
    batch_delete_entry_response::Result {
        status: Some(status),
        id,
    }
}

/// As in SPIRE an entry can only federate with trust domains whose bundles are here.
async fn check_federation(core: &Core, entry: &EntryRecord) -> Result<(), Status> {
    for trust_domain in &entry.federates_with {
        let refused = if *trust_domain == core.trust_domain {
            "is this server's own trust domain"
        } else if core.datastore.federated_bundle(trust_domain).await?.is_none() {
            "is not known: there is no bundle of it here"
        } else {
            continue;
        };
        return Err(Status::invalid_argument(format!(
            "federates_with: {trust_domain} {refused}"
        )));
    }
    Ok(())
}
