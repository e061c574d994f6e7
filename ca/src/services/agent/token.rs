//! `CreateJoinToken`: a word that lets one agent in, once.

use symbolon_api::spire::api::server::agent::v1::CreateJoinTokenRequest;
use symbolon_api::spire::api::types;
use symbolon_attestation::join_token::JoinToken;
use tonic::Status;

use crate::datastore::{DatastoreError, EntryCreation, EntryRecord, JoinTokenRecord, Selector};
use crate::ids;
use crate::services::Core;
use crate::status::failure;
use crate::telemetry::TOKEN_CREATED;
use crate::wire::{lifetime, seconds, workload_id};

/// Tokens shorter than this can be guessed by those who try for long.
const SHORT: usize = 20;

/// Makes the token, and where another name for the agent is wanted the entry that gives it.
///
/// # Errors
/// `InvalidArgument`, naming the field; `AlreadyExists` for a token that is there already.
pub(super) async fn create(core: &Core, request: CreateJoinTokenRequest) -> Result<types::JoinToken, Status> {
    let invalid = |field: &str, error: String| Status::invalid_argument(format!("{field}: {error}"));
    let ttl = lifetime("ttl", request.ttl)?.ok_or_else(|| Status::invalid_argument("ttl is missing"))?;
    let alias = match &request.agent_id {
        Some(id) => Some(workload_id("agent_id", Some(id), &core.trust_domain)?),
        None => None,
    };
    let token = match request.token.as_bytes() {
        [] => JoinToken::generate().map_err(|error| failure("no join token could be drawn", &error))?,
        chosen => {
            if chosen.len() < SHORT {
                tracing::warn!(
                    length = chosen.len(),
                    "a join token this short can be guessed; let the server draw one"
                );
            }
            JoinToken::parse(chosen).map_err(|error| invalid("token", error.to_string()))?
        }
    };
    let agent = token
        .agent_id(&core.trust_domain)
        .map_err(|error| invalid("token", error.to_string()))?;
    let now = core.clock.now();
    let expires_at = now + ttl;

    let entry = match &alias {
        Some(alias) => {
            let selectors = [Selector::new("spiffe_id", agent.to_string())].into();
            let entry = EntryRecord::new(ids::fresh()?, alias.clone(), agent, selectors, now);
            Some(core.registrations.create(&entry).await?)
        }
        None => None,
    };
    let record = JoinTokenRecord {
        sha256: token.sha256(),
        expires_at,
        agent_id: alias.clone(),
        created_at: now,
    };
    if let Err(error) = core.datastore.create_join_token(&record).await {
        // An entry for an agent that will never be is not left behind.
        if let Some(EntryCreation::Created(entry)) = entry {
            core.registrations.delete(&entry.id).await?;
        }
        return Err(match error {
            // The datastore's own message names the token's hash.
            DatastoreError::AlreadyExists { .. } => Status::already_exists("token: it exists already"),
            other => other.into(),
        });
    }
    tracing::info!(
        event = TOKEN_CREATED,
        expires_at = seconds(expires_at),
        alias = alias.map(|id| id.to_string())
    );
    Ok(types::JoinToken {
        value: token.expose().to_owned(),
        expires_at: seconds(expires_at),
    })
}
