//! `spire.api.server.svid.v1.SVID`: issuing, for agents by their entries and for operators without one.

mod batch;
mod downstream;
mod jwt;
mod mint;
mod policy;
mod wit;

use std::sync::Arc;

use symbolon_api::spire::api::server::svid::v1 as api;
use symbolon_api::spire::api::types;
use symbolon_pki::suite::Form;
use symbolon_pki::text::printable;
use tonic::{Request, Response, Status};

use super::{Core, check_batch};
use crate::authorization::{calling_agent, calling_svid};
use crate::datastore::SerialNumber;
use crate::issuer::{IssuedX509, X509Order};
use crate::limits::charge;
use crate::telemetry::SVID_ISSUED;
use crate::wire::{MAX_ENTRY_ID, check_length, forms_of, seconds};

/// Longest name of a form or an algorithm that is looked at, in bytes.
const MAX_NAME: usize = 64;

/// The service.
#[derive(Debug)]
pub(crate) struct SvidService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::svid_server::Svid for SvidService {
    async fn mint_x509svid(
        &self,
        request: Request<api::MintX509svidRequest>,
    ) -> Result<Response<api::MintX509svidResponse>, Status> {
        let forms = forms_of(request.metadata())?;
        let svid = mint::x509(&self.0, request.into_inner(), &forms).await?;
        Ok(Response::new(api::MintX509svidResponse { svid: Some(svid) }))
    }

    async fn mint_jwtsvid(
        &self,
        request: Request<api::MintJwtsvidRequest>,
    ) -> Result<Response<api::MintJwtsvidResponse>, Status> {
        let svid = mint::jwt(&self.0, request.into_inner()).await?;
        Ok(Response::new(api::MintJwtsvidResponse { svid: Some(svid) }))
    }

    async fn mint_witsvid(
        &self,
        request: Request<api::MintWitsvidRequest>,
    ) -> Result<Response<api::MintWitsvidResponse>, Status> {
        let svid = wit::mint(&self.0, request.into_inner()).await?;
        Ok(Response::new(api::MintWitsvidResponse { svid: Some(svid) }))
    }

    async fn batch_new_x509svid(
        &self,
        request: Request<api::BatchNewX509svidRequest>,
    ) -> Result<Response<api::BatchNewX509svidResponse>, Status> {
        let agent = calling_agent(&request)?;
        let forms = forms_of(request.metadata())?;
        check_items(&request, request.get_ref().params.len()).await?;
        let params = request.into_inner().params;
        let results = batch::run(&self.0, &agent, params, &forms).await;
        Ok(Response::new(api::BatchNewX509svidResponse { results }))
    }

    async fn new_jwtsvid(
        &self,
        request: Request<api::NewJwtsvidRequest>,
    ) -> Result<Response<api::NewJwtsvidResponse>, Status> {
        let agent = calling_agent(&request)?;
        let svid = jwt::new(&self.0, &agent, request.into_inner()).await?;
        Ok(Response::new(api::NewJwtsvidResponse { svid: Some(svid) }))
    }

    async fn batch_new_witsvid(
        &self,
        request: Request<api::BatchNewWitsvidRequest>,
    ) -> Result<Response<api::BatchNewWitsvidResponse>, Status> {
        let agent = calling_agent(&request)?;
        check_items(&request, request.get_ref().params.len()).await?;
        let params = request.into_inner().params;
        let results = wit::run(&self.0, &agent, params).await?;
        Ok(Response::new(api::BatchNewWitsvidResponse { results }))
    }

    async fn new_downstream_x509ca(
        &self,
        request: Request<api::NewDownstreamX509caRequest>,
    ) -> Result<Response<api::NewDownstreamX509caResponse>, Status> {
        let caller = calling_svid(&request)?;
        let forms = forms_of(request.metadata())?;
        let answer = downstream::new(&self.0, &caller, request.into_inner(), &forms).await?;
        Ok(Response::new(answer))
    }
}

/// Refuses a batch that is empty or too large, and counts the others against their caller's rate.
async fn check_items<T>(request: &Request<T>, items: usize) -> Result<(), Status> {
    if items == 0 {
        return Err(Status::invalid_argument("params is missing"));
    }
    check_batch("params", items)?;
    charge(request, items).await
}

/// Issues one certificate.
///
/// # Errors
/// What [`IssueError`](crate::issuer::IssueError) comes to for the caller.
pub(super) async fn issue_one(core: &Core, order: X509Order) -> Result<IssuedX509, Status> {
    match core.issuer.issue(vec![order]).await.pop() {
        Some(result) => Ok(result?),
        None => Err(Status::internal("the issuer gave no answer")),
    }
}

/// An SVID as a message, for a request that asked for `forms`. Its form is said to those who asked: to stock software all
/// are classical.
pub(super) fn svid_message(issued: IssuedX509, hint: &str, forms: &[Form]) -> types::X509svid {
    let says_form = forms != [Form::Classical];
    types::X509svid {
        cert_chain: issued.chain,
        id: Some((&issued.spiffe_id).into()),
        expires_at: seconds(issued.not_after),
        hint: hint.to_owned(),
        form: if says_form {
            issued.form.to_string()
        } else {
            String::new()
        },
    }
}

/// The serial number of a new certificate, as the datastore knows it.
pub(super) fn serial_of(issued: &IssuedX509) -> Result<SerialNumber, Status> {
    Ok(issued.serial_hex.parse::<SerialNumber>()?)
}

/// Whether what a request names can be an entry's id at all.
fn check_entry_id(entry_id: &str) -> Result<(), Status> {
    if entry_id.is_empty() {
        return Err(Status::invalid_argument("entry_id is missing"));
    }
    check_length("entry_id", entry_id, MAX_ENTRY_ID)
}

/// One answer for what is not there and for what is not this agent's, as in SPIRE.
fn no_entry(entry_id: &str) -> Status {
    Status::not_found(format!(
        "entry_id: {:?} is no entry of this agent",
        printable(entry_id)
    ))
}

/// Leaves an issued SVID in the log.
fn log_issued(issued: &IssuedX509, entry_id: Option<&str>) {
    tracing::info!(
        event = SVID_ISSUED,
        spiffe_id = %issued.spiffe_id,
        form = %issued.form,
        serial = issued.serial_hex,
        entry_id,
        not_after = seconds(issued.not_after),
    );
}
