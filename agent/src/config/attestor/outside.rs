//! Methods by the node's name, or by what others say of it.
//!
//! ```toml
#![doc = include_str!("outside.toml")]
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use symbolon_attestation::{aws_iid, azure_msi, gcp_iit, http_challenge, k8s_psat};
use symbolon_host::http::Place;

use crate::config::check::Problem;

/// A name of the DNS that the node answers at.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct HttpChallengeSection {
    /// The node's name. Default: what the system calls it.
    pub hostname: Option<String>,
    /// What tells agents of one node apart. Default: `default`.
    pub agentname: String,
    /// Where the challenge is shown. Default: a free port, on every address.
    pub listen: SocketAddr,
    /// The port that the server is told. Default: that of `listen`.
    pub advertised_port: Option<u16>,
}

impl Default for HttpChallengeSection {
    fn default() -> Self {
        Self {
            hostname: None,
            agentname: http_challenge::DEFAULT_AGENT_NAME.to_owned(),
            listen: (Ipv4Addr::UNSPECIFIED, 0).into(),
            advertised_port: None,
        }
    }
}

/// An SSH host certificate and its key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct SshPopSection {
    /// The private key. Default: `/etc/ssh/ssh_host_rsa_key`.
    pub host_key_path: PathBuf,
    /// The certificate. Default: `/etc/ssh/ssh_host_rsa_key-cert.pub`.
    pub host_cert_path: PathBuf,
}

impl Default for SshPopSection {
    fn default() -> Self {
        Self {
            host_key_path: "/etc/ssh/ssh_host_rsa_key".into(),
            host_cert_path: "/etc/ssh/ssh_host_rsa_key-cert.pub".into(),
        }
    }
}

/// The pod's projected service account token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct K8sPsatSection {
    /// The name by which the server knows the cluster.
    pub cluster: String,
    /// The token. Default: `/var/run/secrets/tokens/spire-agent`.
    #[serde(default = "token_path")]
    pub token_path: PathBuf,
}

fn token_path() -> PathBuf {
    k8s_psat::DEFAULT_TOKEN_PATH.into()
}

/// The identity token of a virtual machine of Google's.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct GcpIitSection {
    /// The metadata server. Default: `metadata.google.internal`.
    pub identity_token_host: String,
    /// Whose token it is. Default: `default`.
    pub service_account: String,
}

impl Default for GcpIitSection {
    fn default() -> Self {
        Self {
            identity_token_host: gcp_iit::DEFAULT_HOST.to_owned(),
            service_account: gcp_iit::DEFAULT_SERVICE_ACCOUNT.to_owned(),
        }
    }
}

/// The managed identity of a virtual machine of Azure's.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct AzureMsiSection {
    /// For whom the token is made. Default: Azure's Resource Manager.
    pub resource_id: String,
    /// The metadata service. Default: `http://169.254.169.254`.
    pub metadata_endpoint: String,
}

impl Default for AzureMsiSection {
    fn default() -> Self {
        Self {
            resource_id: azure_msi::DEFAULT_RESOURCE.to_owned(),
            metadata_endpoint: azure_msi::DEFAULT_METADATA.to_owned(),
        }
    }
}

/// The identity document of a virtual machine of Amazon's.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct AwsIidSection {
    /// The metadata service. Default: `http://169.254.169.254`.
    pub ec2_metadata_endpoint: String,
}

impl Default for AwsIidSection {
    fn default() -> Self {
        Self {
            ec2_metadata_endpoint: aws_iid::DEFAULT_METADATA.to_owned(),
        }
    }
}

/// Checks where a metadata service is said to be: on the node's own link, and not behind TLS.
fn check_metadata(key: &'static str, url: &str) -> Result<(), Problem> {
    let problem = |reason: String| Err(Problem { key, reason });
    match url.parse::<Place>() {
        Ok(place) if place.is_secure => problem(format!("is {url}; metadata services are asked over http")),
        Ok(_) => Ok(()),
        Err(error) => problem(format!("is {url:?}: {error}")),
    }
}

impl GcpIitSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        check_metadata(
            "attestor.gcp_iit.identity_token_host",
            &format!("http://{}", self.identity_token_host),
        )
    }
}

impl AzureMsiSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        check_metadata("attestor.azure_msi.metadata_endpoint", &self.metadata_endpoint)
    }
}

impl AwsIidSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        check_metadata(
            "attestor.aws_iid.ec2_metadata_endpoint",
            &self.ec2_metadata_endpoint,
        )
    }
}

impl K8sPsatSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        match self.cluster.is_empty() {
            false => Ok(()),
            true => Err(Problem {
                key: "attestor.k8s_psat.cluster",
                reason: "is empty; the server knows clusters by their names".to_owned(),
            }),
        }
    }
}

impl HttpChallengeSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        // A name that is not given is looked at when it is needed.
        let name = self.hostname.as_deref().unwrap_or("node");
        http_challenge::Evidence::new(name, &self.agentname, self.advertised_port.unwrap_or(1))
            .map(drop)
            .map_err(|reason| Problem {
                key: "attestor.http_challenge",
                reason: format!("cannot be used: {reason}"),
            })
    }
}
