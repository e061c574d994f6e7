//! Who certifies this server's authorities, as the file has it.
//!
//! ```toml
#![doc = include_str!("upstreams.toml")]
//! ```

mod vault;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use spiffe::SpiffeId;
use symbolon_host::config::optional_from_text;
use symbolon_host::duration::HumanDuration;
use symbolon_pki::suite::Family;
use symbolon_pki::time::Clock;
use symbolon_tls::workload_api::Endpoint;

pub use self::vault::{
    AppRoleAuthConfig, CertAuthConfig, KubernetesAuthConfig, TokenAuthConfig, VaultAuthConfig,
    VaultUpstreamConfig,
};
use super::ServerConfig;
use super::check::{Problem, Warning, problem};
use crate::upstream::{
    Disk, DiskFiles, NamedUpstream, Nested, NestedOptions, Offline, Upstream, UpstreamName,
};

/// One authority above this server's.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum UpstreamConfig {
    /// A certificate and its key in files.
    Disk(DiskUpstreamConfig),
    /// A Symbolon server of the same trust domain.
    Symbolon(NestedUpstreamConfig),
    /// A SPIRE server of the same trust domain.
    Spire(NestedUpstreamConfig),
    /// Files that are carried to an authority and back.
    Offline(OfflineUpstreamConfig),
    /// The PKI secrets engine of a Vault or OpenBao server.
    Vault(VaultUpstreamConfig),
}

/// An authority that no program reaches.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct OfflineUpstreamConfig {
    /// Where requests are written, and certificates looked for.
    pub dir: PathBuf,
}

/// An authority in files.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct DiskUpstreamConfig {
    /// Its certificate, PEM; where it is no root, followed by those that lead up to one.
    pub certificate_file: PathBuf,
    /// Its key: PKCS#8, PEM.
    pub key_file: PathBuf,
    /// Its alternative key, for the catalyst family.
    pub alternative_key_file: Option<PathBuf>,
    /// The roots, PEM, where the certificate is none.
    pub bundle_file: Option<PathBuf>,
}

/// A server above this one.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct NestedUpstreamConfig {
    /// Host and port of its API.
    pub address: String,
    /// The Workload API socket of an agent of its, where this server is a workload.
    pub workload_api_socket: PathBuf,
    /// Who this server is there. Default: whom the agent names first.
    #[serde(default, deserialize_with = "optional_from_text")]
    pub spiffe_id: Option<SpiffeId>,
    /// Longest time for reaching the agent, for reaching the server, and for a call. Default: 15 seconds.
    #[serde(default = "default_timeout")]
    pub timeout: HumanDuration,
}

fn default_timeout() -> HumanDuration {
    HumanDuration(Duration::from_secs(15))
}

/// What a timeout may be.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

impl NestedUpstreamConfig {
    fn check(&self, name: &UpstreamName) -> Vec<Problem> {
        let key = |field: &str| format!("upstreams.{name}.{field}");
        let mut problems = Vec::new();
        let port = self
            .address
            .rsplit_once(':')
            .map(|(host, port)| (host, port.parse::<u16>()));
        if !matches!(port, Some((host, Ok(port))) if !host.is_empty() && port != 0) {
            problems.push(problem(
                key("address"),
                "must be a host and a port, as in ca.example.org:8081",
            ));
        }
        if let Err(error) = Endpoint::unix(&self.workload_api_socket) {
            problems.push(problem(key("workload_api_socket"), format!("is no use: {error}")));
        }
        if !TIMEOUTS.contains(&self.timeout.0) {
            problems.push(problem(
                key("timeout"),
                format!("is {}; it may be 1s to 60s", self.timeout),
            ));
        }
        problems
    }
}

impl UpstreamConfig {
    /// Its name in files.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Disk(_) => "disk",
            Self::Symbolon(_) => "symbolon",
            Self::Spire(_) => "spire",
            Self::Offline(_) => "offline",
            Self::Vault(_) => "vault",
        }
    }

    /// Why it can do nothing for a family, if so.
    fn lacks(&self, family: Family) -> Option<&'static str> {
        match (self, family) {
            (Self::Disk(_) | Self::Offline(_) | Self::Vault(_), Family::Jwt | Family::Wit) => {
                Some("certifies authorities, and publishes no keys that sign tokens")
            }
            (Self::Disk(disk), Family::Catalyst) if disk.alternative_key_file.is_none() => {
                Some("has no `alternative_key_file`, which a catalyst authority needs")
            }
            (Self::Disk(disk), family)
                if family != Family::Catalyst && disk.alternative_key_file.is_some() =>
            {
                Some("has an `alternative_key_file`, so it certifies the catalyst family alone")
            }
            (Self::Spire(_), Family::Wit) => Some("keeps no keys that sign WIT-SVIDs"),
            (Self::Spire(_), family) if !matches!(family, Family::Classical | Family::Jwt) => {
                Some("certifies classical authorities alone")
            }
            (Self::Vault(_), family) if family != Family::Classical => {
                Some("certifies classical authorities alone")
            }
            (Self::Disk(_) | Self::Symbolon(_) | Self::Spire(_) | Self::Offline(_) | Self::Vault(_), _) => {
                None
            }
        }
    }

    /// What is wrong with it by itself.
    fn check(&self, name: &UpstreamName) -> Vec<Problem> {
        let key = |field: &str| format!("upstreams.{name}.{field}");
        match self {
            Self::Disk(disk) => {
                let files = [
                    ("certificate_file", Some(&disk.certificate_file)),
                    ("key_file", Some(&disk.key_file)),
                    ("alternative_key_file", disk.alternative_key_file.as_ref()),
                    ("bundle_file", disk.bundle_file.as_ref()),
                ];
                let empty = |file: &PathBuf| file.as_os_str().is_empty();
                files
                    .into_iter()
                    .filter(|(_, file)| file.is_some_and(empty))
                    .map(|(field, _)| problem(key(field), "is empty"))
                    .collect()
            }
            Self::Symbolon(nested) | Self::Spire(nested) => nested.check(name),
            Self::Offline(offline) if offline.dir.as_os_str().is_empty() => {
                vec![problem(key("dir"), "is empty")]
            }
            Self::Offline(_) => Vec::new(),
            Self::Vault(vault) => vault.check(name),
        }
    }

    fn open(&self, config: &ServerConfig, clock: &Arc<dyn Clock>) -> Arc<dyn Upstream> {
        let (nested, has_forms) = match self {
            Self::Disk(disk) => return Arc::new(disk.open(config)),
            Self::Offline(offline) => return Arc::new(Offline::new(offline.dir.clone())),
            Self::Vault(vault) => return Arc::new(vault.open(config, clock)),
            Self::Symbolon(nested) => (nested, true),
            Self::Spire(nested) => (nested, false),
        };
        let options = NestedOptions {
            address: nested.address.clone(),
            workload_api_socket: nested.workload_api_socket.clone(),
            spiffe_id: nested.spiffe_id.clone(),
            has_forms,
            timeout: nested.timeout.0,
        };
        Arc::new(Nested::new(
            config.trust_domain.clone(),
            options,
            Arc::clone(clock),
        ))
    }
}

impl DiskUpstreamConfig {
    fn open(&self, config: &ServerConfig) -> Disk {
        let files = DiskFiles {
            certificate: self.certificate_file.clone(),
            key: self.key_file.clone(),
            alternative_key: self.alternative_key_file.clone(),
            bundle: self.bundle_file.clone(),
        };
        Disk::new(config.trust_domain.clone(), files)
    }
}

impl ServerConfig {
    /// Which upstream each family names.
    pub(super) fn named_upstreams(&self) -> Vec<(Family, &UpstreamName)> {
        let families = &self.families;
        let named = [
            (Family::Classical, families.classical.upstream.as_ref()),
            (Family::MlDsa, families.ml_dsa.upstream.as_ref()),
            (Family::Composite, families.composite.upstream.as_ref()),
            (
                Family::Catalyst,
                families.catalyst.as_ref().and_then(|it| it.upstream.as_ref()),
            ),
            (Family::Jwt, families.jwt.upstream.as_ref()),
            (
                Family::Wit,
                families.wit.as_ref().and_then(|it| it.upstream.as_ref()),
            ),
        ];
        named
            .into_iter()
            .filter_map(|(family, name)| Some((family, name?)))
            .collect()
    }

    /// What is wrong with the upstreams, without touching anything.
    pub(super) fn check_upstreams(&self) -> (Vec<Problem>, Vec<Warning>) {
        let mut problems = Vec::new();
        for (name, upstream) in &self.upstreams {
            problems.extend(upstream.check(name));
        }
        let named = self.named_upstreams();
        for (family, name) in &named {
            let key = format!("families.{family}.upstream");
            match self.upstreams.get(name) {
                None => {
                    let reason = format!("is {name}, and there is no section [upstreams.{name}]");
                    problems.push(problem(key, reason));
                }
                Some(upstream) => {
                    if let Some(lack) = upstream.lacks(*family) {
                        let reason = format!("is {name} ({}), which {lack}", upstream.kind());
                        problems.push(problem(key, reason));
                    }
                }
            }
        }
        let idle = self
            .upstreams
            .keys()
            .filter(|name| !named.iter().any(|(_, it)| it == name));
        let warnings = idle.map(|name| Warning {
            key: format!("upstreams.{name}"),
            reason: "is the upstream of no family".to_owned(),
        });
        (problems, warnings.collect())
    }

    /// What is wrong with the files that upstreams are in.
    pub(super) fn check_upstream_files(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, upstream) in &self.upstreams {
            let checked = match upstream {
                UpstreamConfig::Disk(disk) => disk.open(self).check(),
                UpstreamConfig::Offline(offline) => Offline::new(offline.dir.clone()).check(),
                // A server need not be up for a configuration to be right.
                UpstreamConfig::Vault(vault) => vault.check_files(self),
                UpstreamConfig::Symbolon(_) | UpstreamConfig::Spire(_) => Ok(()),
            };
            if let Err(error) = checked {
                problems.push(problem(
                    format!("upstreams.{name}"),
                    format!("is no use: {error}"),
                ));
            }
        }
        problems
    }

    /// The upstream of each family that has one.
    pub(crate) fn open_upstreams(&self, clock: &Arc<dyn Clock>) -> BTreeMap<Family, NamedUpstream> {
        let mut opened: BTreeMap<&UpstreamName, Arc<dyn Upstream>> = BTreeMap::new();
        let mut families = BTreeMap::new();
        for (family, name) in self.named_upstreams() {
            let Some(config) = self.upstreams.get(name) else {
                continue;
            };
            let upstream = opened.entry(name).or_insert_with(|| config.open(self, clock));
            let named = NamedUpstream {
                name: name.clone(),
                upstream: Arc::clone(upstream),
            };
            families.insert(family, named);
        }
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let text = format!("trust_domain = \"example.org\"\ndata_dir = \"/d\"\n{text}");
        let config: ServerConfig = toml::from_str(&text).expect("a configuration");
        let (problems, _) = config.check_upstreams();
        problems.into_iter().map(|problem| problem.to_string()).collect()
    }

    #[test]
    fn the_page_of_upstreams_is_a_configuration() {
        let text = format!(
            "trust_domain = \"example.org\"\ndata_dir = \"/d\"\n{}",
            include_str!("upstreams.toml")
        );
        let config: ServerConfig = toml::from_str(&text).expect("a configuration");
        assert!(
            config.check_upstreams().0.is_empty(),
            "{:?}",
            config.check_upstreams()
        );
    }

    #[test]
    fn an_upstream_has_to_be_there_and_fit_its_family() {
        const ROOT: &str =
            "[upstreams.root]\nkind = \"disk\"\ncertificate_file = \"/c\"\nkey_file = \"/k\"\n";
        let with = |text: &str| problems(&format!("{ROOT}{text}"));
        assert!(with("[families.classical]\nupstream = \"root\"\n").is_empty());
        let missing = with("[families.classical]\nupstream = \"rot\"\n");
        assert!(missing[0].contains("no section [upstreams.rot]"), "{missing:?}");
        let tokens = with("[families.jwt]\nupstream = \"root\"\n");
        assert!(tokens[0].contains("publishes no keys"), "{tokens:?}");
        let catalyst = with("[families.catalyst]\nupstream = \"root\"\n");
        assert!(catalyst[0].contains("alternative_key_file"), "{catalyst:?}");
    }
}
