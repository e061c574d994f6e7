//! The decision about one call.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spiffe::SpiffeId;
use symbolon_api::permission_denied;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_pki::time::Clock;
use tonic::Status;
use tonic::codegen::http::HeaderMap;

use super::policy::{Facts, Policy};
use super::rules::{Rule, rule_of};
use super::{CallContext, Standing};
use crate::caller::{Caller, Svid};
use crate::datastore::{AgentChange, AgentRecord, Datastore, DatastoreError};
use crate::registrations::Registrations;
use crate::telemetry;

/// Decides which calls are let in.
#[derive(Debug)]
pub struct Gate {
    datastore: Arc<dyn Datastore>,
    registrations: Arc<Registrations>,
    clock: Arc<dyn Clock>,
    own_uid: u32,
    /// Administrators that no entry makes.
    admin_ids: BTreeSet<SpiffeId>,
    policy: Option<Policy>,
    /// Calls of callers without an SVID that were turned away.
    strangers_denied: AtomicU64,
}

/// Of every so many strangers who are turned away, one leaves a line in the log: each line costs them nothing.
const LOGGED: u64 = 256;

/// A call that asks to be let in.
#[derive(Clone, Debug)]
pub struct Asking<'a> {
    /// The full name of its method, `/service/method`.
    pub path: &'a str,
    /// Who calls.
    pub caller: Caller,
    /// Where from, as far as that is known.
    pub address: Option<IpAddr>,
    /// What it brings beside its message.
    pub metadata: &'a HeaderMap,
    /// Its id in the log.
    pub request_id: Arc<str>,
}

/// Why an agent is turned away: what it is to do about it, and the words for it.
type Denial = (Reason, &'static str);

impl Gate {
    /// A gate that knows agents from `datastore` and administrators from `registrations`.
    pub fn new(
        datastore: Arc<dyn Datastore>,
        registrations: Arc<Registrations>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            datastore,
            registrations,
            clock,
            own_uid: rustix::process::geteuid().as_raw(),
            admin_ids: BTreeSet::new(),
            policy: None,
            strangers_denied: AtomicU64::new(0),
        }
    }

    /// With administrators that no entry makes. They may be of another trust domain, if the handshake believes them.
    #[must_use]
    pub fn with_admins(mut self, ids: impl IntoIterator<Item = SpiffeId>) -> Self {
        self.admin_ids = ids.into_iter().collect();
        self
    }

    /// With a policy that every call has to pass after the table.
    #[must_use]
    pub fn with_policy(mut self, policy: Option<Policy>) -> Self {
        self.policy = policy;
        self
    }

    /// The user whose processes count as local.
    pub(super) fn own_uid(&self) -> u32 {
        self.own_uid
    }

    /// Lets a call in, or says why not. The one thing this changes is that an agent's new SVID becomes its
    /// current one on first use.
    ///
    /// # Errors
    /// `Unimplemented` for what is not in the table, `PermissionDenied` for who is not in its rule (with the reason
    /// that SPIRE's agents act on, where the caller should be an agent) and for what the policy refuses, and the
    /// datastore's.
    pub async fn admit(&self, call: Asking<'_>) -> Result<CallContext, Status> {
        let Asking { path, caller, .. } = &call;
        let Some(rule) = rule_of(path) else {
            return Err(Status::unimplemented(format!("{path} is not served here")));
        };
        let standing = match self.standing(rule, caller).await {
            Ok(Some(standing)) => standing,
            Ok(None) => {
                self.log_denied(path, caller, "not allowed to");
                let message = format!("authorization denied for method {path}");
                return Err(Status::permission_denied(message));
            }
            Err(status) => {
                self.log_denied(path, caller, status.message());
                return Err(status);
            }
        };
        if let Some(policy) = &self.policy {
            policy.check(&Facts {
                method: path,
                caller,
                standing: &standing,
                address: call.address,
                metadata: call.metadata,
                request_id: &call.request_id,
                now: self.clock.now(),
            })?;
        }
        Ok(CallContext {
            request_id: call.request_id,
            caller: call.caller,
            standing,
        })
    }

    fn log_denied(&self, method: &str, caller: &Caller, reason: &str) {
        if !matches!(caller, Caller::Anonymous) {
            tracing::warn!(event = telemetry::CALL_DENIED, method, %caller, reason);
            return;
        }
        let denied = self.strangers_denied.fetch_add(1, Ordering::Relaxed) + 1;
        if denied % LOGGED == 1 {
            tracing::warn!(event = telemetry::CALL_DENIED, method, %caller, reason, denied);
        }
    }

    /// Cheapest first; the agents' check, which reads the datastore, comes last.
    async fn standing(&self, rule: Rule, caller: &Caller) -> Result<Option<Standing>, Status> {
        if rule.any {
            return Ok(Some(Standing::Anyone));
        }
        let svid = match caller {
            Caller::Local { .. } => return Ok(rule.local.then_some(Standing::Local)),
            Caller::Anonymous => return Ok(None),
            Caller::X509(svid) => svid,
        };
        let now = self.clock.now();
        if now > svid.not_after {
            let denial = (Reason::AgentExpired, "its SVID has expired");
            return Err(deny(svid, denial));
        }
        if rule.admin && self.admin_ids.contains(&svid.spiffe_id) {
            return Ok(Some(Standing::Admin));
        }
        // Entries and agents are of this trust domain, so neither says anything of an identity from elsewhere.
        if rule.admin || rule.downstream {
            let grants = self.registrations.grants(&svid.spiffe_id, now);
            if rule.admin && grants.admin {
                return Ok(Some(Standing::Admin));
            }
            if rule.downstream && grants.downstream {
                return Ok(Some(Standing::Downstream));
            }
        }
        if !rule.agent {
            return Ok(None);
        }
        match self.agent(svid).await? {
            Ok(agent) => Ok(Some(Standing::Agent(Arc::new(agent)))),
            Err(denial) => {
                tracing::warn!(event = telemetry::AGENT_DENIED, agent = %svid.spiffe_id, reason = denial.1);
                Err(deny(svid, denial))
            }
        }
    }

    /// The agent that an SVID is the current one of.
    async fn agent(&self, svid: &Svid) -> Result<Result<AgentRecord, Denial>, DatastoreError> {
        let Some(agent) = self.datastore.agent(&svid.spiffe_id).await? else {
            return Ok(Err((Reason::AgentNotAttested, "it is not attested")));
        };
        let judged = judge(agent, svid);
        if !matches!(&judged, Ok(agent) if agent.current.serial != svid.serial) {
            return Ok(judged);
        }
        // The first use of a renewed SVID.
        let used = AgentChange::Used(svid.serial.clone());
        match self.datastore.change_agent(&svid.spiffe_id, &used).await {
            Ok(agent) => Ok(Ok(agent)),
            // Banned, deleted or renewed once more since it was read.
            Err(DatastoreError::Conflict { .. } | DatastoreError::NotFound { .. }) => {
                let Some(agent) = self.datastore.agent(&svid.spiffe_id).await? else {
                    return Ok(Err((Reason::AgentNotAttested, "it is not attested")));
                };
                Ok(judge(agent, svid))
            }
            Err(error) => Err(error),
        }
    }
}

fn judge(agent: AgentRecord, svid: &Svid) -> Result<AgentRecord, Denial> {
    if agent.banned {
        return Err((Reason::AgentBanned, "it is banned"));
    }
    let renewed = agent
        .renewed
        .as_ref()
        .is_some_and(|renewed| renewed.serial == svid.serial);
    if agent.current.serial == svid.serial || renewed {
        Ok(agent)
    } else {
        Err((Reason::AgentNotActive, "its SVID is not the one in use"))
    }
}

fn deny(svid: &Svid, (reason, words): Denial) -> Status {
    permission_denied(
        reason,
        format!("agent {} is turned away: {words}", svid.spiffe_id),
    )
}
