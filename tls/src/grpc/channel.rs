//! Client channels: to a SPIFFE server over TCP, and to a Unix socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::client::Connector;
use crate::error::HandshakeError;

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The address is not `host:port`.
    #[error("{address:?} is not an address of the form host:port")]
    Address {
        /// What was given.
        address: String,
    },
    /// The server could not be reached, or the handshake failed; [`peer_error`](crate::peer_error) finds in this error
    /// the reason for which the server was refused, if it was.
    #[error("cannot connect to {to}: {}", innermost(.source))]
    Connect {
        /// The address or socket path.
        to: String,
        /// What went wrong.
        source: tonic::transport::Error,
    },
}

/// What a channel may set.
#[derive(Clone, Debug)]
pub struct ChannelOptions {
    /// Longest time for the TCP connection alone. Default: 10 s.
    pub connect_timeout: Duration,
    /// Longest time for one call, streams included; `None` for no limit. Default: 30 s. Streams that stay open need
    /// `None`.
    pub request_timeout: Option<Duration>,
    /// How often to ask an idle server for a sign of life; it is given up after as long again. Default: never, because
    /// Go's gRPC servers hang up on clients that ask more often than every five minutes.
    pub keep_alive: Option<Duration>,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Some(Duration::from_secs(30)),
            keep_alive: None,
        }
    }
}

impl ChannelOptions {
    fn apply(&self, endpoint: Endpoint) -> Endpoint {
        let endpoint = match self.keep_alive {
            Some(interval) => endpoint
                .http2_keep_alive_interval(interval)
                .keep_alive_timeout(interval)
                .keep_alive_while_idle(true),
            None => endpoint,
        };
        match self.request_timeout {
            Some(limit) => endpoint.timeout(limit),
            None => endpoint,
        }
    }
}

/// A channel to the gRPC server at `address` (`host:port`), each of whose connections `connector` makes anew, with the
/// SVID and bundles of that time. The connector needs [`ALPN_H2`](super::ALPN_H2).
///
/// # Errors
/// [`ChannelError`] if the address is malformed or the first connection fails. Later ones are made when needed.
pub async fn channel(
    address: &str,
    connector: Connector,
    options: &ChannelOptions,
) -> Result<Channel, ChannelError> {
    let malformed = || ChannelError::Address {
        address: address.to_owned(),
    };
    let (host, _port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|_| malformed())?;
    // tonic would do TLS itself for https; the origin alone goes into the requests.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| malformed())?;
    let origin = format!("https://{address}")
        .parse::<Uri>()
        .map_err(|_| malformed())?;

    let target = address.to_owned();
    let connect_timeout = options.connect_timeout;
    let connect = service_fn(move |_: Uri| {
        let (target, name, connector) = (target.clone(), name.clone(), connector.clone());
        async move {
            let tcp = dial(&target, connect_timeout)
                .await
                .map_err(HandshakeError::Transport)?;
            let connection = connector.connect(name, tcp).await?;
            tracing::debug!(
                server = %target,
                key_exchange = %connection.info().negotiated.key_exchange,
                "connected"
            );
            Ok::<_, HandshakeError>(TokioIo::new(connection))
        }
    });
    options
        .apply(endpoint.origin(origin))
        .connect_with_connector(connect)
        .await
        .map_err(|source| ChannelError::Connect {
            to: address.to_owned(),
            source,
        })
}

/// A channel to the gRPC server behind a Unix socket.
///
/// # Errors
/// [`ChannelError::Connect`] if the first connection fails. Later ones are made when needed.
pub async fn unix_channel(path: &Path, options: &ChannelOptions) -> Result<Channel, ChannelError> {
    let socket: PathBuf = path.to_owned();
    let connect = service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    // The authority is never used to connect; "localhost" is what gRPC clients say to Unix sockets.
    options
        .apply(Endpoint::from_static("http://localhost"))
        .connect_with_connector(connect)
        .await
        .map_err(|source| ChannelError::Connect {
            to: path.display().to_string(),
            source,
        })
}

/// A TCP connection without Nagle's delay.
pub(crate) async fn dial(target: &str, limit: Duration) -> io::Result<TcpStream> {
    let tcp = tokio::time::timeout(limit, TcpStream::connect(target))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {target}")))??;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// A channel without TLS, for a Workload API that listens on TCP.
///
/// # Errors
/// [`ChannelError::Connect`] if the first connection fails.
pub(crate) async fn tcp_channel(target: &str, options: &ChannelOptions) -> Result<Channel, ChannelError> {
    let connect_timeout = options.connect_timeout;
    let address = target.to_owned();
    let connect = service_fn(move |_: Uri| {
        let address = address.clone();
        async move { dial(&address, connect_timeout).await.map(TokioIo::new) }
    });
    options
        .apply(Endpoint::from_static("http://localhost"))
        .connect_with_connector(connect)
        .await
        .map_err(|source| ChannelError::Connect {
            to: target.to_owned(),
            source,
        })
}

/// tonic's own message is "transport error"; the reason is at the end of its chain.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        // Ours say the whole reason; what is below would lose the context.
        if last.is::<HandshakeError>() {
            break;
        }
        last = source;
    }
    last.to_string()
}
