//! A server and an agent in this process, which know each other by their sockets alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use async_trait::async_trait;
use indicatif::ProgressBar;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_agent::config::KeysConfig;
use symbolon_agent::{Agent, AgentConfig, Environment, EvidenceError, EvidenceSource, RunningAgent};
use symbolon_attestation::Prover;
use symbolon_attestation::join_token::{JoinToken, TokenProver};
use symbolon_ca::authorities::{Change, ChangeKind};
use symbolon_ca::client::{Client, Reader as _};
use symbolon_ca::config::{DEFAULT_ADDRESS, ServerConfig, SoftwareStoreConfig, StoreConfig};
use symbolon_ca::datastore::{AuthorityRecord, AuthorityState};
use symbolon_ca::server::{Environment as Surroundings, RunningServer, Server, socket_path};
use symbolon_host::{DataDir, socket};
use symbolon_hsm::location::Wanted;
use symbolon_hsm::{Passphrase, SecretSource, SoftwareStore};
use symbolon_pki::time::{SystemClock, rfc3339};

use super::keys::Keys;
use super::registration;
use super::report::{AuthorityPart, KeyPart, KeyStorePart};
use crate::args::{Common, Up};
use crate::exit::Usage;
use crate::{paths, prompt};

/// How long the agent's token may wait to be used.
const TOKEN_TTL: Duration = Duration::from_secs(60);

/// Both, running.
pub(crate) struct Stack {
    data_dir: Arc<DataDir>,
    server: RunningServer,
    agent: RunningAgent,
    client: Client,
    tokens: Arc<Tokens>,
    key_stores: Vec<KeyStorePart>,
}

/// Makes a fresh join token whenever the agent has to attest, as an operator would with `symbolon token create`.
#[derive(Debug)]
struct Tokens {
    client: Client,
    /// The agent's second name.
    node: SpiffeId,
    used: AtomicBool,
}

#[async_trait]
impl EvidenceSource for Tokens {
    async fn prover(&self, _last: Option<&SpiffeId>) -> Result<Box<dyn Prover>, EvidenceError> {
        let other = |error: &dyn std::fmt::Display| EvidenceError::Other(error.to_string());
        registration::free_node_name(&self.client, &self.node)
            .await
            .map_err(|e| other(&e))?;
        let made = self.client.create_join_token(TOKEN_TTL, Some(&self.node)).await;
        let made = made.map_err(|e| other(&e))?;
        let token = JoinToken::parse(made.token.as_bytes()).map_err(|e| other(&e))?;
        self.used.store(true, Ordering::Relaxed);
        Ok(Box::new(TokenProver::new(token)))
    }
}

/// Where everything goes, checked before anything is made.
struct Plan {
    trust_domain: TrustDomain,
    data_dir: PathBuf,
    agent_keys: KeysConfig,
    /// What software keys are encrypted under, where a person was asked for it.
    passphrase: Option<Passphrase>,
    keys: Keys,
    config: ServerConfig,
}

impl Plan {
    fn new(common: &Common, options: &Up) -> Result<Self> {
        let trust_domain = TrustDomain::new(&options.trust_domain)
            .map_err(|error| Usage(format!("{:?} is no trust domain: {error}", options.trust_domain)))?;
        let data_dir = paths::data_dir(common.data_dir.as_deref())?;
        socket::check_path(&socket_path(&data_dir))?;
        socket::check_path(&data_dir.join("agent/api.sock"))?;
        let mut config = ServerConfig::new(trust_domain.clone(), data_dir.clone());
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.listen.address =
            options
                .listen
                .unwrap_or(if options.once { any_port } else { DEFAULT_ADDRESS });
        let (agent_keys, asks) = protection(options, &data_dir)?;
        let software = StoreConfig::Software(SoftwareStoreConfig {
            dir: None,
            key_file: agent_keys.key_file.clone(),
            passphrase_file: agent_keys.passphrase_file.clone(),
            passphrase_env: agent_keys.passphrase_env.clone(),
            passphrase_prompt: asks,
        });
        let keys = Keys::read(&options.keys, &data_dir, software)?;
        keys.configure(&mut config);
        config.validate().map_err(|problem| Usage(problem.to_string()))?;
        let passphrase = asks.then(|| ask_for_passphrase(&data_dir)).transpose()?;
        Ok(Self {
            trust_domain,
            data_dir,
            agent_keys,
            passphrase,
            keys,
            config,
        })
    }

    /// Who is asked for the secrets of key stores.
    fn prompt(&self, progress: &ProgressBar) -> symbolon_ca::server::Prompt {
        let (known, progress) = (self.passphrase.clone(), progress.clone());
        let files = self.data_dir.display().to_string();
        Arc::new(move |wanted| match &known {
            // It was asked for already, for the agent's key as well.
            Some(passphrase) if wanted.secret == "passphrase" && wanted.of.contains(&files) => {
                Ok(passphrase.clone())
            }
            _ => progress.suspend(|| prompt::wanted(wanted)),
        })
    }

    /// The stores, for the report.
    fn key_stores(&self) -> Vec<KeyStorePart> {
        let stores = self.config.stores.iter().map(|(name, store)| {
            let location = self.config.location(name, store);
            KeyStorePart {
                name: name.to_string(),
                kind: location.kind(),
                location: location.to_string(),
            }
        });
        stores.collect()
    }
}

fn ask_for_passphrase(data_dir: &Path) -> Result<Passphrase> {
    let keys = data_dir.join("agent/keys");
    let wanted = Wanted {
        secret: "passphrase",
        of: format!("the software keys in {}", data_dir.display()),
        is_new: SoftwareStore::is_new(&keys)?,
    };
    Ok(prompt::wanted(&wanted)?)
}

/// What protects the software keys of server and agent alike: a key file, or the passphrase that the option names. Also
/// whether a person is to be asked for it.
fn protection(options: &Up, data_dir: &Path) -> Result<(KeysConfig, bool)> {
    let Some(text) = &options.passphrase else {
        let keys = KeysConfig {
            key_file: Some(paths::key_file(options.key_file.as_deref(), data_dir)?),
            ..KeysConfig::default()
        };
        return Ok((keys, false));
    };
    let source: SecretSource = text
        .parse()
        .map_err(|error| Usage(format!("--passphrase: {error}")))?;
    let mut keys = KeysConfig::default();
    match source {
        SecretSource::File(path) => keys.passphrase_file = Some(std::path::absolute(path)?),
        SecretSource::Environment(name) => keys.passphrase_env = Some(name),
        SecretSource::Prompt => return Ok((keys, true)),
    }
    Ok((keys, false))
}

impl Stack {
    /// Starts the server, then the agent, and waits until the agent is in sync.
    pub(crate) async fn start(common: &Common, options: &Up, progress: &ProgressBar) -> Result<Self> {
        progress.set_message("starting the server");
        let plan = Plan::new(common, options)?;
        let clock = Arc::new(SystemClock);
        let data_dir = Arc::new(DataDir::open(&plan.data_dir, plan.trust_domain.as_str())?);
        let surroundings = Surroundings {
            data_dir: Some(Arc::clone(&data_dir)),
            prompt: plan.prompt(progress),
            ..Surroundings::new(clock.clone())
        };
        let server = Server::start_with(&plan.config, surroundings)
            .await
            .map_err(|error| plan.keys.explain(error))?;
        plan.keys.remember()?;
        let key_stores = plan.key_stores();
        let client = Client::over_socket(server.socket_path()).await?;

        registration::register_user(&client, &plan.trust_domain).await?;

        progress.set_message("attesting the agent");
        // What an operator copies to a node: the bundle by which its agent recognises the server.
        let bundle = plan.data_dir.join("agent/bootstrap.json");
        let document = client.bundle().await?.to_jwks();
        symbolon_host::data_dir::write_whole(&bundle, document.as_bytes(), 0o644)?;
        let address = server.tcp_addr().to_string();
        let mut config = AgentConfig::new(plan.trust_domain.clone(), &plan.data_dir, address, &bundle);
        config.keys = plan.agent_keys;
        let tokens = Arc::new(Tokens {
            client: client.clone(),
            node: registration::node_id(&plan.trust_domain)?,
            used: AtomicBool::new(false),
        });
        let environment = Environment {
            clock,
            evidence: tokens.clone(),
            passphrase: plan.passphrase,
            ..Environment::new(&config)
        };
        let agent = Agent::start_in(config, environment).await?;
        agent.ready().await.map_err(|error| match error {
            Some(error) => anyhow!(error),
            None => anyhow!("the agent was stopped before it was ready"),
        })?;
        Ok(Self {
            data_dir,
            server,
            agent,
            client,
            tokens,
            key_stores,
        })
    }

    /// Waits until either ends that should not, and says why.
    pub(crate) async fn failed(&mut self) -> Result<()> {
        tokio::select! {
            error = self.server.failed() => Err(error.into()),
            error = self.agent.stopped() => Err(match error {
                Some(error) => anyhow!(error),
                None => anyhow!("the agent stopped"),
            }),
        }
    }

    /// Stops the agent and then the server, cleanly.
    pub(crate) async fn stop(self) -> Result<()> {
        let agent = self.agent.shutdown().await.map_err(|error| anyhow!(error));
        drop(self.client);
        let server = self.server.shutdown().await;
        agent.and(server.map_err(Into::into))
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.tcp_addr()
    }

    pub(crate) fn server_socket(&self) -> &Path {
        self.server.socket_path()
    }

    pub(crate) fn agent_socket(&self) -> &Path {
        self.agent.socket()
    }

    pub(crate) fn agent_id(&self) -> Result<SpiffeId> {
        self.agent.spiffe_id().context("the agent has no identity")
    }

    /// Whether the agent attested in this run.
    pub(crate) fn has_attested(&self) -> bool {
        self.tokens.used.load(Ordering::Relaxed)
    }

    /// The key stores in use.
    pub(crate) fn key_stores(&mut self) -> Vec<KeyStorePart> {
        std::mem::take(&mut self.key_stores)
    }

    /// The authorities that sign, and what happened to them when the server started.
    pub(crate) fn authorities(&self) -> Vec<AuthorityPart> {
        let changes = self.server.changes();
        let journal = self.server.authorities().journal();
        let active = journal
            .into_iter()
            .filter(|record| record.state == AuthorityState::Active);
        active
            .map(|record| AuthorityPart {
                family: record.family.to_string(),
                suite: record.suite.to_string(),
                alternative: record.alternative.map(|suite| suite.to_string()),
                not_after: rfc3339(record.not_after),
                since: since(changes, &record.authority_id),
                keys: key_parts(&record),
                authority_id: record.authority_id,
            })
            .collect()
    }
}

/// Where each component of an authority's key is.
fn key_parts(record: &AuthorityRecord) -> Vec<KeyPart> {
    let parts = record
        .components()
        .zip(&record.keys)
        .map(|(component, key)| KeyPart {
            component: component.to_string(),
            store: key.store.as_str().to_owned(),
            key_id: key.key_id.as_str().to_owned(),
        });
    parts.collect()
}

/// How an authority came to sign, in the report's words.
fn since(changes: &[Change], authority_id: &str) -> &'static str {
    let activated = changes.iter().rfind(|change| {
        change.authority_id == authority_id
            && !matches!(change.kind, ChangeKind::Prepared | ChangeKind::Forgotten)
    });
    match activated.map(|change| change.kind) {
        Some(ChangeKind::Activated) => "new",
        Some(ChangeKind::Rotated) => "rotated",
        Some(ChangeKind::ReplacedExpired) => "replaced",
        _ => "kept",
    }
}
