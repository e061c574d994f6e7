//! `symbolon.server.v1`: the record of certificates, and what the server says of itself.

use std::sync::Arc;

use spiffe::SpiffeId;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_host::HumanDuration;
use symbolon_pki::suite::Form;
use tonic::{Request, Response, Status};

use super::Core;
use super::paging::{Wanted, page};
use crate::config::{Lifetimes, LimitsConfig};
use crate::datastore::{AgentFilter, CertificateFilter, EntryFilter, SerialNumber};
use crate::wire::{authority_message, certificate_message, seconds, summary_message};

/// The record.
#[derive(Debug)]
pub(crate) struct CertificatesService(pub(crate) Arc<Core>);

/// The server itself.
#[derive(Debug)]
pub(crate) struct ServerService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::certificates_server::Certificates for CertificatesService {
    async fn list_certificates(
        &self,
        request: Request<api::ListCertificatesRequest>,
    ) -> Result<Response<api::ListCertificatesResponse>, Status> {
        let api::ListCertificatesRequest {
            filter,
            page_size,
            page_token,
        } = request.into_inner();
        let wanted = Wanted::read(page_size, &page_token)?;
        let filter = &read_filter(&filter.unwrap_or_default())?;
        let fetch = |request| async move { self.0.datastore.list_certificates(filter, &request).await };
        let (certificates, next_page_token) =
            page(wanted, |summary| summary_message(&summary), fetch).await?;
        Ok(Response::new(api::ListCertificatesResponse {
            certificates,
            next_page_token,
        }))
    }

    async fn get_certificate(
        &self,
        request: Request<api::GetCertificateRequest>,
    ) -> Result<Response<api::GetCertificateResponse>, Status> {
        let serial: SerialNumber = request
            .get_ref()
            .serial
            .parse()
            .map_err(|error| Status::invalid_argument(format!("serial: {error}")))?;
        let record = self.0.datastore.certificate(&serial).await?;
        let record =
            record.ok_or_else(|| Status::not_found(format!("serial: there is no certificate {serial}")))?;
        Ok(Response::new(api::GetCertificateResponse {
            certificate: Some(certificate_message(&record)),
        }))
    }
}

/// Reads the conditions of a listing.
fn read_filter(filter: &api::list_certificates_request::Filter) -> Result<CertificateFilter, Status> {
    let mut read = CertificateFilter::default();
    if !filter.by_spiffe_id.is_empty() {
        let id = SpiffeId::new(&filter.by_spiffe_id)
            .map_err(|error| Status::invalid_argument(format!("by_spiffe_id: {error}")))?;
        read.spiffe_id = Some(id);
    }
    if !filter.by_form.is_empty() {
        let form: Form = filter
            .by_form
            .parse()
            .map_err(|error| Status::invalid_argument(format!("by_form: {error}")))?;
        read.form = Some(form);
    }
    Ok(read)
}

/// What is granted at most, by the keys that say so.
fn limits(limits: &LimitsConfig, lifetimes: &Lifetimes) -> Vec<api::Limit> {
    let limit = |name: &str, value: u64, unit: &str| api::Limit {
        name: name.to_owned(),
        value,
        unit: unit.to_owned(),
    };
    let rate = |name, value: u32| limit(name, value.into(), "1/s");
    let time = |name, value: HumanDuration| limit(name, value.0.as_secs(), "s");
    vec![
        limit(
            "limits.calls",
            u64::try_from(limits.calls).unwrap_or(u64::MAX),
            "calls",
        ),
        rate("limits.attestation", limits.attestation),
        rate("limits.signing", limits.signing),
        rate("limits.key_push", limits.key_push),
        rate("limits.status", limits.status),
        time("limits.wait", limits.wait),
        time("lifetimes.authority", lifetimes.authority),
        time("lifetimes.svid", lifetimes.svid),
        time("lifetimes.agent", lifetimes.agent),
        time("lifetimes.jwt", lifetimes.jwt),
        time("lifetimes.wit", lifetimes.wit),
    ]
}

#[tonic::async_trait]
impl api::server_server::Server for ServerService {
    async fn get_server_info(
        &self,
        _request: Request<api::GetServerInfoRequest>,
    ) -> Result<Response<api::GetServerInfoResponse>, Status> {
        let core = &self.0;
        let agents = core.datastore.count_agents(&AgentFilter::default()).await?;
        let entries = core.datastore.count_entries(&EntryFilter::default()).await?;
        Ok(Response::new(api::GetServerInfoResponse {
            agents,
            entries,
            limits: limits(&core.limits.load(), &core.lifetimes()),
            trust_domain: self.0.trust_domain.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: seconds(self.0.started_at),
            authorities: self
                .0
                .authorities
                .journal()
                .iter()
                .map(authority_message)
                .collect(),
            problems: self.0.problems.load().to_vec(),
        }))
    }
}
