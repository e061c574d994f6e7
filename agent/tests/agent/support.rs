//! Time that tests move, a server on a directory, an agent beside it.

use std::future::Future;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_agent::{Agent, AgentConfig, AgentError, AgentStatus, Environment, RunningAgent, Timer};
use symbolon_ca::client::{Client, EntrySpec, SelectorSpec};
use symbolon_ca::config::ServerConfig;
use symbolon_ca::server::{RunningServer, Server, ServerError};
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::time::Clock;
use symbolon_pki::verify::{VerifiedSvid, verify_x509_svid};
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient, X509Context, X509Svid};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Nothing here takes this long; whoever waits longer has found a defect.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A clock and a timer in one, which stand still until they are moved.
#[derive(Debug)]
pub(crate) struct TestTime(Mutex<Moment>);

#[derive(Debug)]
struct Moment {
    now: SystemTime,
    sleepers: Vec<(SystemTime, oneshot::Sender<()>)>,
}

impl TestTime {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Moment {
            now: SystemTime::now(),
            sleepers: Vec::new(),
        })))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut moment = self.0.lock().unwrap();
        moment.now += by;
        let now = moment.now;
        for (_, sleeper) in moment.sleepers.extract_if(.., |(until, _)| *until <= now) {
            // Whoever slept may have been woken by something else.
            let _awake = sleeper.send(());
        }
    }

    /// Lets time pass until something has happened: whenever someone waits for a moment that is at most `stride` away,
    /// that moment comes.
    pub(crate) async fn pass<T>(&self, stride: Duration, until: impl Future<Output = T>) -> T {
        self.pass_after(Duration::from_millis(5), stride, until).await
    }

    /// As [`Self::pass`], with so much real time for what is on its way before the next moment comes.
    pub(crate) async fn pass_after<T>(
        &self,
        quiet: Duration,
        stride: Duration,
        until: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(until);
        let passing = async {
            loop {
                match tokio::time::timeout(quiet, &mut until).await {
                    Ok(done) => return done,
                    Err(_) => self.advance(self.to_next_sleeper(stride)),
                }
            }
        };
        within(passing).await
    }

    /// How long until the next sleeper is to wake; nothing if that is not within `stride`.
    fn to_next_sleeper(&self, stride: Duration) -> Duration {
        let mut moment = self.0.lock().unwrap();
        moment.sleepers.retain(|(_, sleeper)| !sleeper.is_closed());
        let next = moment.sleepers.iter().map(|(until, _)| *until).min();
        let wait = next.and_then(|next| next.duration_since(moment.now).ok());
        wait.filter(|wait| *wait <= stride).unwrap_or_default()
    }
}

impl Clock for TestTime {
    fn now(&self) -> SystemTime {
        self.0.lock().unwrap().now
    }
}

impl Timer for TestTime {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (sender, receiver) = oneshot::channel();
        let mut moment = self.0.lock().unwrap();
        let until = moment.now + duration;
        moment.sleepers.push((until, sender));
        Box::pin(async {
            let _woken = receiver.await;
        })
    }
}

/// Waits for something, but not for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes too long")
}

/// Waits until the agent's status is like this.
pub(crate) async fn status_of(agent: &RunningAgent, like: impl FnMut(&AgentStatus) -> bool) -> AgentStatus {
    let mut status = agent.subscribe();
    let found = within(status.wait_for(like)).await;
    found.expect("the agent runs").clone()
}

pub(crate) fn domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

pub(crate) fn id(path: &str) -> SpiffeId {
    SpiffeId::new(format!("spiffe://example.org{path}")).unwrap()
}

/// The selector that this process has.
pub(crate) fn my_uid() -> String {
    format!("uid:{}", rustix::process::geteuid().as_raw())
}

pub(crate) fn private_file(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// A server, and a place for an agent of it.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) time: Arc<TestTime>,
    config: ServerConfig,
    server: Option<RunningServer>,
    client: Option<Client>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// With a configuration that is changed before; files that it names may be put into the directory.
    pub(crate) async fn start_with(change: impl FnOnce(&Path, &mut ServerConfig)) -> Self {
        let (dir, time) = (TempDir::new().unwrap(), TestTime::new());
        let mut config = ServerConfig::new(domain(), dir.path().join("server"));
        config.listen.address = "127.0.0.1:0".parse().unwrap();
        change(dir.path(), &mut config);
        let mut site = Self {
            dir,
            time,
            config,
            server: None,
            client: None,
        };
        site.start_server().await;
        // After a restart it is to be found again.
        site.config.listen.address = site.server().tcp_addr();
        site.write_bundle();
        site
    }

    pub(crate) async fn start_server(&mut self) {
        let starting = async {
            loop {
                match Server::start(&self.config, self.time.clone()).await {
                    // It is to be found again where it was, and somebody else may have that port for a moment.
                    Err(ServerError::Listen { source, .. }) if source.kind() == ErrorKind::AddrInUse => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    other => return other.unwrap(),
                }
            }
        };
        let server = within(starting).await;
        self.client = Some(Client::over_socket(server.socket_path()).await.unwrap());
        self.server = Some(server);
    }

    pub(crate) async fn stop_server(&mut self) {
        self.client = None;
        within(self.server.take().unwrap().shutdown()).await.unwrap();
    }

    pub(crate) fn server(&self) -> &RunningServer {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    pub(crate) fn bundle_path(&self) -> PathBuf {
        self.dir.path().join("bundle.json")
    }

    pub(crate) fn write_bundle(&self) {
        std::fs::write(self.bundle_path(), self.server().authorities().bundle().to_jwks()).unwrap();
    }

    pub(crate) fn token_path(&self) -> PathBuf {
        self.dir.path().join("token")
    }

    /// Makes a token and puts it where the agent looks.
    pub(crate) async fn new_token(&self) -> SpiffeId {
        let token = self
            .client()
            .create_join_token(Duration::from_secs(600), None)
            .await
            .unwrap();
        private_file(&self.token_path(), &token.token);
        SpiffeId::new(token.agent_id).unwrap()
    }

    pub(crate) fn agent_config(&self) -> AgentConfig {
        let address = self.config.listen.address.to_string();
        let mut config = AgentConfig::new(
            domain(),
            self.dir.path().join("node"),
            address,
            self.bundle_path(),
        );
        config.attestor.join_token_file = Some(self.token_path());
        config
    }

    pub(crate) async fn try_agent(&self, config: AgentConfig) -> Result<RunningAgent, AgentError> {
        let environment = Environment {
            clock: self.time.clone(),
            timer: self.time.clone(),
            ..Environment::new(&config)
        };
        within(Agent::start_in(config, environment)).await
    }

    /// A running agent that is ready.
    pub(crate) async fn agent(&self) -> RunningAgent {
        self.new_token().await;
        self.agent_with(self.agent_config()).await
    }

    pub(crate) async fn agent_with(&self, config: AgentConfig) -> RunningAgent {
        let agent = self.try_agent(config).await.unwrap();
        within(agent.ready()).await.unwrap();
        agent
    }

    /// Registers this process as a workload of the agent; gives the entry's id.
    pub(crate) async fn register(&self, agent: &RunningAgent, path: &str, selectors: &[&str]) -> String {
        self.register_with(agent, path, selectors, |_| {}).await
    }

    pub(crate) async fn register_with(
        &self,
        agent: &RunningAgent,
        path: &str,
        selectors: &[&str],
        change: impl FnOnce(&mut EntrySpec),
    ) -> String {
        let selectors = selectors.iter().map(|value| SelectorSpec {
            kind: "unix".to_owned(),
            value: (*value).to_owned(),
        });
        let mut spec = EntrySpec::new(id(path), agent.spiffe_id().unwrap(), selectors.collect());
        change(&mut spec);
        self.client().create_entry(&spec).await.unwrap().id
    }

    /// Lets time pass until the agent has synced once more, beginning after now.
    pub(crate) async fn sync(&self, agent: &RunningAgent) {
        let syncs = agent.status().syncs;
        // The one in progress may have seen the state before.
        let synced = status_of(agent, |status| status.syncs > syncs + 1);
        self.time.pass(Duration::from_secs(5), synced).await;
    }

    pub(crate) fn bundles(&self) -> BundleSet {
        (*self.server().authorities().bundles()).clone()
    }

    /// Verifies by the server's own bundle.
    pub(crate) fn verify(&self, svid: &X509Svid) -> VerifiedSvid {
        verify(svid, &self.bundles(), self.time.now())
    }
}

pub(crate) fn verify(svid: &X509Svid, bundles: &BundleSet, now: SystemTime) -> VerifiedSvid {
    let certificate = |der: &_| symbolon_pki::certificate::Certificate::from_der(der).unwrap();
    let chain: Vec<_> = svid
        .identity
        .chain()
        .iter()
        .map(|der| certificate(der.as_ref()))
        .collect();
    verify_x509_svid(&chain, bundles, now).unwrap()
}

pub(crate) async fn workload(agent: &RunningAgent) -> WorkloadApiClient {
    let endpoint = Endpoint::unix(agent.socket()).unwrap();
    within(WorkloadApiClient::connect(&endpoint)).await.unwrap()
}

/// Tells one SVID from the next.
pub(crate) fn leaf(svid: &X509Svid) -> Vec<u8> {
    svid.identity.chain()[0].to_vec()
}

pub(crate) fn leaves(context: &X509Context) -> Vec<Vec<u8>> {
    context.svids.iter().map(leaf).collect()
}
