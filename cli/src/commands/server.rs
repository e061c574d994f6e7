//! `symbolon server`, and how other commands find a server.

mod serve;
mod status;
mod validate;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use symbolon_ca::client::{Client, ClientError, Reader};
use symbolon_ca::offline::Offline;
use symbolon_ca::server::socket_path;
use symbolon_pki::suite::Form;
use symbolon_pki::time::SystemClock;
use symbolon_tls::{Backoff, X509Source};
use tokio::time::timeout;

use crate::args::{Common, Server};
use crate::exit::Usage;
use crate::paths;

/// Longest wait for this process's own SVID, when the server is called over TCP.
const SVID_PATIENCE: std::time::Duration = std::time::Duration::from_secs(15);

pub(crate) async fn run(common: &Common, command: &Server) -> Result<()> {
    match command {
        Server::Run { config } => serve::run(common, config).await,
        Server::Validate { config } => validate::run(common, config),
        Server::Status => status::run(common).await,
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
        Some(other) if other.contains("://") && !other.starts_with("unix://") => {
            let reason = format!("--server {other:?} is neither a socket nor https://HOST:PORT");
            return Err(Usage(reason).into());
        }
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
