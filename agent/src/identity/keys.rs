//! The agent's keys in the key store.

use std::path::Path;
use std::sync::Arc;

use spiffe::TrustDomain;
use symbolon_hsm::{KekSource, KeyId, KeyLabel, KeyStore, SoftwareStore, StoreError};
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::{Form, Suite};

use super::NewKey;
use crate::error::AgentError;

/// The part of a label that stands for whose key it is.
const OWNER: &str = "agent";

/// The store of the agent's own keys. There is nothing else in it.
#[derive(Clone, Debug)]
pub(crate) struct AgentKeys {
    store: Arc<dyn KeyStore>,
    trust_domain: TrustDomain,
}

impl AgentKeys {
    pub(super) fn open(dir: &Path, kek: &KekSource, trust_domain: &TrustDomain) -> Result<Self, AgentError> {
        Ok(Self {
            store: Arc::new(SoftwareStore::open(dir, kek)?),
            trust_domain: trust_domain.clone(),
        })
    }

    pub(super) fn generate(&self, form: Form) -> Result<NewKey, AgentError> {
        let suite = form.default_suite();
        let (mut ids, mut held) = (Vec::new(), Vec::new());
        for component in suite.components() {
            let label = KeyLabel::of(self.trust_domain.as_str(), OWNER, form.name(), *component)
                .map_err(AgentError::KeyLabel)?;
            let (info, key) = self.store.generate(*component, &label)?;
            ids.push(info.id);
            held.push(key);
        }
        let signer = SuiteSigner::new(suite, held).map_err(|error| AgentError::Key(error.to_string()))?;
        Ok(NewKey { signer, ids })
    }

    /// The signer over these keys; `None` if one of them is not there, or they do not make up the suite.
    pub(super) fn open_signer(&self, suite: Suite, ids: &[KeyId]) -> Result<Option<SuiteSigner>, AgentError> {
        let mut held = Vec::new();
        for id in ids {
            match self.store.open(id) {
                Ok(key) => held.push(key),
                Err(StoreError::UnknownKey { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(SuiteSigner::new(suite, held).ok())
    }

    /// Destroys all keys but these. What cannot be destroyed now is left for the next time.
    pub(super) fn destroy_all_but(&self, kept: &[KeyId]) {
        match self.store.list() {
            Ok(keys) => {
                let old: Vec<KeyId> = keys
                    .into_iter()
                    .map(|key| key.id)
                    .filter(|id| !kept.contains(id))
                    .collect();
                self.destroy(&old);
            }
            Err(error) => tracing::warn!(%error, "the agent's keys cannot be listed"),
        }
    }

    pub(super) fn destroy(&self, ids: &[KeyId]) {
        for id in ids {
            if let Err(error) = self.store.destroy(id) {
                tracing::warn!(key_id = %id, %error, "a key of the agent that is no longer used cannot be destroyed");
            }
        }
    }
}
