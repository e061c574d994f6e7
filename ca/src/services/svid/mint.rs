//! `MintX509SVID` and `MintJWTSVID`: SVIDs without an entry, for operators.

use symbolon_api::spire::api::server::svid::v1::{MintJwtsvidRequest, MintX509svidRequest};
use symbolon_api::spire::api::types;
use symbolon_issuance::SvidProfile;
use symbolon_pki::suite::Form;
use tonic::Status;

use super::{issue_one, jwt, log_issued, svid_message};
use crate::issuer::{JwtOrder, X509Order};
use crate::services::companion::{self, Holder};
use crate::services::{Core, csr};
use crate::telemetry::SVID_REFUSED;
use crate::wire::{lifetime, workload_id};

/// Issues the certificate that a request describes; what is in the request decides the form.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(super) async fn x509(
    core: &Core,
    request: MintX509svidRequest,
    forms: &[Form],
) -> Result<types::X509svid, Status> {
    let outcome = match order(core, request, forms).await {
        Ok(order) => issue_one(core, order).await,
        Err(status) => Err(status),
    };
    match outcome {
        Ok(issued) => {
            log_issued(&issued, None);
            Ok(svid_message(issued, "", forms))
        }
        Err(status) => {
            tracing::warn!(event = SVID_REFUSED, code = ?status.code(), reason = status.message());
            Err(status)
        }
    }
}

async fn order(core: &Core, request: MintX509svidRequest, forms: &[Form]) -> Result<X509Order, Status> {
    let ttl = lifetime("ttl", request.ttl)?;
    let csr = csr::read(&core.issuer, request.csr, forms).await?;
    let invalid = |message: String| Status::invalid_argument(format!("csr: {message}"));
    let id = csr.spiffe_id().map_err(|error| invalid(error.to_string()))?;
    let id = id.ok_or_else(|| invalid("it names no SPIFFE ID".to_owned()))?;
    let spiffe_id = workload_id("csr", Some(&(&id).into()), &core.trust_domain)?;
    let holder = Holder {
        spiffe_id: &spiffe_id,
        entry_id: None,
    };
    Ok(X509Order {
        profile: SvidProfile::Workload,
        companion: companion::of(core, &csr, holder).await?,
        spiffe_id,
        key: csr.key().clone(),
        dns_names: csr.dns_sans().to_vec(),
        ttl: ttl.unwrap_or(core.lifetimes().svid.0),
        ends_by: None,
        entry_id: None,
        agent_id: None,
    })
}

/// Mints the token that a request describes.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(super) async fn jwt(core: &Core, request: MintJwtsvidRequest) -> Result<types::Jwtsvid, Status> {
    let MintJwtsvidRequest { id, audience, ttl } = request;
    let spiffe_id = workload_id("id", id.as_ref(), &core.trust_domain)?;
    let ttl = lifetime("ttl", ttl)?.unwrap_or(core.lifetimes().jwt.0);
    let order = JwtOrder {
        spiffe_id,
        audience,
        ttl,
        ends_by: None,
        has_id: false,
    };
    jwt::mint(core, order, None, "").await
}
