//! A listener for tonic servers whose connections arrive with the handshake done and the peer known.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use super::limits::{Addresses, IncomingLimits, Seat, Strangers};
use crate::connection::Connection;
use crate::error::HandshakeError;
use crate::server::Acceptor;
use crate::session::ConnectionInfo;

/// How long accepting pauses after it failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Content type of the record that a ClientHello comes in.
const HANDSHAKE_RECORD: u8 = 22;

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

/// Accepts TCP connections and does their handshakes, at most `max_handshakes` at a time, within the other limits of
/// [`IncomingLimits::new`]. Each handshake is bounded by the acceptor's timeout.
pub fn incoming(listener: TcpListener, acceptor: Acceptor, max_handshakes: usize) -> Incoming {
    incoming_within(listener, acceptor, IncomingLimits::new(max_handshakes))
}

/// [`incoming`] with limits of the caller's.
pub fn incoming_within(listener: TcpListener, acceptor: Acceptor, limits: IncomingLimits) -> Incoming {
    let (sender, connections) = mpsc::channel(1);
    let listening = Listening {
        listener,
        acceptor,
        limits,
        sender,
        addresses: Addresses::new(limits),
        strangers: Strangers::new(limits),
        handshakes: Arc::new(Semaphore::new(limits.handshakes.max(1))),
    };
    Incoming {
        connections,
        accepting: tokio::spawn(listening.accept_all()),
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

/// The task behind an [`Incoming`].
struct Listening {
    listener: TcpListener,
    acceptor: Acceptor,
    limits: IncomingLimits,
    sender: mpsc::Sender<Connection<TcpStream>>,
    addresses: Arc<Addresses>,
    strangers: Arc<Strangers>,
    handshakes: Arc<Semaphore>,
}

impl Listening {
    async fn accept_all(self) {
        let waiting = Arc::new(Semaphore::new(self.limits.waiting.max(1)));
        let mut clients = JoinSet::new();
        // The semaphore is never closed, so this ends with the task alone.
        while let Ok(place) = waiting.clone().acquire_owned().await {
            while let Some(ended) = clients.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "a TLS handshake task failed");
                }
            }
            let (tcp, client) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(seat) = self.addresses.seat(client.ip()) else {
                continue;
            };
            let newcomer = Newcomer {
                tcp,
                client,
                seat,
                place,
            };
            clients.spawn(newcomer.receive(
                self.acceptor.clone(),
                self.limits.first_byte,
                self.handshakes.clone(),
                self.strangers.clone(),
                self.sender.clone(),
            ));
        }
    }
}

/// A connection that was accepted, and nothing more.
struct Newcomer {
    tcp: TcpStream,
    client: SocketAddr,
    seat: Seat,
    /// Its place among those who wait, until its handshake begins.
    place: OwnedSemaphorePermit,
}

impl Newcomer {
    async fn receive(
        self,
        acceptor: Acceptor,
        first_byte: Duration,
        handshakes: Arc<Semaphore>,
        strangers: Arc<Strangers>,
        sender: mpsc::Sender<Connection<TcpStream>>,
    ) {
        let Self {
            tcp,
            client,
            seat,
            place,
        } = self;
        // Whoever says nothing has no handshake to do, and must not keep others from theirs.
        if let Err(problem) = begins(&tcp, first_byte).await {
            tracing::debug!(%client, problem, "not a TLS client");
            return;
        }
        // Its address's turn first: waiting for that, it must not hold what others could use. Neither is ever closed.
        let Ok(_of_address) = seat.handshakes.acquire().await else {
            return;
        };
        let Ok(_permit) = handshakes.acquire().await else {
            return;
        };
        drop(place);
        match handshake(tcp, &acceptor).await {
            // Delivered under the permit, so that a server that falls behind is not sent ever more.
            Ok(connection) => {
                let connection = if connection.info().peer.is_some() {
                    connection
                } else if let Some(stranger) = strangers.admit(client.ip()) {
                    connection.keeping(stranger)
                } else {
                    tracing::debug!(%client, "too many connections without a certificate; closing this one");
                    return;
                };
                if sender.send(connection).await.is_err() {
                    tracing::debug!(%client, "the listener closed during a handshake");
                }
            }
            Err(error) => log_failure(client, &error),
        }
    }
}

/// Waits for the first byte, which stays to be read: that of a record with a ClientHello (RFC 9846, section 5.1).
///
/// # Errors
/// What came instead.
async fn begins(tcp: &TcpStream, within: Duration) -> Result<(), &'static str> {
    let mut first = [0];
    match tokio::time::timeout(within, tcp.peek(&mut first)).await {
        Err(_) => Err("it says nothing"),
        Ok(Err(_)) => Err("its connection broke"),
        Ok(Ok(0)) => Err("it hung up"),
        Ok(Ok(_)) if first == [HANDSHAKE_RECORD] => Ok(()),
        Ok(Ok(_)) => Err("it does not speak TLS"),
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
