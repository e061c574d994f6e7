//! The other name that an agent was given together with its join token.

use crate::datastore::{
    AgentRecord, DatastoreError, EntryFilter, MAX_PAGE_SIZE, PageRequest, Selector, SetFilter, SetMatch,
};
use crate::services::Core;
use crate::telemetry::{BACKGROUND_FAILED, ENTRY_DELETED};

/// Deletes the entry that gave `agent` the other name, as SPIRE does, now that the agent is gone: no agent will ever be
/// called so again. Other entries below the agent are their makers' business.
///
/// A failure is logged and no more: the agent is gone all the same, and what is left behind entitles nobody.
pub(super) async fn forget(core: &Core, agent: &AgentRecord) {
    if agent.attestation_type != symbolon_attestation::join_token::METHOD {
        return;
    }
    if let Err(error) = forget_all(core, agent).await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(
            event = BACKGROUND_FAILED,
            task = "delete the alias of a deleted agent",
            error
        );
    }
}

async fn forget_all(core: &Core, agent: &AgentRecord) -> Result<(), DatastoreError> {
    let itself = Selector::new("spiffe_id", agent.spiffe_id.to_string());
    let filter = EntryFilter {
        parent_id: Some(agent.spiffe_id.clone()),
        selectors: Some(SetFilter::new([itself], SetMatch::Exact)?),
        ..EntryFilter::default()
    };
    let found = core
        .datastore
        .list_entries(&filter, &PageRequest::first(MAX_PAGE_SIZE))
        .await?;
    for entry in found.items {
        match core.registrations.delete(&entry.id).await {
            Ok(entry) => {
                tracing::info!(event = ENTRY_DELETED, entry_id = entry.id, spiffe_id = %entry.spiffe_id);
            }
            Err(DatastoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
