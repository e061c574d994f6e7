//! Answers straight from a data directory, when no server runs on it. Nothing is locked, opened for writing or changed.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_host::data_dir::trust_domain_of;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::{Family, Form};
use tonic::Status;

use crate::authorities::bundle_of;
use crate::client::{CertificateQuery, ClientError, EntryQuery, Reader};
use crate::datastore::sqlite::SqliteDatastore;
use crate::datastore::{
    AgentFilter, CertificateFilter, Datastore, DatastoreError, EntryFilter, FederationRecord, MAX_PAGE_SIZE,
    Page, PageRequest, RecordKind, Result as StoreResult, SerialNumber,
};
use crate::server::DATASTORE_FILE;
use crate::views::{
    AgentView, AuthoritiesView, AuthorityView, CertificateView, EntryView, FederationView, ServerView,
};
use crate::wire::{
    agent_message, authority_message, certificate_message, entry_message, family_below, federation_message,
    request_message, summary_message, upstream_message,
};

/// A data directory that is only looked at.
#[derive(Debug)]
pub struct Offline {
    trust_domain: TrustDomain,
    datastore: Arc<dyn Datastore>,
}

impl Offline {
    /// Looks at the data directory at `path`.
    ///
    /// # Errors
    /// [`ClientError::DataDir`] and [`ClientError::Datastore`] where there is none, or none of a server.
    pub async fn open(path: &Path) -> Result<Self, ClientError> {
        let name = trust_domain_of(path)?;
        let trust_domain = TrustDomain::new(&name).map_err(|error| {
            ClientError::Answer(format!("the data directory is that of {name:?}: {error}"))
        })?;
        let file = path.join("server").join(DATASTORE_FILE);
        let datastore = SqliteDatastore::open_read_only(&file).await?;
        Ok(Self {
            trust_domain,
            datastore: Arc::new(datastore),
        })
    }

    async fn view(&self, federation: &FederationRecord) -> Result<FederationView, ClientError> {
        let bundle = self.datastore.federated_bundle(&federation.trust_domain).await?;
        Ok(federation_message(federation, bundle.as_ref(), None, &Form::ALL).into())
    }

    /// Lets go of the data directory.
    pub async fn close(self) {
        self.datastore.close().await;
    }
}

/// Every page of a list, up to `limit` records.
async fn all<T, F>(limit: usize, fetch: impl Fn(PageRequest) -> F) -> StoreResult<Vec<T>>
where
    F: Future<Output = StoreResult<Page<T>>>,
{
    let mut found = Vec::new();
    let size = u32::try_from(limit).unwrap_or(MAX_PAGE_SIZE).min(MAX_PAGE_SIZE);
    let mut request = PageRequest::first(size);
    while found.len() < limit {
        let page = fetch(request).await?;
        found.extend(page.items);
        match page.next {
            Some(next) => request = request.after(next),
            None => break,
        }
    }
    found.truncate(limit);
    Ok(found)
}

fn missing(kind: RecordKind, id: &dyn std::fmt::Display) -> ClientError {
    Status::not_found(format!("{kind} {id} does not exist")).into()
}

#[async_trait]
impl Reader for Offline {
    async fn entries(&self, query: &EntryQuery) -> Result<Vec<EntryView>, ClientError> {
        let filter = &EntryFilter {
            spiffe_id: query.spiffe_id.clone(),
            parent_id: query.parent_id.clone(),
            ..EntryFilter::default()
        };
        let fetch = |request| async move { self.datastore.list_entries(filter, &request).await };
        let found = all(usize::MAX, fetch).await?;
        Ok(found.iter().map(|entry| entry_message(entry).into()).collect())
    }

    async fn entry(&self, id: &str) -> Result<EntryView, ClientError> {
        let entry = self
            .datastore
            .entry(id)
            .await?
            .ok_or_else(|| missing(RecordKind::Entry, &id))?;
        Ok(entry_message(&entry).into())
    }

    async fn agents(&self) -> Result<Vec<AgentView>, ClientError> {
        let filter = &AgentFilter::default();
        let fetch = |request| async move { self.datastore.list_agents(filter, &request).await };
        let found = all(usize::MAX, fetch).await?;
        Ok(found.iter().map(|agent| agent_message(agent).into()).collect())
    }

    async fn agent(&self, id: &SpiffeId) -> Result<AgentView, ClientError> {
        let agent = self
            .datastore
            .agent(id)
            .await?
            .ok_or_else(|| missing(RecordKind::Agent, id))?;
        Ok(agent_message(&agent).into())
    }

    async fn certificates(&self, query: &CertificateQuery) -> Result<Vec<CertificateView>, ClientError> {
        let filter = &CertificateFilter {
            spiffe_id: query.spiffe_id.clone(),
            form: query.form,
            ..CertificateFilter::default()
        };
        let fetch = |request| async move { self.datastore.list_certificates(filter, &request).await };
        let found = all(query.limit.unwrap_or(usize::MAX), fetch).await?;
        Ok(found
            .iter()
            .map(|summary| summary_message(summary).into())
            .collect())
    }

    async fn certificate(&self, serial: &str) -> Result<CertificateView, ClientError> {
        let serial: SerialNumber = serial
            .parse()
            .map_err(|e: DatastoreError| ClientError::Argument(e.to_string()))?;
        let record = self.datastore.certificate(&serial).await?;
        let record = record.ok_or_else(|| missing(RecordKind::Certificate, &serial))?;
        Ok(certificate_message(&record).into())
    }

    async fn bundle(&self) -> Result<TrustBundle, ClientError> {
        let published = self.datastore.published_authorities().await?;
        Ok(bundle_of(&self.trust_domain, &published)?)
    }

    async fn federated_bundles(&self) -> Result<Vec<TrustBundle>, ClientError> {
        let fetch = |request| async move { self.datastore.list_federated_bundles(&request).await };
        Ok(all(usize::MAX, fetch).await?)
    }

    async fn federated_bundle(&self, trust_domain: &TrustDomain) -> Result<TrustBundle, ClientError> {
        let bundle = self.datastore.federated_bundle(trust_domain).await?;
        bundle.ok_or_else(|| missing(RecordKind::FederatedBundle, trust_domain))
    }

    async fn relationships(&self) -> Result<Vec<FederationView>, ClientError> {
        let fetch = |request| async move { self.datastore.list_federation(&request).await };
        let mut views = Vec::new();
        for federation in all(usize::MAX, fetch).await? {
            views.push(self.view(&federation).await?);
        }
        Ok(views)
    }

    async fn relationship(&self, trust_domain: &TrustDomain) -> Result<FederationView, ClientError> {
        let federation = self.datastore.federation(trust_domain).await?;
        let federation = federation.ok_or_else(|| missing(RecordKind::Federation, trust_domain))?;
        self.view(&federation).await
    }

    async fn authorities(&self, family: Option<Family>) -> Result<AuthoritiesView, ClientError> {
        let authorities = self.datastore.authorities(family).await?;
        let is_wanted = |other: Option<Family>| family.is_none() || family == other;
        let above = self.datastore.upstream_roots().await?;
        let awaited = self.datastore.authority_requests().await?;
        Ok(AuthoritiesView {
            upstream: above
                .iter()
                .filter(|root| is_wanted(family_below(root)))
                .map(|root| upstream_message(root, &authorities).into())
                .collect(),
            requests: awaited
                .iter()
                .filter(|request| is_wanted(Some(request.family)))
                .map(|request| request_message(request).into())
                .collect(),
            authorities: authorities
                .iter()
                .map(|authority| authority_message(authority).into())
                .collect(),
            families: Vec::new(),
        })
    }

    async fn server(&self) -> Result<ServerView, ClientError> {
        let authorities = self.datastore.authorities(None).await?;
        Ok(ServerView {
            trust_domain: self.trust_domain.to_string(),
            version: None,
            started_at: None,
            authorities: authorities
                .iter()
                .map(|authority| AuthorityView::from(authority_message(authority)))
                .collect(),
            agents: self.datastore.count_agents(&AgentFilter::default()).await?,
            entries: self.datastore.count_entries(&EntryFilter::default()).await?,
            limits: Vec::new(),
            problems: Vec::new(),
        })
    }
}
