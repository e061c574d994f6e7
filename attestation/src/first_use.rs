//! Trust on first use: evidence that anybody on a node can get lets in whoever brings it first, and nobody after.

use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};

use crate::path_template::PathTemplate;
use crate::selectors::selectors;
use crate::{AttestationError, Attested};

/// The agents that are on record.
///
/// Asked once the evidence is good, or before anything is done for it that others would notice. It is not what decides
/// between two that bring it at the same moment: whoever puts agents on record refuses there, in the same step, one that is
/// known and whose [`can_reattest`](crate::Attested::can_reattest) is not set.
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

/// How machines are let in, once each, that a cloud vouches for.
pub(crate) struct Once<'a> {
    pub(crate) method: &'static str,
    pub(crate) trust_domain: &'a TrustDomain,
    pub(crate) template: &'a PathTemplate,
    pub(crate) known: &'a dyn KnownAgents,
}

impl Once<'_> {
    /// Lets in a machine that is named by these values and described by these, unless it was let in before.
    pub(crate) async fn let_in<'s>(
        &self,
        value: impl Fn(&str) -> Option<String>,
        described: impl IntoIterator<Item = (&'s str, &'s String)>,
    ) -> Result<Attested, AttestationError> {
        let agent_id = self.template.agent_id(self.trust_domain, value);
        let agent_id = agent_id.map_err(|error| AttestationError::Denied(error.to_string()))?;
        let selectors = selectors(self.method, described).map_err(AttestationError::Denied)?;
        refuse_known(self.known, &agent_id).await?;
        Ok(Attested {
            agent_id,
            siblings: Vec::new(),
            selectors,
            can_reattest: false,
        })
    }
}
