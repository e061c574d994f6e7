//! Listeners behind proxies, which say whose a connection is.

use std::time::Duration;

use symbolon_tls::grpc::{IpNetwork, TlsConnectInfo, TrustedProxies};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::StreamExt;
use tonic::transport::server::Connected as _;

use crate::{BAD, BEGINNING, GOOD, Site, closed, limits, soon};

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
