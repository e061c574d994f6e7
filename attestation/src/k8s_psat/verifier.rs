//! The server's half.

use std::collections::BTreeMap;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_pki::text::printable;

use super::METHOD;
use super::api::{Cluster, Holder, Node, Pod, check_name};
use super::message::Evidence;
use super::token;
use crate::selectors::selectors;
use crate::{AttestationError, Attested, Challenger, Verifier};

/// How the server verifies.
#[derive(Clone, Debug)]
pub struct K8sPsatConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// The clusters by the names that nodes give.
    pub clusters: BTreeMap<String, Cluster>,
}

/// Lets in the nodes of clusters.
#[derive(Debug)]
pub struct K8sPsatVerifier(K8sPsatConfig);

impl K8sPsatVerifier {
    /// A verifier that is configured so.
    pub fn new(config: K8sPsatConfig) -> Self {
        Self(config)
    }

    fn attested(
        &self,
        name: &str,
        cluster: &Cluster,
        holder: &Holder,
        pod: &Pod,
        node: &Node,
    ) -> Result<Attested, AttestationError> {
        let denied = |reason: String| AttestationError::Denied(reason);
        let uid = &node.metadata.uid;
        let id = match cluster.by_pod {
            true => format!(
                "spiffe://{}/spire/agent/{METHOD}/{name}/pod/{}",
                self.0.trust_domain, holder.pod_uid
            ),
            false => format!(
                "spiffe://{}/spire/agent/{METHOD}/{name}/{uid}",
                self.0.trust_domain
            ),
        };
        let agent_id = SpiffeId::new(&id)
            .map_err(|error| denied(format!("the agent would be named {:?}: {error}", printable(&id))))?;
        let cluster_name = name.to_owned();
        let mut found = selectors(
            METHOD,
            [
                ("cluster", &cluster_name),
                ("agent_ns", &holder.namespace),
                ("agent_sa", &holder.service_account),
                ("agent_pod_name", &holder.pod),
                ("agent_pod_uid", &holder.pod_uid),
                ("agent_node_ip", &pod.status.host_ip),
                ("agent_node_name", &pod.spec.node_name),
                ("agent_node_uid", uid),
            ],
        )
        .map_err(denied)?;
        for (kind, labels, allowed) in [
            ("agent_node_label", &node.metadata.labels, &cluster.node_labels),
            ("agent_pod_label", &pod.metadata.labels, &cluster.pod_labels),
        ] {
            for (key, value) in labels.iter().filter(|(key, _)| allowed.contains(key)) {
                let kind = format!("{kind}:{key}");
                found.extend(selectors(METHOD, [(kind.as_str(), value)]).map_err(denied)?);
            }
        }
        Ok(Attested {
            agent_id,
            siblings: Vec::new(),
            selectors: found,
            can_reattest: true,
        })
    }
}

#[async_trait]
impl Verifier for K8sPsatVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        _challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let evidence = Evidence::parse(evidence)?;
        let denied = |reason: String| AttestationError::Denied(reason);
        let name = evidence.cluster();
        let cluster = self.0.clusters.get(name).ok_or_else(|| {
            AttestationError::Refused(format!(
                "the cluster {:?} is not configured here",
                printable(name)
            ))
        })?;
        token::check(evidence.token(), &cluster.audiences, now)?;
        let holder = cluster.review(evidence.token()).await?;
        let account = format!("{}:{}", holder.namespace, holder.service_account);
        if !cluster.service_accounts.contains(&account) {
            return Err(denied(format!(
                "the service account {account} is not in `service_account_allow_list`"
            )));
        }
        let pod = cluster.pod(&holder.namespace, &holder.pod).await?;
        // One of the same name that was made since is another.
        let pod = pod.filter(|pod| pod.metadata.uid == holder.pod_uid);
        let pod = pod.ok_or_else(|| denied(format!("the pod {} of the token is gone", holder.pod)))?;
        check_name(&pod.spec.node_name)
            .map_err(|_| denied(format!("the pod {} runs on no node", holder.pod)))?;
        let node = cluster.node(&pod.spec.node_name).await?;
        let node = node.filter(|node| !node.metadata.uid.is_empty());
        let node = node.ok_or_else(|| denied(format!("the node {} is gone", pod.spec.node_name)))?;
        self.attested(name, cluster, &holder, &pod, &node)
    }
}
