//! A server, its clock, and agents that talk to it.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::agent::v1::{
    AgentX509svidParams, AttestAgentRequest, RenewAgentRequest, attest_agent_request, attest_agent_response,
};
use symbolon_api::spire::api::types;
use symbolon_ca::client::{Client, EntrySpec, Reader};
use symbolon_ca::config::{ServerConfig, SoftwareStoreConfig, StoreConfig};
use symbolon_ca::server::{RunningServer, Server, ServerError};
use symbolon_hsm::StoreName;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{PrivateKey, SuiteSigner};
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock;
use symbolon_pki::verify::{VerifiedSvid, verify_x509_svid};
use symbolon_tls::grpc::{ALPN_H2, ChannelOptions, channel};
use symbolon_tls::{AuthorizeId, ClientOptions, Connector, StaticSource, SvidIdentity};
use tempfile::TempDir;
use tokio_stream::Stream;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A clock that starts at the real time and is moved by hand.
#[derive(Debug)]
pub(crate) struct TestClock(Mutex<SystemTime>);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(SystemTime::now())))
    }

    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub(crate) fn turn_back(&self, by: Duration) {
        *self.0.lock().unwrap() -= by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

pub(crate) fn domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

pub(crate) fn id(path: &str) -> SpiffeId {
    SpiffeId::new(format!("spiffe://example.org{path}")).unwrap()
}

/// A configuration whose keys are in `dir` and whose port is a free one.
pub(crate) fn config(dir: &Path) -> ServerConfig {
    let mut config = ServerConfig::new(domain(), dir.join("data"));
    config.listen.address = "127.0.0.1:0".parse().unwrap();
    // Tests attest more often than once a second, all from one address.
    config.limits.attestation = 0;
    config
}

/// One server on one directory.
pub(crate) struct TestServer {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) config: ServerConfig,
    pub(crate) server: RunningServer,
    /// Over the private socket.
    pub(crate) client: Client,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
        let mut config = config(dir.path());
        change(&mut config);
        Self::on(dir, clock, config).await.unwrap()
    }

    pub(crate) async fn on(
        dir: TempDir,
        clock: Arc<TestClock>,
        config: ServerConfig,
    ) -> Result<Self, ServerError> {
        let server = Server::start(&config, clock.clone()).await?;
        Ok(Self::around(dir, clock, config, server).await)
    }

    /// One that runs.
    pub(crate) async fn around(
        dir: TempDir,
        clock: Arc<TestClock>,
        config: ServerConfig,
        server: RunningServer,
    ) -> Self {
        let client = Client::over_socket(server.socket_path()).await.unwrap();
        Self {
            dir,
            clock,
            config,
            server,
            client,
        }
    }

    /// Stops, and starts again on the same directory with another clock setting in between.
    pub(crate) async fn restart(self, between: impl FnOnce(&TestClock)) -> Result<Self, ServerError> {
        let Self {
            dir,
            clock,
            config,
            server,
            client,
        } = self;
        drop(client);
        server.shutdown().await.unwrap();
        between(&clock);
        Self::on(dir, clock, config).await
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.config.data_dir.clone()
    }

    pub(crate) fn bundles(&self) -> BundleSet {
        (*self.server.authorities().bundles()).clone()
    }

    pub(crate) fn verify(&self, chain: &[Vec<u8>]) -> VerifiedSvid {
        let chain: Vec<_> = chain
            .iter()
            .map(|der| Certificate::from_der(der).unwrap())
            .collect();
        verify_x509_svid(&chain, &self.bundles(), self.clock.now()).unwrap()
    }

    /// A channel to the private socket for calls that the client does not have.
    pub(crate) async fn local(&self) -> Channel {
        symbolon_tls::grpc::unix_channel(self.server.socket_path(), &ChannelOptions::default())
            .await
            .unwrap()
    }

    /// A channel over TCP without a client certificate.
    pub(crate) async fn anonymous(&self) -> Channel {
        self.anonymous_at(&self.server.tcp_addr().to_string()).await
    }

    /// The same by way of this address.
    pub(crate) async fn anonymous_at(&self, address: &str) -> Channel {
        let source = Arc::new(StaticSource::new(vec![], self.bundles()));
        let connector = Connector::without_identity(source, self.expected(), self.clock.clone(), options());
        channel(address, connector, &ChannelOptions::default())
            .await
            .unwrap()
    }

    /// A channel over TCP with a client certificate.
    pub(crate) async fn with_svid(&self, identity: &Arc<SvidIdentity>) -> Channel {
        let source = Arc::new(StaticSource::new(vec![identity.clone()], self.bundles()));
        let connector = Connector::new(source, self.expected(), self.clock.clone(), options());
        self.connect(connector).await
    }

    async fn connect(&self, connector: Connector) -> Channel {
        let address = self.server.tcp_addr().to_string();
        channel(&address, connector, &ChannelOptions::default())
            .await
            .unwrap()
    }

    fn expected(&self) -> AuthorizeId {
        AuthorizeId::OneOf(vec![id("/spire/server")])
    }

    pub(crate) async fn token(&self) -> String {
        let token = self
            .client
            .create_join_token(Duration::from_secs(600), None)
            .await
            .unwrap();
        token.token.to_string()
    }

    /// A new agent with an SVID of this form.
    pub(crate) async fn agent(&self, form: Form) -> TestAgent {
        let token = self.token().await;
        let key = Key::new(form);
        let result = attest(
            self.anonymous().await,
            "join_token",
            token.as_bytes(),
            key.csr(None),
        )
        .await
        .unwrap();
        let svid = result.svid.unwrap();
        self.agent_with(key, svid).await
    }

    pub(crate) async fn agent_with(&self, key: Key, svid: types::X509svid) -> TestAgent {
        let identity = Arc::new(SvidIdentity::new(svid.cert_chain, key.signer).unwrap());
        let channel = self.with_svid(&identity).await;
        TestAgent {
            spiffe_id: identity.spiffe_id().clone(),
            channel,
        }
    }

    /// An entry for workloads of this agent.
    pub(crate) async fn entry(&self, agent: &TestAgent, path: &str) -> String {
        let spec = EntrySpec::new(
            id(path),
            agent.spiffe_id.clone(),
            vec!["unix:uid:1000".parse().unwrap()],
        );
        self.client.create_entry(&spec).await.unwrap().id
    }

    pub(crate) async fn certificate_count(&self) -> usize {
        self.client.certificates(&Default::default()).await.unwrap().len()
    }
}

fn options() -> ClientOptions {
    ClientOptions {
        alpn: vec![ALPN_H2.to_vec()],
        ..ClientOptions::default()
    }
}

/// An agent that has attested.
pub(crate) struct TestAgent {
    pub(crate) spiffe_id: SpiffeId,
    pub(crate) channel: Channel,
}

impl TestAgent {
    pub(crate) async fn renew(&self, key: &Key) -> Result<types::X509svid, Status> {
        let params = Some(AgentX509svidParams { csr: key.csr(None) });
        let answer = AgentClient::new(self.channel.clone())
            .renew_agent(asking_for_key(RenewAgentRequest { params }, &key.csr(None)))
            .await?;
        Ok(answer.into_inner().svid.unwrap())
    }
}

/// A key that something is to be certified for.
pub(crate) struct Key {
    pub(crate) signer: SuiteSigner,
}

impl Key {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            signer: PrivateKey::generate(form.default_suite())
                .unwrap()
                .signer()
                .unwrap(),
        }
    }

    pub(crate) fn csr(&self, id: Option<&SpiffeId>) -> Vec<u8> {
        let builder = CsrBuilder::new(&self.signer);
        match id {
            Some(id) => builder.spiffe_id(id).build().unwrap(),
            None => builder.build().unwrap(),
        }
    }
}

/// Attests as SPIRE's agents do.
pub(crate) async fn attest(
    channel: Channel,
    method: &str,
    payload: &[u8],
    csr: Vec<u8>,
) -> Result<attest_agent_response::Result, Status> {
    let params = attest_agent_request::Params {
        data: Some(types::AttestationData {
            r#type: method.to_owned(),
            payload: payload.to_vec(),
        }),
        params: Some(AgentX509svidParams { csr: csr.clone() }),
    };
    let step = attest_agent_request::Step::Params(params);
    let request = asking_for_key(
        tokio_stream::iter([AttestAgentRequest { step: Some(step) }]),
        &csr,
    );
    attest_with(channel, request).await
}

/// Opens attestation with this message.
pub(crate) async fn attest_step(
    channel: Channel,
    step: Option<attest_agent_request::Step>,
) -> Result<attest_agent_response::Result, Status> {
    attest_with(
        channel,
        Request::new(tokio_stream::iter([AttestAgentRequest { step }])),
    )
    .await
}

async fn attest_with(
    channel: Channel,
    request: Request<impl Stream<Item = AttestAgentRequest> + Send + 'static>,
) -> Result<attest_agent_response::Result, Status> {
    let mut answers = AgentClient::new(channel)
        .attest_agent(request)
        .await?
        .into_inner();
    let answer = answers.message().await?.unwrap();
    assert!(
        answers.message().await.unwrap().is_none(),
        "the result is the last message"
    );
    match answer.step {
        Some(attest_agent_response::Step::Result(result)) => Ok(result),
        other => panic!("{other:?}"),
    }
}

/// A request that asks for the form of the key in `csr`, as our agents do; one for a classical key asks for nothing, as
/// stock agents do.
pub(crate) fn asking_for_key<T>(message: T, csr: &[u8]) -> Request<T> {
    match Csr::from_der(csr).map(|csr| csr.form()) {
        Ok(Form::Classical) | Err(_) => Request::new(message),
        Ok(form) => asking(message, form.name()),
    }
}

/// A request that asks for forms.
pub(crate) fn asking<T>(message: T, forms: &'static str) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert(symbolon_api::FORMS_METADATA, forms.parse().unwrap());
    request
}

/// The default store, opened by a passphrase in `file` instead.
pub(crate) fn passphrase_store(file: &Path) -> (StoreName, StoreConfig) {
    let store = StoreConfig::Software(SoftwareStoreConfig {
        passphrase_file: Some(file.to_owned()),
        ..SoftwareStoreConfig::default()
    });
    (StoreName::parse("software").unwrap(), store)
}

/// A SPIFFE ID of this trust domain in a message.
pub(crate) fn wire_id(path: &str) -> Option<types::Spiffeid> {
    Some((&id(path)).into())
}

/// An entry with nothing but what every entry has.
pub(crate) fn message(path: &str, parent: &str) -> types::Entry {
    types::Entry {
        spiffe_id: wire_id(path),
        parent_id: wire_id(parent),
        selectors: vec![types::Selector {
            r#type: "unix".to_owned(),
            value: "uid:1".to_owned(),
        }],
        ..types::Entry::default()
    }
}

/// A request that other software made.
pub(crate) fn foreign_request(name: &str) -> Vec<u8> {
    let path = format!("{}/../pki/tests/data/csr/{name}.der", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

/// Everything that an error says.
pub(crate) fn words(error: &ServerError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
