//! The gRPC services, each over the same [`Core`].
//!
//! They decide what a request means and what it is answered. Who may make it was decided before, by
//! [`crate::authorization`]; how a certificate comes about is [`crate::issuer`]'s business.

mod agent;
mod authorities;
mod bundle;
mod commanded;
mod companion;
mod csr;
mod debug;
mod entry;
mod join_tokens;
mod localauthority;
mod logger;
mod migration;
mod paging;
mod reply;
mod svid;
mod symbolon;
mod trustdomain;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use spiffe::TrustDomain;
use symbolon_attestation::Verifier;
use symbolon_host::logging::LogControl;
use symbolon_pki::time::Clock;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub(crate) use self::agent::AgentService;
pub(crate) use self::authorities::AuthoritiesService;
pub(crate) use self::bundle::BundleService;
pub(crate) use self::debug::DebugService;
pub(crate) use self::entry::EntryService;
pub(crate) use self::join_tokens::{HeldToken, JoinTokens};
pub(crate) use self::localauthority::LocalAuthorityService;
pub(crate) use self::logger::LoggerService;
pub(crate) use self::migration::MigrationService;
pub(crate) use self::svid::SvidService;
pub(crate) use self::symbolon::{CertificatesService, ServerService};
pub(crate) use self::trustdomain::TrustDomainService;
use crate::authorities::Authorities;
use crate::config::{Lifetimes, LimitsConfig};
use crate::datastore::Datastore;
use crate::federation::Federation;
use crate::identity::ServerIdentity;
use crate::issuer::Issuer;
use crate::migration::Migrations;
use crate::registrations::Registrations;
use crate::telemetry::Counted;

/// Longest a reply may be in bytes: what a stock client takes, less some room for what goes around it.
const MAX_REPLY: usize = symbolon_api::MAX_MESSAGE - 64 * 1024;

/// What the services work with.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) trust_domain: TrustDomain,
    pub(crate) datastore: Arc<dyn Datastore>,
    pub(crate) registrations: Arc<Registrations>,
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) federation: Arc<Federation>,
    pub(crate) migrations: Arc<Migrations>,
    pub(crate) issuer: Arc<Issuer>,
    /// Node attestation methods by name.
    pub(crate) verifiers: BTreeMap<&'static str, Arc<dyn Verifier>>,
    /// What one of them spends.
    pub(crate) join_tokens: Arc<JoinTokens>,
    /// What the server presents to its callers.
    pub(crate) identity: Arc<ServerIdentity>,
    /// The process's log, if it is the server's to change.
    pub(crate) log: Option<LogControl>,
    pub(crate) lifetimes: ArcSwap<Lifetimes>,
    /// How much callers may ask for, to be told; [`crate::limits`] applies it.
    pub(crate) limits: ArcSwap<LimitsConfig>,
    pub(crate) counted: Counted,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) started_at: SystemTime,
    /// What keeps the server from its work, in words; kept up to date by its own look at itself.
    pub(crate) problems: ArcSwap<Vec<String>>,
    /// Ends streams that wait for their callers.
    pub(crate) stopping: CancellationToken,
}

impl Core {
    /// How long things live, as configured now.
    pub(crate) fn lifetimes(&self) -> Lifetimes {
        **self.lifetimes.load()
    }
}

/// Refuses a batch with more items than one may have.
fn check_batch(field: &str, items: usize) -> Result<(), Status> {
    if items > symbolon_api::MAX_BATCH {
        let message = format!(
            "{field} has {items} items; a batch has at most {}",
            symbolon_api::MAX_BATCH
        );
        return Err(Status::invalid_argument(message));
    }
    Ok(())
}

/// The status of an item of a batch that succeeded, as SPIRE writes it.
fn ok() -> symbolon_api::spire::api::types::Status {
    symbolon_api::spire::api::types::Status {
        code: 0,
        message: "OK".to_owned(),
    }
}
