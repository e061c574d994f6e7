//! A workload of ours: both ends of mutual TLS made with `tls/`, live from a Workload API.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustls_pki_types::ServerName;
use spiffe::SpiffeId;
use symbolon_pki::suite::Form;
use symbolon_pki::time::SystemClock;
use symbolon_tls::workload_api::Endpoint;
use symbolon_tls::{
    Acceptor, AuthorizeId, Backoff, ClientAuth, ClientOptions, Connection, ConnectionInfo, Connector,
    HandshakeError, IdentitySource, ListenerOptions, X509Source,
};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longest wait for anything that the other end does.
const PATIENCE: Duration = Duration::from_secs(30);

/// What our ends say.
pub const GREETING: &str = "hello from Symbolon\n";

/// Follows a Workload API with all the forms that there are.
///
/// # Errors
/// If it does not answer, or not with SVIDs.
pub async fn source(workload_api: &str) -> Result<Arc<X509Source>> {
    let endpoint: Endpoint = workload_api.parse()?;
    let following = X509Source::connect(
        endpoint,
        &Form::OF_KEYS,
        Arc::new(SystemClock),
        Backoff::default(),
    );
    let source = timeout(PATIENCE, following)
        .await
        .context("the Workload API said nothing")??;
    Ok(Arc::new(source))
}

/// A listener that answers the first line of each connection with the same line, or, if that is a request of HTTP, with
/// a page that says [`GREETING`]. Ends when dropped.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    outcomes: mpsc::UnboundedReceiver<Result<Arc<ConnectionInfo>, HandshakeError>>,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Listens on a free port of this machine, for `peer` alone, with the default options.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start(source: Arc<X509Source>, peer: SpiffeId) -> Result<Self> {
        Self::serve(source, peer, ListenerOptions::default()).await
    }

    /// Listens with other identities, or other options.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn serve(
        source: Arc<dyn IdentitySource>,
        peer: SpiffeId,
        options: ListenerOptions,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let acceptor = Acceptor::new(
            source,
            AuthorizeId::OneOf(vec![peer]),
            ClientAuth::Required,
            options,
            Arc::new(SystemClock),
        );
        let (sender, outcomes) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let outcome = acceptor.accept(tcp).await;
                let outcome = match outcome {
                    Ok(connection) => Ok(answer(connection).await),
                    Err(error) => Err(error),
                };
                if sender.send(outcome).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            address,
            outcomes,
            accepting,
        })
    }

    /// What came of the next handshake.
    ///
    /// # Errors
    /// If nobody connects, or the handshake failed.
    pub async fn outcome(&mut self) -> Result<Arc<ConnectionInfo>> {
        let outcome = timeout(PATIENCE, self.outcomes.recv())
            .await
            .context("nobody connected")?;
        Ok(outcome.context("the listener has ended")??)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A client that breaks off has failed in its own eyes, and says so there.
async fn answer(connection: Connection<TcpStream>) -> Arc<ConnectionInfo> {
    let info = connection.info().clone();
    let mut stream = BufReader::new(connection);
    let mut line = String::new();
    let Ok(_) = stream.read_line(&mut line).await else {
        return info;
    };
    let answer = match line.starts_with("GET / HTTP/1.1") {
        true => page(&mut stream).await,
        false => line,
    };
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        let _ = stream.shutdown().await;
    }
    info
}

/// Reads the rest of a request, and gives the answer.
async fn page(stream: &mut (impl AsyncBufRead + Unpin)) -> String {
    let mut header = String::new();
    while matches!(stream.read_line(&mut header).await, Ok(2..)) && header != "\r\n" {
        header.clear();
    }
    let length = GREETING.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{GREETING}")
}

/// Connects to `address` as a workload of ours, for `peer` alone, and has [`GREETING`] echoed.
///
/// # Errors
/// If the handshake fails, or something else comes back.
pub async fn call(
    source: Arc<X509Source>,
    address: SocketAddr,
    peer: SpiffeId,
) -> Result<Arc<ConnectionInfo>> {
    let connection = connect(source, address, peer, ClientOptions::default()).await?;
    let info = connection.info().clone();
    let echoed = exchange(connection, GREETING).await?;
    anyhow::ensure!(echoed == GREETING, "the other end said {echoed:?}");
    Ok(info)
}

/// Connects with other identities, or other options.
///
/// # Errors
/// If the handshake fails.
pub async fn connect(
    source: Arc<dyn IdentitySource>,
    address: SocketAddr,
    peer: SpiffeId,
    options: ClientOptions,
) -> Result<Connection<TcpStream>> {
    let connector = Connector::new(
        source,
        AuthorizeId::OneOf(vec![peer]),
        Arc::new(SystemClock),
        options,
    );
    let tcp = TcpStream::connect(address).await?;
    let address = ServerName::IpAddress(address.ip().into());
    Ok(connector.connect(address, tcp).await?)
}

/// Says a line and gives the line that comes back.
///
/// # Errors
/// If the other end breaks off, or says nothing.
pub async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, line: &str) -> Result<String> {
    let mut stream = BufReader::new(stream);
    stream.write_all(line.as_bytes()).await?;
    stream.flush().await?;
    let mut echoed = String::new();
    timeout(PATIENCE, stream.read_line(&mut echoed))
        .await
        .context("the other end said nothing")??;
    Ok(echoed)
}
