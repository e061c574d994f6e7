//! The connection to the server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::time::Clock;
use symbolon_tls::grpc::{ALPN_H2, ChannelOptions, channel};
use symbolon_tls::{AuthorizeId, ClientOptions, Connector, StaticSource, SvidIdentity};
use tokio::sync::Mutex;
use tonic::Status;
use tonic::transport::Channel;

use super::CallError;

/// Longest time for one call, streams included.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The server's identity, as SPIRE has it.
///
/// # Errors
/// [`SpiffeIdError`] if the trust domain's name leaves no room for it.
pub(crate) fn server_id(trust_domain: &TrustDomain) -> Result<SpiffeId, SpiffeIdError> {
    SpiffeId::new(format!("spiffe://{trust_domain}/spire/server"))
}

/// One connection to the server, made when it is needed and made anew after it failed.
#[derive(Debug)]
pub(crate) struct ServerLink {
    address: String,
    source: Arc<StaticSource>,
    connector: Connector,
    channel: Mutex<Option<Channel>>,
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
        }
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
    pub(crate) async fn call<T, F>(&self, call: impl FnOnce(Channel) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let outcome =
            match tokio::time::timeout(CALL_TIMEOUT, async { call(self.connected().await?).await }).await {
                Ok(outcome) => outcome,
                Err(_) => Err(CallError::Timeout),
            };
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

    async fn connected(&self) -> Result<Channel, CallError> {
        let mut held = self.channel.lock().await;
        if let Some(channel) = &*held {
            return Ok(channel.clone());
        }
        let options = ChannelOptions {
            request_timeout: None,
            ..ChannelOptions::default()
        };
        let channel = channel(&self.address, self.connector.clone(), &options).await?;
        Ok(held.insert(channel).clone())
    }
}

fn options() -> ClientOptions {
    ClientOptions {
        alpn: vec![ALPN_H2.to_vec()],
        ..ClientOptions::default()
    }
}

/// Statuses that a server sent have no source.
fn is_from_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}
