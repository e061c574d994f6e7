//! Clusters of Kubernetes.
//!
//! ```toml
#![doc = include_str!("cluster.toml")]
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use symbolon_attestation::k8s_psat::DEFAULT_AUDIENCE;
use symbolon_host::http::Place;

use crate::config::check::{Problem, problem};

/// What a pod of the same cluster has.
const IN_CLUSTER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// By pods' service account tokens.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct K8sPsatSection {
    /// The clusters, by the names that agents give.
    pub clusters: BTreeMap<String, ClusterSection>,
}

/// A cluster.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSection {
    /// Service accounts that agents have, as `namespace:name`.
    pub service_account_allow_list: Vec<String>,
    /// For whom tokens are made. Default: `spire-server`.
    pub audience: Vec<String>,
    /// Where the cluster's API is. Default: where a pod of the same cluster finds it.
    pub api: String,
    /// Whom to believe there, in PEM. Default: what a pod has.
    pub ca_file: PathBuf,
    /// The token of the server's account there. Default: what a pod has.
    pub token_file: PathBuf,
    /// Labels of nodes that become selectors. Default: none.
    pub allowed_node_label_keys: Vec<String>,
    /// Labels of pods that become selectors. Default: none.
    pub allowed_pod_label_keys: Vec<String>,
    /// Whether agents are named by their pods. Default: by their nodes.
    pub use_pod_uid_for_agent_id: bool,
    /// Ask an API that knows no hybrid key exchange too. Default: yes.
    pub allow_classical_kex: bool,
}

impl Default for ClusterSection {
    fn default() -> Self {
        Self {
            service_account_allow_list: Vec::new(),
            audience: vec![DEFAULT_AUDIENCE.to_owned()],
            api: "https://kubernetes.default.svc".to_owned(),
            ca_file: format!("{IN_CLUSTER}/ca.crt").into(),
            token_file: format!("{IN_CLUSTER}/token").into(),
            allowed_node_label_keys: Vec::new(),
            allowed_pod_label_keys: Vec::new(),
            use_pod_uid_for_agent_id: false,
            allow_classical_kex: true,
        }
    }
}

impl K8sPsatSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.clusters.is_empty() {
            return Err(problem(
                "attestors.k8s_psat.clusters",
                "has none; without a cluster nobody is let in",
            ));
        }
        self.clusters
            .iter()
            .try_for_each(|(name, cluster)| cluster.check(name))
    }
}

impl ClusterSection {
    fn check(&self, name: &str) -> Result<(), Problem> {
        let wrong = |key: &str, reason: String| {
            Err(problem(
                format!("attestors.k8s_psat.clusters.{name}{key}"),
                reason,
            ))
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(is_plain) || matches!(name, "." | "..") {
            let reason = "is no name of a cluster: it becomes a part of its agents' identities, so it has letters, digits, \
                          dots, underscores and hyphens";
            return wrong("", reason.to_owned());
        }
        if self.service_account_allow_list.is_empty() {
            let reason = "is empty; without a service account nobody is let in";
            return wrong(".service_account_allow_list", reason.to_owned());
        }
        for account in &self.service_account_allow_list {
            let is_pair = account.split_once(':').is_some_and(|(namespace, name)| {
                !namespace.is_empty() && !name.is_empty() && !name.contains(':')
            });
            if !is_pair {
                let reason = format!("has {account:?}; a service account is namespace:name");
                return wrong(".service_account_allow_list", reason);
            }
        }
        match self.api.parse::<Place>() {
            Ok(place) if place.is_secure => Ok(()),
            Ok(_) => wrong(".api", format!("is {}; it must be https", self.api)),
            Err(error) => wrong(".api", format!("is {:?}: {error}", self.api)),
        }
    }
}
