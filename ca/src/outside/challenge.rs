//! Fetching a challenge from the node that is to show it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use symbolon_attestation::http_challenge::{ChallengeFetcher, MAX_PAGE, NotFetched};
use symbolon_host::dial;
use symbolon_host::http::{Ask, Place as Url, exchange};
use symbolon_pki::text::printable;
use symbolon_tls::grpc::IpNetwork;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::addresses::is_public;
use super::places::{Place, Places, Share};
use crate::telemetry::CHALLENGE_NOT_FETCHED;

/// Longest time for all of it, as in SPIRE.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most challenges that are fetched at a time. Each may keep a thread for as long as the system's resolver takes over a name
/// of the node's choice, and all else that waits for such a thread needs some to be left.
const MOST: Share = Share {
    all: 32,
    of_site: 8,
    of_one: 4,
};

/// Fetches challenges from nodes, at public addresses and in the networks that are allowed.
#[derive(Clone, Debug)]
pub(crate) struct NodePages {
    allowed: Vec<IpNetwork>,
    places: Places,
}

impl NodePages {
    pub(crate) fn new(allowed: Vec<IpNetwork>) -> Self {
        let places = Places::new(MOST);
        Self { allowed, places }
    }

    fn may_go_to(&self, address: SocketAddr) -> bool {
        is_public(address.ip()) || self.allowed.iter().any(|network| network.contains(address.ip()))
    }

    async fn connect(&self, place: Arc<Place>, host: &str, port: u16) -> Result<TcpStream, String> {
        let found = dial::look_up_whole(host, port, place).await;
        let found = found.map_err(|error| format!("it has no address: {error}"))?;
        let (good, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|address| self.may_go_to(*address));
        if good.is_empty() {
            let words: Vec<_> = others.iter().map(|address| address.ip().to_string()).collect();
            return Err(format!(
                "it is at {}, which is no public address and in none of `allowed_networks`",
                words.join(", ")
            ));
        }
        // The address that was looked at is the one that is gone to: the name is not resolved again.
        let connected = dial::reach(good).await;
        connected.map_err(|error| format!("it does not answer: {error}"))
    }

    async fn try_fetch(
        &self,
        place: Arc<Place>,
        host: &str,
        port: u16,
        path: &str,
    ) -> Result<Vec<u8>, String> {
        let url: Url = format!("http://{host}:{port}{path}")
            .parse()
            .map_err(|error| format!("it cannot be asked: {error}"))?;
        let stream = self.connect(Arc::clone(&place), host, port).await?;
        let ask = Ask {
            method: Default::default(),
            fields: Vec::new(),
            body: Default::default(),
            most: MAX_PAGE,
        };
        let told = exchange(stream, &url, ask)
            .await
            .map_err(|error| error.to_string())?;
        match told.status {
            200 => Ok(told.body),
            status => Err(format!("the status is {status}")),
        }
    }
}

#[async_trait]
impl ChallengeFetcher for NodePages {
    async fn fetch(
        &self,
        host: &str,
        port: u16,
        path: &str,
        asking: Option<IpAddr>,
    ) -> Result<Vec<u8>, NotFetched> {
        // For operators alone: whoever asks may be anybody, and not at home here.
        let log = |reason: &str| {
            let (host, reason) = (printable(host), printable(reason));
            let asking = asking.map(tracing::field::display);
            tracing::warn!(event = CHALLENGE_NOT_FETCHED, host, port, asking, reason);
        };
        let Some(place) = self.places.take(asking) else {
            log("as many challenges are being fetched as may be, of all or for that address");
            return Err(NotFetched::Busy);
        };
        let fetching = self.try_fetch(Arc::new(place), host, port, path);
        let late = |_| Err(format!("it did not answer within {} s", PATIENCE.as_secs()));
        let fetched = timeout(PATIENCE, fetching).await.unwrap_or_else(late);
        fetched.map_err(|reason| {
            log(&reason);
            NotFetched::Failed
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use symbolon_host::pages::{self, Answer, Pages};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::task::JoinSet;

    use super::*;

    async fn page(text: &'static str) -> (u16, tokio::task::JoinHandle<()>) {
        let listener = pages::listen((Ipv4Addr::LOCALHOST, 0).into(), "a test")
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut shown = Pages::default();
        shown.add("/a", move || async move { Answer::text(true, text) });
        (
            port,
            tokio::spawn(pages::serve(listener, shown, std::future::pending())),
        )
    }

    /// Somebody at an address of a site.
    fn somebody(site: u8, host: u8) -> Option<IpAddr> {
        Some(Ipv4Addr::new(10, 0, site, host).into())
    }

    fn own_machine() -> NodePages {
        NodePages::new(vec!["127.0.0.0/8".parse().unwrap()])
    }

    /// What the log is told.
    async fn reason(pages: &NodePages, host: &str, port: u16, path: &str) -> String {
        let place = pages.places.take(None).unwrap();
        pages
            .try_fetch(Arc::new(place), host, port, path)
            .await
            .unwrap_err()
    }

    #[tokio::test]
    async fn the_servers_own_networks_are_gone_to_only_if_allowed() {
        let (port, _serving) = page("nonce\n").await;
        let refused = reason(&NodePages::new(Vec::new()), "localhost", port, "/a").await;
        assert!(
            refused.contains("127.0.0.1") && refused.contains("allowed_networks"),
            "{refused}"
        );

        let allowed = own_machine();
        let fetched = allowed.fetch("localhost", port, "/a", somebody(1, 1)).await;
        assert_eq!(fetched.unwrap(), b"nonce\n");
        assert!(reason(&allowed, "localhost", port, "/b").await.contains("404"));
    }

    #[tokio::test]
    async fn whoever_asks_learns_nothing_of_where_the_server_did_not_get() {
        let (port, _serving) = page("nonce\n").await;
        // Nobody else gets this port, and nobody listens on it.
        let taken = TcpSocket::new_v4().unwrap();
        taken.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let closed = taken.local_addr().unwrap().port();
        for (pages, host, port, path) in [
            (NodePages::new(Vec::new()), "localhost", port, "/a"),
            (own_machine(), "localhost", port, "/b"),
            (own_machine(), "localhost", closed, "/a"),
        ] {
            let fetched = pages.fetch(host, port, path, somebody(1, 1)).await;
            assert_eq!(fetched, Err(NotFetched::Failed), "{host}:{port}{path}");
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_a_nonce_needs() {
        let (port, _serving) =
            page("0123456789012345678901234567890123456789012345678901234567890123456789").await;
        let refused = reason(&own_machine(), "localhost", port, "/a").await;
        assert!(refused.contains("64 bytes"), "{refused}");
    }

    #[tokio::test]
    async fn no_more_is_fetched_at_a_time_than_may_be_and_less_of_it_for_one() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let pages = own_machine();
        let (mut fetching, mut held) = (JoinSet::new(), Vec::new());
        for number in 0..MOST.all {
            let part = |of: usize| u8::try_from(number / of).unwrap();
            let (site, host) = (part(MOST.of_site), part(MOST.of_one));
            let asking = somebody(site, host);
            let one = pages.clone();
            fetching.spawn(async move { one.fetch("localhost", port, "/a", asking).await });
            held.push(silent.accept().await.unwrap());
            if number + 1 == MOST.of_one {
                assert!(pages.places.take(asking).is_none(), "one address has so many");
            }
            if number + 1 == MOST.of_site {
                let other = pages.places.take(somebody(site, 99));
                assert!(other.is_none(), "one site has so many");
            }
        }
        let busy = pages.fetch("localhost", port, "/a", somebody(99, 99)).await;
        assert_eq!(busy, Err(NotFetched::Busy));
        // Whoever leaves makes room.
        fetching.shutdown().await;
        assert!(pages.places.take(somebody(99, 99)).is_some());
    }
}
