//! Methods that go by a node's name, or by what a service outside says of it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use spiffe::SpiffeId;
use symbolon_attestation::aws_iid::{AwsIidConfig, AwsIidVerifier};
use symbolon_attestation::azure_msi::{self, AzureMsiConfig, AzureMsiVerifier, Tenant};
use symbolon_attestation::gcp_iit::{GcpIitConfig, GcpIitVerifier, KeySource};
use symbolon_attestation::http_challenge::{HttpChallengeConfig, HttpChallengeVerifier};
use symbolon_attestation::k8s_psat::{Cluster, K8sPsatConfig, K8sPsatVerifier};
use symbolon_attestation::sshpop::{SshPopConfig, SshPopVerifier};
use symbolon_attestation::{KnownAgents, Verifier};
use symbolon_federation::WebRoots;
use symbolon_pki::time::Clock;
use symbolon_tls::KexPolicy;

use crate::config::{
    AZURE_CA, AttestorError, AwsIidSection, AzureMsiSection, CLUSTER_CA, ClusterSection, GCP_CA,
    GcpIitSection, HttpChallengeSection, K8sPsatSection, ServerConfig, SshPopSection, web_roots,
};
use crate::datastore::Datastore;
use crate::outside::{NodePages, OutsideClient, OutsideOptions};
use crate::server::ServerError;

/// The agents in a datastore.
#[derive(Debug)]
struct Recorded(Arc<dyn Datastore>);

#[async_trait]
impl KnownAgents for Recorded {
    async fn is_known(&self, agent_id: &SpiffeId) -> Result<bool, Box<dyn Error + Send + Sync>> {
        // One that is banned is told so by whoever puts agents on record.
        Ok(self.0.agent(agent_id).await?.is_some_and(|agent| !agent.banned))
    }
}

/// What these methods need of the server.
pub(super) struct Surroundings<'a> {
    pub(super) config: &'a ServerConfig,
    pub(super) datastore: &'a Arc<dyn Datastore>,
    pub(super) clock: &'a Arc<dyn Clock>,
}

impl Surroundings<'_> {
    /// The methods that are configured.
    ///
    /// # Errors
    /// [`ServerError::Attestor`] for a file that cannot be used.
    pub(super) fn verifiers(&self) -> Result<Vec<Arc<dyn Verifier>>, ServerError> {
        let attestors = &self.config.attestors;
        let mut verifiers: Vec<Arc<dyn Verifier>> = Vec::new();
        if let Some(section) = &attestors.http_challenge {
            verifiers.push(Arc::new(self.http_challenge(section)?));
        }
        if let Some(section) = &attestors.sshpop {
            verifiers.push(Arc::new(self.sshpop(section)?));
        }
        if let Some(section) = &attestors.k8s_psat {
            verifiers.push(Arc::new(self.k8s_psat(section)?));
        }
        if let Some(section) = &attestors.gcp_iit {
            verifiers.push(Arc::new(self.gcp_iit(section)?));
        }
        if let Some(section) = &attestors.azure_msi {
            verifiers.push(Arc::new(self.azure_msi(section)?));
        }
        if let Some(section) = &attestors.aws_iid {
            verifiers.push(Arc::new(self.aws_iid(section)?));
        }
        Ok(verifiers)
    }

    fn known(&self) -> Arc<dyn KnownAgents> {
        Arc::new(Recorded(Arc::clone(self.datastore)))
    }

    fn http_challenge(&self, section: &HttpChallengeSection) -> Result<HttpChallengeVerifier, ServerError> {
        Ok(HttpChallengeVerifier::new(HttpChallengeConfig {
            trust_domain: self.config.trust_domain.clone(),
            allowed: section.patterns()?,
            required_port: section.required_port,
            allow_non_root_ports: section.allow_non_root_ports,
            first_use_only: section.tofu,
            known: self.known(),
            fetcher: Arc::new(NodePages::new(section.networks()?)),
        }))
    }

    fn sshpop(&self, section: &SshPopSection) -> Result<SshPopVerifier, ServerError> {
        Ok(SshPopVerifier::new(SshPopConfig {
            trust_domain: self.config.trust_domain.clone(),
            authorities: section.authorities()?,
            canonical_domain: section.canonical_domain.clone(),
            template: section.template()?,
        }))
    }

    fn k8s_psat(&self, section: &K8sPsatSection) -> Result<K8sPsatVerifier, ServerError> {
        let cluster = |(name, section): (&String, &ClusterSection)| {
            let client = self.client(
                CLUSTER_CA,
                Some(&section.ca_file),
                section.allow_classical_kex,
                Some(section.token_file.clone()),
            )?;
            let cluster = Cluster {
                api: section.api.clone(),
                client: Arc::new(client),
                service_accounts: section.service_account_allow_list.clone(),
                audiences: section.audience.clone(),
                node_labels: section.allowed_node_label_keys.clone(),
                pod_labels: section.allowed_pod_label_keys.clone(),
                by_pod: section.use_pod_uid_for_agent_id,
            };
            Ok::<_, ServerError>((name.clone(), cluster))
        };
        Ok(K8sPsatVerifier::new(K8sPsatConfig {
            trust_domain: self.config.trust_domain.clone(),
            clusters: section.clusters.iter().map(cluster).collect::<Result<_, _>>()?,
        }))
    }

    fn gcp_iit(&self, section: &GcpIitSection) -> Result<GcpIitVerifier, ServerError> {
        let key = GCP_CA;
        let client = self.client(
            key,
            section.web_ca_file.as_deref(),
            section.allow_classical_kex,
            None,
        )?;
        Ok(GcpIitVerifier::new(GcpIitConfig {
            trust_domain: self.config.trust_domain.clone(),
            projects: section.projectid_allow_list.iter().cloned().collect(),
            issuer: section.issuer.clone(),
            keys: KeySource::new(&section.keys_url, Arc::new(client)),
            template: section.template()?,
            known: self.known(),
        }))
    }

    fn azure_msi(&self, section: &AzureMsiSection) -> Result<AzureMsiVerifier, ServerError> {
        let key = AZURE_CA;
        let client = self.client(
            key,
            section.web_ca_file.as_deref(),
            section.allow_classical_kex,
            None,
        )?;
        let tenants = section.tenants.iter().map(|(id, tenant)| {
            let issuers = match tenant.issuers.is_empty() {
                true => azure_msi::issuers(id),
                false => tenant.issuers.clone(),
            };
            let tenant = Tenant {
                resource: tenant.resource_id.clone(),
                issuers,
                subscriptions: tenant.subscriptions.clone(),
            };
            (id.clone(), tenant)
        });
        Ok(AzureMsiVerifier::new(AzureMsiConfig {
            trust_domain: self.config.trust_domain.clone(),
            tenants: tenants.collect(),
            keys: KeySource::new(&section.keys_url, Arc::new(client)),
            template: section.template()?,
            known: self.known(),
        }))
    }

    fn aws_iid(&self, section: &AwsIidSection) -> Result<AwsIidVerifier, ServerError> {
        Ok(AwsIidVerifier::new(AwsIidConfig {
            trust_domain: self.config.trust_domain.clone(),
            accounts: section.account_ids_for_local_validation.iter().cloned().collect(),
            signers: section.signers()?,
            template: section.template()?,
            known: self.known(),
        }))
    }

    /// Who asks a service that is believed by the authorities in `ca_file`, or by the web's.
    fn client(
        &self,
        key: &'static str,
        ca_file: Option<&Path>,
        allow_classical: bool,
        token_file: Option<PathBuf>,
    ) -> Result<OutsideClient, ServerError> {
        let roots = match ca_file {
            Some(path) => web_roots(key, path)?,
            None => WebRoots::mozilla(),
        };
        let kex = match allow_classical {
            true => KexPolicy::AllowClassical,
            false => KexPolicy::PostQuantum,
        };
        let options = OutsideOptions {
            roots,
            kex,
            token_file,
        };
        let client = OutsideClient::new(options, self.clock);
        Ok(client.map_err(|reason| AttestorError {
            key,
            path: ca_file.unwrap_or(Path::new("")).to_owned(),
            reason,
        })?)
    }
}

#[cfg(test)]
mod tests;
