//! Fetching a challenge from the node that is to show it.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use symbolon_attestation::http_challenge::{ChallengeFetcher, MAX_PAGE};
use symbolon_host::http::{Ask, Place, exchange};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::addresses::{Network, is_public};

/// Longest time for all of it, as in SPIRE.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fetches challenges from nodes, at public addresses and in the networks that are allowed.
#[derive(Clone, Debug)]
pub(crate) struct NodePages {
    allowed: Vec<Network>,
}

impl NodePages {
    pub(crate) fn new(allowed: Vec<Network>) -> Self {
        Self { allowed }
    }

    fn may_go_to(&self, address: SocketAddr) -> bool {
        is_public(address.ip()) || self.allowed.iter().any(|network| network.contains(address.ip()))
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let found = lookup_host((host, port)).await;
        let found = found.map_err(|error| format!("{host} has no address: {error}"))?;
        let (good, others): (Vec<_>, Vec<_>) = found.partition(|address| self.may_go_to(*address));
        if good.is_empty() {
            let words: Vec<_> = others.iter().map(|address| address.ip().to_string()).collect();
            return Err(format!(
                "{host} is at {}, which is no public address and in none of `allowed_networks`",
                words.join(", ")
            ));
        }
        // The address that was looked at is the one that is gone to: the name is not resolved again.
        let connected = TcpStream::connect(good.as_slice()).await;
        connected.map_err(|error| format!("{host}:{port} does not answer: {error}"))
    }

    async fn try_fetch(&self, host: &str, port: u16, path: &str) -> Result<Vec<u8>, String> {
        let place: Place = format!("http://{host}:{port}{path}")
            .parse()
            .map_err(|error| format!("{host}: {error}"))?;
        let stream = self.connect(host, port).await?;
        let ask = Ask {
            method: Default::default(),
            fields: Vec::new(),
            body: Vec::new(),
            most: MAX_PAGE,
        };
        let told = exchange(stream, &place, ask)
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
    async fn fetch(&self, host: &str, port: u16, path: &str) -> Result<Vec<u8>, String> {
        let late = |_| {
            Err(format!(
                "{host}:{port} did not answer within {} s",
                PATIENCE.as_secs()
            ))
        };
        timeout(PATIENCE, self.try_fetch(host, port, path))
            .await
            .unwrap_or_else(late)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use symbolon_host::pages::{self, Answer, Pages};

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

    #[tokio::test]
    async fn the_servers_own_networks_are_gone_to_only_if_allowed() {
        let (port, _serving) = page("nonce\n").await;
        let refused = NodePages::new(Vec::new())
            .fetch("localhost", port, "/a")
            .await
            .unwrap_err();
        assert!(
            refused.contains("127.0.0.1") && refused.contains("allowed_networks"),
            "{refused}"
        );

        let allowed = NodePages::new(vec!["127.0.0.0/8".parse().unwrap()]);
        assert_eq!(allowed.fetch("localhost", port, "/a").await.unwrap(), b"nonce\n");
        assert!(
            allowed
                .fetch("localhost", port, "/b")
                .await
                .unwrap_err()
                .contains("404")
        );
        assert!(
            allowed
                .fetch("nowhere.invalid", port, "/a")
                .await
                .unwrap_err()
                .contains("no address")
        );
    }

    #[tokio::test]
    async fn no_more_is_read_than_a_nonce_needs() {
        let (port, _serving) =
            page("0123456789012345678901234567890123456789012345678901234567890123456789").await;
        let pages = NodePages::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let refused = pages.fetch("localhost", port, "/a").await.unwrap_err();
        assert!(refused.contains("64 bytes"), "{refused}");
    }
}
