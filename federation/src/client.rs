//! The client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::ClientConfig;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_host::dial;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::time::Clock;
use symbolon_tls::{AuthorizeId, Connector, KexPolicy, StaticSource};
use tokio::net::TcpStream;

use crate::endpoint::{Endpoint, EndpointProfile, EndpointUrl};
use crate::error::{FetchError, RedirectError};
use crate::exchange::{ALPN, Answer, get};
use crate::web::WebRoots;

/// Most redirects that are followed, one after the other.
const MAX_REDIRECTS: usize = 3;

/// What a client may set.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Whom of the web's authorities to believe. Default: Mozilla's list.
    pub web_roots: WebRoots,
    /// Key-exchange groups. Default: hybrid ones first, then classical ones. What is fetched is public, and what matters
    /// is who signed the handshake; an endpoint that knows no hybrid group must not end a federation.
    pub kex: KexPolicy,
    /// Longest time for a fetch, redirects included. Default: 30 s.
    pub timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            web_roots: WebRoots::mozilla(),
            kex: KexPolicy::AllowClassical,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Fetches bundles. Cloning shares it.
#[derive(Clone)]
pub struct BundleClient {
    options: ClientOptions,
    web: Arc<ClientConfig>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for BundleClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BundleClient")
            .field("kex", &self.options.kex)
            .field("timeout", &self.options.timeout)
            .finish_non_exhaustive()
    }
}

impl BundleClient {
    /// A client with these options, which judges certificates by this clock.
    ///
    /// # Errors
    /// [`FetchError::Tls`] if TLS cannot be set up with them.
    pub fn new(options: ClientOptions, clock: Arc<dyn Clock>) -> Result<Self, FetchError> {
        let web = options
            .web_roots
            .client_config(&options.kex, &clock)
            .map_err(FetchError::Tls)?;
        Ok(Self {
            options,
            web: Arc::new(web),
            clock,
        })
    }

    /// Fetches the bundle of `trust_domain` from `endpoint`. `held` is where an endpoint that shows an SVID is looked for:
    /// the bundle of its own trust domain, which need not be the one whose bundle it serves.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch(
        &self,
        trust_domain: &TrustDomain,
        endpoint: &Endpoint,
        held: &BundleSet,
    ) -> Result<TrustBundle, FetchError> {
        let work = self.try_fetch(trust_domain, endpoint, held);
        match tokio::time::timeout(self.options.timeout, work).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchError::Timeout {
                address: address(&endpoint.url),
                after: self.options.timeout,
            }),
        }
    }

    async fn try_fetch(
        &self,
        trust_domain: &TrustDomain,
        endpoint: &Endpoint,
        held: &BundleSet,
    ) -> Result<TrustBundle, FetchError> {
        let (from, document) = match &endpoint.profile {
            EndpointProfile::HttpsWeb => self.over_web(&endpoint.url).await?,
            EndpointProfile::HttpsSpiffe { endpoint_id } => {
                self.over_spiffe(&endpoint.url, endpoint_id, held).await?
            }
        };
        TrustBundle::from_jwks(trust_domain, &document).map_err(|source| FetchError::Document {
            address: from,
            source: Box::new(source),
        })
    }

    /// A document by the web's authorities, and the address it came from. Redirects are followed on the same host and port.
    async fn over_web(&self, url: &EndpointUrl) -> Result<(String, hyper::body::Bytes), FetchError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let address = address(&url);
            let tcp = dial(&url, &address).await?;
            let connecting =
                tokio_rustls::TlsConnector::from(self.web.clone()).connect(url.server_name(), tcp);
            let stream = connecting.await.map_err(|source| FetchError::Web {
                address: address.clone(),
                source,
            })?;
            let location = match get(stream, &url, &address).await? {
                Answer::Document(document) => return Ok((address, document)),
                Answer::Elsewhere(location) => location,
            };
            let next = match location {
                Some(location) => url.follow(&location).map_err(RedirectError::Location),
                None => Err(RedirectError::NoLocation),
            };
            let next = next.and_then(|next| match next.is_where(&url) {
                true => Ok(next),
                false => Err(RedirectError::OtherHost(self::address(&next))),
            });
            url = next.map_err(|reason| FetchError::Redirect { address, reason })?;
        }
        Err(FetchError::Redirect {
            address: address(&url),
            reason: RedirectError::TooMany,
        })
    }

    /// A document by the endpoint's SVID, and the address it came from.
    async fn over_spiffe(
        &self,
        url: &EndpointUrl,
        endpoint_id: &SpiffeId,
        held: &BundleSet,
    ) -> Result<(String, hyper::body::Bytes), FetchError> {
        let address = address(url);
        let domain = endpoint_id.trust_domain();
        let bundle = held
            .get(domain)
            .filter(|bundle| !bundle.x509_authorities.is_empty())
            .ok_or_else(|| FetchError::NoBundle(domain.clone()))?;
        // That bundle and no other: an endpoint of one trust domain is not believed by another's.
        let source = Arc::new(StaticSource::new(
            Vec::new(),
            BundleSet::from_iter([bundle.clone()]),
        ));
        let options = symbolon_tls::ClientOptions {
            kex: self.options.kex.clone(),
            alpn: vec![ALPN.to_vec()],
            handshake_timeout: self.options.timeout,
            ..symbolon_tls::ClientOptions::default()
        };
        let authorize = AuthorizeId::OneOf(vec![endpoint_id.clone()]);
        let connector = Connector::without_identity(source, authorize, self.clock.clone(), options);
        let tcp = dial(url, &address).await?;
        let connection = connector
            .connect(url.server_name(), tcp)
            .await
            .map_err(|source| FetchError::Spiffe {
                address: address.clone(),
                source,
            })?;
        tracing::debug!(endpoint = %url, key_exchange = %connection.info().negotiated.key_exchange, "connected");
        match get(connection, url, &address).await? {
            Answer::Document(document) => Ok((address, document)),
            Answer::Elsewhere(_) => Err(FetchError::Redirect {
                address,
                reason: RedirectError::Spiffe,
            }),
        }
    }
}

/// Host and port, for messages.
fn address(url: &EndpointUrl) -> String {
    match url.host().contains(':') {
        true => format!("[{}]:{}", url.host(), url.port()),
        false => format!("{}:{}", url.host(), url.port()),
    }
}

async fn dial(url: &EndpointUrl, address: &str) -> Result<TcpStream, FetchError> {
    dial::dial(url.host(), url.port())
        .await
        .map_err(|source| FetchError::Connect {
            address: address.to_owned(),
            source,
        })
}
