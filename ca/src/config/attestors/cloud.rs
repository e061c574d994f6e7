//! Virtual machines in clouds.
//!
//! ```toml
#![doc = include_str!("cloud.toml")]
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use symbolon_attestation::aws_iid::{self, Signer};
use symbolon_attestation::{PathTemplate, TemplateError, azure_msi, gcp_iit};
use symbolon_host::http::Place;
use symbolon_pki::pem;

use super::{AttestorError, content};
use crate::config::check::{Problem, problem};

/// By tokens of virtual machines of Google's.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct GcpIitSection {
    /// Projects whose machines are let in.
    pub projectid_allow_list: Vec<String>,
    /// How agents are named. Default: by project and instance.
    pub agent_path_template: Option<String>,
    /// Who makes tokens. Default: Google.
    pub issuer: String,
    /// The key set that vouches for them. Default: Google's.
    pub keys_url: String,
    /// Whom to believe there, in PEM. Default: Mozilla's list.
    pub web_ca_file: Option<PathBuf>,
    /// Fetch it without hybrid key exchange too. Default: yes.
    pub allow_classical_kex: bool,
}

impl Default for GcpIitSection {
    fn default() -> Self {
        Self {
            projectid_allow_list: Vec::new(),
            agent_path_template: None,
            issuer: gcp_iit::ISSUER.to_owned(),
            keys_url: gcp_iit::DEFAULT_KEYS.to_owned(),
            web_ca_file: None,
            allow_classical_kex: true,
        }
    }
}

impl GcpIitSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.projectid_allow_list.is_empty() {
            let reason = "is empty; without a project nobody is let in";
            return Err(problem("attestors.gcp_iit.projectid_allow_list", reason));
        }
        check_url("attestors.gcp_iit.keys_url", &self.keys_url)?;
        self.template().map(drop)
    }

    /// How agents are named.
    pub(crate) fn template(&self) -> Result<PathTemplate, Problem> {
        template(
            "attestors.gcp_iit.agent_path_template",
            self.agent_path_template
                .as_deref()
                .unwrap_or(gcp_iit::DEFAULT_TEMPLATE),
            gcp_iit::path_template,
        )
    }
}

/// By tokens of virtual machines of Azure's.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct AzureMsiSection {
    /// Tenants whose machines are let in, by their ids.
    pub tenants: BTreeMap<String, TenantSection>,
    /// How agents are named. Default: by tenant and principal.
    pub agent_path_template: Option<String>,
    /// The key set that vouches for tokens. Default: Azure's.
    pub keys_url: String,
    /// Whom to believe there, in PEM. Default: Mozilla's list.
    pub web_ca_file: Option<PathBuf>,
    /// Fetch it without hybrid key exchange too. Default: yes.
    pub allow_classical_kex: bool,
}

/// A tenant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct TenantSection {
    /// For whom tokens are made. Default: Azure's Resource Manager.
    pub resource_id: String,
    /// Who makes them. Default: the tenant's directory.
    pub issuers: Vec<String>,
    /// Subscriptions whose machines are let in. Default: all.
    pub subscriptions: Vec<String>,
}

impl Default for AzureMsiSection {
    fn default() -> Self {
        Self {
            tenants: BTreeMap::new(),
            agent_path_template: None,
            keys_url: azure_msi::DEFAULT_KEYS.to_owned(),
            web_ca_file: None,
            allow_classical_kex: true,
        }
    }
}

impl Default for TenantSection {
    fn default() -> Self {
        Self {
            resource_id: azure_msi::DEFAULT_RESOURCE.to_owned(),
            issuers: Vec::new(),
            subscriptions: Vec::new(),
        }
    }
}

impl AzureMsiSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.tenants.is_empty() {
            return Err(problem(
                "attestors.azure_msi.tenants",
                "has none; without a tenant nobody is let in",
            ));
        }
        check_url("attestors.azure_msi.keys_url", &self.keys_url)?;
        self.template().map(drop)
    }

    /// How agents are named.
    pub(crate) fn template(&self) -> Result<PathTemplate, Problem> {
        template(
            "attestors.azure_msi.agent_path_template",
            self.agent_path_template
                .as_deref()
                .unwrap_or(azure_msi::DEFAULT_TEMPLATE),
            azure_msi::path_template,
        )
    }
}

/// By documents of virtual machines of Amazon's.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct AwsIidSection {
    /// Accounts whose machines are let in.
    pub account_ids_for_local_validation: Vec<String>,
    /// How agents are named. Default: by account, region and instance.
    pub agent_path_template: Option<String>,
    /// For each region, a file with the certificates that Amazon publishes for it.
    pub certificates: BTreeMap<String, PathBuf>,
}

impl AwsIidSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.account_ids_for_local_validation.is_empty() {
            let reason = "is empty; without an account nobody is let in";
            return Err(problem(
                "attestors.aws_iid.account_ids_for_local_validation",
                reason,
            ));
        }
        let is_account = |text: &String| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(other) = self
            .account_ids_for_local_validation
            .iter()
            .find(|text| !is_account(text))
        {
            let reason = format!("has {other:?}; an account has 12 digits");
            return Err(problem(
                "attestors.aws_iid.account_ids_for_local_validation",
                reason,
            ));
        }
        if self.certificates.is_empty() {
            let reason = "has none; without a region's certificate nobody is let in";
            return Err(problem("attestors.aws_iid.certificates", reason));
        }
        self.template().map(drop)
    }

    /// How agents are named.
    pub(crate) fn template(&self) -> Result<PathTemplate, Problem> {
        template(
            "attestors.aws_iid.agent_path_template",
            self.agent_path_template
                .as_deref()
                .unwrap_or(aws_iid::DEFAULT_TEMPLATE),
            aws_iid::path_template,
        )
    }

    /// The certificates that documents are signed with, by region.
    ///
    /// # Errors
    /// [`AttestorError`], naming the file.
    pub(crate) fn signers(&self) -> Result<BTreeMap<String, Vec<Signer>>, AttestorError> {
        let read = |(region, path): (&String, &PathBuf)| {
            let refused = |reason: String| AttestorError {
                key: "attestors.aws_iid.certificates",
                path: path.clone(),
                reason,
            };
            let found = pem::certificates(&content(path).map_err(refused)?)
                .and_then(|blocks| blocks.into_iter().collect::<Result<Vec<_>, _>>())
                .map_err(|error| refused(error.to_string()))?;
            if found.is_empty() {
                return Err(refused("it has no certificate".to_owned()));
            }
            let signers: Result<_, _> = found.iter().map(Signer::new).collect();
            Ok((
                region.clone(),
                signers.map_err(|error| refused(error.to_string()))?,
            ))
        };
        self.certificates.iter().map(read).collect()
    }
}

fn template(
    key: &str,
    text: &str,
    parse: fn(&str) -> Result<PathTemplate, TemplateError>,
) -> Result<PathTemplate, Problem> {
    parse(text).map_err(|error| problem(key, format!("is {text:?}: {error}")))
}

fn check_url(key: &str, url: &str) -> Result<(), Problem> {
    match url.parse::<Place>() {
        Ok(place) if place.is_secure => Ok(()),
        Ok(_) => Err(problem(key, format!("is {url}; it must be https"))),
        Err(error) => Err(problem(key, format!("is {url:?}: {error}"))),
    }
}
