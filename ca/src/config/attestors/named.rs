//! Methods by names that nodes have: of the DNS, and in SSH certificates.
//!
//! ```toml
#![doc = include_str!("named.toml")]
//! ```

use std::path::PathBuf;

use serde::Deserialize;
use symbolon_attestation::PathTemplate;
use symbolon_attestation::http_challenge::{FIRST_OPEN_PORT, HostPatterns};
use symbolon_attestation::sshpop::{self, Authority};

use super::{AttestorError, content};
use crate::config::check::{Problem, problem};
use crate::outside::Network;

/// The file of SSH authorities.
const CA_FILE: &str = "attestors.sshpop.cert_authorities_path";

/// By an answer at a name of the DNS.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct HttpChallengeSection {
    /// Regular expressions for the whole of a node's name. Default: every name with a dot.
    pub allowed_dns_patterns: Vec<String>,
    /// The one port that nodes may use. Default: any.
    pub required_port: Option<u16>,
    /// Whether ports may be used that any user of a node can listen on. Default: yes.
    pub allow_non_root_ports: bool,
    /// Whether a node is let in once only. Default: yes.
    pub tofu: bool,
    /// Networks that are gone to beside public addresses. Default: none.
    pub allowed_networks: Vec<String>,
}

impl Default for HttpChallengeSection {
    fn default() -> Self {
        Self {
            allowed_dns_patterns: Vec::new(),
            required_port: None,
            allow_non_root_ports: true,
            tofu: true,
            allowed_networks: Vec::new(),
        }
    }
}

impl HttpChallengeSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.patterns()?;
        self.networks()?;
        if self.required_port == Some(0) {
            return Err(problem(
                "attestors.http_challenge.required_port",
                "is 0, which is no port",
            ));
        }
        let is_root_port = match self.required_port {
            Some(port) => port < FIRST_OPEN_PORT,
            None => !self.allow_non_root_ports,
        };
        if !self.tofu && !is_root_port {
            let reason = format!(
                "can be false only if nodes have to use a port below {FIRST_OPEN_PORT} (`required_port`, or \
                 `allow_non_root_ports = false`): any user of a node can listen on the others"
            );
            return Err(problem("attestors.http_challenge.tofu", reason));
        }
        Ok(())
    }

    /// Which names nodes may have.
    pub(crate) fn patterns(&self) -> Result<HostPatterns, Problem> {
        let key = "attestors.http_challenge.allowed_dns_patterns";
        HostPatterns::new(&self.allowed_dns_patterns).map_err(|error| problem(key, error.to_string()))
    }

    /// Where the server goes.
    pub(crate) fn networks(&self) -> Result<Vec<Network>, Problem> {
        let key = "attestors.http_challenge.allowed_networks";
        let read = |text: &String| text.parse().map_err(|error| problem(key, format!("{error}")));
        self.allowed_networks.iter().map(read).collect()
    }
}

/// By an SSH host certificate and its key.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct SshPopSection {
    /// Authorities' public keys, as in a `.pub` file.
    pub cert_authorities: Vec<String>,
    /// A file with such lines.
    pub cert_authorities_path: Option<PathBuf>,
    /// The domain that hosts' names must be in. Default: any.
    pub canonical_domain: Option<String>,
    /// How agents are named. Default: by SHA-256 of their certificates.
    pub agent_path_template: Option<String>,
}

impl SshPopSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.cert_authorities.is_empty() && self.cert_authorities_path.is_none() {
            let reason = "lets nobody in: give `cert_authorities`, `cert_authorities_path` or both";
            return Err(problem("attestors.sshpop", reason));
        }
        if self
            .canonical_domain
            .as_ref()
            .is_some_and(|domain| domain.is_empty() || domain.starts_with('.'))
        {
            let reason = "must be a domain without a dot before it";
            return Err(problem("attestors.sshpop.canonical_domain", reason));
        }
        self.given()?;
        self.template()?;
        Ok(())
    }

    fn given(&self) -> Result<Vec<Authority>, Problem> {
        let read = |line: &String| {
            Authority::parse(line).map_err(|error| {
                problem(
                    "attestors.sshpop.cert_authorities",
                    format!("has {line:?}: {error}"),
                )
            })
        };
        self.cert_authorities.iter().map(read).collect()
    }

    /// How agents are named.
    pub(crate) fn template(&self) -> Result<PathTemplate, Problem> {
        let text = self
            .agent_path_template
            .as_deref()
            .unwrap_or(sshpop::DEFAULT_TEMPLATE);
        sshpop::path_template(text).map_err(|error| {
            problem(
                "attestors.sshpop.agent_path_template",
                format!("is {text:?}: {error}"),
            )
        })
    }

    /// Whose certificates count.
    ///
    /// # Errors
    /// [`AttestorError`], naming the file.
    pub(crate) fn authorities(&self) -> Result<Vec<Authority>, AttestorError> {
        let mut found = self.given().unwrap_or_default();
        if let Some(path) = &self.cert_authorities_path {
            let refused = |reason: String| AttestorError {
                key: CA_FILE,
                path: path.clone(),
                reason,
            };
            let content = content(path).map_err(refused)?;
            let text = std::str::from_utf8(&content).map_err(|_| refused("it is no text".to_owned()))?;
            found.extend(Authority::parse_all(text).map_err(|error| refused(error.to_string()))?);
        }
        Ok(found)
    }
}
