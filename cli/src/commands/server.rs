//! `symbolon server`, and how other commands find a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_ca::client::{Client, ClientError, Reader};
use symbolon_ca::config::{self, ServerConfig};
use symbolon_ca::offline::Offline;
use symbolon_ca::server::{Environment, Server as CaServer, socket_path};
use symbolon_pki::suite::Form;
use symbolon_pki::time::SystemClock;
use symbolon_tls::{Backoff, X509Source};
use tokio::time::timeout;

use crate::args::{Common, Server};
use crate::output::{Show, facts, with_alternative};
use crate::{paths, prompt};

/// Longest wait for this process's own SVID, when the server is called over TCP.
const SVID_PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);

pub(crate) async fn run(common: &Common, command: &Server) -> Result<()> {
    match command {
        Server::Run { config } => serve(common, config).await,
        Server::Validate { config } => {
            let (config, warnings) = ServerConfig::load(config)?;
            let warnings = warnings.iter().map(ToString::to_string).collect();
            common.output.print(&Validated::of(&config, warnings))
        }
    }
}

async fn serve(common: &Common, file: &Path) -> Result<()> {
    let (config, warnings) = ServerConfig::load(file)?;
    let filter = common.log.as_deref().unwrap_or(&config.log.filter);
    let log = symbolon_host::logging::init(filter, config.log.format)?;
    for warning in warnings {
        tracing::warn!(event = "config.warning", %warning);
    }
    let environment = Environment {
        prompt: Arc::new(prompt::wanted),
        log: Some(log),
        ..Environment::new(Arc::new(SystemClock))
    };
    let mut server = CaServer::start_with(&config, environment).await?;
    let failed = tokio::select! {
        signal = symbolon_host::shutdown::requested() => {
            tracing::info!(event = "server.stopping", signal = signal?);
            None
        }
        error = server.failed() => Some(error),
    };
    server.shutdown().await?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// What a configuration means.
#[derive(Serialize)]
struct Validated {
    trust_domain: String,
    data_dir: String,
    address: String,
    stores: Vec<(String, String)>,
    families: Vec<FamilyPart>,
    warnings: Vec<String>,
}

/// What a family's next authority will be like.
#[derive(Serialize)]
struct FamilyPart {
    family: String,
    suite: String,
    /// What it signs with beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternative: Option<String>,
    /// The store of the whole key, or one for each of its components.
    stores: Vec<String>,
    /// Instead, each component goes to the first of `stores` that offers it.
    first_that_offers: bool,
}

impl FamilyPart {
    fn words(&self) -> String {
        let Self { stores, .. } = self;
        let suite = with_alternative(self.suite.clone(), self.alternative.as_deref());
        match stores.as_slice() {
            [one] => format!("{suite}, in {one}"),
            [native, alternative] if !self.first_that_offers && self.alternative.is_some() => {
                format!("{suite}, in {native} (classical) and {alternative} (alternative)")
            }
            [post_quantum, classical] if !self.first_that_offers => {
                format!("{suite}, in {post_quantum} (ML-DSA) and {classical} (classical)")
            }
            many => format!("{suite}, in the first that offers it: {}", many.join(", ")),
        }
    }
}

impl Validated {
    fn of(config: &ServerConfig, warnings: Vec<String>) -> Self {
        let stores = config.effective_stores();
        let stores = stores.iter().map(|(name, store)| {
            let location = config.location(name, store);
            (name.to_string(), location.to_string())
        });
        let families = config.families().into_iter().map(|plan| FamilyPart {
            family: plan.family.to_string(),
            suite: plan.suite.to_string(),
            alternative: plan.alternative.map(|suite| suite.to_string()),
            first_that_offers: matches!(plan.place, config::Place::FirstOf(_)),
            stores: plan.place.stores().iter().map(ToString::to_string).collect(),
        });
        Self {
            trust_domain: config.trust_domain.to_string(),
            data_dir: config.data_dir.display().to_string(),
            address: config.listen.address.to_string(),
            stores: stores.collect(),
            families: families.collect(),
            warnings,
        }
    }
}

impl Show for Validated {
    fn text(&self) -> String {
        let mut rows = vec![
            ("trust domain", self.trust_domain.clone()),
            ("data", self.data_dir.clone()),
            ("listens on", self.address.clone()),
        ];
        for (name, location) in &self.stores {
            rows.push(("key store", format!("{name}: {location}")));
        }
        for family in &self.families {
            rows.push((family.family.as_str(), family.words()));
        }
        rows.extend(self.warnings.iter().map(|warning| ("warning", warning.clone())));
        format!("The configuration is good.\n\n{}", facts(&rows))
    }
}

/// Where the server is to be called.
enum Place {
    Socket(PathBuf),
    /// `host:port`.
    Tcp(String),
}

fn place(common: &Common) -> Result<Place> {
    Ok(match common.server.as_deref() {
        Some(url) if url.starts_with("https://") => Place::Tcp(
            url.trim_start_matches("https://")
                .trim_end_matches('/')
                .to_owned(),
        ),
        Some(socket) => Place::Socket(PathBuf::from(socket.strip_prefix("unix://").unwrap_or(socket))),
        None => Place::Socket(socket_path(&paths::data_dir(common.data_dir.as_deref())?)),
    })
}

/// A client for commands that change something: the server has to be there.
///
/// # Errors
/// If it cannot be reached, or not with this process's identity.
pub(crate) async fn connect(common: &Common) -> Result<Client> {
    match place(common)? {
        Place::Socket(path) => Client::over_socket(&path)
            .await
            .with_context(|| format!("the server on {} cannot be called", path.display())),
        Place::Tcp(address) => over_tcp(common, &address).await,
    }
}

/// Calls the server as an administrator, with the SVID that this process has from its agent.
async fn over_tcp(common: &Common, address: &str) -> Result<Client> {
    let endpoint = paths::agent_endpoint(common.socket.as_deref(), common.data_dir.as_deref())?;
    let clock = Arc::new(SystemClock);
    let following = X509Source::connect(endpoint, &Form::OF_KEYS, clock.clone(), Backoff::default());
    let source = timeout(SVID_PATIENCE, following)
        .await
        .context("the agent gave no SVID in time")??;
    let context = source.context().context("the agent gave no SVID")?;
    let own = context
        .svids
        .first()
        .context("the agent gave no SVID")?
        .spiffe_id()
        .clone();
    Ok(Client::over_tls(address, own.trust_domain(), Arc::new(source), clock).await?)
}

/// Something that can be asked: the server, or the data directory when no server runs on it.
///
/// # Errors
/// If neither can be asked.
pub(crate) async fn reader(common: &Common) -> Result<Box<dyn Reader>> {
    let unreachable = match connect(common).await {
        Ok(client) => return Ok(Box::new(client)),
        Err(error) => error,
    };
    let no_server = unreachable
        .downcast_ref::<ClientError>()
        .is_some_and(ClientError::is_unreachable);
    if common.server.is_some() || !no_server {
        return Err(unreachable);
    }
    let data_dir = paths::data_dir(common.data_dir.as_deref())?;
    match Offline::open(&data_dir).await {
        Ok(offline) => {
            tracing::info!(data_dir = %data_dir.display(), "no server runs; the data directory answers");
            Ok(Box::new(offline))
        }
        // Without a directory there is nothing but the server to blame.
        Err(ClientError::DataDir(_)) => Err(unreachable),
        Err(error) => Err(error.into()),
    }
}
