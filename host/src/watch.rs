//! The sections of a configuration by which a program is watched: `[health]`, `[metrics]` and `[traces]`. All are off
//! until they name an address.

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Deserialize;
use tokio::net::TcpListener;

use crate::metrics::{CONTENT_TYPE, Metrics};
use crate::pages::{Answer, ListenError, Pages, listen};

/// Pages that say whether the program lives and whether it can do its work.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// Address and port; port 0 takes a free one. Default: none, and there are no such pages.
    pub address: Option<SocketAddr>,
    /// The page that answers while the program runs. Default: `/live`.
    pub live_path: String,
    /// The page that tries what the program is for. Default: `/ready`.
    pub ready_path: String,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            address: None,
            live_path: "/live".to_owned(),
            ready_path: "/ready".to_owned(),
        }
    }
}

/// A page of figures for Prometheus.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Address and port, which may be those of `[health]`; port 0 takes a free one. Default: none, and there is no such
    /// page.
    pub address: Option<SocketAddr>,
    /// The page. Default: `/metrics`.
    pub path: String,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            address: None,
            path: "/metrics".to_owned(),
        }
    }
}

/// Spans for an OpenTelemetry collector.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct TracesConfig {
    /// The collector's OTLP over gRPC, `http://HOST:PORT`. Default: none, and nothing is sent.
    pub endpoint: Option<String>,
    /// How many of a hundred traces are sent that begin here. Default: 100.
    pub percent: u8,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            percent: 100,
        }
    }
}

/// What is wrong with a value: its key, and what would be right.
pub type Fault = (&'static str, String);

/// What is wrong with the three sections.
pub fn faults(health: &HealthConfig, metrics: &MetricsConfig, traces: &TracesConfig) -> Vec<Fault> {
    let mut faults = Vec::new();
    let paths = [
        ("health.live_path", &health.live_path),
        ("health.ready_path", &health.ready_path),
        ("metrics.path", &metrics.path),
    ];
    let is_path = |path: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
        path.starts_with('/') && path.len() <= 256 && path.chars().all(fits)
    };
    for (key, path) in paths {
        if !is_path(path) {
            let reason = "is no path; write a `/` and then letters, digits, `/`, `-`, `_`, `.` and `~`";
            faults.push((key, reason.to_owned()));
        }
    }
    let is_same = |key, one: &str, other: &str, named: &str| {
        (one == other).then(|| {
            (
                key,
                format!("is {one}, and so is `{named}`; give each a path of its own"),
            )
        })
    };
    faults.extend(is_same(
        "health.ready_path",
        &health.ready_path,
        &health.live_path,
        "health.live_path",
    ));
    if metrics.address.is_some() && metrics.address == health.address {
        faults.extend(is_same(
            "metrics.path",
            &metrics.path,
            &health.live_path,
            "health.live_path",
        ));
        faults.extend(is_same(
            "metrics.path",
            &metrics.path,
            &health.ready_path,
            "health.ready_path",
        ));
    }
    if traces.percent > 100 {
        faults.push((
            "traces.percent",
            format!("is {}; it can be 0 to 100", traces.percent),
        ));
    }
    if let Some(endpoint) = &traces.endpoint
        && !is_collector(endpoint)
    {
        let reason = "must be `http://HOST:PORT`; for a collector elsewhere run one on this machine that passes spans on";
        faults.push(("traces.endpoint", reason.to_owned()));
    }
    faults
}

/// What an operator should know of values that work: pages that others can read.
pub fn advice(health: &HealthConfig, metrics: &MetricsConfig) -> Vec<Fault> {
    let open = |address: &Option<SocketAddr>| address.filter(|address| !address.ip().is_loopback());
    let warn = |key, address: SocketAddr, what: &str| {
        (
            key,
            format!("is {address}; whoever reaches it reads {what}, without encryption or a name"),
        )
    };
    let health =
        open(&health.address).map(|at| warn("health.address", at, "what keeps the program from its work"));
    let metrics = open(&metrics.address).map(|at| warn("metrics.address", at, "all figures"));
    health.into_iter().chain(metrics).collect()
}

fn is_collector(endpoint: &str) -> bool {
    let Some((host, port)) = endpoint
        .strip_prefix("http://")
        .and_then(|rest| rest.trim_end_matches('/').rsplit_once(':'))
    else {
        return false;
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    !host.is_empty() && host.chars().all(fits) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The addresses of `[health]` and `[metrics]`, taken. Where both have one, it is taken once.
#[derive(Debug, Default)]
pub struct Listening {
    health: Option<TcpListener>,
    metrics: Option<TcpListener>,
    is_shared: bool,
}

impl Listening {
    /// Takes the addresses that are configured.
    ///
    /// # Errors
    /// [`ListenError`], naming the one that cannot be had.
    pub async fn start(health: &HealthConfig, metrics: &MetricsConfig) -> Result<Self, ListenError> {
        let is_shared = metrics.address.is_some() && metrics.address == health.address;
        let at = async |address: Option<SocketAddr>, what| match address {
            Some(address) => listen(address, what).await.map(Some),
            None => Ok(None),
        };
        Ok(Self {
            health: at(health.address, "[health]").await?,
            metrics: at(metrics.address.filter(|_| !is_shared), "[metrics]").await?,
            is_shared,
        })
    }

    /// Where the pages about health are; the real port where the configuration said 0.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.health.as_ref()?.local_addr().ok()
    }

    /// Where the figures are.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        match self.is_shared {
            true => self.health_addr(),
            false => self.metrics.as_ref()?.local_addr().ok(),
        }
    }

    /// Each listener with its pages. `ready` tries what the program is for, and says in words what keeps it from that;
    /// `before` is run before figures are shown.
    pub fn pages<R, B>(
        self,
        (health, metrics): (&HealthConfig, &MetricsConfig),
        ready: impl Fn() -> R + Send + Sync + 'static,
        figures: Arc<Metrics>,
        before: impl Fn() -> B + Send + Sync + 'static,
    ) -> Vec<(TcpListener, Pages)>
    where
        R: Future<Output = Vec<String>> + Send + 'static,
        B: Future<Output = ()> + Send + 'static,
    {
        let show = move |pages: &mut Pages| {
            pages.add(&metrics.path, move || {
                let (before, figures) = (before(), Arc::clone(&figures));
                async move {
                    before.await;
                    Answer {
                        is_well: true,
                        content_type: CONTENT_TYPE,
                        body: figures.page(),
                    }
                }
            });
        };
        let mut all = Vec::new();
        let mut show = Some(show);
        if let Some(listener) = self.health {
            let mut pages = Pages::default();
            pages.add(&health.live_path, || async { Answer::text(true, "alive\n") });
            pages.add(&health.ready_path, move || {
                let problems = ready();
                async move { words(&problems.await) }
            });
            if let Some(show) = show.take_if(|_| self.is_shared) {
                show(&mut pages);
            }
            all.push((listener, pages));
        }
        if let (Some(listener), Some(show)) = (self.metrics, show) {
            let mut pages = Pages::default();
            show(&mut pages);
            all.push((listener, pages));
        }
        all
    }
}

fn words(problems: &[impl Display]) -> Answer {
    match problems {
        [] => Answer::text(true, "ready\n"),
        problems => {
            let lines = problems.iter().map(|problem| format!("{problem}\n"));
            Answer::text(false, lines.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    fn found(health: HealthConfig, metrics: MetricsConfig, traces: TracesConfig) -> Vec<&'static str> {
        faults(&health, &metrics, &traces)
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    }

    #[test]
    fn the_defaults_are_off_and_without_fault() {
        let (health, metrics, traces) = Default::default();
        assert!(faults(&health, &metrics, &traces).is_empty());
        assert!(advice(&health, &metrics).is_empty());
        assert_eq!(
            (health.address, metrics.address, traces.endpoint),
            (None, None, None)
        );
    }

    #[test]
    fn each_fault_is_named() {
        let local: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let path = |path: &str| HealthConfig {
            live_path: path.to_owned(),
            ..HealthConfig::default()
        };
        for wrong in ["", "live", "/a b", "/a?b", "/ä"] {
            let found = found(path(wrong), Default::default(), Default::default());
            assert_eq!(found, ["health.live_path"], "{wrong}");
        }
        assert_eq!(
            found(path("/ready"), Default::default(), Default::default()),
            ["health.ready_path"]
        );
        let shared = HealthConfig {
            address: Some(local),
            live_path: "/metrics".to_owned(),
            ..HealthConfig::default()
        };
        let metrics = |address| MetricsConfig {
            address,
            ..MetricsConfig::default()
        };
        assert_eq!(
            found(shared.clone(), metrics(Some(local)), Default::default()),
            ["metrics.path"]
        );
        assert!(found(shared, metrics(None), Default::default()).is_empty());
        for endpoint in [
            "",
            "localhost:4317",
            "https://c:4317",
            "http://c",
            "http://c:0",
            "http://a b:1",
            "http://u@c:1",
        ] {
            let traces = TracesConfig {
                endpoint: Some(endpoint.to_owned()),
                percent: 101,
            };
            let found = found(Default::default(), Default::default(), traces);
            assert_eq!(found, ["traces.percent", "traces.endpoint"], "{endpoint}");
        }
        for endpoint in [
            "http://127.0.0.1:4317",
            "http://[::1]:4317/",
            "http://collector.example.org:4317",
        ] {
            let traces = TracesConfig {
                endpoint: Some(endpoint.to_owned()),
                percent: 0,
            };
            assert!(
                found(Default::default(), Default::default(), traces).is_empty(),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn pages_for_everybody_are_warned_of() {
        let health = HealthConfig {
            address: Some("0.0.0.0:80".parse().unwrap()),
            ..HealthConfig::default()
        };
        let keys: Vec<_> = advice(&health, &MetricsConfig::default())
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(keys, ["health.address"]);
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn health_and_figures_share_an_address_or_have_one_each() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        for shared in [true, false] {
            let health = HealthConfig {
                address: Some(any),
                ..HealthConfig::default()
            };
            let metrics = MetricsConfig {
                // The same address, or another that is free as well.
                address: Some(if shared {
                    any
                } else {
                    "127.0.0.2:0".parse().unwrap()
                }),
                ..MetricsConfig::default()
            };
            let listening = Listening::start(&health, &metrics).await.unwrap();
            let (at, figures_at) = (
                listening.health_addr().unwrap(),
                listening.metrics_addr().unwrap(),
            );
            assert_eq!(at == figures_at, shared);
            let ready = || async { vec!["classical: no key store".to_owned()] };
            let pages = listening.pages((&health, &metrics), ready, Arc::default(), || async {});
            assert_eq!(pages.len(), if shared { 1 } else { 2 });
            let serving = pages.into_iter().map(|(listener, pages)| {
                tokio::spawn(crate::pages::serve(listener, pages, std::future::pending()))
            });
            let serving: Vec<_> = serving.collect();
            assert!(get(at, "/live").await.ends_with("alive\n"));
            assert!(get(at, "/ready").await.ends_with("classical: no key store\n"));
            assert!(get(figures_at, "/metrics").await.ends_with("# EOF\n"));
            serving.iter().for_each(tokio::task::JoinHandle::abort);
        }
    }
}
