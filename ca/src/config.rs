//! The server's configuration file.
//!
//! ```toml
#![doc = include_str!("config/defaults.toml")]
//! ```

mod attestors;
mod change;
mod check;
mod examine;
mod federation;
mod gate;
mod lifetimes;
mod listen;
mod migration;
mod read;
mod retention;
mod stores;
mod upstream;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use spiffe::TrustDomain;
use symbolon_host::config::{ConfigError, from_text, optional_from_text};
use symbolon_host::logging::LogFormat;
use symbolon_host::watch::{HealthConfig, MetricsConfig, TracesConfig};
use symbolon_hsm::{Pkcs11Config, StoreLocation, StoreName, Stores};
use symbolon_pki::suite::{Family, Form, Suite};

pub(crate) use self::attestors::{AZURE_CA, CLUSTER_CA, GCP_CA, authorities as authorities_in, web_roots};
pub use self::attestors::{
    AttestorError, AttestorsConfig, AwsIidSection, AzureMsiSection, ClusterSection, GcpIitSection,
    HttpChallengeSection, K8sPsatSection, SshPopSection, TenantSection, TpmDevIdSection, TpmSection,
    X509PopMode, X509PopSection,
};
pub use self::change::Changes;
pub use self::check::{Problem, Warning};
pub use self::examine::{Examination, Finding};
pub use self::federation::{FederationConfig, FederationConfigError};
pub use self::gate::{AuthorizationConfig, LimitsConfig};
pub use self::lifetimes::Lifetimes;
pub use self::listen::{ListenConfig, ProxyProtocol};
pub use self::migration::MigrationConfig;
use self::read::one_or_many;
pub use self::retention::RetentionConfig;
pub use self::stores::{Pkcs11StoreConfig, SoftwareStoreConfig, StoreConfig, TpmStoreConfig};
pub use self::upstream::{
    AppRoleAuthConfig, CertAuthConfig, DiskUpstreamConfig, KubernetesAuthConfig, NestedUpstreamConfig,
    OfflineUpstreamConfig, TokenAuthConfig, UpstreamConfig, VaultAuthConfig, VaultUpstreamConfig,
};
use crate::authorities::{AuthoritiesError, AuthoritySettings, FamilySettings};
use crate::upstream::UpstreamName;

/// Where the API listens unless configured otherwise; SPIRE's port, so that stock agents find it.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

/// The name of the store that there is when none is configured, and that families use when nothing else is said.
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
    /// Who may call.
    #[serde(default)]
    pub authorization: AuthorizationConfig,
    /// How often.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How long things live.
    #[serde(default)]
    pub lifetimes: Lifetimes,
    /// How long what has ended is kept.
    #[serde(default)]
    pub retention: RetentionConfig,
    /// When entries are ready to migrate.
    #[serde(default)]
    pub migration: MigrationConfig,
    /// Key stores by name. Default: one software store called `software`.
    #[serde(default)]
    pub stores: BTreeMap<StoreName, StoreConfig>,
    /// Where the keys of families go that name no store: each component to the first of these that offers it. Default:
    /// [`DEFAULT_STORE`].
    #[serde(default, deserialize_with = "one_or_many")]
    pub key_stores: Vec<StoreName>,
    /// Who certifies this server's authorities, by name. Default: nobody.
    #[serde(default)]
    pub upstreams: BTreeMap<UpstreamName, UpstreamConfig>,
    /// What issues.
    #[serde(default)]
    pub families: FamiliesConfig,
    /// How nodes may attest.
    #[serde(default)]
    pub attestors: AttestorsConfig,
    /// How other trust domains' bundles are fetched.
    #[serde(default)]
    pub federation: FederationConfig,
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
    /// Certificates with a classical key and an alternative one. Default: what there is by default, where a store can
    /// hold its keys, and no such family where none can.
    pub catalyst: Option<CatalystConfig>,
    /// JWT-SVIDs.
    pub jwt: FamilyConfig,
    /// WIT-SVIDs. Default: none, as in SPIRE; a section, be it empty, makes the family.
    pub wit: Option<FamilyConfig>,
}

/// How one family's authorities are made.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct FamilyConfig {
    /// What they sign with. Default: `ecdsa-p256`, `ml-dsa-65`, `mldsa65-ecdsa-p256`, and `ecdsa-p256` for tokens.
    #[serde(deserialize_with = "optional_from_text")]
    pub suite: Option<Suite>,
    /// The store of the key, or one for each of its components. Default: as [`key_stores`](ServerConfig::key_stores) says.
    #[serde(deserialize_with = "one_or_many")]
    pub store: Vec<StoreName>,
    /// Who certifies them, or publishes them if they sign tokens. Default: nobody above this server.
    pub upstream: Option<UpstreamName>,
}

/// How authorities with an alternative key are made.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct CatalystConfig {
    /// What they sign with for everybody. Default: `ecdsa-p256`.
    #[serde(deserialize_with = "optional_from_text")]
    pub suite: Option<Suite>,
    /// What they sign with beside that. Default: `ml-dsa-65`.
    #[serde(deserialize_with = "optional_from_text")]
    pub alternative: Option<Suite>,
    /// The store of both keys, or one for each. Default: as [`key_stores`](ServerConfig::key_stores) says.
    #[serde(deserialize_with = "one_or_many")]
    pub store: Vec<StoreName>,
    /// Who certifies them. Default: nobody above this server.
    pub upstream: Option<UpstreamName>,
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
            authorization: AuthorizationConfig::default(),
            limits: LimitsConfig::default(),
            lifetimes: Lifetimes::default(),
            retention: RetentionConfig::default(),
            migration: MigrationConfig::default(),
            stores: BTreeMap::new(),
            key_stores: Vec::new(),
            upstreams: BTreeMap::new(),
            families: FamiliesConfig::default(),
            attestors: AttestorsConfig::default(),
            federation: FederationConfig::default(),
            health: HealthConfig::default(),
            metrics: MetricsConfig::default(),
            traces: TracesConfig::default(),
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

    /// What each family's next authority is to be like.
    pub fn families(&self) -> Vec<FamilyPlan> {
        Family::ALL
            .into_iter()
            .filter_map(|family| self.plan(family))
            .collect()
    }

    /// What the authorities are to be like, in these stores.
    ///
    /// # Errors
    /// [`AuthoritiesError::NoStoreOffers`], and [`AuthoritiesError::UnknownStore`].
    pub fn authority_settings(&self, stores: &Stores) -> Result<AuthoritySettings, AuthoritiesError> {
        let mut families = Vec::new();
        for plan in self.families() {
            let mut settings = FamilySettings {
                family: plan.family,
                suite: plan.suite,
                alternative: plan.alternative,
                stores: Vec::new(),
                upstream: None,
            };
            match &plan.place {
                Place::In(names) => settings.stores.clone_from(names),
                Place::FirstOf(names) => match settings.in_first(names, stores) {
                    Ok(()) => {}
                    Err(error) if plan.is_dispensable => {
                        let why = &error as &dyn std::error::Error;
                        tracing::info!(family = %plan.family, why, "this server has no such authorities");
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            }
            families.push(settings);
        }
        Ok(AuthoritySettings {
            trust_domain: self.trust_domain.clone(),
            server_name: self.server_name.clone(),
            ttl: self.lifetimes.authority.0,
            families,
        })
    }

    /// How many calls a token takes at once, at most: those of the one that takes most.
    pub(crate) fn holder_threads(&self) -> usize {
        let stores = self.stores.iter();
        let sessions = stores.filter_map(|(name, store)| match self.location(name, store) {
            StoreLocation::Pkcs11(token) => Some(token.max_sessions),
            _ => None,
        });
        sessions.max().unwrap_or(Pkcs11Config::MAX_SESSIONS)
    }

    fn plan(&self, family: Family) -> Option<FamilyPlan> {
        let (config, default_suite) = match family {
            Family::Classical => (&self.families.classical, Form::Classical.default_suite()),
            Family::MlDsa => (&self.families.ml_dsa, Form::MlDsa.default_suite()),
            Family::Composite => (&self.families.composite, Form::Composite.default_suite()),
            Family::Jwt => (&self.families.jwt, Suite::EcdsaP256),
            Family::Wit => (self.families.wit.as_ref()?, Suite::EcdsaP256),
            Family::Catalyst => return self.catalyst_plan(),
            // A family that this configuration has no section for.
            _ => return None,
        };
        Some(FamilyPlan {
            family,
            suite: config.suite.unwrap_or(default_suite),
            alternative: None,
            place: self.place(&config.store),
            is_dispensable: false,
        })
    }

    /// A configuration without a section for this family may be older than the family, and must not fail for it.
    fn catalyst_plan(&self) -> Option<FamilyPlan> {
        let section = self.families.catalyst.as_ref();
        let place = self.place(section.map_or(&[], |section| section.store.as_slice()));
        let stores = self.effective_stores();
        if section.is_none() && !place.stores().iter().all(|name| stores.contains_key(name)) {
            return None;
        }
        let suite = section.and_then(|section| section.suite);
        let alternative = section.and_then(|section| section.alternative);
        Some(FamilyPlan {
            family: Family::Catalyst,
            suite: suite.unwrap_or(Form::Catalyst.default_suite()),
            alternative: alternative.or(Form::Catalyst.default_alternative()),
            place,
            is_dispensable: section.is_none(),
        })
    }

    /// Where a key goes that belongs in these stores, or in none in particular.
    fn place(&self, named: &[StoreName]) -> Place {
        match (named, self.key_stores.is_empty()) {
            ([], true) => Place::In(default_store().into_iter().collect()),
            ([], false) => Place::FirstOf(self.key_stores.clone()),
            (named, _) => Place::In(named.to_vec()),
        }
    }
}

/// What a family's next authority is to be like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FamilyPlan {
    /// The family.
    pub family: Family,
    /// What it signs with.
    pub suite: Suite,
    /// What it signs with beside that.
    pub alternative: Option<Suite>,
    /// Where its key goes.
    pub place: Place,
    /// Whether the server does without it where no store can hold its keys, because nobody asked for it.
    pub is_dispensable: bool,
}

impl FamilyPlan {
    /// How many components its key has.
    pub fn component_count(&self) -> usize {
        let alternative = self.alternative.map_or(0, |suite| suite.components().len());
        self.suite.components().len() + alternative
    }
}

/// Where a key goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Into this store, or one for each component in the order of the suite, and then of the alternative one.
    In(Vec<StoreName>),
    /// Each component into the first of these that offers it.
    FirstOf(Vec<StoreName>),
}

impl Place {
    /// The stores it names.
    pub fn stores(&self) -> &[StoreName] {
        match self {
            Self::In(names) | Self::FirstOf(names) => names,
        }
    }
}

fn default_server_name() -> String {
    "main".to_owned()
}

fn default_store() -> Option<StoreName> {
    StoreName::parse(DEFAULT_STORE).ok()
}
