//! Where the API listens.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use symbolon_host::duration::HumanDuration;
use symbolon_tls::grpc::{IpNetwork, TrustedProxies};

use super::DEFAULT_ADDRESS;
use super::check::{Problem, problem};

/// The TCP listener.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ListenConfig {
    /// Address and port; port 0 takes a free one. Default: [`DEFAULT_ADDRESS`].
    pub address: SocketAddr,
    /// Accept clients that know no hybrid key exchange. Default: no.
    pub allow_classical_kex: bool,
    /// After this long, give or take a tenth, a connection is asked to end. Default: 3 minutes.
    pub max_connection_age: HumanDuration,
    /// How long calls in progress may then take. Default: 10 seconds.
    pub max_connection_grace: HumanDuration,
    /// Networks of proxies that say whose a connection is, by the PROXY protocol. Default: none.
    pub proxy_protocol_trusted_cidrs: Vec<String>,
    /// Whether they have to. Default: yes.
    pub proxy_protocol: ProxyProtocol,
}

/// Whether proxies have to say whose a connection is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    /// What comes from their networks without a header is closed.
    #[default]
    Required,
    /// It counts as its sender's own.
    Optional,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: DEFAULT_ADDRESS,
            allow_classical_kex: false,
            max_connection_age: HumanDuration(Duration::from_secs(3 * 60)),
            max_connection_grace: HumanDuration(Duration::from_secs(10)),
            proxy_protocol_trusted_cidrs: Vec::new(),
            proxy_protocol: ProxyProtocol::default(),
        }
    }
}

impl ListenConfig {
    /// The proxies that are heard.
    pub(crate) fn proxies(&self) -> Result<TrustedProxies, Problem> {
        let read = |text: &String| {
            let network = text.parse::<IpNetwork>();
            network.map_err(|error| {
                problem(
                    "listen.proxy_protocol_trusted_cidrs",
                    format!("has what cannot be used: {error}"),
                )
            })
        };
        let networks = self.proxy_protocol_trusted_cidrs.iter().map(read);
        let proxies: TrustedProxies = networks.collect::<Result<_, _>>()?;
        Ok(match self.proxy_protocol {
            ProxyProtocol::Required => proxies,
            ProxyProtocol::Optional => proxies.or_silent(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_proxies_are_read_or_refused_by_name() {
        let listen = |networks: &[&str]| ListenConfig {
            proxy_protocol_trusted_cidrs: networks.iter().map(ToString::to_string).collect(),
            ..ListenConfig::default()
        };
        listen(&["10.0.0.0/8", "2001:db8::/32"]).proxies().unwrap();
        let problem = listen(&["10.0.0.0/8", "10.0.0.1"]).proxies().unwrap_err();
        assert_eq!(problem.key, "listen.proxy_protocol_trusted_cidrs");
        assert!(problem.reason.contains("\"10.0.0.1\" is no network"), "{problem}");
        let problem = listen(&["0.0.0.0/0"]).proxies().unwrap_err();
        assert!(problem.reason.contains("everybody's"), "{problem}");
    }
}
