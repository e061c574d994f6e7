//! Attested agents.

use std::collections::BTreeSet;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::SpiffeId;

use super::{DatastoreError, Page, PageRequest, RecordKind, Result, Selector, SerialNumber, SetFilter};

/// The certificate by which an agent is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AgentCertificate {
    /// Its serial number.
    pub serial: SerialNumber,
    /// When it ends.
    pub expires_at: SystemTime,
}

/// An agent that has proved itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AgentRecord {
    /// Its identity.
    pub spiffe_id: SpiffeId,
    /// By which method it proved itself, such as `join_token`.
    pub attestation_type: String,
    /// The certificate it uses.
    pub current: AgentCertificate,
    /// The one it was given on renewal and has not used yet. On first use it becomes the current one.
    pub renewed: Option<AgentCertificate>,
    /// What its attestation found.
    pub selectors: BTreeSet<Selector>,
    /// Whether it is banned. A banned agent keeps its certificates on record, for whoever looks into it, but none
    /// of them is to be accepted.
    pub banned: bool,
    /// Whether it may attest again by itself.
    pub can_reattest: bool,
    /// Its program's version, as it said last.
    pub agent_version: Option<String>,
    /// When it last attested.
    pub attested_at: SystemTime,
}

/// A change of an agent's record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AgentChange {
    /// It was given a new certificate; the current one stays good until the new one is used.
    Renewed(AgentCertificate),
    /// It used the certificate with this serial number, which becomes the current one. Nothing changes when it is
    /// that already.
    Used(SerialNumber),
    /// It told its program's version.
    Version(String),
    /// Its selectors are these now.
    Selectors(BTreeSet<Selector>),
    /// It is banned. There is no way back but to delete it.
    Banned,
}

impl AgentRecord {
    /// The record after `change`: the rules of [`AgentStore::change_agent`], for every backend.
    pub(crate) fn after(mut self, change: &AgentChange) -> Result<Self> {
        if self.banned && *change != AgentChange::Banned {
            return Err(banned(&self.spiffe_id));
        }
        match change {
            AgentChange::Renewed(certificate) => self.renewed = Some(certificate.clone()),
            AgentChange::Used(serial) if *serial == self.current.serial => {}
            AgentChange::Used(serial) => match self.renewed.take_if(|renewed| renewed.serial == *serial) {
                Some(renewed) => self.current = renewed,
                None => {
                    let reason =
                        format!("its certificate {serial} is neither the current nor the renewed one");
                    return Err(DatastoreError::conflict(
                        RecordKind::Agent,
                        &self.spiffe_id,
                        reason,
                    ));
                }
            },
            AgentChange::Version(version) => self.agent_version = Some(version.clone()),
            AgentChange::Selectors(selectors) => self.selectors = selectors.clone(),
            AgentChange::Banned => self.banned = true,
        }
        Ok(self)
    }
}

/// What is answered for a banned agent.
pub(crate) fn banned(spiffe_id: &SpiffeId) -> DatastoreError {
    DatastoreError::conflict(RecordKind::Agent, spiffe_id, "it is banned")
}

/// Which agents a listing shows; every condition that is given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AgentFilter {
    /// Attested by this method.
    pub attestation_type: Option<String>,
    /// With selectors that match.
    pub selectors: Option<SetFilter<Selector>>,
    /// Banned, or not.
    pub banned: Option<bool>,
    /// Able to attest again, or not.
    pub can_reattest: Option<bool>,
    /// Whose current certificate ends before this moment.
    pub expires_before: Option<SystemTime>,
}

/// The attested agents.
#[async_trait]
pub trait AgentStore: Send + Sync {
    /// Records that an agent has attested: adds it, or replaces what was known of it.
    ///
    /// # Errors
    /// [`DatastoreError::Conflict`] when it is banned;
    /// [`DatastoreError::Invalid`] when `agent.banned` is set.
    async fn attest_agent(&self, agent: &AgentRecord) -> Result<()> {
        self.attest_agent_alone(agent, &[]).await
    }

    /// [`attest_agent`](Self::attest_agent) for one that could have had other names by the same evidence: none of them may
    /// be on record, banned or not, for it is the same node.
    ///
    /// # Errors
    /// As there; [`DatastoreError::Conflict`] for a sibling that is on record, naming it.
    async fn attest_agent_alone(&self, agent: &AgentRecord, siblings: &[SpiffeId]) -> Result<()>;

    /// Records that an agent has attested for the first time: adds it. However many try at once, one does.
    ///
    /// # Errors
    /// [`DatastoreError::AlreadyExists`] when it is there; else as [`attest_agent`](Self::attest_agent).
    async fn attest_agent_once(&self, agent: &AgentRecord) -> Result<()>;

    /// Changes an agent's record and returns it as it is now.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`];
    /// [`DatastoreError::Conflict`] when the agent is banned (banning it once
    /// more is no error), or uses a serial number that is neither its current nor its renewed one.
    async fn change_agent(&self, spiffe_id: &SpiffeId, change: &AgentChange) -> Result<AgentRecord>;

    /// Deletes an agent and returns it as it last was.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`].
    async fn delete_agent(&self, spiffe_id: &SpiffeId) -> Result<AgentRecord>;

    /// The agent with this identity.
    async fn agent(&self, spiffe_id: &SpiffeId) -> Result<Option<AgentRecord>>;

    /// A page of the agents, first attested first.
    async fn list_agents(&self, filter: &AgentFilter, page: &PageRequest) -> Result<Page<AgentRecord>>;

    /// How many agents `filter` lets through.
    async fn count_agents(&self, filter: &AgentFilter) -> Result<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(serial: &str) -> AgentCertificate {
        AgentCertificate {
            serial: serial.parse().unwrap(),
            expires_at: SystemTime::UNIX_EPOCH,
        }
    }

    fn agent() -> AgentRecord {
        AgentRecord {
            spiffe_id: "spiffe://example.org/spire/agent/join_token/x".parse().unwrap(),
            attestation_type: "join_token".to_owned(),
            current: certificate("01"),
            renewed: None,
            selectors: BTreeSet::new(),
            banned: false,
            can_reattest: false,
            agent_version: None,
            attested_at: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_renewed_certificate_takes_over_on_first_use() {
        let renewed = agent().after(&AgentChange::Renewed(certificate("02"))).unwrap();
        let still = renewed
            .clone()
            .after(&AgentChange::Used("01".parse().unwrap()))
            .unwrap();
        assert_eq!(still, renewed, "using the current one changes nothing");
        let used = renewed.after(&AgentChange::Used("02".parse().unwrap())).unwrap();
        assert_eq!(
            (used.current.clone(), used.renewed.clone()),
            (certificate("02"), None)
        );
        assert!(
            used.after(&AgentChange::Used("01".parse().unwrap())).is_err(),
            "the old one is stale"
        );
    }

    #[test]
    fn a_stale_serial_does_not_lose_the_renewed_certificate() {
        let renewed = agent().after(&AgentChange::Renewed(certificate("02"))).unwrap();
        assert!(
            renewed
                .clone()
                .after(&AgentChange::Used("03".parse().unwrap()))
                .is_err()
        );
        assert_eq!(renewed.renewed, Some(certificate("02")));
    }

    #[test]
    fn a_banned_agent_stays_as_it_is() {
        let banned = agent().after(&AgentChange::Banned).unwrap();
        assert!(
            banned
                .clone()
                .after(&AgentChange::Version("1".to_owned()))
                .is_err()
        );
        assert_eq!(banned.clone().after(&AgentChange::Banned).unwrap(), banned);
    }
}
