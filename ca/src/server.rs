//! A whole server: its state opened, its services on their two endpoints, its background work running.
//!
//! [`Server::start`] is all there is to it, for `symbolon server run` as for programs that host a server themselves.
//! Nothing is changed before it is known that the sockets are free and the configuration makes sense.

mod attestors;
mod endpoints;
mod error;
mod foreign;
mod health;
mod maintenance;
mod ready;
mod reload;
mod stores;
mod watching;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use symbolon_attestation::Verifier;
use symbolon_crypto::random;
use symbolon_federation::BundleClient;
use symbolon_host::data_dir::DataDir;
use symbolon_host::logging::LogControl;
use symbolon_host::metrics::Metrics;
use symbolon_host::pages;
use symbolon_host::socket::{self, SocketFile};
use symbolon_host::watch::Listening;
use symbolon_pki::time::{Clock, rfc3339};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::endpoints::Age;
pub use self::error::ServerError;
use self::foreign::WithForeign;
use self::reload::Reloading;
pub use self::stores::Prompt;
use crate::authorities::{Authorities, Change};
use crate::authorization::{AuthorizationLayer, Policy};
use crate::config::{Changes, ServerConfig};
use crate::datastore::sqlite::SqliteDatastore;
use crate::datastore::{Datastore, metadata};
use crate::federation::Federation;
use crate::identity::ServerIdentity;
use crate::issuer::Issuer;
use crate::limits;
use crate::migration::Migrations;
use crate::record::{Limits, Recorder, RecorderTask};
use crate::registrations::Registrations;
use crate::services::{Core, JoinTokens};
use crate::telemetry::{Counted, SERVER_STARTED, SERVER_STOPPED};

/// How long calls in progress have when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// The datastore's file in the server's directory.
pub(crate) const DATASTORE_FILE: &str = "db";
/// The private socket in the server's directory.
pub(crate) const SOCKET_FILE: &str = "private.sock";

/// Where the private socket of the server on a data directory is.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("server").join(SOCKET_FILE)
}

/// What a server is started with beside its configuration.
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is asked for PINs and passphrases. It is called on a thread that may wait.
    pub prompt: Prompt,
    /// The data directory, where the caller has it open and shares it, with an agent for example.
    pub data_dir: Option<Arc<DataDir>>,
    /// The log of this process, for operators to change its level. Without one they cannot.
    pub log: Option<LogControl>,
    /// Node attestation methods of the caller's own. One takes the place of the configuration's of the same name.
    pub methods: Vec<Arc<dyn Verifier>>,
}

impl Environment {
    /// A clock, nobody to ask, a data directory that the server opens itself, and the configuration's methods alone.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            prompt: stores::no_prompt(),
            data_dir: None,
            log: None,
            methods: Vec::new(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("clock", &self.clock)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// What a server is given beside its keys and records.
#[derive(Debug)]
struct Surroundings {
    log: Option<LogControl>,
    methods: Vec<Arc<dyn Verifier>>,
    policy: Option<Policy>,
    listening: Listening,
    bundle_client: BundleClient,
}

/// Starts servers.
#[derive(Debug)]
pub struct Server(());

impl Server {
    /// Starts a server on the data directory of its configuration.
    ///
    /// # Errors
    /// [`ServerError`], saying what is wrong with the configuration or the machine. Nothing runs then.
    pub async fn start(config: &ServerConfig, clock: Arc<dyn Clock>) -> Result<RunningServer, ServerError> {
        Self::start_with(config, Environment::new(clock)).await
    }

    /// Starts a server in surroundings of the caller's choice.
    ///
    /// # Errors
    /// As [`Server::start`]; also where the directory is not the configuration's.
    pub async fn start_with(
        config: &ServerConfig,
        environment: Environment,
    ) -> Result<RunningServer, ServerError> {
        check(config)?;
        if let Some(shared) = &environment.data_dir
            && shared.trust_domain() != config.trust_domain.as_str()
        {
            return Err(ServerError::OtherTrustDomain {
                found: shared.trust_domain().to_owned(),
                wanted: config.trust_domain.clone(),
            });
        }
        // Before the data directory is made: neither is a reason to leave one behind.
        socket::check_path(&socket_path(&config.data_dir))?;
        let tcp = listen(config.listen.address).await?;
        let listening = Listening::start(&config.health, &config.metrics).await?;
        let policy = Policy::load(&config.authorization)?;
        let bundle_client = config.federation.client(Arc::clone(&environment.clock))?;
        let Environment {
            clock,
            prompt,
            data_dir,
            log,
            methods,
        } = environment;
        let data_dir = match data_dir {
            Some(shared) => shared,
            None => Arc::new(DataDir::open(&config.data_dir, config.trust_domain.as_str())?),
        };
        Self::assemble(
            config,
            data_dir,
            tcp,
            clock,
            prompt,
            Surroundings {
                log,
                methods,
                policy,
                listening,
                bundle_client,
            },
        )
        .await
    }

    async fn assemble(
        config: &ServerConfig,
        data_dir: Arc<DataDir>,
        tcp: TcpListener,
        clock: Arc<dyn Clock>,
        prompt: Prompt,
        Surroundings {
            log,
            methods,
            policy,
            listening,
            bundle_client,
        }: Surroundings,
    ) -> Result<RunningServer, ServerError> {
        let tcp_addr = tcp.local_addr().map_err(|source| ServerError::Listen {
            address: config.listen.address,
            source,
        })?;
        let socket = socket::bind(&data_dir.server().join(SOCKET_FILE), 0o600)?;
        let file = data_dir.server().join(DATASTORE_FILE);
        if file.exists() {
            // What it says of keys comes first: a store that is missing is known before another is opened, or made.
            let journal = SqliteDatastore::open(&file).await?;
            let checked = stores::check(config, &journal, clock.now()).await;
            journal.close().await;
            checked?;
        }
        let stores = Arc::new(stores::open(config, prompt).await?);
        let mut settings = config.authority_settings(&stores)?;
        let mut upstreams = config.open_upstreams(&clock);
        for family in &mut settings.families {
            family.upstream = upstreams.remove(&family.family);
        }
        let sqlite = SqliteDatastore::open(&file).await?;
        let datastore: Arc<dyn Datastore> = Arc::new(sqlite.clone());
        // Servers of one name may share a token, and a datastore may be lost and begun anew: the keys that are this
        // server's to destroy are those made by this datastore's.
        let server_id = claim(config, datastore.as_ref(), clock.as_ref()).await?;
        settings.server_name = format!("{}-{server_id}", settings.server_name);

        let (recorder, recorder_task) = Recorder::start(Arc::new(sqlite), Limits::default());
        let (authorities, changes) = Authorities::open(
            settings,
            stores,
            Arc::clone(&datastore),
            recorder.clone(),
            Arc::clone(&clock),
        )
        .await?;
        let issuer = Issuer::new(
            Arc::clone(&authorities),
            recorder,
            Arc::clone(&clock),
            config.signer_threads,
        )?;
        let mut metrics = Metrics::default();
        let counted = Counted::new(&mut metrics);
        let issuer = issuer
            .with_holder_threads(config.holder_threads())
            .counted_by(counted.clone());
        let issuer = Arc::new(issuer);
        let identity =
            ServerIdentity::open(Arc::clone(&issuer), config.lifetimes.svid.0, Arc::clone(&clock)).await?;
        let registrations = Registrations::open(Arc::clone(&datastore), &config.trust_domain).await?;

        let federation = Federation::new(
            Arc::clone(&datastore),
            Arc::clone(&authorities),
            bundle_client,
            Arc::clone(&clock),
        );

        let migrations = Migrations::open(
            Arc::clone(&datastore),
            Arc::clone(&registrations),
            Arc::clone(&authorities),
            Arc::clone(&clock),
            config.migration.quiet.0,
        )
        .await?;

        let stop = CancellationToken::new();
        let join_tokens = Arc::new(JoinTokens::new(Arc::clone(&datastore)));
        let mut verifiers = attestors::verifiers(config, &join_tokens, &authorities, &datastore, &clock)?;
        verifiers.extend(methods.into_iter().map(|verifier| (verifier.method(), verifier)));
        let core = Arc::new(Core {
            trust_domain: config.trust_domain.clone(),
            datastore: Arc::clone(&datastore),
            registrations: Arc::clone(&registrations),
            authorities: Arc::clone(&authorities),
            federation: Arc::clone(&federation),
            migrations,
            issuer,
            verifiers,
            join_tokens,
            identity: Arc::clone(&identity),
            log,
            lifetimes: ArcSwap::from_pointee(config.lifetimes),
            limits: ArcSwap::from_pointee(config.limits),
            counted: counted.clone(),
            clock: Arc::clone(&clock),
            started_at: clock.now(),
            problems: Default::default(),
            stopping: stop.clone(),
        });
        let gate = reload::gate(&core, config).with_policy(policy);
        let gate = AuthorizationLayer::new(Arc::new(gate), limits::Limits::new(&config.limits));
        let reloading = Reloading::new(config.clone(), Arc::clone(&core), gate.clone());
        let (health_addr, metrics_addr) = (listening.health_addr(), listening.metrics_addr());
        let watched = watching::pages(listening, config, &core, &counted, metrics);
        let (listener, socket_file) = socket.into_parts();
        let socket_path = data_dir.server().join(SOCKET_FILE);

        let mut endpoints = JoinSet::new();
        let source = WithForeign::open(config, identity.source(), Arc::clone(&datastore)).await?;
        let acceptor = endpoints::acceptor(config, source.clone(), Arc::clone(&clock));
        endpoints.spawn(endpoints::serve_tcp(
            tcp,
            acceptor,
            config.listen.proxies()?,
            Arc::clone(&core),
            gate.clone(),
            Age {
                most: config.listen.max_connection_age.0,
                grace: config.listen.max_connection_grace.0,
            },
            stop.clone(),
        ));
        endpoints.spawn(endpoints::serve_socket(listener, core, gate, stop.clone())?);
        let mut background = JoinSet::new();
        background.spawn(Arc::clone(&authorities).run(stop.clone()));
        background.spawn(identity.run(stop.clone()));
        for (listener, pages) in watched {
            background.spawn(pages::serve(listener, pages, stop.clone().cancelled_owned()));
        }
        background.spawn(source.run(stop.clone()));
        background.spawn(Arc::clone(&federation).run(stop.clone()));
        background.spawn(maintenance::run(
            Arc::clone(&datastore),
            registrations,
            Arc::clone(&authorities),
            config.retention,
            clock,
            stop.clone(),
        ));

        tracing::info!(
            event = SERVER_STARTED,
            trust_domain = %config.trust_domain,
            tcp = %tcp_addr,
            socket = %socket_path.display(),
            version = env!("CARGO_PKG_VERSION"),
        );
        Ok(RunningServer {
            tcp_addr,
            socket_path,
            health_addr,
            metrics_addr,
            reloading,
            changes,
            authorities,
            federation,
            datastore,
            recorder_task,
            endpoints,
            background,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
            _socket_file: socket_file,
            _data_dir: data_dir,
        })
    }
}

/// Checks the configuration, and leaves what its author should know in the log.
fn check(config: &ServerConfig) -> Result<(), ServerError> {
    for warning in config.validate()? {
        tracing::warn!(event = "config.warning", %warning, "the configuration works and is likely not what was meant");
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Listen { address, source })
}

/// Makes sure that the datastore is this trust domain's, or makes it so if it is new. Returns what tells its server
/// from others of the same name.
async fn claim(
    config: &ServerConfig,
    datastore: &dyn Datastore,
    clock: &dyn Clock,
) -> Result<String, ServerError> {
    let found = datastore
        .claim_metadata(metadata::TRUST_DOMAIN, config.trust_domain.as_str())
        .await?;
    if found != config.trust_domain.as_str() {
        return Err(ServerError::OtherTrustDomain {
            found,
            wanted: config.trust_domain.clone(),
        });
    }
    datastore
        .claim_metadata(metadata::CREATED_AT, &rfc3339(clock.now()))
        .await?;
    let mut fresh = [0; 4];
    random::fill(&mut fresh)?;
    Ok(datastore
        .claim_metadata(metadata::SERVER_ID, &hex::encode(fresh))
        .await?)
}

/// A server that runs. Dropping it stops it as well, but without waiting for what is in progress.
#[derive(Debug)]
pub struct RunningServer {
    tcp_addr: SocketAddr,
    socket_path: PathBuf,
    health_addr: Option<SocketAddr>,
    metrics_addr: Option<SocketAddr>,
    reloading: Reloading,
    changes: Vec<Change>,
    authorities: Arc<Authorities>,
    federation: Arc<Federation>,
    datastore: Arc<dyn Datastore>,
    recorder_task: RecorderTask,
    endpoints: JoinSet<Result<(), ServerError>>,
    background: JoinSet<()>,
    stop: CancellationToken,
    /// Stops what runs on after this value is gone.
    _stop_on_drop: DropGuard,
    _socket_file: SocketFile,
    _data_dir: Arc<DataDir>,
}

impl RunningServer {
    /// Where agents and administrators reach it; the real port where the configuration said 0.
    pub fn tcp_addr(&self) -> SocketAddr {
        self.tcp_addr
    }

    /// Where local callers reach it.
    pub fn socket_path(&self) -> &Path {
        &self.socket_path
    }

    /// Where its pages for probes are, if it has any.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health_addr
    }

    /// Where its figures are, if it shows them.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// Takes from a configuration what can change while the server runs, and says what that was and what has to wait for
    /// the next start.
    ///
    /// # Errors
    /// [`ServerError`], where the configuration cannot be used; what was in force stays.
    pub fn reload(&self, next: &ServerConfig) -> Result<Changes, ServerError> {
        self.reloading.take(next)
    }

    /// What happened to authorities while it started, oldest first.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Its authorities.
    pub fn authorities(&self) -> &Arc<Authorities> {
        &self.authorities
    }

    /// What fetches the bundles of other trust domains.
    pub fn federation(&self) -> &Arc<Federation> {
        &self.federation
    }

    /// Waits until an endpoint ends that should not, and says why. Never returns while all is well.
    pub async fn failed(&mut self) -> ServerError {
        match self.endpoints.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => ServerError::Task(error),
            Some(Ok(Ok(()))) | None => ServerError::Ended,
        }
    }

    /// Stops: no new calls, ten seconds for those in progress and for what is done in the background, then everything
    /// that was recorded is made durable. A token that hangs holds nothing up for longer.
    ///
    /// # Errors
    /// What went wrong on the way; the server has stopped all the same.
    pub async fn shutdown(mut self) -> Result<(), ServerError> {
        self.stop.cancel();
        let mut first_error = None;
        let drain = async {
            while let Some(ended) = self.endpoints.join_next().await {
                let error = match ended {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => error,
                    Err(error) => ServerError::Task(error),
                };
                first_error.get_or_insert(error);
            }
        };
        let rest = async { while self.background.join_next().await.is_some() {} };
        let both = async { tokio::join!(drain, rest) };
        if tokio::time::timeout(GRACE, both).await.is_err() {
            tracing::warn!(
                seconds = GRACE.as_secs(),
                "calls in progress or work in the background did not end in time and are broken off"
            );
        }
        self.endpoints.shutdown().await;
        // A rotation may be broken off between any two steps: the next start goes on from what the journal says.
        self.background.shutdown().await;
        if let Err(error) = self.recorder_task.shutdown().await {
            first_error.get_or_insert(ServerError::Task(error));
        }
        self.datastore.close().await;
        tracing::info!(event = SERVER_STOPPED);
        first_error.map_or(Ok(()), Err)
    }
}
