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
    patience: Duration,
}

impl NodePages {
    pub(crate) fn new(allowed: Vec<IpNetwork>) -> Self {
        // What is private has no sites, and whoever named these networks knows who is there.
        let places = Places::new(MOST, allowed.clone());
        Self {
            allowed,
            places,
            patience: PATIENCE,
        }
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
            log("as many challenges are being fetched as may be, of all, for its site or for that address");
            return Err(NotFetched::Busy);
        };
        let fetching = self.try_fetch(Arc::new(place), host, port, path);
        let late = |_| Err(format!("it did not answer within {} s", self.patience.as_secs()));
        let fetched = timeout(self.patience, fetching).await.unwrap_or_else(late);
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

    use super::*;

    /// No name: what `localhost` is, if anything, is another matter.
    const HOST: &str = "127.0.0.1";

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

    /// Has more patience than any machine needs.
    fn going_to(allowed: Vec<IpNetwork>) -> NodePages {
        NodePages {
            patience: Duration::from_secs(3600),
            ..NodePages::new(allowed)
        }
    }

    fn nowhere() -> NodePages {
        going_to(Vec::new())
    }

    fn own_machine() -> NodePages {
        going_to(vec!["127.0.0.0/8".parse().unwrap()])
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
        let refused = reason(&nowhere(), HOST, port, "/a").await;
        assert!(
            refused.contains("127.0.0.1") && refused.contains("allowed_networks"),
            "{refused}"
        );

        let allowed = own_machine();
        let fetched = allowed.fetch(HOST, port, "/a", somebody(1, 1)).await;
        assert_eq!(fetched.unwrap(), b"nonce\n");
        assert!(reason(&allowed, HOST, port, "/b").await.contains("404"));
    }

    #[tokio::test]
    async fn whoever_asks_learns_nothing_of_where_the_server_did_not_get() {
        let (port, _serving) = page("nonce\n").await;
        // Nobody else gets this port, and nobody listens on it.
        let taken = TcpSocket::new_v4().unwrap();
        taken.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let closed = taken.local_addr().unwrap().port();
        for (pages, host, port, path) in [
            (nowhere(), HOST, port, "/a"),
            (own_machine(), HOST, port, "/b"),
            (own_machine(), HOST, closed, "/a"),
        ] {
            let fetched = pages.fetch(host, port, path, somebody(1, 1)).await;
            assert_eq!(fetched, Err(NotFetched::Failed), "{host}:{port}{path}");
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_a_nonce_needs() {
        let (port, _serving) =
            page("0123456789012345678901234567890123456789012345678901234567890123456789").await;
        let refused = reason(&own_machine(), HOST, port, "/a").await;
        assert!(refused.contains("64 bytes"), "{refused}");
    }

    #[tokio::test]
    async fn no_more_is_fetched_at_a_time_than_may_be_and_less_of_it_for_one() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let pages = own_machine();
        let one = pages.clone();
        let fetching = tokio::spawn(async move { one.fetch(HOST, port, "/a", somebody(0, 0)).await });
        let gone_to = timeout(Duration::from_secs(120), silent.accept()).await;
        let _silent = gone_to.expect("it is gone to").unwrap();

        let mut taken = Vec::new();
        for number in 1..MOST.all {
            let part = |of: usize| u8::try_from(number / of).unwrap();
            let (site, host) = (part(MOST.of_site), part(MOST.of_one));
            taken.push(pages.places.take(somebody(site, host)).unwrap());
            if number + 1 == MOST.of_one {
                let more = pages.places.take(somebody(site, host));
                assert!(more.is_none(), "one address has so many");
            }
            if number + 1 == MOST.of_site {
                let more = pages.places.take(somebody(site, 99));
                assert!(more.is_none(), "one site has so many");
            }
        }
        let busy = pages.fetch(HOST, port, "/a", somebody(99, 99)).await;
        assert_eq!(busy, Err(NotFetched::Busy));
        // Whoever leaves makes room.
        fetching.abort();
        assert!(fetching.await.unwrap_err().is_cancelled());
        assert!(pages.places.take(somebody(99, 99)).is_some());
    }

    #[tokio::test]
    async fn those_who_are_gone_to_where_it_is_allowed_have_no_share_of_a_site() {
        let pages = going_to(vec!["10.0.0.0/16".parse().unwrap()]);
        let taken = (0..MOST.of_site + 1).map(|host| {
            let asking = somebody(0, u8::try_from(host).unwrap());
            pages.places.take(asking).unwrap()
        });
        assert_eq!(taken.collect::<Vec<_>>().len(), MOST.of_site + 1);
    }

    #[tokio::test]
    async fn who_says_nothing_is_given_up() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let hasty = NodePages {
            patience: Duration::from_millis(1),
            ..own_machine()
        };
        let fetching = hasty.fetch(HOST, port, "/a", somebody(1, 1));
        let fetched = timeout(Duration::from_secs(120), fetching).await;
        assert_eq!(fetched.expect("it is given up"), Err(NotFetched::Failed));
    }
}
