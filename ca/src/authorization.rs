//! Who may call what.
//!
//! Every call passes the [`Gate`] before its body is read: the full name of its method must stand in the table of
//! [`rules`], and the caller must be one of those whom the rule names. What is not in the table is not served. Then the
//! operator's [`Policy`] has its say, where there is one. The service behind finds the decision in the request's
//! extensions as a [`CallContext`].

mod gate;
mod layer;
mod policy;
pub mod rules;

use std::sync::Arc;

use spiffe::SpiffeId;
use tonic::{Request, Status};

pub use self::gate::{Asking, Gate};
pub(crate) use self::layer::source_address;
pub use self::layer::{AuthorizationLayer, Authorized};
pub use self::policy::{Policy, PolicyError};
use crate::caller::Caller;
use crate::datastore::AgentRecord;

/// By which right a call was let in.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Everybody may.
    Anyone,
    /// The caller is on this machine.
    Local,
    /// An entry or the configuration makes the caller an administrator.
    Admin,
    /// An entry makes the caller a server below this one.
    Downstream,
    /// The caller is this attested agent.
    Agent(Arc<AgentRecord>),
}

impl Standing {
    /// One word for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Local => "local",
            Self::Admin => "admin",
            Self::Downstream => "downstream",
            Self::Agent(_) => "agent",
        }
    }
}

/// What is known of a call that was let in.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// Runs through everything the call leaves in the log.
    pub request_id: Arc<str>,
    /// Who calls.
    pub caller: Caller,
    /// By which right.
    pub standing: Standing,
}

/// The identity that makes this call.
///
/// # Errors
/// `Internal` where the call was let in without one: a rule of the table is wrong then.
pub(crate) fn calling_svid<T>(request: &Request<T>) -> Result<SpiffeId, Status> {
    match request
        .extensions()
        .get::<CallContext>()
        .map(|context| &context.caller)
    {
        Some(Caller::X509(svid)) => Ok(svid.spiffe_id.clone()),
        _ => Err(Status::internal("the call is not made with an SVID")),
    }
}

/// The agent that makes this call.
///
/// # Errors
/// `Internal` where the call was not let in as an agent's: a rule of the table is wrong then.
pub(crate) fn calling_agent<T>(request: &Request<T>) -> Result<Arc<AgentRecord>, Status> {
    match request
        .extensions()
        .get::<CallContext>()
        .map(|context| &context.standing)
    {
        Some(Standing::Agent(agent)) => Ok(Arc::clone(agent)),
        _ => Err(Status::internal("the call is not an agent's")),
    }
}
