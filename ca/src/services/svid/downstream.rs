//! `NewDownstreamX509CA`: an authority for a server below this one.

use std::sync::Arc;
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_api::spire::api::server::svid::v1::{NewDownstreamX509caRequest, NewDownstreamX509caResponse};
use symbolon_pki::csr::Csr;
use symbolon_pki::suite::Form;
use tonic::Status;

use super::{log_issued, policy};
use crate::datastore::EntryRecord;
use crate::issuer::{CaOrder, IssuedX509};
use crate::services::{Core, csr};
use crate::telemetry::SVID_REFUSED;
use crate::wire::{bundle_message, lifetime};

/// Issues the certificate; its key decides the form, which the request has to ask for unless it is classical. It is issued
/// by an entry of the caller's that says `downstream`, which also says of which forms and keys it may be, and how long it
/// lasts.
///
/// # Errors
/// `InvalidArgument`, naming the field; `PermissionDenied` for what the entry does not allow.
pub(super) async fn new(
    core: &Core,
    caller: &SpiffeId,
    request: NewDownstreamX509caRequest,
    forms: &[Form],
) -> Result<NewDownstreamX509caResponse, Status> {
    match issue(core, caller, request, forms).await {
        Ok((issued, entry)) => {
            log_issued(&issued, Some(&entry.id));
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
    caller: &SpiffeId,
    request: NewDownstreamX509caRequest,
    forms: &[Form],
) -> Result<(IssuedX509, Arc<EntryRecord>), Status> {
    let ttl = lifetime("preferred_ttl", request.preferred_ttl)?;
    let csr = csr::read(&core.issuer, request.csr, forms).await?;
    let entry = entitling(core, caller, &csr)?;
    let order = order(core, &csr, ttl, &entry)?;
    Ok((core.issuer.issue_ca(order).await?, entry))
}

/// The first entry that makes the caller a server below this one and allows what it asks for.
fn entitling(core: &Core, caller: &SpiffeId, csr: &Csr) -> Result<Arc<EntryRecord>, Status> {
    let mut refusal = None;
    for entry in core.registrations.downstream(caller, core.clock.now()) {
        match policy::check(&entry, csr) {
            Ok(()) => return Ok(entry),
            Err(status) => {
                refusal.get_or_insert(status);
            }
        }
    }
    // It had one when it was let in.
    Err(refusal.unwrap_or_else(|| Status::permission_denied("no entry makes the caller a downstream server")))
}

fn order(core: &Core, csr: &Csr, ttl: Option<Duration>, entry: &EntryRecord) -> Result<CaOrder, Status> {
    if csr.related_request().is_some() {
        return Err(Status::invalid_argument(
            "csr: it asks for the second SVID of a pair, and an authority is no half of one",
        ));
    }
    // What is longer than our own authority lives is cut, too.
    let wanted = ttl.unwrap_or(core.lifetimes().authority.0);
    Ok(CaOrder {
        key: csr.key().clone(),
        alternative: csr.alternative_key().cloned(),
        ttl: entry.within_window(wanted, core.clock.now()),
        entry_id: Some(entry.id.clone()),
    })
}
