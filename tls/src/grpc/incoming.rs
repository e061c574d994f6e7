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
use tokio::time::Instant;
use tokio_stream::Stream;

use super::calls::{Calls, Ending, Lasting};
use super::limits::{Addresses, IncomingLimits, Seat};
use super::proxy::{self, TrustedProxies};
use super::served::Served;
use super::silent::SilentProxies;
use super::strangers::Strangers;
use crate::connection::Connection;
use crate::error::HandshakeError;
use crate::server::Acceptor;

/// How long accepting pauses after it failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Content type of the record that a ClientHello comes in.
const HANDSHAKE_RECORD: u8 = 22;

/// The connections of a listener, in the order in which their handshakes finished. Endless and without errors: what
/// goes wrong with one client is logged, and the next is served. Dropping it closes the listener and breaks off the
/// handshakes in progress.
pub struct Incoming {
    connections: mpsc::Receiver<Served>,
    accepting: JoinHandle<()>,
}

/// Accepts TCP connections and does their handshakes, at most `max_handshakes` at a time, within the other limits of
/// [`IncomingLimits::new`]. Each handshake is bounded by the acceptor's timeout.
pub fn incoming(listener: TcpListener, acceptor: Acceptor, max_handshakes: usize) -> Incoming {
    incoming_within(listener, acceptor, IncomingLimits::new(max_handshakes))
}

/// [`incoming`] with limits of the caller's.
pub fn incoming_within(listener: TcpListener, acceptor: Acceptor, limits: IncomingLimits) -> Incoming {
    incoming_behind(listener, acceptor, limits, TrustedProxies::default())
}

/// [`incoming_within`], where the proxies of some networks say in front of a connection whose it is, by the PROXY protocol.
/// From everybody else that is not taken.
pub fn incoming_behind(
    listener: TcpListener,
    acceptor: Acceptor,
    limits: IncomingLimits,
    proxies: TrustedProxies,
) -> Incoming {
    let (sender, connections) = mpsc::channel(1);
    let listening = Listening {
        listener,
        acceptor,
        limits,
        proxies,
        silent: SilentProxies::default(),
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
    type Item = io::Result<Served>;

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
    proxies: TrustedProxies,
    /// Those that were said to say nothing.
    silent: SilentProxies,
    sender: mpsc::Sender<Served>,
    addresses: Arc<Addresses>,
    strangers: Arc<Strangers>,
    handshakes: Arc<Semaphore>,
}

impl Listening {
    async fn accept_all(self) {
        let waiting = Arc::new(Semaphore::new(self.limits.waiting.max(1)));
        let this = Arc::new(self);
        let mut clients = JoinSet::new();
        // The semaphore is never closed, so this ends with the task alone.
        while let Ok(place) = waiting.clone().acquire_owned().await {
            while let Some(ended) = clients.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "a TLS handshake task failed");
                }
            }
            let (tcp, client) = match this.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let newcomer = Newcomer { tcp, client, place };
            if this.proxies.have(client.ip()) {
                clients.spawn(Arc::clone(&this).receive_behind(newcomer));
            } else if let Some(seat) = this.addresses.seat(client.ip()) {
                clients.spawn(Arc::clone(&this).receive(newcomer, seat));
            }
        }
    }

    /// A connection from a trusted proxy, which says whose it is: then it counts as that client's.
    async fn receive_behind(self: Arc<Self>, mut newcomer: Newcomer) {
        let proxy = newcomer.client;
        let hearing = newcomer.behind(self.limits.first_byte);
        match hearing.await {
            Ok(Some(Heard::Client(client))) => newcomer.client = client,
            Ok(Some(Heard::ForItself)) => {}
            Ok(None) if self.proxies.may_be_silent() => {}
            Ok(None) => {
                tracing::debug!(%proxy, "a trusted proxy says nothing");
                if self.silent.is_news(proxy.ip(), Instant::now()) {
                    tracing::warn!(
                        client = %proxy,
                        "a connection from a network of trusted proxies begins without a PROXY header; closing it and others \
                         like it, which is said once in ten minutes for each address"
                    );
                }
                return;
            }
            Err(problem) => {
                tracing::debug!(%proxy, problem, "what a proxy says is not taken");
                return;
            }
        }
        if let Some(seat) = self.addresses.seat(newcomer.client.ip()) {
            self.receive(newcomer, seat).await;
        }
    }

    async fn receive(self: Arc<Self>, Newcomer { tcp, client, place }: Newcomer, seat: Seat) {
        // Whoever says nothing has no handshake to do, and must not keep others from theirs.
        if let Err(problem) = begins(&tcp, self.limits.first_byte).await {
            tracing::debug!(%client, problem, "not a TLS client");
            return;
        }
        // Its address's turn first: waiting for that, it must not hold what others could use. Neither is ever closed.
        let Ok(_of_address) = seat.handshakes.acquire().await else {
            return;
        };
        let Ok(_permit) = self.handshakes.acquire().await else {
            return;
        };
        drop(place);
        match handshake(tcp, &self.acceptor).await {
            // Delivered under the permit, so that a server that falls behind is not sent ever more.
            Ok(connection) => self.deliver(connection, client).await,
            Err(error) => log_failure(client, &error),
        }
    }

    async fn deliver(&self, connection: Connection<TcpStream>, client: SocketAddr) {
        let calls = Calls::default();
        let stranger = if connection.info().peer.is_some() {
            None
        } else if let Some(stranger) = self.strangers.admit(client.ip(), &calls) {
            let lasting = Lasting {
                idle: self.limits.strangers_idle,
                age: self.limits.strangers_age,
            };
            Some((stranger, Ending::new(calls.clone(), lasting)))
        } else {
            tracing::debug!(%client, "too many connections without a certificate; closing this one");
            return;
        };
        let served = Served::new(connection, client, calls, stranger);
        if self.sender.send(served).await.is_err() {
            tracing::debug!(%client, "the listener closed during a handshake");
        }
    }
}

/// A connection that was accepted, and nothing more.
struct Newcomer {
    tcp: TcpStream,
    client: SocketAddr,
    /// Its place among those who wait, until its handshake begins.
    place: OwnedSemaphorePermit,
}

impl Newcomer {
    /// What a proxy says of it; `None` if it does not begin as a proxy does.
    async fn behind(&mut self, within: Duration) -> Result<Option<Heard>, &'static str> {
        let hear = async {
            let mut first = [0];
            match self.tcp.peek(&mut first).await {
                Ok(1) if proxy::is_beginning(first[0]) => {
                    let client = proxy::read(&mut self.tcp).await?;
                    Ok(Some(client.map_or(Heard::ForItself, Heard::Client)))
                }
                Ok(1) => Ok(None),
                _ => Err("it hung up"),
            }
        };
        tokio::time::timeout(within, hear)
            .await
            .unwrap_or(Err("it says nothing, or not all of it"))
    }
}

/// What a proxy says.
enum Heard {
    /// Whose connection it is.
    Client(SocketAddr),
    /// That it is its own, or it does not know whose.
    ForItself,
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
