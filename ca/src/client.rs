//! A client of the server's API: over its private socket, or as an administrator over TCP with an SVID.
//!
//! [`Reader`] is the part that only looks; [`crate::offline`] does the same from a data directory without a server.

mod authorities;
mod entries;
mod error;
mod federation;
mod foreign;
mod migration;
mod request;
mod results;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::server::agent::v1 as agents;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::symbolon::server::v1 as own;
use symbolon_api::symbolon::server::v1::certificates_client::CertificatesClient;
use symbolon_api::symbolon::server::v1::server_client::ServerClient;
use symbolon_api::{MAX_MESSAGE, MAX_PAGE, forms};
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::{Family, Form};
use symbolon_pki::time::{Clock, from_unix_seconds};
use symbolon_tls::grpc::{ALPN_H2, ChannelOptions, channel, unix_channel};
use symbolon_tls::{AuthorizeId, ClientOptions, Connector, IdentitySource};
use tonic::Request;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use zeroize::Zeroizing;

pub use self::authorities::RotationSpec;
pub use self::error::ClientError;
pub use self::federation::{FederationChanges, FederationSpec};
pub use self::migration::MigrationSpec;
pub use self::request::{
    CertificateQuery, EntryChanges, EntryPolicy, EntryQuery, EntrySpec, InvalidSelector, SelectorSpec,
};
use crate::views::{
    AgentView, AuthoritiesView, CertificateView, EntryView, FederationView, ServerView, TokenView,
    read_bundle,
};

/// What can be asked without changing anything.
#[async_trait]
pub trait Reader: Send + Sync {
    /// The entries that `query` lets through, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<EntryView>, ClientError>;

    /// One entry.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    async fn entry(&self, id: &str) -> Result<EntryView, ClientError>;

    /// All agents, first attested first.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn agents(&self) -> Result<Vec<AgentView>, ClientError>;

    /// One agent.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    async fn agent(&self, id: &SpiffeId) -> Result<AgentView, ClientError>;

    /// Certificates on record, newest first, without their bytes.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn certificates(&self, query: &CertificateQuery) -> Result<Vec<CertificateView>, ClientError>;

    /// One certificate with its bytes, by its serial number in hexadecimal.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    async fn certificate(&self, serial: &str) -> Result<CertificateView, ClientError>;

    /// The trust bundle, with the authorities of every form.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn bundle(&self) -> Result<TrustBundle, ClientError>;

    /// The bundles of other trust domains, oldest first, with the authorities of every form.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn federated_bundles(&self) -> Result<Vec<TrustBundle>, ClientError>;

    /// The bundle of another trust domain, likewise.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    async fn federated_bundle(&self, trust_domain: &TrustDomain) -> Result<TrustBundle, ClientError>;

    /// The relationships with other trust domains, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn relationships(&self) -> Result<Vec<FederationView>, ClientError>;

    /// The relationship with a trust domain.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    async fn relationship(&self, trust_domain: &TrustDomain) -> Result<FederationView, ClientError>;

    /// The authorities of a family or of all, oldest first, and what the families are to be.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn authorities(&self, family: Option<Family>) -> Result<AuthoritiesView, ClientError>;

    /// What the server says of itself.
    ///
    /// # Errors
    /// [`ClientError`].
    async fn server(&self) -> Result<ServerView, ClientError>;
}

/// A connection to a running server. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
}

impl Client {
    /// Connects to a private socket.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub async fn over_socket(path: &Path) -> Result<Self, ClientError> {
        Ok(Self {
            channel: unix_channel(path, &ChannelOptions::default()).await?,
        })
    }

    /// Connects to `host:port` with an SVID of `source`, which also says by which bundle the server is recognised.
    ///
    /// # Errors
    /// [`ClientError::Connect`], with the reason if the server was not to be believed.
    pub async fn over_tls(
        address: &str,
        trust_domain: &TrustDomain,
        source: Arc<dyn IdentitySource>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        let server = SpiffeId::new(format!("spiffe://{trust_domain}/spire/server"))
            .map_err(|error| ClientError::Argument(error.to_string()))?;
        let options = ClientOptions {
            alpn: vec![ALPN_H2.to_vec()],
            ..ClientOptions::default()
        };
        let connector = Connector::new(source, AuthorizeId::OneOf(vec![server]), clock, options);
        Ok(Self {
            channel: channel(address, connector, &ChannelOptions::default()).await?,
        })
    }

    /// Whether the server says that it serves. Only the private socket tells.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn is_healthy(&self) -> Result<bool, ClientError> {
        let mut client = HealthClient::new(self.channel.clone());
        let answer = client
            .check(HealthCheckRequest {
                service: String::new(),
            })
            .await?
            .into_inner();
        Ok(answer.status() == ServingStatus::Serving)
    }

    /// Makes a join token; with `alias` the agent that uses it gets that name beside its own.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn create_join_token(
        &self,
        ttl: Duration,
        alias: Option<&SpiffeId>,
    ) -> Result<TokenView, ClientError> {
        let request = agents::CreateJoinTokenRequest {
            ttl: request::seconds("ttl", ttl)?,
            token: String::new(),
            agent_id: alias.map(Into::into),
        };
        let trust_domain = self.server().await?.trust_domain;
        let made = self.agent_client().create_join_token(request).await?.into_inner();
        let expires_at = u64::try_from(made.expires_at).ok().and_then(from_unix_seconds);
        let agent_id = format!("spiffe://{trust_domain}/spire/agent/join_token/{}", made.value);
        Ok(TokenView {
            token: Zeroizing::new(made.value),
            expires_at,
            agent_id,
        })
    }

    /// Shuts an agent out.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ban_agent(&self, id: &SpiffeId) -> Result<(), ClientError> {
        self.agent_client()
            .ban_agent(agents::BanAgentRequest { id: Some(id.into()) })
            .await?;
        Ok(())
    }

    /// Forgets an agent, and with it any ban.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_agent(&self, id: &SpiffeId) -> Result<(), ClientError> {
        self.agent_client()
            .delete_agent(agents::DeleteAgentRequest { id: Some(id.into()) })
            .await?;
        Ok(())
    }

    fn agent_client(&self) -> AgentClient<Channel> {
        AgentClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    fn certificate_client(&self) -> CertificatesClient<Channel> {
        CertificatesClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }
}

#[async_trait]
impl Reader for Client {
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<EntryView>, ClientError> {
        self.list_entries(query).await
    }

    async fn entry(&self, id: &str) -> Result<EntryView, ClientError> {
        self.get_entry(id).await
    }

    async fn agents(&self) -> Result<Vec<AgentView>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = agents::ListAgentsRequest {
                page_size: page_size(MAX_PAGE),
                page_token,
                ..Default::default()
            };
            let page = self.agent_client().list_agents(request).await?.into_inner();
            found.extend(page.agents.into_iter().map(AgentView::from));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    async fn agent(&self, id: &SpiffeId) -> Result<AgentView, ClientError> {
        let request = agents::GetAgentRequest {
            id: Some(id.into()),
            output_mask: None,
        };
        Ok(self.agent_client().get_agent(request).await?.into_inner().into())
    }

    async fn certificates(&self, query: &CertificateQuery) -> Result<Vec<CertificateView>, ClientError> {
        let filter = own::list_certificates_request::Filter {
            by_spiffe_id: query
                .spiffe_id
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            by_form: query.form.map(|form| form.to_string()).unwrap_or_default(),
        };
        let limit = query.limit.unwrap_or(usize::MAX);
        let mut found: Vec<CertificateView> = Vec::new();
        let mut page_token = String::new();
        while found.len() < limit {
            let request = own::ListCertificatesRequest {
                filter: Some(filter.clone()),
                page_size: page_size(limit - found.len()),
                page_token,
            };
            let page = self
                .certificate_client()
                .list_certificates(request)
                .await?
                .into_inner();
            found.extend(page.certificates.into_iter().map(CertificateView::from));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn certificate(&self, serial: &str) -> Result<CertificateView, ClientError> {
        let request = own::GetCertificateRequest {
            serial: serial.to_owned(),
        };
        let answer = self
            .certificate_client()
            .get_certificate(request)
            .await?
            .into_inner();
        answer
            .certificate
            .map(Into::into)
            .ok_or(ClientError::Answer("it has no certificate".to_owned()))
    }

    async fn bundle(&self) -> Result<TrustBundle, ClientError> {
        let mut request = Request::new(GetBundleRequest { output_mask: None });
        forms::request(
            request.metadata_mut(),
            Form::OF_KEYS.iter().map(|form| form.name()),
        )
        .map_err(|error| ClientError::Argument(error.to_string()))?;
        let mut client = BundleClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        let bundle = client.get_bundle(request).await?.into_inner();
        read_bundle(bundle).map_err(ClientError::Answer)
    }

    async fn federated_bundles(&self) -> Result<Vec<TrustBundle>, ClientError> {
        self.list_federated_bundles().await
    }

    async fn federated_bundle(&self, trust_domain: &TrustDomain) -> Result<TrustBundle, ClientError> {
        self.get_federated_bundle(trust_domain).await
    }

    async fn relationships(&self) -> Result<Vec<FederationView>, ClientError> {
        self.list_federation().await
    }

    async fn relationship(&self, trust_domain: &TrustDomain) -> Result<FederationView, ClientError> {
        self.get_federation(trust_domain).await
    }

    async fn authorities(&self, family: Option<Family>) -> Result<AuthoritiesView, ClientError> {
        self.list_authorities(family).await
    }

    async fn server(&self) -> Result<ServerView, ClientError> {
        let mut client = ServerClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        Ok(client
            .get_server_info(own::GetServerInfoRequest {})
            .await?
            .into_inner()
            .into())
    }
}

/// The size of a page on the way to so many items.
fn page_size(wanted: usize) -> i32 {
    i32::try_from(wanted.min(MAX_PAGE)).unwrap_or(i32::MAX)
}
