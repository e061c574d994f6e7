//! WIT-SVIDs: `MintWITSVID` for operators, `BatchNewWITSVID` for agents by their entries.
//!
//! The holder's key comes as it is: to possess it is proven by whoever uses the token, every time, and not here.

use symbolon_api::spire::api::server::svid::v1::{
    MintWitsvidRequest, NewWitsvidParams, batch_new_witsvid_response,
};
use symbolon_api::spire::api::types;
use symbolon_issuance::wit::IssuedWit;
use symbolon_issuance::{IssuanceError, RequestError};
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Family;
use symbolon_pki::text::printable;
use symbolon_pki::wit::{Confirmation, WitError};
use tonic::{Code, Status};

use super::{MAX_NAME, check_entry_id, no_entry};
use crate::datastore::{AgentRecord, EntryRecord};
use crate::issuer::{IssueError, WitOrder};
use crate::services::{Core, ok};
use crate::telemetry::{SVID_ISSUED, SVID_REFUSED};
use crate::wire::{check_length, lifetime, seconds, workload_id};

/// Mints the token that a request describes.
///
/// # Errors
/// `InvalidArgument`, naming the field; `Unimplemented` where the server has no such family, as in SPIRE.
pub(super) async fn mint(core: &Core, request: MintWitsvidRequest) -> Result<types::Witsvid, Status> {
    check_enabled(core)?;
    let minted = match read(core, request) {
        Ok(order) => mint_one(core, order).await,
        Err(status) => Err(status),
    };
    match minted {
        Ok((order, issued)) => Ok(message(&order, issued, None, "")),
        Err(status) => {
            refused(None, &status);
            Err(status)
        }
    }
}

fn read(core: &Core, request: MintWitsvidRequest) -> Result<WitOrder, Status> {
    let spiffe_id = workload_id("id", request.id.as_ref(), &core.trust_domain)?;
    let ttl = lifetime("ttl", request.ttl)?.unwrap_or(core.lifetimes().wit.0);
    Ok(WitOrder {
        spiffe_id,
        confirmation: confirmation(&request.public_key, &request.signing_algorithm)?,
        ttl,
        ends_by: None,
    })
}

async fn mint_one(core: &Core, order: WitOrder) -> Result<(WitOrder, IssuedWit), Status> {
    let minted = core.issuer.mint_wits(vec![order.clone()]).await.pop();
    let issued = minted.ok_or_else(|| Status::internal("the issuer gave no answer"))?;
    Ok((order, issued.map_err(of_issue)?))
}

/// Answers each item by itself, in order.
///
/// # Errors
/// `Unimplemented` where the server has no such family.
pub(super) async fn run(
    core: &Core,
    agent: &AgentRecord,
    params: Vec<NewWitsvidParams>,
) -> Result<Vec<batch_new_witsvid_response::Result>, Status> {
    check_enabled(core)?;
    let now = core.clock.now();
    let wanted = params.iter().map(|params| params.entry_id.as_str());
    let authorized = core.registrations.authorized_of(wanted, agent, now);
    let items: Vec<Result<(&EntryRecord, WitOrder), Status>> = params
        .iter()
        .zip(&authorized)
        .map(|(params, entry)| {
            let entry = entry_of(params, entry.as_deref())?;
            let order = WitOrder {
                spiffe_id: entry.spiffe_id.clone(),
                confirmation: confirmation(&params.public_key, &params.signing_algorithm)?,
                // As in SPIRE, whose entries have no lifetime for these.
                ttl: entry.x509_svid_ttl(core.lifetimes().wit.0, now),
                ends_by: entry.not_after,
            };
            Ok((entry, order))
        })
        .collect();
    let orders = items.iter().flatten().map(|(_, order)| order.clone()).collect();
    let mut minted = core.issuer.mint_wits(orders).await.into_iter();
    let finish = |(item, params): (Result<(&EntryRecord, WitOrder), Status>, &NewWitsvidParams)| {
        let outcome = item.and_then(|(entry, order)| match minted.next() {
            Some(issued) => Ok(message(
                &order,
                issued.map_err(of_issue)?,
                Some(&entry.id),
                &entry.hint,
            )),
            None => Err(Status::internal("the issuer gave no answer")),
        });
        match outcome {
            Ok(svid) => batch_new_witsvid_response::Result {
                status: Some(ok()),
                svid: Some(svid),
            },
            Err(status) => {
                refused(Some(&printable(&params.entry_id)), &status);
                batch_new_witsvid_response::Result {
                    status: Some((&status).into()),
                    svid: None,
                }
            }
        }
    };
    Ok(items.into_iter().zip(&params).map(finish).collect())
}

fn entry_of<'a>(
    params: &NewWitsvidParams,
    entry: Option<&'a EntryRecord>,
) -> Result<&'a EntryRecord, Status> {
    check_entry_id(&params.entry_id)?;
    entry.ok_or_else(|| no_entry(&params.entry_id))
}

/// The holder's key with what it is used for.
fn confirmation(public_key: &[u8], signing_algorithm: &str) -> Result<Confirmation, Status> {
    let invalid = |field: &str, problem: &dyn std::fmt::Display| {
        Status::invalid_argument(format!("{field}: {problem}"))
    };
    if public_key.is_empty() {
        return Err(Status::invalid_argument("public_key is missing"));
    }
    let key = SubjectKey::from_spki_der(public_key).map_err(|error| invalid("public_key", &error))?;
    if signing_algorithm.is_empty() {
        return Err(Status::invalid_argument("signing_algorithm is missing"));
    }
    check_length("signing_algorithm", signing_algorithm, MAX_NAME)?;
    Confirmation::new(signing_algorithm, key).map_err(|error: WitError| invalid("signing_algorithm", &error))
}

/// As SPIRE answers where WIT-SVIDs are disabled.
fn check_enabled(core: &Core) -> Result<(), Status> {
    if core.authorities.families().any(|family| family == Family::Wit) {
        return Ok(());
    }
    Err(Status::unimplemented(
        "WIT functionality is disabled; the server's configuration has no section [families.wit]",
    ))
}

/// What a failure comes to for the caller: of what was asked for, the identity can be too long by now, or the key one that
/// tokens must not be bound to.
fn of_issue(error: IssueError) -> Status {
    let is_about_identity = matches!(
        &error,
        IssueError::Issuance(IssuanceError::Request(RequestError::SpiffeIdTooLong { .. }))
    );
    let field = if is_about_identity { "id" } else { "public_key" };
    let status = Status::from(error);
    match status.code() {
        Code::InvalidArgument => Status::invalid_argument(format!("{field}: {}", status.message())),
        _ => status,
    }
}

fn message(order: &WitOrder, issued: IssuedWit, entry_id: Option<&str>, hint: &str) -> types::Witsvid {
    let (spiffe_id, not_after) = (&order.spiffe_id, seconds(issued.expires_at));
    tracing::info!(event = SVID_ISSUED, %spiffe_id, form = "wit", entry_id, not_after);
    types::Witsvid {
        token: issued.token,
        id: Some(spiffe_id.into()),
        expires_at: not_after,
        issued_at: seconds(issued.issued_at),
        hint: hint.to_owned(),
    }
}

fn refused(entry_id: Option<&str>, status: &Status) {
    tracing::warn!(event = SVID_REFUSED, form = "wit", entry_id, code = ?status.code(), reason = status.message());
}
