//! `RenewAgent`: an agent's next SVID.

use symbolon_api::permission_denied;
use symbolon_api::spire::api::server::agent::v1::RenewAgentRequest;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_issuance::SvidProfile;
use symbolon_pki::suite::Form;
use tonic::Status;

use crate::datastore::{AgentCertificate, AgentChange, AgentRecord, DatastoreError};
use crate::issuer::X509Order;
use crate::services::svid::{issue_one, serial_of, svid_message};
use crate::services::{Core, companion, csr};
use crate::telemetry::AGENT_RENEWED;

/// Issues it; the one in use stays good until this one is used.
///
/// # Errors
/// `PermissionDenied` for an agent that is to attest again, `InvalidArgument` for a wrong request.
pub(super) async fn run(
    core: &Core,
    agent: &AgentRecord,
    request: RenewAgentRequest,
    forms: &[Form],
) -> Result<types::X509svid, Status> {
    if agent.can_reattest {
        let message = format!("agent {} attests again instead of renewing", agent.spiffe_id);
        return Err(permission_denied(Reason::AgentMustReattest, message));
    }
    let params = request
        .params
        .ok_or_else(|| Status::invalid_argument("params is missing"))?;
    let csr = csr::read(&core.issuer, params.csr, forms).await?;
    let order = X509Order {
        profile: SvidProfile::Agent,
        spiffe_id: agent.spiffe_id.clone(),
        key: csr.key().clone(),
        companion: companion::of_agent(&csr)?,
        dns_names: Vec::new(),
        ttl: core.lifetimes().agent.0,
        ends_by: None,
        entry_id: None,
        agent_id: None,
    };
    let issued = issue_one(core, order).await?;
    let renewed = AgentCertificate {
        serial: serial_of(&issued)?,
        expires_at: issued.not_after,
    };
    match core
        .datastore
        .change_agent(&agent.spiffe_id, &AgentChange::Renewed(renewed))
        .await
    {
        // Since the call was let in.
        Err(DatastoreError::Conflict { .. }) => {
            return Err(permission_denied(
                Reason::AgentBanned,
                format!("agent {} is banned", agent.spiffe_id),
            ));
        }
        other => other?,
    };
    tracing::info!(
        event = AGENT_RENEWED,
        agent = %agent.spiffe_id,
        serial = issued.serial_hex,
        form = %issued.form,
    );
    Ok(svid_message(issued, "", forms))
}
