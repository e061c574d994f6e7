//! `NewDownstreamX509CA`: an authority for a server below this one.

use std::time::Duration;

use symbolon_api::spire::api::server::svid::v1::{NewDownstreamX509caRequest, NewDownstreamX509caResponse};
use symbolon_pki::csr::Csr;
use symbolon_pki::suite::Form;
use tonic::Status;

use super::log_issued;
use crate::issuer::{CaOrder, IssuedX509};
use crate::services::{Core, csr};
use crate::telemetry::SVID_REFUSED;
use crate::wire::{bundle_message, lifetime};

/// Issues the certificate; its key decides the form, which the request has to ask for unless it is classical.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(super) async fn new(
    core: &Core,
    request: NewDownstreamX509caRequest,
    forms: &[Form],
) -> Result<NewDownstreamX509caResponse, Status> {
    match issue(core, request, forms).await {
        Ok(issued) => {
            log_issued(&issued, None);
            let bundle = bundle_message(&core.authorities.bundle(), forms);
            Ok(NewDownstreamX509caResponse {
                ca_cert_chain: issued.chain,
                x509_authorities: bundle
                    .x509_authorities
                    .into_iter()
                    .map(|authority| authority.asn1)
                    .collect(),
            })
        }
        Err(status) => {
            tracing::warn!(event = SVID_REFUSED, code = ?status.code(), reason = status.message());
            Err(status)
        }
    }
}

async fn issue(
    core: &Core,
    request: NewDownstreamX509caRequest,
    forms: &[Form],
) -> Result<IssuedX509, Status> {
    let ttl = lifetime("preferred_ttl", request.preferred_ttl)?;
    let csr = csr::read(&core.issuer, request.csr, forms).await?;
    Ok(core.issuer.issue_ca(order(core, &csr, ttl)?).await?)
}

fn order(core: &Core, csr: &Csr, ttl: Option<Duration>) -> Result<CaOrder, Status> {
    if csr.related_request().is_some() {
        return Err(Status::invalid_argument(
            "csr: it asks for the second SVID of a pair, and an authority is no half of one",
        ));
    }
    Ok(CaOrder {
        key: csr.key().clone(),
        alternative: csr.alternative_key().cloned(),
        // What is longer than our own authority lives is cut.
        ttl: ttl.unwrap_or(core.lifetimes().authority.0),
        entry_id: None,
    })
}
