//! Trust on first use: evidence that anybody on a node can get lets in whoever brings it first, and nobody after.

use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use spiffe::SpiffeId;

use crate::AttestationError;

/// The agents that are on record.
///
/// Asked last, once the evidence is good. It is not what decides between two that bring it at the same moment: whoever
/// puts agents on record refuses there, in the same step, one that is known and whose
/// [`can_reattest`](crate::Attested::can_reattest) is not set.
#[async_trait]
pub trait KnownAgents: Send + Sync + Debug {
    /// Whether an agent of this identity has attested before and was not deleted since.
    ///
    /// # Errors
    /// The store's own.
    async fn is_known(&self, agent_id: &SpiffeId) -> Result<bool, Box<dyn Error + Send + Sync>>;
}

/// Refuses a node whose agent is on record.
pub(crate) async fn refuse_known(
    known: &dyn KnownAgents,
    agent_id: &SpiffeId,
) -> Result<(), AttestationError> {
    let is_known = known.is_known(agent_id).await;
    if is_known.map_err(AttestationError::Unavailable)? {
        return Err(AttestationError::Denied(format!(
            "{agent_id} has attested before, and this evidence lets a node in once; if it is the same node, delete the \
             agent, and if it is not, find out who was first"
        )));
    }
    Ok(())
}
