//! `spire.api.server.agent.v1.Agent`: how nodes become agents, stay agents, and are looked after.

mod alias;
mod attest;
mod filter;
mod renew;
mod token;

use std::sync::Arc;

use symbolon_api::spire::api::server::agent::v1 as api;
use symbolon_api::spire::api::types;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument;

use self::filter::{counted, read_filter};
use super::Core;
use super::paging::{Wanted, page};
use crate::authorization::{calling_agent, source_address};
use crate::datastore::{AgentChange, RecordKind};
use crate::telemetry::{AGENT_BANNED, AGENT_DELETED};
use crate::wire::{agent_id, agent_message, forms_of, mask_agent};

/// Longest version that an agent may report, in bytes; as in SPIRE.
const MAX_VERSION: usize = 255;

/// The service.
#[derive(Debug)]
pub(crate) struct AgentService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::agent_server::Agent for AgentService {
    async fn count_agents(
        &self,
        request: Request<api::CountAgentsRequest>,
    ) -> Result<Response<api::CountAgentsResponse>, Status> {
        let filter = request.into_inner().filter.map(counted).unwrap_or_default();
        let count = self.0.datastore.count_agents(&read_filter(&filter)?).await?;
        Ok(Response::new(api::CountAgentsResponse {
            count: i32::try_from(count).unwrap_or(i32::MAX),
        }))
    }

    async fn list_agents(
        &self,
        request: Request<api::ListAgentsRequest>,
    ) -> Result<Response<api::ListAgentsResponse>, Status> {
        let api::ListAgentsRequest {
            filter,
            output_mask,
            page_size,
            page_token,
        } = request.into_inner();
        let wanted = Wanted::read(page_size, &page_token)?;
        let filter = &read_filter(&filter.unwrap_or_default())?;
        let fetch = |request| async move { self.0.datastore.list_agents(filter, &request).await };
        let message = |agent| mask_agent(agent_message(&agent), output_mask.as_ref());
        let (agents, next_page_token) = page(wanted, message, fetch).await?;
        Ok(Response::new(api::ListAgentsResponse {
            agents,
            next_page_token,
        }))
    }

    async fn get_agent(
        &self,
        request: Request<api::GetAgentRequest>,
    ) -> Result<Response<types::Agent>, Status> {
        let api::GetAgentRequest { id, output_mask } = request.into_inner();
        let id = agent_id("id", id.as_ref(), &self.0.trust_domain)?;
        let agent = self.0.datastore.agent(&id).await?;
        let agent = agent
            .ok_or_else(|| Status::not_found(format!("id: {} {id} does not exist", RecordKind::Agent)))?;
        Ok(Response::new(mask_agent(
            agent_message(&agent),
            output_mask.as_ref(),
        )))
    }

    async fn delete_agent(&self, request: Request<api::DeleteAgentRequest>) -> Result<Response<()>, Status> {
        let id = agent_id("id", request.get_ref().id.as_ref(), &self.0.trust_domain)?;
        let agent = self.0.datastore.delete_agent(&id).await?;
        tracing::info!(event = AGENT_DELETED, agent = %id);
        alias::forget(&self.0, &agent).await;
        Ok(Response::new(()))
    }

    async fn ban_agent(&self, request: Request<api::BanAgentRequest>) -> Result<Response<()>, Status> {
        let id = agent_id("id", request.get_ref().id.as_ref(), &self.0.trust_domain)?;
        self.0.datastore.change_agent(&id, &AgentChange::Banned).await?;
        tracing::info!(event = AGENT_BANNED, agent = %id);
        Ok(Response::new(()))
    }

    type AttestAgentStream = ReceiverStream<Result<api::AttestAgentResponse, Status>>;

    async fn attest_agent(
        &self,
        request: Request<Streaming<api::AttestAgentRequest>>,
    ) -> Result<Response<Self::AttestAgentStream>, Status> {
        let forms = forms_of(request.metadata())?;
        let address = source_address(request.extensions());
        let (sender, replies) = mpsc::channel(1);
        let core = Arc::clone(&self.0);
        let work = async move {
            let stopping = core.stopping.clone();
            let done = tokio::select! {
                done = attest::run(&core, request.into_inner(), sender.clone(), forms, address) => done,
                () = stopping.cancelled() => Err(Status::unavailable("the server is stopping")),
            };
            if let Err(status) = &done {
                attest::log_refusal(status, address);
            }
            let last = done.map(|result| api::AttestAgentResponse { step: Some(result) });
            if sender.send(last).await.is_err() {
                tracing::debug!("the node left during attestation");
            }
        };
        tokio::spawn(work.in_current_span());
        Ok(Response::new(ReceiverStream::new(replies)))
    }

    async fn renew_agent(
        &self,
        request: Request<api::RenewAgentRequest>,
    ) -> Result<Response<api::RenewAgentResponse>, Status> {
        let agent = calling_agent(&request)?;
        let forms = forms_of(request.metadata())?;
        let svid = renew::run(&self.0, &agent, request.into_inner(), &forms).await?;
        Ok(Response::new(api::RenewAgentResponse { svid: Some(svid) }))
    }

    async fn create_join_token(
        &self,
        request: Request<api::CreateJoinTokenRequest>,
    ) -> Result<Response<types::JoinToken>, Status> {
        token::create(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn post_status(
        &self,
        request: Request<api::PostStatusRequest>,
    ) -> Result<Response<api::PostStatusResponse>, Status> {
        let agent = calling_agent(&request)?;
        let version = request.into_inner().agent_version;
        if version.len() > MAX_VERSION || version.chars().any(char::is_control) {
            let message =
                format!("agent_version must have at most {MAX_VERSION} bytes and no control characters");
            return Err(Status::invalid_argument(message));
        }
        if !version.is_empty() && agent.agent_version.as_ref() != Some(&version) {
            self.0
                .datastore
                .change_agent(&agent.spiffe_id, &AgentChange::Version(version))
                .await?;
        }
        Ok(Response::new(api::PostStatusResponse {}))
    }
}
