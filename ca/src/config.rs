//! The server's configuration file.
//!
//! ```toml
#![doc = include_str!("config/defaults.toml")]
//! ```

mod check;
mod read;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use spiffe::TrustDomain;
use symbolon_host::config::{ConfigError, from_text, optional_from_text};
use symbolon_host::duration::HumanDuration;
use symbolon_host::logging::LogFormat;
use symbolon_hsm::StoreName;
use symbolon_pki::suite::{Family, Form, Suite};

pub use self::check::{Problem, Warning};
use self::read::one_or_many;
use crate::authorities::{AuthoritySettings, FamilySettings};

/// Where the API listens unless configured otherwise; SPIRE's port, so that stock agents find it.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// The name of the store that there is when none is configured, and that families use when they name none.
pub const DEFAULT_STORE: &str = "software";

/// A server's configuration. Field for field what the file says; [`validate`](Self::validate) checks what hangs
/// together.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The trust domain.
    #[serde(deserialize_with = "from_text")]
    pub trust_domain: TrustDomain,
    /// Where the server keeps its state.
    pub data_dir: PathBuf,
    /// This server's name among those of its trust domain. Default: `main`.
    #[serde(default = "default_server_name")]
    pub server_name: String,
    /// Threads that sign; 0 is one for each processor. Default: 0.
    #[serde(default)]
    pub signer_threads: usize,
    /// The API for agents and administrators.
    #[serde(default)]
    pub listen: ListenConfig,
    /// How long things live.
    #[serde(default)]
    pub lifetimes: Lifetimes,
    /// Key stores by name. Default: one software store called `software`.
    #[serde(default)]
    pub stores: BTreeMap<StoreName, StoreConfig>,
    /// What issues.
    #[serde(default)]
    pub families: FamiliesConfig,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
}

/// The TCP listener.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ListenConfig {
    /// Address and port; port 0 takes a free one. Default: [`DEFAULT_ADDRESS`].
    pub address: SocketAddr,
    /// Accept clients that know no hybrid key exchange. Default: no.
    pub allow_classical_kex: bool,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: DEFAULT_ADDRESS,
            allow_classical_kex: false,
        }
    }
}

/// How long things live.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// Authorities. Default: 24 hours.
    pub authority: HumanDuration,
    /// X.509-SVIDs of workloads and of the server. Default: 1 hour.
    pub svid: HumanDuration,
    /// X.509-SVIDs of agents. Default: 1 hour.
    pub agent: HumanDuration,
    /// JWT-SVIDs. Default: 5 minutes.
    pub jwt: HumanDuration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            authority: HumanDuration(Duration::from_secs(24 * 60 * 60)),
            svid: HumanDuration(Duration::from_secs(60 * 60)),
            agent: HumanDuration(Duration::from_secs(60 * 60)),
            jwt: HumanDuration(Duration::from_secs(5 * 60)),
        }
    }
}

/// One key store.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum StoreConfig {
    /// One encrypted file for each key.
    Software {
        /// Where the files are. Default: `server/keys/<name>` in the data directory.
        dir: Option<PathBuf>,
        /// The file with the key that encrypts them. Default: the data directory's path with `.key` after it.
        key_file: Option<PathBuf>,
        /// A file with a passphrase, instead of a key file.
        passphrase_file: Option<PathBuf>,
        /// An environment variable with a passphrase, instead of a key file.
        passphrase_env: Option<String>,
    },
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self::Software {
            dir: None,
            key_file: None,
            passphrase_file: None,
            passphrase_env: None,
        }
    }
}

/// What issues: one section for each family.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FamiliesConfig {
    /// Certificates with classical keys.
    pub classical: FamilyConfig,
    /// Certificates with ML-DSA keys.
    pub ml_dsa: FamilyConfig,
    /// Certificates with composite keys.
    pub composite: FamilyConfig,
    /// JWT-SVIDs.
    pub jwt: FamilyConfig,
}

/// How one family's authorities are made.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct FamilyConfig {
    /// What they sign with. Default: `ecdsa-p256`, `ml-dsa-65`, `mldsa65-ecdsa-p256`, and `ecdsa-p256` for tokens.
    #[serde(deserialize_with = "optional_from_text")]
    pub suite: Option<Suite>,
    /// The store of the key, or one for each of its components. Default: [`DEFAULT_STORE`].
    #[serde(deserialize_with = "one_or_many")]
    pub store: Vec<StoreName>,
}

/// Logs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A level, or a list of target=level. Default: `info`.
    pub filter: String,
    /// How lines look. Default: text.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl ServerConfig {
    /// The defaults, for a trust domain and a data directory.
    pub fn new(trust_domain: TrustDomain, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            trust_domain,
            data_dir: data_dir.into(),
            server_name: default_server_name(),
            signer_threads: 0,
            listen: ListenConfig::default(),
            lifetimes: Lifetimes::default(),
            stores: BTreeMap::new(),
            families: FamiliesConfig::default(),
            log: LogConfig::default(),
        }
    }

    /// Reads a file and validates it; returns what the operator should be told beside it.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file and the key.
    pub fn load(path: &Path) -> Result<(Self, Vec<Warning>), ConfigError> {
        let config: Self = symbolon_host::config::load(path)?;
        match config.validate() {
            Ok(warnings) => Ok((config, warnings)),
            Err(problem) => Err(ConfigError::Value {
                path: path.to_owned(),
                reason: problem.to_string(),
            }),
        }
    }

    /// The stores there are: those configured, or the default one.
    pub fn effective_stores(&self) -> BTreeMap<StoreName, StoreConfig> {
        if !self.stores.is_empty() {
            return self.stores.clone();
        }
        default_store()
            .map(|name| (name, StoreConfig::default()))
            .into_iter()
            .collect()
    }

    /// What the authorities are to be like.
    pub fn authority_settings(&self) -> AuthoritySettings {
        let families = Family::ALL
            .into_iter()
            .filter_map(|family| self.family_settings(family));
        AuthoritySettings {
            trust_domain: self.trust_domain.clone(),
            server_name: self.server_name.clone(),
            ttl: self.lifetimes.authority.0,
            families: families.collect(),
        }
    }

    fn family_settings(&self, family: Family) -> Option<FamilySettings> {
        let (config, default_suite) = match family {
            Family::Classical => (&self.families.classical, Form::Classical.default_suite()),
            Family::MlDsa => (&self.families.ml_dsa, Form::MlDsa.default_suite()),
            Family::Composite => (&self.families.composite, Form::Composite.default_suite()),
            Family::Jwt => (&self.families.jwt, Suite::EcdsaP256),
            // A family that this configuration has no section for.
            _ => return None,
        };
        let stores = match config.store.is_empty() {
            true => default_store().into_iter().collect(),
            false => config.store.clone(),
        };
        Some(FamilySettings {
            family,
            suite: config.suite.unwrap_or(default_suite),
            stores,
        })
    }
}

fn default_server_name() -> String {
    "main".to_owned()
}

fn default_store() -> Option<StoreName> {
    StoreName::parse(DEFAULT_STORE).ok()
}
