//! The operator's own say: a Rego policy that every call must pass after the table has let it through.
//!
//! The policy is the package `symbolon.authz` and its rule `allow`. A call goes on where that is `true`; anything else
//! refuses it: `false`, nothing at all, a value of another type, an error, a decision that takes too long. It can take
//! away, and never give: what the table refuses it is not asked about. [`Facts`] says what it is given.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use serde_json::{Map, json};
use spiffe::SpiffeId;
use symbolon_pki::suite::Form;
use symbolon_pki::time::{rfc3339, unix_seconds};
use tonic::Status;
use tonic::codegen::http::HeaderMap;

use super::Standing;
use crate::caller::{Caller, Svid};
use crate::config::AuthorizationConfig;
use crate::datastore::{AgentCertificate, AgentRecord, Selector, SerialNumber};
use crate::telemetry::POLICY_DECIDED;

/// Longest policy or data file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// The rule that decides.
const ALLOW: &str = "data.symbolon.authz.allow";
/// A rule that may say in words why not.
const REASON: &str = "data.symbolon.authz.reason";
/// The clock is looked at once for so many steps of an evaluation.
const STEPS: NonZeroU32 = NonZeroU32::new(16).unwrap();
/// Longest reason that is passed on, in characters.
const MAX_REASON: usize = 200;

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A file cannot be read.
    #[error("cannot read the policy's file {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Longer than any policy.
    #[error("the policy's file {path} is larger than {MAX_FILE} bytes", path = .0.display())]
    TooLarge(PathBuf),
    /// It is no Rego, or its data no JSON object.
    #[error("the policy's file {path} is wrong: {reason}", path = .path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where and what.
        reason: String,
    },
    /// It cannot decide about a call.
    #[error("the policy {path} cannot decide about a call to {method}: {reason}", path = .path.display())]
    Undecided {
        /// The file.
        path: PathBuf,
        /// The method that it was tried with.
        method: &'static str,
        /// What went wrong.
        reason: String,
    },
}

/// A policy that was read and tried.
#[derive(Debug)]
pub struct Policy {
    /// Prepared, and cloned for each decision, which leaves no traces in it then.
    engine: Engine,
    log_allowed: bool,
}

/// What a policy is told of a call, as `input`:
///
/// | member | what it is |
/// |---|---|
/// | `method`, `service`, `name` | the full name `/service/name` and its two parts |
/// | `standing` | by which right the table lets it in: `anyone`, `local`, `admin`, `downstream`, `agent` |
/// | `caller.kind` | `local`, `x509`, `anonymous` |
/// | `caller.uid`, `caller.pid` | of a local one |
/// | `caller.spiffe_id`, `.trust_domain`, `.path`, `.form`, `.serial`, `.not_after` | of one with an SVID |
/// | `caller.address` | where it calls from, unless it is local |
/// | `agent.attestation_type`, `.selectors`, `.can_reattest` | of an attested agent |
/// | `metadata` | what the call brings beside its message: each name with the list of its values |
/// | `time`, `time_rfc3339` | now, in seconds since 1970 and as text |
/// | `request_id` | as it stands in the log |
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) method: &'a str,
    pub(super) caller: &'a Caller,
    pub(super) standing: &'a Standing,
    pub(super) address: Option<IpAddr>,
    pub(super) metadata: &'a HeaderMap,
    pub(super) request_id: &'a str,
    pub(super) now: SystemTime,
}

impl Policy {
    /// Reads the policy that a configuration names, and tries it; `None` where it names none.
    ///
    /// # Errors
    /// [`PolicyError`]. A server does not start then, rather than without the policy.
    pub fn load(config: &AuthorizationConfig) -> Result<Option<Self>, PolicyError> {
        let Some(path) = &config.policy else {
            return Ok(None);
        };
        let wrong = |path: &Path, reason: String| PolicyError::Wrong {
            path: path.to_owned(),
            reason,
        };
        let mut engine = Engine::new();
        // What a policy prints goes nowhere, rather than between the lines of the log.
        engine.set_gather_prints(true);
        engine
            .add_policy(path.display().to_string(), read(path)?)
            .map_err(|error| wrong(path, error.to_string()))?;
        if let Some(path) = &config.policy_data {
            let data = Value::from_json_str(&read(path)?).map_err(|error| wrong(path, error.to_string()))?;
            engine
                .add_data(data)
                .map_err(|error| wrong(path, error.to_string()))?;
        }
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: Duration::from_millis(u64::from(config.policy_timeout_ms)),
            check_interval: STEPS,
        });
        // The first evaluation prepares the policy, in no time that is bounded; clones of what is prepared share it. What
        // cannot be prepared cannot be tried either.
        engine.set_input(Value::new_object());
        let _ = engine.eval_rule(ALLOW.to_owned());
        let _ = engine.take_prints();
        let policy = Self {
            engine,
            log_allowed: config.log_allowed,
        };
        policy.try_out(path)?;
        Ok(Some(policy))
    }

    /// Has it decide about calls of every kind of caller: what cannot work is known before the first one comes.
    fn try_out(&self, path: &Path) -> Result<(), PolicyError> {
        let undecided = |method, reason| PolicyError::Undecided {
            path: path.to_owned(),
            method,
            reason,
        };
        let metadata = HeaderMap::new();
        for (method, caller, standing) in trials().map_err(|reason| undecided("any method", reason))? {
            let facts = Facts {
                method,
                caller: &caller,
                standing: &standing,
                // Set aside for examples (RFC 5737); processes on this machine call from nowhere.
                address: (!matches!(caller, Caller::Local { .. }))
                    .then_some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
                metadata: &metadata,
                request_id: "trial",
                now: SystemTime::UNIX_EPOCH,
            };
            self.decide(&facts).map_err(|reason| undecided(method, reason))?;
        }
        Ok(())
    }

    /// Lets a call pass, or not, and leaves the decision in the log.
    ///
    /// # Errors
    /// `PermissionDenied`, as the table gives it.
    pub(super) fn check(&self, facts: &Facts<'_>) -> Result<(), Status> {
        let start = Instant::now();
        let decision = self.decide(facts);
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Facts { method, caller, .. } = facts;
        let standing = facts.standing.name();
        let reason = match &decision {
            Ok(Decision::Allowed) => {
                if self.log_allowed {
                    tracing::info!(event = POLICY_DECIDED, method, %caller, standing, allowed = true, micros);
                }
                return Ok(());
            }
            Ok(Decision::Refused(None)) => "the policy does not allow it",
            Ok(Decision::Refused(Some(reason))) => reason,
            Err(reason) => reason,
        };
        let is_broken = decision.is_err();
        tracing::warn!(event = POLICY_DECIDED, method, %caller, standing, allowed = false, is_broken, reason, micros);
        Err(Status::permission_denied(format!(
            "authorization denied for method {method} by this server's policy"
        )))
    }

    fn decide(&self, facts: &Facts<'_>) -> Result<Decision, String> {
        let mut engine = self.engine.clone();
        engine.set_input(facts.input());
        match engine.eval_rule(ALLOW.to_owned()) {
            Ok(Value::Bool(true)) => Ok(Decision::Allowed),
            Ok(Value::Bool(false) | Value::Undefined) => Ok(Decision::Refused(reason(&mut engine))),
            Ok(_) => Err(format!("{ALLOW} is neither true nor false")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A call by each right that there is.
fn trials() -> Result<[(&'static str, Caller, Standing); 5], String> {
    let svid = |path: &str| {
        let id = SpiffeId::new(format!("spiffe://trial.invalid{path}"));
        Ok::<_, String>(Svid {
            spiffe_id: id.map_err(|error| error.to_string())?,
            serial: SerialNumber::from_bytes(&[1]).map_err(|error| error.to_string())?,
            form: Form::Classical,
            not_after: SystemTime::UNIX_EPOCH,
        })
    };
    let agent = svid("/spire/agent/join_token/trial")?;
    let record = AgentRecord {
        spiffe_id: agent.spiffe_id.clone(),
        attestation_type: "join_token".to_owned(),
        current: AgentCertificate {
            serial: agent.serial.clone(),
            expires_at: agent.not_after,
        },
        renewed: None,
        selectors: [Selector::new("trial", "trial")].into(),
        banned: false,
        can_reattest: false,
        agent_version: None,
        attested_at: agent.not_after,
    };
    Ok([
        (
            "/spire.api.server.agent.v1.Agent/AttestAgent",
            Caller::Anonymous,
            Standing::Anyone,
        ),
        (
            "/spire.api.server.entry.v1.Entry/CountEntries",
            Caller::Local { pid: None, uid: 0 },
            Standing::Local,
        ),
        (
            "/spire.api.server.entry.v1.Entry/ListEntries",
            Caller::X509(svid("/trial/admin")?),
            Standing::Admin,
        ),
        (
            "/spire.api.server.svid.v1.SVID/NewDownstreamX509CA",
            Caller::X509(svid("/trial/downstream")?),
            Standing::Downstream,
        ),
        (
            "/spire.api.server.svid.v1.SVID/BatchNewX509SVID",
            Caller::X509(agent),
            Standing::Agent(Arc::new(record)),
        ),
    ])
}

/// What a policy decides.
#[derive(Debug, Eq, PartialEq)]
enum Decision {
    Allowed,
    /// With what the policy says of it.
    Refused(Option<Arc<str>>),
}

/// What the policy says about its refusal, if it has a rule for that.
fn reason(engine: &mut Engine) -> Option<Arc<str>> {
    match engine.eval_rule(REASON.to_owned()) {
        Ok(Value::String(reason)) => {
            let plain = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON);
            Some(plain.collect::<String>().into())
        }
        _ => None,
    }
}

impl Facts<'_> {
    fn input(&self) -> Value {
        let (service, name) = self
            .method
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
            .unwrap_or_default();
        let mut input = json!({
            "method": self.method,
            "service": service,
            "name": name,
            "standing": self.standing.name(),
            "caller": self.caller(),
            "metadata": self.metadata(),
            "time": unix_seconds(self.now),
            "time_rfc3339": rfc3339(self.now),
            "request_id": self.request_id,
        });
        if let Standing::Agent(agent) = self.standing {
            let selectors = agent
                .selectors
                .iter()
                .map(|selector| format!("{}:{}", selector.kind, selector.value));
            input["agent"] = json!({
                "attestation_type": agent.attestation_type,
                "can_reattest": agent.can_reattest,
                "selectors": selectors.collect::<Vec<_>>(),
            });
        }
        Value::from(input)
    }

    fn caller(&self) -> serde_json::Value {
        match self.caller {
            Caller::Local { pid, uid } => json!({ "kind": "local", "pid": pid, "uid": uid }),
            Caller::X509(svid) => json!({
                "kind": "x509",
                "spiffe_id": svid.spiffe_id.to_string(),
                "trust_domain": svid.spiffe_id.trust_domain_name(),
                "path": svid.spiffe_id.path(),
                "form": svid.form.name(),
                "serial": hex::encode(svid.serial.as_bytes()),
                "not_after": unix_seconds(svid.not_after),
                "address": self.address,
            }),
            Caller::Anonymous => json!({ "kind": "anonymous", "address": self.address }),
        }
    }

    /// Names and values as text; what is no text, gRPC's binary metadata included, is left out.
    fn metadata(&self) -> Map<String, serde_json::Value> {
        let mut metadata = Map::new();
        for name in self
            .metadata
            .keys()
            .filter(|name| !name.as_str().ends_with("-bin"))
        {
            let values = self
                .metadata
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok());
            let values: Vec<_> = values.map(serde_json::Value::from).collect();
            metadata.insert(name.as_str().to_owned(), values.into());
        }
        metadata
    }
}

fn read(path: &Path) -> Result<String, PolicyError> {
    use std::io::Read as _;
    let unreadable = |source| PolicyError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    match text.len() as u64 > MAX_FILE {
        true => Err(PolicyError::TooLarge(path.to_owned())),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests;
