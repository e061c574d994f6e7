//! A listener for tonic servers whose connections arrive with the handshake done and the peer known.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use crate::connection::Connection;
use crate::error::HandshakeError;
use crate::server::Acceptor;
use crate::session::ConnectionInfo;

/// How long accepting pauses after it failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// In the extensions of every tonic request that came over [`Incoming`].
#[derive(Clone, Debug)]
pub struct TlsConnectInfo {
    /// Where the client connected from. `None` if the socket was gone already.
    pub remote_addr: Option<SocketAddr>,
    /// Who the client is and which cryptography is in use.
    pub connection: Arc<ConnectionInfo>,
}

impl Connected for Connection<TcpStream> {
    type ConnectInfo = TlsConnectInfo;

    fn connect_info(&self) -> TlsConnectInfo {
        TlsConnectInfo {
            remote_addr: self.transport().peer_addr().ok(),
            connection: self.info().clone(),
        }
    }
}

/// The connections of a listener, in the order in which their handshakes finished. Endless and without errors: what
/// goes wrong with one client is logged, and the next is served. Dropping it closes the listener and breaks off the
/// handshakes in progress.
pub struct Incoming {
    connections: mpsc::Receiver<Connection<TcpStream>>,
    accepting: JoinHandle<()>,
}

/// Accepts TCP connections and does their handshakes, at most `max_handshakes` at a time. While that many are in
/// progress further clients wait in the kernel's queue; each handshake is bounded by the acceptor's timeout.
pub fn incoming(listener: TcpListener, acceptor: Acceptor, max_handshakes: usize) -> Incoming {
    let (sender, connections) = mpsc::channel(1);
    let accepting = tokio::spawn(accept_all(listener, acceptor, max_handshakes.max(1), sender));
    Incoming {
        connections,
        accepting,
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection<TcpStream>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connections
            .poll_recv(cx)
            .map(|connection| connection.map(Ok))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // The handshakes belong to that task and end with it.
        self.accepting.abort();
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Incoming")
    }
}

async fn accept_all(
    listener: TcpListener,
    acceptor: Acceptor,
    max_handshakes: usize,
    sender: mpsc::Sender<Connection<TcpStream>>,
) {
    let permits = Arc::new(Semaphore::new(max_handshakes));
    let mut handshakes = JoinSet::new();
    // The semaphore is never closed, so this ends with the task alone.
    while let Ok(permit) = permits.clone().acquire_owned().await {
        while let Some(ended) = handshakes.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a TLS handshake task failed");
            }
        }
        let (tcp, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        handshakes.spawn(async move {
            match handshake(tcp, &acceptor).await {
                // Delivered under the permit, so that a server that falls behind is not sent ever more.
                Ok(connection) => {
                    if sender.send(connection).await.is_err() {
                        tracing::debug!(%client, "the listener closed during a handshake");
                    }
                }
                Err(error) => log_failure(client, &error),
            }
            drop(permit);
        });
    }
}

async fn handshake(tcp: TcpStream, acceptor: &Acceptor) -> Result<Connection<TcpStream>, HandshakeError> {
    tcp.set_nodelay(true).map_err(HandshakeError::Transport)?;
    acceptor.accept(tcp).await
}

/// A refusal of ours is for operators to see; scanners and broken lines are not worth their time.
fn log_failure(client: SocketAddr, error: &HandshakeError) {
    match error {
        HandshakeError::Configuration(_) => tracing::error!(%client, %error, "cannot serve a TLS client"),
        refused if refused.peer_error().is_some() => tracing::warn!(%client, %error, "TLS client refused"),
        _ => tracing::debug!(%client, %error, "TLS handshake failed"),
    }
}
