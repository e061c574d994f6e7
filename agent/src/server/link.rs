//! The connection to the server.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::time::Clock;
use symbolon_tls::grpc::{ALPN_H2, ChannelOptions, channel};
use symbolon_tls::{AuthorizeId, ClientOptions, Connector, StaticSource, SvidIdentity};
use tokio::sync::{Mutex, Notify};
use tonic::transport::Channel;

use super::CallError;
use super::failure::is_from_transport;
use crate::telemetry::{Calls, Counted, Observed};

/// Longest time for one call, streams included.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The server's identity, as SPIRE has it.
///
/// # Errors
/// [`SpiffeIdError`] if the trust domain's name leaves no room for it.
pub(crate) fn server_id(trust_domain: &TrustDomain) -> Result<SpiffeId, SpiffeIdError> {
    SpiffeId::new(format!("spiffe://{trust_domain}/spire/server"))
}

/// A connection whose calls are observed.
pub(crate) type Wire = Observed<Channel>;

/// One connection to the server, made when it is needed and made anew after it failed.
#[derive(Debug)]
pub(crate) struct ServerLink {
    address: String,
    source: Arc<StaticSource>,
    connector: Connector,
    channel: Mutex<Option<Wire>>,
    /// How many connections there have been.
    connections: AtomicU64,
    calls: Calls,
    /// Told when the server answers a call that this agent is banned.
    ban: Notify,
}

impl ServerLink {
    /// A link that presents what [`present`](Self::present) gives it.
    pub(crate) fn new(address: &str, server: SpiffeId, bundles: BundleSet, clock: Arc<dyn Clock>) -> Self {
        let source = Arc::new(StaticSource::new(Vec::new(), bundles));
        let connector = Connector::new(source.clone(), AuthorizeId::OneOf(vec![server]), clock, options());
        Self::with(address, source, connector)
    }

    /// A link for an agent that has no SVID yet.
    pub(crate) fn without_identity(
        address: &str,
        server: SpiffeId,
        bundles: BundleSet,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let source = Arc::new(StaticSource::new(Vec::new(), bundles));
        let authorize = AuthorizeId::OneOf(vec![server]);
        let connector = Connector::without_identity(source.clone(), authorize, clock, options());
        Self::with(address, source, connector)
    }

    fn with(address: &str, source: Arc<StaticSource>, connector: Connector) -> Self {
        Self {
            address: address.to_owned(),
            source,
            connector,
            channel: Mutex::new(None),
            connections: AtomicU64::new(0),
            calls: Counted::default().calls,
            ban: Notify::new(),
        }
    }

    /// Counts its calls here.
    #[must_use]
    pub(crate) fn counted_by(mut self, calls: Calls) -> Self {
        self.calls = calls;
        self
    }

    /// Tells connections apart: the number of the last one.
    pub(crate) fn connection(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Where its calls are counted.
    pub(crate) fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// Presents this SVID from now on, on a new connection.
    pub(crate) async fn present(&self, identity: Arc<SvidIdentity>) {
        self.source.set_identities(vec![identity]);
        self.hang_up().await;
    }

    /// Recognises the server by these bundles from the next connection on.
    pub(crate) fn trust(&self, bundles: BundleSet) {
        self.source.set_bundles(bundles);
    }

    /// Makes the next call connect anew.
    pub(crate) async fn hang_up(&self) {
        *self.channel.lock().await = None;
    }

    /// Makes a call, within [`CALL_TIMEOUT`].
    pub(crate) async fn call<T, F>(&self, call: impl FnOnce(Wire) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let outcome =
            match tokio::time::timeout(CALL_TIMEOUT, async { call(self.connected().await?).await }).await {
                Ok(outcome) => outcome,
                Err(_) => Err(CallError::Timeout),
            };
        if matches!(&outcome, Err(error) if error.is_ban()) {
            self.ban.notify_one();
        }
        // A channel that lost its connection would try again by itself and then say less about why that failed.
        let broken = match &outcome {
            Err(CallError::Status(status)) => is_from_transport(status),
            Err(CallError::Timeout) => true,
            _ => false,
        };
        if broken {
            self.hang_up().await;
        }
        outcome
    }

    /// Ends when the server has answered a call, whichever it was, that it has banned this agent.
    pub(crate) async fn banned(&self) {
        self.ban.notified().await;
    }

    async fn connected(&self) -> Result<Wire, CallError> {
        let mut held = self.channel.lock().await;
        if let Some(channel) = &*held {
            return Ok(channel.clone());
        }
        let options = ChannelOptions {
            request_timeout: None,
            ..ChannelOptions::default()
        };
        let channel = channel(&self.address, self.connector.clone(), &options).await?;
        let wire = Observed::client(channel, self.calls.clone());
        self.connections.fetch_add(1, Ordering::Relaxed);
        Ok(held.insert(wire).clone())
    }
}

fn options() -> ClientOptions {
    ClientOptions {
        alpn: vec![ALPN_H2.to_vec()],
        ..ClientOptions::default()
    }
}
