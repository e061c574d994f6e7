//! Listeners under clients that connect and do not go on: nobody else has to wait for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use common::*;
use rustls_pki_types::ServerName;
use symbolon_tls::grpc::{Incoming, IncomingLimits, IpNetwork, TlsConnectInfo, TrustedProxies, incoming_behind};
use symbolon_tls::{
    Acceptor, ClientAuth, ClientOptions, Connection, Connector, HandshakeError, ListenerOptions, StaticSource,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_stream::StreamExt;
use tonic::transport::server::Connected as _;

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(600);

/// What a ClientHello's record begins with, in bytes.
const BEGINNING: [u8; 3] = [22, 3, 1];

const BAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const GOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("nothing happened for 20 s")
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
        let connector =
            Connector::without_identity(source, self.domain.any(), clock(), ClientOptions::default());
        connector
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
    site.admits(BAD).await;
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

#[tokio::test]
async fn connections_without_a_certificate_are_counted_for_as_long_as_they_last() {
    let mut narrow = limits(2);
    narrow.strangers_per_address = 1;
    let mut site = Site::new(narrow).await;
    let _first = soon(site.stranger_from(BAD)).await.unwrap();
    let admitted = soon(site.incoming.next()).await.unwrap().unwrap();
    // Its handshake goes well; then it is closed. Others come through, and so does whoever shows a certificate.
    if let Ok(mut second) = soon(site.stranger_from(BAD)).await {
        let mut rest = Vec::new();
        let _ = soon(second.read_to_end(&mut rest)).await;
    }
    let _other = soon(site.stranger_from(GOOD)).await.unwrap();
    soon(site.incoming.next()).await.unwrap().unwrap();
    site.admits(BAD).await;
    drop(admitted);
    let _third = soon(site.stranger_from(BAD)).await.unwrap();
    soon(site.incoming.next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_a_connection_is() {
    let mut site = Site::behind(limits(2), Some("127.0.0.2/32")).await;
    for said in [
        &b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 8081\r\n"[..],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\x30\x39\x1f\x91",
    ] {
        let mut tcp = site.call_from(BAD).await;
        tcp.write_all(said).await.unwrap();
        let _end = soon(site.handshake_over(tcp)).await.unwrap();
        let served = soon(site.incoming.next()).await.unwrap().unwrap();
        assert_eq!(served.client(), "192.0.2.7:12345".parse().unwrap());
        let TlsConnectInfo { remote_addr, .. } = served.connect_info();
        assert_eq!(remote_addr, Some(served.client()));
    }
    // Nobody else is heard.
    let mut liar = site.call_from(GOOD).await;
    liar.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 8081\r\n")
        .await
        .unwrap();
    closed(&mut liar).await;
    site.admits(GOOD).await;
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_taken_for_a_client_only_if_it_may_be_one() {
    let strict = Site::behind(limits(2), Some("127.0.0.2/32")).await;
    // It may be speaking for somebody who could have said anything.
    let mut silent = strict.call_from(BAD).await;
    silent.write_all(&BEGINNING).await.unwrap();
    closed(&mut silent).await;
    assert!(soon(strict.stranger_from(BAD)).await.is_err());

    let network: IpNetwork = "127.0.0.2/32".parse().unwrap();
    let proxies = TrustedProxies::from_iter([network]);
    let mut lenient = Site::with(limits(2), proxies.or_silent()).await;
    lenient.admits(BAD).await;
    let mut tcp = lenient.call_from(BAD).await;
    tcp.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 8081\r\n")
        .await
        .unwrap();
    let _end = soon(lenient.handshake_over(tcp)).await.unwrap();
    let served = soon(lenient.incoming.next()).await.unwrap().unwrap();
    assert_eq!(served.client(), "192.0.2.7:12345".parse().unwrap());
    // Its own check whether anybody is there, in both.
    for mut site in [lenient, strict] {
        for said in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
            let mut tcp = site.call_from(BAD).await;
            let local = tcp.local_addr().unwrap();
            tcp.write_all(said).await.unwrap();
            let _end = soon(site.handshake_over(tcp)).await.unwrap();
            let served = soon(site.incoming.next()).await.unwrap().unwrap();
            assert_eq!(served.client(), local);
        }
    }
}

#[tokio::test]
async fn clients_behind_one_proxy_are_counted_by_themselves() {
    let mut narrow = limits(2);
    narrow.strangers_per_address = 1;
    let mut site = Site::behind(narrow, Some("127.0.0.0/24")).await;
    let first = soon(site.stranger_behind(7)).await.unwrap();
    let served = soon(site.incoming.next()).await.unwrap().unwrap();
    if let Ok(mut second) = soon(site.stranger_behind(7)).await {
        let mut rest = Vec::new();
        let _ = soon(second.read_to_end(&mut rest)).await;
    }
    let _other = soon(site.stranger_behind(8)).await.unwrap();
    let other = soon(site.incoming.next()).await.unwrap().unwrap();
    assert_eq!(other.client(), "192.0.2.8:12345".parse().unwrap());
    drop((first, served));
}

#[tokio::test]
async fn a_proxy_that_does_not_finish_is_sent_away() {
    let mut quick = limits(2);
    quick.first_byte = Duration::from_millis(50);
    let mut site = Site::behind(quick, Some("127.0.0.2/32")).await;
    for said in [
        &b""[..],
        b"PROXY TCP4 ",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        b"PROXY nonsense\r\n",
    ] {
        let mut tcp = site.call_from(BAD).await;
        tcp.write_all(said).await.unwrap();
        closed(&mut tcp).await;
    }
    // One that says it comes through, if it is quick enough.
    soon(async { while site.stranger_behind(7).await.is_err() {} }).await;
    soon(site.incoming.next()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stranger_that_does_not_call_is_hung_up_on() {
    let mut quick = limits(2);
    quick.strangers_idle = Duration::from_millis(50);
    let mut site = Site::new(quick).await;
    let _idle = soon(site.stranger_from(BAD)).await.unwrap();
    let mut served = soon(site.incoming.next()).await.unwrap().unwrap();
    let mut byte = [0];
    assert_eq!(
        soon(served.read(&mut byte)).await.unwrap(),
        0,
        "as if it had hung up"
    );
    // Not while it waits for an answer; and whoever showed a certificate may be silent.
    let mut calling = soon(site.stranger_from(BAD)).await.unwrap();
    let mut served = soon(site.incoming.next()).await.unwrap().unwrap();
    let call = served.connect_info().calls.begin().of_use();
    let tcp = site.call_from(GOOD).await;
    let mut known = soon(site.handshake_over(tcp)).await.unwrap();
    let mut silent = soon(site.incoming.next()).await.unwrap().unwrap();
    let longer = Duration::from_millis(200);
    let (mut of_first, mut of_second) = ([0], [0]);
    let (first, second) = tokio::join!(
        tokio::time::timeout(longer, served.read(&mut of_first)),
        tokio::time::timeout(longer, silent.read(&mut of_second)),
    );
    assert!(first.is_err() && second.is_err(), "both go on");
    for (end, served) in [(&mut calling, &mut served), (&mut known, &mut silent)] {
        end.write_all(b"x").await.unwrap();
        end.flush().await.unwrap();
        assert_eq!(soon(served.read(&mut byte)).await.unwrap(), 1);
    }
    drop(call);
    assert_eq!(soon(served.read(&mut byte)).await.unwrap(), 0, "its call is over");
}

#[tokio::test]
async fn a_stranger_that_sends_and_takes_nothing_is_hung_up_on() {
    let mut quick = limits(2);
    quick.strangers_idle = Duration::from_millis(50);
    let mut site = Site::new(quick).await;
    let _greedy = soon(site.stranger_from(BAD)).await.unwrap();
    let mut served = soon(site.incoming.next()).await.unwrap().unwrap();
    // The server has answers for it, which fill what there is of buffers; it never gets to reading.
    let answers = async {
        loop {
            if let Err(error) = served.write_all(&[0; 64 * 1024]).await {
                return error;
            }
        }
    };
    assert_eq!(soon(answers).await.kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_stranger_that_calls_all_the_time_is_hung_up_on_in_the_end() {
    let mut brief = limits(2);
    (brief.strangers_idle, brief.strangers_age) = (LONG, Duration::from_millis(50));
    let mut site = Site::new(brief).await;
    let _calling = soon(site.stranger_from(BAD)).await.unwrap();
    let mut served = soon(site.incoming.next()).await.unwrap().unwrap();
    let _call = served.connect_info().calls.begin().of_use();
    let mut byte = [0];
    assert_eq!(soon(served.read(&mut byte)).await.unwrap(), 0, "it is old");
}

#[tokio::test]
async fn when_strangers_have_all_places_the_longest_idle_one_makes_room() {
    let mut narrow = limits(2);
    (narrow.strangers, narrow.strangers_idle) = (2, LONG);
    let mut site = Site::new(narrow).await;
    let _busy = soon(site.stranger_from(BAD)).await.unwrap();
    let mut busy = soon(site.incoming.next()).await.unwrap().unwrap();
    let call = busy.connect_info().calls.begin().of_use();
    let _idle = soon(site.stranger_from(BAD)).await.unwrap();
    let mut idle = soon(site.incoming.next()).await.unwrap().unwrap();
    // Its server waits for it meanwhile, and is told.
    let waiting = tokio::spawn(async move { idle.read(&mut [0]).await });
    let mut end = soon(site.stranger_from(GOOD)).await.unwrap();
    let mut come = soon(site.incoming.next()).await.unwrap().unwrap();
    assert_eq!(soon(waiting).await.unwrap().unwrap(), 0);
    end.write_all(b"x").await.unwrap();
    end.flush().await.unwrap();
    assert_eq!(soon(come.read(&mut [0])).await.unwrap(), 1);
    // Where all are busy, whoever comes is turned away.
    let _other = come.connect_info().calls.begin();
    if let Ok(mut last) = soon(site.stranger_from(GOOD)).await {
        let mut rest = Vec::new();
        let _ = soon(last.read_to_end(&mut rest)).await;
    }
    drop(call);
    let still_there = tokio::time::timeout(Duration::from_millis(50), busy.read(&mut [0])).await;
    assert!(still_there.is_err());
}
