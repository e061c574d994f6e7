//! Which entries an agent may serve, asked anew at each turn of a stream.
//!
//! The gate let the call in once. A stream lasts, and in the meantime entries change, and agents are banned, deleted or
//! renewed.

use std::collections::BTreeSet;
use std::sync::Arc;

use symbolon_api::permission_denied;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use tonic::{Request, Status};

use crate::authorization::{CallContext, calling_agent};
use crate::caller::{Caller, Svid};
use crate::datastore::{AgentRecord, EntryRecord};
use crate::services::Core;
use crate::telemetry::AGENT_DENIED;

/// Which entries an agent's turn is about.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// All that it may serve.
    All,
    /// Those with these ids.
    These(BTreeSet<String>),
}

/// An agent on a stream.
#[derive(Debug)]
pub(super) struct Asking {
    /// What the call was let in with.
    svid: Svid,
}

impl Asking {
    /// The agent that makes this call.
    ///
    /// # Errors
    /// `Internal` where the call was not let in as an agent's.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        calling_agent(request)?;
        match request
            .extensions()
            .get::<CallContext>()
            .map(|context| &context.caller)
        {
            Some(Caller::X509(svid)) => Ok(Self { svid: svid.clone() }),
            _ => Err(Status::internal("the call is not an agent's")),
        }
    }

    /// The entries that it may serve now, of those that are asked about, ordered by id.
    ///
    /// # Errors
    /// `PermissionDenied`, with the reason that SPIRE's agents act on, if it is no agent any more, and the datastore's.
    pub(super) async fn authorized(
        &self,
        core: &Core,
        about: About,
    ) -> Result<Vec<Arc<EntryRecord>>, Status> {
        let now = core.clock.now();
        let agent = core.datastore.agent(&self.svid.spiffe_id).await?;
        let denial = match &agent {
            _ if now > self.svid.not_after => (Reason::AgentExpired, "its SVID has expired"),
            None => (Reason::AgentNotAttested, "it is not attested any more"),
            Some(agent) if agent.banned => (Reason::AgentBanned, "it is banned"),
            Some(agent) if self.is_one_of(agent) => {
                let registrations = &core.registrations;
                return Ok(match about {
                    About::All => registrations.authorized(agent, now),
                    About::These(ids) => {
                        let ids = ids.iter().map(String::as_str);
                        let entries = registrations.authorized_of(ids, agent, now);
                        entries.into_iter().flatten().collect()
                    }
                });
            }
            Some(_) => (Reason::AgentNotActive, "its SVID is not the one in use any more"),
        };
        let (reason, words) = denial;
        let id = &self.svid.spiffe_id;
        tracing::warn!(event = AGENT_DENIED, agent = %id, reason = words);
        Err(permission_denied(
            reason,
            format!("agent {id} is turned away: {words}"),
        ))
    }

    /// Whether its SVID is the agent's present or next one.
    fn is_one_of(&self, agent: &AgentRecord) -> bool {
        let next = agent.renewed.as_ref().map(|renewed| &renewed.serial);
        agent.current.serial == self.svid.serial || next == Some(&self.svid.serial)
    }
}
