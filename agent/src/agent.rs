//! A running agent: its parts, started and stopped together.

use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spiffe::SpiffeId;
use symbolon_host::metrics::Metrics;
use symbolon_host::pages::Pages;
use symbolon_host::watch::Listening;
use symbolon_hsm::Passphrase;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::time::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::attest::{ConfiguredEvidence, EvidenceSource};
use crate::cache::{Cache, JwtCache};
use crate::config::AgentConfig;
use crate::error::AgentError;
use crate::identity::Vault;
use crate::migration::Reports;
use crate::server::{ServerLink, server_id};
use crate::status::{AgentStatus, Phase};
use crate::sync::{Keeper, blocking};
use crate::telemetry::Counted;
use crate::time::{Backoff, SystemTimer, Timer};
use crate::{issue, telemetry, workload_api};

/// What an agent takes from the outside.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Waiting.
    pub timer: Arc<dyn Timer>,
    /// What to attest with.
    pub evidence: Arc<dyn EvidenceSource>,
    /// The passphrase that the agent's own key is encrypted under, where the program around the agent has asked a person
    /// for it; instead of what the configuration names.
    pub passphrase: Option<Passphrase>,
}

impl Environment {
    /// The machine's clock and timer, and the evidence that the configuration names.
    pub fn new(config: &AgentConfig) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            timer: Arc::new(SystemTimer),
            evidence: Arc::new(ConfiguredEvidence::new(config)),
            passphrase: None,
        }
    }
}

/// What the parts of one agent share.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: AgentConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) link: ServerLink,
    pub(crate) cache: Cache,
    pub(crate) jwts: JwtCache,
    /// What workloads tell of their handshakes.
    pub(crate) reports: Reports,
    pub(crate) status: watch::Sender<AgentStatus>,
    pub(crate) counted: Counted,
    /// Asks for a sync before its time.
    pub(crate) nudge: Notify,
}

/// Starts agents.
#[derive(Debug)]
pub struct Agent;

impl Agent {
    /// Starts an agent with the evidence that its configuration names.
    ///
    /// # Errors
    /// As [`start_in`](Self::start_in).
    pub async fn start(config: AgentConfig, clock: Arc<dyn Clock>) -> Result<RunningAgent, AgentError> {
        let environment = Environment {
            clock,
            ..Environment::new(&config)
        };
        Self::start_in(config, environment).await
    }

    /// Starts an agent. It listens when this returns, and answers `Unavailable` until it is
    /// [ready](RunningAgent::ready). The caller has seen to it that the data directory is its own, by
    /// [`DataDir`](symbolon_host::DataDir).
    ///
    /// # Errors
    /// [`AgentError`]: the configuration, the data directory, the key store or the socket cannot be used.
    pub async fn start_in(config: AgentConfig, environment: Environment) -> Result<RunningAgent, AgentError> {
        config.validate()?;
        let opening = config.clone();
        let passphrase = environment.passphrase.clone();
        let vault = blocking(move || {
            make_dir(&opening.agent_dir())?;
            Vault::open(&opening, passphrase)
        })
        .await?;
        let listening = Listening::start(&config.health, &config.metrics).await?;
        let (health_addr, metrics_addr) = (listening.health_addr(), listening.metrics_addr());
        let (socket, file) = symbolon_host::socket::bind(&config.socket(), 0o777)?.into_parts();
        let mut metrics = Metrics::default();
        let counted = Counted::new(&mut metrics);
        let context = Arc::new(Context::new(config, &environment, counted)?);
        telemetry::sample(&mut metrics, &context);
        let keeper = Keeper::new(context.clone(), vault, environment.evidence).await?;

        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(workload_api::serve(context.clone(), socket, cancel.clone()));
        tasks.spawn(keeper.run(cancel.clone()));
        tasks.spawn(issue::run(context.clone(), cancel.clone()));
        for (listener, pages) in pages(listening, &context, metrics) {
            let stop = cancel.clone().cancelled_owned();
            tasks.spawn(async move {
                symbolon_host::pages::serve(listener, pages, stop).await;
                Ok(())
            });
        }
        let config = &context.config;
        tracing::info!(
            event = telemetry::AGENT_STARTED,
            trust_domain = %config.trust_domain,
            server = config.server.address,
            socket = %config.socket().display(),
            version = env!("CARGO_PKG_VERSION"),
            "the agent listens"
        );
        let supervisor = tokio::spawn(supervise(tasks, context.clone(), cancel.clone(), file));
        Ok(RunningAgent {
            socket: config.socket(),
            health_addr,
            metrics_addr,
            status: context.status.subscribe(),
            cancel,
            supervisor: Some(supervisor),
        })
    }
}

impl Context {
    fn new(config: AgentConfig, environment: &Environment, counted: Counted) -> Result<Self, AgentError> {
        let server = server_id(&config.trust_domain).map_err(|_| AgentError::TrustDomain)?;
        let clock = environment.clock.clone();
        let backoff = Backoff {
            first: config.sync.interval.0,
            longest: config.sync.longest_wait.0,
        };
        Ok(Self {
            link: ServerLink::new(&config.server.address, server, BundleSet::new(), clock.clone())
                .counted_by(counted.calls.clone()),
            counted,
            cache: Cache::new(config.svids.max_x509, config.svids.prefetch.clone(), backoff),
            jwts: JwtCache::new(config.svids.max_jwt),
            reports: Reports::default(),
            status: watch::Sender::default(),
            nudge: Notify::new(),
            timer: environment.timer.clone(),
            clock,
            config,
        })
    }
}

/// What is shown on the addresses that are listened on.
fn pages(listening: Listening, context: &Arc<Context>, metrics: Metrics) -> Vec<(TcpListener, Pages)> {
    let config = &context.config;
    let status = context.status.subscribe();
    let ready = move || {
        let problem = why_not_ready(&status.borrow());
        async move { problem.into_iter().collect() }
    };
    listening.pages(
        (&config.health, &config.metrics),
        ready,
        Arc::new(metrics),
        || async {},
    )
}

/// What keeps workloads from being served; the server's absence does not, once there is something to serve.
fn why_not_ready(status: &AgentStatus) -> Option<String> {
    if telemetry::is_ready(&status.phase) {
        return None;
    }
    Some(match (&status.phase, &status.last_error) {
        (Phase::Stopped(_), _) => "the agent is stopping".to_owned(),
        (_, Some(error)) => format!("the agent has not been in sync with its server yet: {error}"),
        (_, None) => "the agent has not been in sync with its server yet".to_owned(),
    })
}

/// The directory must let everyone through to the socket, whose name they know, and nobody look around; what is not for
/// everyone is private by itself.
fn make_dir(path: &Path) -> Result<(), AgentError> {
    let failed = |source| AgentError::File {
        path: path.to_owned(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
        .map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711)).map_err(failed)
}

/// Waits for the first part to end, then ends the others.
async fn supervise(
    mut tasks: JoinSet<Result<(), AgentError>>,
    context: Arc<Context>,
    cancel: CancellationToken,
    socket: symbolon_host::socket::SocketFile,
) {
    let mut fatal = None;
    while let Some(ended) = tasks.join_next().await {
        cancel.cancel();
        let outcome = ended.unwrap_or_else(|error| Err(AgentError::Defect(error.to_string())));
        if let Err(error) = outcome {
            fatal.get_or_insert(Arc::new(error));
        }
    }
    drop(socket);
    tracing::info!(event = telemetry::AGENT_STOPPED, "the agent stopped");
    context
        .status
        .send_modify(|status| status.phase = Phase::Stopped(fatal));
}

/// An agent that runs. Dropping it stops it without waiting for it.
#[derive(Debug)]
pub struct RunningAgent {
    socket: PathBuf,
    health_addr: Option<SocketAddr>,
    metrics_addr: Option<SocketAddr>,
    status: watch::Receiver<AgentStatus>,
    cancel: CancellationToken,
    supervisor: Option<JoinHandle<()>>,
}

impl RunningAgent {
    /// The Workload API's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where its pages for probes are, if it has any.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health_addr
    }

    /// Where its figures are, if it shows them.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// How the agent is doing.
    pub fn status(&self) -> AgentStatus {
        self.status.borrow().clone()
    }

    /// Follows how the agent is doing.
    pub fn subscribe(&self) -> watch::Receiver<AgentStatus> {
        self.status.clone()
    }

    /// Who the agent is, once it has attested.
    pub fn spiffe_id(&self) -> Option<SpiffeId> {
        self.status.borrow().spiffe_id.clone()
    }

    /// Waits until the agent has been in sync with its server.
    ///
    /// # Errors
    /// Why it stopped instead; `None` if it was told to.
    pub async fn ready(&self) -> Result<(), Option<Arc<AgentError>>> {
        let mut status = self.status.clone();
        let settled = status
            .wait_for(|status| !matches!(status.phase, Phase::Starting))
            .await;
        match settled.as_deref() {
            Ok(AgentStatus {
                phase: Phase::Stopped(error),
                ..
            }) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(None),
        }
    }

    /// Waits until the agent has stopped, and says why if it was by itself.
    pub async fn stopped(&self) -> Option<Arc<AgentError>> {
        let mut status = self.status.clone();
        let stopped = status
            .wait_for(|status| matches!(status.phase, Phase::Stopped(_)))
            .await;
        match stopped.as_deref() {
            Ok(AgentStatus {
                phase: Phase::Stopped(error),
                ..
            }) => error.clone(),
            _ => None,
        }
    }

    /// Stops the agent and waits for it: streams end, the socket is removed.
    ///
    /// # Errors
    /// What had stopped it before.
    pub async fn shutdown(mut self) -> Result<(), Arc<AgentError>> {
        self.cancel.cancel();
        if let Some(supervisor) = self.supervisor.take()
            && let Err(error) = supervisor.await
        {
            return Err(Arc::new(AgentError::Defect(error.to_string())));
        }
        match &self.status.borrow().phase {
            Phase::Stopped(Some(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
