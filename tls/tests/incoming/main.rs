//! Listeners under clients that connect and do not go on: nobody else has to wait for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod proxied;
mod strangers;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use common::*;
use rustls_pki_types::ServerName;
use symbolon_tls::grpc::{Incoming, IncomingLimits, IpNetwork, TrustedProxies, incoming_behind};
use symbolon_tls::{
    Acceptor, ClientAuth, ClientOptions, Connection, Connector, HandshakeError, ListenerOptions, StaticSource,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_stream::StreamExt;

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(600);

/// What a ClientHello's record begins with, in bytes.
const BEGINNING: [u8; 3] = [22, 3, 1];

const BAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const GOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Longest wait for what happens at once where the machine has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(120);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("nothing happens")
}

struct Site {
    domain: Domain,
    source: Arc<StaticSource>,
    incoming: Incoming,
    address: SocketAddr,
}

impl Site {
    /// A listener whose handshakes may last longer than the test.
    async fn new(limits: IncomingLimits) -> Self {
        Self::behind(limits, None).await
    }

    /// The same behind proxies in a network, which have to say whose a connection is.
    async fn behind(limits: IncomingLimits, proxies: Option<&str>) -> Self {
        let proxies = proxies
            .into_iter()
            .map(|network| network.parse::<IpNetwork>().unwrap());
        Self::with(limits, proxies.collect()).await
    }

    async fn with(limits: IncomingLimits, proxies: TrustedProxies) -> Self {
        let domain = Domain::new("example.org");
        let source = source(domain.svids("one", &FORMS), domain.bundles(&FORMS));
        let options = ListenerOptions {
            handshake_timeout: LONG,
            ..ListenerOptions::default()
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = Acceptor::new(
            source.clone(),
            domain.any(),
            ClientAuth::Optional,
            options,
            clock(),
        );
        let incoming = incoming_behind(listener, acceptor, limits, proxies);
        Self {
            domain,
            source,
            incoming,
            address,
        }
    }

    async fn call_from(&self, client: Ipv4Addr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((client, 0).into()).unwrap();
        soon(socket.connect(self.address)).await.unwrap()
    }

    async fn handshake_over(&self, tcp: TcpStream) -> Result<Connection<TcpStream>, HandshakeError> {
        let options = ClientOptions {
            handshake_timeout: LONG,
            ..ClientOptions::default()
        };
        connector(&self.source, self.domain.any(), options)
            .connect(ServerName::try_from("server.invalid").unwrap(), tcp)
            .await
    }

    /// A client at this address, without a certificate.
    async fn stranger_from(&self, client: Ipv4Addr) -> Result<Connection<TcpStream>, HandshakeError> {
        self.stranger_over(self.call_from(client).await).await
    }

    /// A client whose address ends so, without a certificate, behind a proxy.
    async fn stranger_behind(&self, client: u8) -> Result<Connection<TcpStream>, HandshakeError> {
        let mut tcp = self.call_from(BAD).await;
        let line = format!("PROXY TCP4 192.0.2.{client} 127.0.0.1 12345 8081\r\n");
        tcp.write_all(line.as_bytes()).await.unwrap();
        self.stranger_over(tcp).await
    }

    async fn stranger_over(&self, tcp: TcpStream) -> Result<Connection<TcpStream>, HandshakeError> {
        let source = source(vec![], self.domain.bundles(&FORMS));
        let options = ClientOptions {
            handshake_timeout: LONG,
            ..ClientOptions::default()
        };
        Connector::without_identity(source, self.domain.any(), clock(), options)
            .connect(ServerName::try_from("server.invalid").unwrap(), tcp)
            .await
    }

    /// A client at this address comes through.
    async fn admits(&mut self, client: Ipv4Addr) {
        let tcp = self.call_from(client).await;
        let local = tcp.local_addr().unwrap();
        let _end = soon(self.handshake_over(tcp)).await.unwrap();
        let admitted = soon(self.incoming.next()).await.unwrap().unwrap();
        assert_eq!(admitted.client(), local);
    }
}

fn limits(handshakes: usize) -> IncomingLimits {
    let mut limits = IncomingLimits::new(handshakes);
    limits.first_byte = LONG;
    limits
}

/// Waits for the other end to close the connection.
async fn closed(tcp: &mut TcpStream) {
    let mut rest = Vec::new();
    // A reset is an end as good as any.
    let _ = soon(tcp.read_to_end(&mut rest)).await;
}

#[tokio::test]
async fn silent_clients_take_no_handshakes() {
    let mut site = Site::new(limits(2)).await;
    // More of them than there are handshakes, and from the very address that the good client has.
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(site.call_from(GOOD).await);
    }
    site.admits(GOOD).await;
    site.admits(GOOD).await;
}

#[tokio::test]
async fn silent_clients_are_sent_away() {
    let mut quick = limits(2);
    quick.first_byte = Duration::from_millis(50);
    let mut site = Site::new(quick).await;
    let mut silent = site.call_from(BAD).await;
    closed(&mut silent).await;
    // And whoever speaks something else at once.
    let mut web = site.call_from(BAD).await;
    web.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    closed(&mut web).await;
    // Whoever speaks TLS comes through, if it is quick enough.
    soon(async { while site.handshake_over(site.call_from(BAD).await).await.is_err() {} }).await;
    soon(site.incoming.next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn handshakes_that_stall_leave_room_for_other_addresses() {
    let mut site = Site::new(limits(2)).await;
    let mut stalled = Vec::new();
    for _ in 0..3 {
        let mut tcp = site.call_from(BAD).await;
        tcp.write_all(&BEGINNING).await.unwrap();
        stalled.push(tcp);
    }
    site.admits(GOOD).await;
    site.admits(GOOD).await;
    // Their own address has its one handshake taken, and its turn when that is over.
    let late = site.call_from(BAD).await;
    drop(stalled);
    let local = late.local_addr().unwrap();
    let _end = soon(site.handshake_over(late)).await.unwrap();
    let admitted = soon(site.incoming.next()).await.unwrap().unwrap();
    assert_eq!(admitted.client(), local);
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let mut narrow = limits(2);
    narrow.per_address = 2;
    let mut site = Site::new(narrow).await;
    let (first, second) = (site.call_from(BAD).await, site.call_from(BAD).await);
    let mut third = site.call_from(BAD).await;
    closed(&mut third).await;
    site.admits(GOOD).await;
    // Those that have their handshake behind them do not count.
    drop((first, second));
    soon(async {
        loop {
            let tcp = site.call_from(BAD).await;
            // It takes the listener a moment to see that they are gone.
            if site.handshake_over(tcp).await.is_ok() {
                break;
            }
        }
    })
    .await;
    soon(site.incoming.next()).await.unwrap().unwrap();
    site.admits(BAD).await;
}

#[tokio::test]
async fn those_who_find_no_place_wait_for_one() {
    let mut crowded = limits(1);
    (crowded.waiting, crowded.per_address) = (2, 2);
    let mut site = Site::new(crowded).await;
    let silent = [site.call_from(BAD).await, site.call_from(BAD).await];
    // The kernel has taken the connection, and the listener has not.
    let good = site.call_from(GOOD).await;
    drop(silent);
    soon(site.handshake_over(good)).await.unwrap();
    soon(site.incoming.next()).await.unwrap().unwrap();
}
