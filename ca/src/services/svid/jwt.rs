//! JWT-SVIDs.

use symbolon_api::spire::api::server::svid::v1::NewJwtsvidRequest;
use symbolon_api::spire::api::types;
use symbolon_pki::text::printable;
use tonic::Status;

use super::{check_entry_id, no_entry};
use crate::datastore::AgentRecord;
use crate::issuer::JwtOrder;
use crate::services::Core;
use crate::telemetry::{SVID_ISSUED, SVID_REFUSED};
use crate::wire::seconds;

/// `NewJWTSVID`: a token from an entry of the agent's.
///
/// # Errors
/// `InvalidArgument`, naming the field; `NotFound` for what is no entry of this agent.
pub(super) async fn new(
    core: &Core,
    agent: &AgentRecord,
    request: NewJwtsvidRequest,
) -> Result<types::Jwtsvid, Status> {
    let NewJwtsvidRequest { entry_id, audience } = request;
    let now = core.clock.now();
    let found = check_entry_id(&entry_id).and_then(|()| {
        let wanted = std::iter::once(entry_id.as_str());
        let entry = core.registrations.authorized_of(wanted, agent, now).pop();
        entry.flatten().ok_or_else(|| no_entry(&entry_id))
    });
    let entry = found.inspect_err(|status| {
        let (entry_id, code, reason) = (printable(&entry_id), status.code(), status.message());
        tracing::warn!(event = SVID_REFUSED, entry_id, code = ?code, reason);
    })?;
    let ttl = entry.jwt_svid_ttl(core.lifetimes().jwt.0, now);
    let order = JwtOrder {
        spiffe_id: entry.spiffe_id.clone(),
        audience,
        ttl,
        ends_by: entry.not_after,
        has_id: entry.jwt_svid_include_jti,
    };
    mint(core, order, Some(&entry_id), &entry.hint).await
}

/// Mints a token and leaves it in the log, but for its signature.
pub(super) async fn mint(
    core: &Core,
    order: JwtOrder,
    entry_id: Option<&str>,
    hint: &str,
) -> Result<types::Jwtsvid, Status> {
    let spiffe_id = order.spiffe_id.clone();
    let outcome = match order.audience.iter().all(String::is_empty) {
        true => Err(Status::invalid_argument("audience is missing")),
        false => core.issuer.mint_jwt(order).await.map_err(Status::from),
    };
    match outcome {
        Ok(issued) => {
            let not_after = seconds(issued.expires_at);
            tracing::info!(event = SVID_ISSUED, %spiffe_id, form = "jwt", entry_id, not_after);
            Ok(types::Jwtsvid {
                token: issued.token.to_string(),
                id: Some((&spiffe_id).into()),
                expires_at: not_after,
                issued_at: seconds(issued.issued_at),
                hint: hint.to_owned(),
            })
        }
        Err(status) => {
            tracing::warn!(event = SVID_REFUSED, %spiffe_id, code = ?status.code(), reason = status.message());
            Err(status)
        }
    }
}
