//! The agent's configuration file.
//!
//! ```toml
#![doc = include_str!("config/defaults.toml")]
//! ```

mod attestor;
mod change;
mod check;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use spiffe::TrustDomain;
use symbolon_host::config::{ConfigError, distinct_from_text, from_text, optional_from_text};
use symbolon_host::duration::HumanDuration;
use symbolon_host::logging::LogFormat;
use symbolon_host::watch::{HealthConfig, MetricsConfig, TracesConfig};
use symbolon_pki::suite::Form;

pub use self::attestor::{
    AttestorConfig, AwsIidSection, AzureMsiSection, GcpIitSection, HttpChallengeSection, K8sPsatSection,
    SshPopSection, TpmDevIdSection, TpmSection, X509PopSection,
};
pub use self::change::Changes;
pub use self::check::{Finding, Problem};

/// An agent's configuration. Field for field what the file says; [`validate`](Self::validate) checks what hangs
/// together.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The trust domain.
    #[serde(deserialize_with = "from_text")]
    pub trust_domain: TrustDomain,
    /// Where the agent keeps its state.
    pub data_dir: PathBuf,
    /// Form of the agent's own SVID. Default: composite while the trust bundle has composite authorities, else
    /// classical.
    #[serde(default, deserialize_with = "optional_from_text")]
    pub form: Option<Form>,
    /// The server.
    pub server: ServerSection,
    /// How the server is recognised the first time.
    pub bootstrap: BootstrapConfig,
    /// What the node attests with.
    #[serde(default)]
    pub attestor: AttestorConfig,
    /// What protects the agent's own key.
    #[serde(default)]
    pub keys: KeysConfig,
    /// The Workload API.
    #[serde(default)]
    pub workload_api: WorkloadApiConfig,
    /// The workloads' SVIDs.
    #[serde(default)]
    pub svids: SvidsConfig,
    /// Keeping up with the server.
    #[serde(default)]
    pub sync: SyncConfig,
    /// Pages for probes.
    #[serde(default)]
    pub health: HealthConfig,
    /// Figures for Prometheus.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// Spans for a collector.
    #[serde(default)]
    pub traces: TracesConfig,
    /// Logs.
    #[serde(default)]
    pub log: LogConfig,
}

/// The server.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ServerSection {
    /// Host and port.
    pub address: String,
}

/// How the server is recognised the first time: by a bundle, or not at all.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapConfig {
    /// File with PEM certificates or a SPIFFE bundle document.
    pub bundle: Option<PathBuf>,
    /// Believe whatever server answers the first time.
    pub insecure: bool,
}

/// What protects the agent's own key.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// The file with the key that encrypts it. Default: the data directory's path with `.key` after it.
    pub key_file: Option<PathBuf>,
    /// A file with a passphrase, instead of a key file.
    pub passphrase_file: Option<PathBuf>,
    /// An environment variable with a passphrase, instead of a key file.
    pub passphrase_env: Option<String>,
}

/// The Workload API.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct WorkloadApiConfig {
    /// Its socket. Default: `agent/api.sock` in the data directory.
    pub socket: Option<PathBuf>,
    /// Most connections at a time. Default: 256.
    pub max_connections: usize,
    /// Most connections at a time from one user. Default: 128.
    pub max_connections_per_user: usize,
    /// Most calls at a time on one connection. Default: 64.
    pub max_streams: u32,
}

impl Default for WorkloadApiConfig {
    fn default() -> Self {
        Self {
            socket: None,
            max_connections: 256,
            max_connections_per_user: 128,
            max_streams: 64,
        }
    }
}

/// The workloads' SVIDs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct SvidsConfig {
    /// Forms fetched before anyone asks. Default: classical.
    #[serde(deserialize_with = "distinct_from_text")]
    pub prefetch: Vec<Form>,
    /// Most X.509-SVIDs held. Default: 1000.
    pub max_x509: usize,
    /// Most JWT-SVIDs held. Default: 1000.
    pub max_jwt: usize,
}

impl Default for SvidsConfig {
    fn default() -> Self {
        Self {
            prefetch: vec![Form::Classical],
            max_x509: 1000,
            max_jwt: 1000,
        }
    }
}

/// Keeping up with the server.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct SyncConfig {
    /// How often. Default: 5 seconds.
    pub interval: HumanDuration,
    /// The longest wait between two tries. Default: 8 minutes.
    pub longest_wait: HumanDuration,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            interval: HumanDuration(Duration::from_secs(5)),
            longest_wait: HumanDuration(Duration::from_secs(8 * 60)),
        }
    }
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

impl AgentConfig {
    /// The defaults, for a server that is recognised by the bundle in a file.
    pub fn new(
        trust_domain: TrustDomain,
        data_dir: impl Into<PathBuf>,
        server_address: impl Into<String>,
        bootstrap_bundle: impl Into<PathBuf>,
    ) -> Self {
        Self {
            trust_domain,
            data_dir: data_dir.into(),
            form: None,
            server: ServerSection {
                address: server_address.into(),
            },
            bootstrap: BootstrapConfig {
                bundle: Some(bootstrap_bundle.into()),
                insecure: false,
            },
            attestor: AttestorConfig::default(),
            keys: KeysConfig::default(),
            workload_api: WorkloadApiConfig::default(),
            svids: SvidsConfig::default(),
            sync: SyncConfig::default(),
            health: HealthConfig::default(),
            metrics: MetricsConfig::default(),
            traces: TracesConfig::default(),
            log: LogConfig::default(),
        }
    }

    /// Reads a file and validates it.
    ///
    /// # Errors
    /// [`ConfigError`], naming the file and the key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let config: Self = symbolon_host::config::load(path)?;
        match config.validate() {
            Ok(()) => Ok(config),
            Err(problem) => Err(ConfigError::Value {
                path: path.to_owned(),
                reason: problem.to_string(),
            }),
        }
    }

    /// Where the agent's own files are.
    pub fn agent_dir(&self) -> PathBuf {
        self.data_dir.join("agent")
    }

    /// The Workload API's socket.
    pub fn socket(&self) -> PathBuf {
        let default = || self.agent_dir().join("api.sock");
        self.workload_api.socket.clone().unwrap_or_else(default)
    }
}
