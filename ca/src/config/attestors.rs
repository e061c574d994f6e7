//! How nodes may attest.
//!
//! ```toml
#![doc = include_str!("attestors.toml")]
//! ```

mod cloud;
mod cluster;
mod named;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use symbolon_attestation::PathTemplate;
use symbolon_attestation::tpm::PcrPolicy;
use symbolon_attestation::x509pop::{self, MAX_CERTIFICATES, MAX_RSA_BITS};
use symbolon_federation::WebRoots;
use symbolon_host::config::from_text;
use symbolon_pki::bundle::{MAX_BUNDLE_LEN, X509Authority};
use symbolon_pki::pem;
use symbolon_pki::verify::PathPolicy;

pub use self::cloud::{AwsIidSection, AzureMsiSection, GcpIitSection, TenantSection};
pub use self::cluster::{ClusterSection, K8sPsatSection};
pub use self::named::{HttpChallengeSection, SshPopSection};
use super::check::{Problem, problem};

/// The shortest RSA key that is verified with, in bits.
const MIN_RSA_BITS: usize = 2048;

/// How nodes may attest. A method without a section is unknown to the server, but for join tokens.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct AttestorsConfig {
    /// By join tokens. Default: yes.
    pub join_token: bool,
    /// By a certificate and its key.
    pub x509pop: Option<X509PopSection>,
    /// By the machine's TPM.
    pub tpm: Option<TpmSection>,
    /// By a device identity in a TPM.
    pub tpm_devid: Option<TpmDevIdSection>,
    /// By an answer at a name of the DNS.
    pub http_challenge: Option<HttpChallengeSection>,
    /// By an SSH host certificate and its key.
    pub sshpop: Option<SshPopSection>,
    /// By a pod's service account token.
    pub k8s_psat: Option<K8sPsatSection>,
    /// By a token of a virtual machine of Google's.
    pub gcp_iit: Option<GcpIitSection>,
    /// By a token of a virtual machine of Azure's.
    pub azure_msi: Option<AzureMsiSection>,
    /// By a document of a virtual machine of Amazon's.
    pub aws_iid: Option<AwsIidSection>,
}

impl Default for AttestorsConfig {
    fn default() -> Self {
        Self {
            join_token: true,
            x509pop: None,
            tpm: None,
            tpm_devid: None,
            http_challenge: None,
            sshpop: None,
            k8s_psat: None,
            gcp_iit: None,
            azure_msi: None,
            aws_iid: None,
        }
    }
}

/// Whose certificates count.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum X509PopMode {
    /// Those of a PKI whose authorities are in `ca_bundles`.
    #[default]
    ExternalPki,
    /// X.509-SVIDs of the server's own trust domain.
    Spiffe,
}

/// By a certificate and its key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct X509PopSection {
    /// Whose certificates count. Default: `external_pki`.
    pub mode: X509PopMode,
    /// Files with the authorities of an external PKI, in PEM.
    pub ca_bundles: Vec<PathBuf>,
    /// Where the paths of SVIDs begin that can be exchanged for an agent's. Default: `/spire-exchange/`.
    pub svid_prefix: String,
    /// How agents are named. Default: by the SHA-1 of their certificates, or by what follows the prefix in their paths.
    pub agent_path_template: Option<String>,
    /// Most intermediate certificates that a node may send. Default: 4.
    pub max_intermediates: usize,
    /// The longest RSA key, in bits. Default: 4096, which is the longest that is verified with.
    pub max_rsa_key_size: usize,
    /// What every key of a chain must be worth. Default: `classical-ok`.
    #[serde(deserialize_with = "from_text")]
    pub policy: PathPolicy,
    /// Whether a node's certificate has to have the address that it calls from among its IP addresses. Default: no.
    pub verify_client_ip: bool,
}

impl Default for X509PopSection {
    fn default() -> Self {
        Self {
            mode: X509PopMode::default(),
            ca_bundles: Vec::new(),
            svid_prefix: x509pop::DEFAULT_SVID_PREFIX.to_owned(),
            agent_path_template: None,
            max_intermediates: x509pop::DEFAULT_MAX_INTERMEDIATES,
            max_rsa_key_size: MAX_RSA_BITS,
            policy: PathPolicy::default(),
            verify_client_ip: false,
        }
    }
}

/// By the machine's TPM. At least one of `endorsement_cas` and `allowed` says which.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct TpmSection {
    /// Files with makers' authorities, in PEM.
    pub endorsement_cas: Vec<PathBuf>,
    /// Endorsement keys that are let in without a certificate: SHA-256 of their SubjectPublicKeyInfo, in hex.
    pub allowed: Vec<String>,
    /// The values that PCRs may have, in hex, by bank and number. Default: any.
    pub pcrs: BTreeMap<String, Vec<String>>,
}

/// By a device identity in a TPM.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct TpmDevIdSection {
    /// Files with the authorities of devices' identities, in PEM.
    pub devid_cas: Vec<PathBuf>,
    /// Files with makers' authorities, in PEM.
    pub endorsement_cas: Vec<PathBuf>,
}

/// A file of the attestors cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{key}`: {path}: {reason}", path = .path.display())]
pub struct AttestorError {
    /// The key that names it.
    pub key: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl AttestorsConfig {
    /// Checks what is said, without opening a file.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Some(section) = &self.x509pop {
            section.check()?;
        }
        if let Some(section) = &self.tpm {
            section.allowed_keys()?;
            section.pcr_policy()?;
            if section.endorsement_cas.is_empty() && section.allowed.is_empty() {
                let reason = "lets nobody in: give `endorsement_cas`, `allowed` or both";
                return Err(problem("attestors.tpm", reason));
            }
        }
        if let Some(section) = &self.tpm_devid {
            for (key, files) in [
                ("attestors.tpm_devid.devid_cas", &section.devid_cas),
                ("attestors.tpm_devid.endorsement_cas", &section.endorsement_cas),
            ] {
                if files.is_empty() {
                    return Err(problem(
                        key,
                        "names no file; without authorities nobody is let in",
                    ));
                }
            }
        }
        let checked = [
            self.http_challenge.as_ref().map(HttpChallengeSection::check),
            self.sshpop.as_ref().map(SshPopSection::check),
            self.k8s_psat.as_ref().map(K8sPsatSection::check),
            self.gcp_iit.as_ref().map(GcpIitSection::check),
            self.azure_msi.as_ref().map(AzureMsiSection::check),
            self.aws_iid.as_ref().map(AwsIidSection::check),
        ];
        let mut any =
            self.join_token || self.x509pop.is_some() || self.tpm.is_some() || self.tpm_devid.is_some();
        for checked in checked.into_iter().flatten() {
            checked?;
            any = true;
        }
        if any {
            Ok(())
        } else {
            Err(problem(
                "attestors.join_token",
                "is false, and no other method is configured",
            ))
        }
    }
}

impl AttestorsConfig {
    /// What is wrong with files that methods by names, clusters and clouds name.
    pub(super) fn check_files(&self) -> Vec<Problem> {
        let mut errors = Vec::new();
        errors.extend(
            self.sshpop
                .as_ref()
                .and_then(|section| section.authorities().err()),
        );
        errors.extend(self.aws_iid.as_ref().and_then(|section| section.signers().err()));
        let clusters = self.k8s_psat.iter().flat_map(|section| section.clusters.values());
        let gcp = self
            .gcp_iit
            .as_ref()
            .and_then(|section| section.web_ca_file.as_ref());
        let azure = self
            .azure_msi
            .as_ref()
            .and_then(|section| section.web_ca_file.as_ref());
        let roots = clusters
            .map(|cluster| (CLUSTER_CA, &cluster.ca_file))
            .chain(gcp.map(|path| (GCP_CA, path)))
            .chain(azure.map(|path| (AZURE_CA, path)));
        errors.extend(roots.filter_map(|(key, path)| web_roots(key, path).err()));
        let problem_of = |error: AttestorError| {
            let reason = format!("is no use: {}: {}", error.path.display(), error.reason);
            problem(error.key, reason)
        };
        errors.into_iter().map(problem_of).collect()
    }
}

impl X509PopSection {
    fn check(&self) -> Result<(), Problem> {
        match (self.mode, self.ca_bundles.is_empty()) {
            (X509PopMode::ExternalPki, true) => {
                let reason = "names no file; the mode external_pki needs the PKI's authorities";
                return Err(problem("attestors.x509pop.ca_bundles", reason));
            }
            (X509PopMode::Spiffe, false) => {
                let reason =
                    "is for the mode external_pki; in the mode spiffe the server's own authorities count";
                return Err(problem("attestors.x509pop.ca_bundles", reason));
            }
            _ => {}
        }
        let prefix = format!("{}/", self.svid_prefix.trim_end_matches('/'));
        let is_ours = prefix == "/" || prefix.starts_with("/spire/");
        if self.mode == X509PopMode::Spiffe && (is_ours || !prefix.starts_with('/')) {
            let reason = format!(
                "is {:?}; it has to begin with / and to name a path of its own, neither every SVID nor those below /spire/, \
                 which servers and agents have",
                self.svid_prefix
            );
            return Err(problem("attestors.x509pop.svid_prefix", reason));
        }
        self.template()?;
        let most = MAX_CERTIFICATES - 1;
        if !(1..=most).contains(&self.max_intermediates) {
            let reason = format!("is {}; it can be 1 to {most}", self.max_intermediates);
            return Err(problem("attestors.x509pop.max_intermediates", reason));
        }
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&self.max_rsa_key_size) {
            let reason = format!(
                "is {}; it can be {MIN_RSA_BITS} to {MAX_RSA_BITS}",
                self.max_rsa_key_size
            );
            return Err(problem("attestors.x509pop.max_rsa_key_size", reason));
        }
        Ok(())
    }

    /// How agents are named.
    pub(crate) fn template(&self) -> Result<PathTemplate, Problem> {
        let default = match self.mode {
            X509PopMode::ExternalPki => x509pop::DEFAULT_TEMPLATE,
            X509PopMode::Spiffe => x509pop::DEFAULT_SPIFFE_TEMPLATE,
        };
        let text = self.agent_path_template.as_deref().unwrap_or(default);
        x509pop::path_template(text).map_err(|error| {
            problem(
                "attestors.x509pop.agent_path_template",
                format!("is {text:?}: {error}"),
            )
        })
    }
}

impl TpmSection {
    /// The endorsement keys that are let in without a certificate.
    pub(crate) fn allowed_keys(&self) -> Result<BTreeSet<[u8; 32]>, Problem> {
        let read = |text: &String| {
            let mut hash = [0; 32];
            hex::decode_to_slice(text, &mut hash).map(|()| hash).map_err(|_| {
                problem(
                    "attestors.tpm.allowed",
                    format!("has {text:?}; a hash has 64 hex digits"),
                )
            })
        };
        self.allowed.iter().map(read).collect()
    }

    /// What PCRs must be.
    pub(crate) fn pcr_policy(&self) -> Result<PcrPolicy, Problem> {
        let values = self.pcrs.iter();
        let values = values.map(|(pcr, values)| (pcr.as_str(), values.iter().map(String::as_str)));
        PcrPolicy::new(values)
            .map_err(|error| problem("attestors.tpm.pcrs", format!("cannot be used: {error}")))
    }
}

/// The keys of files with the web's authorities, or with a cluster's.
pub(crate) const CLUSTER_CA: &str = "attestors.k8s_psat.clusters.*.ca_file";
pub(crate) const GCP_CA: &str = "attestors.gcp_iit.web_ca_file";
pub(crate) const AZURE_CA: &str = "attestors.azure_msi.web_ca_file";

/// Whom to believe when a service is asked.
pub(crate) fn web_roots(key: &'static str, path: &Path) -> Result<WebRoots, AttestorError> {
    WebRoots::from_file(path).map_err(|error| AttestorError {
        key,
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// The authorities in files of PEM.
pub(crate) fn authorities(key: &'static str, files: &[PathBuf]) -> Result<Vec<X509Authority>, AttestorError> {
    let mut found = Vec::new();
    for path in files {
        let refused = |reason: String| AttestorError {
            key,
            path: path.clone(),
            reason,
        };
        found.extend(read(path).map_err(refused)?);
    }
    Ok(found)
}

/// What a file has in it, up to what is refused for its length.
fn content(path: &Path) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BUNDLE_LEN as u64 + 1).read_to_end(&mut content))
        .map_err(|error| error.to_string())?;
    Ok(content)
}

fn read(path: &Path) -> Result<Vec<X509Authority>, String> {
    let content = content(path)?;
    let certificates = pem::certificates(&content)
        .and_then(|blocks| blocks.into_iter().collect::<Result<Vec<_>, _>>())
        .map_err(|error| error.to_string())?;
    Ok(certificates.into_iter().map(X509Authority::new).collect())
}

#[cfg(test)]
mod tests;
