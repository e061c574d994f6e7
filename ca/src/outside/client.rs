//! The client.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::client::ClientConfig;
use rustls_pki_types::ServerName;
use symbolon_attestation::http::{Busy, HttpClient, Request, Response, Verb};
use symbolon_federation::WebRoots;
use symbolon_host::dial;
use symbolon_host::http::{Ask, Place, exchange};
use symbolon_pki::time::Clock;
use symbolon_tls::KexPolicy;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// Longest time for a question, connection included.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most questions to one service at a time. Others wait their turn, within their time.
const MOST: usize = 16;
/// Longest token that is read, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// How a service is reached.
#[derive(Clone, Debug)]
pub(crate) struct OutsideOptions {
    /// Whom to believe.
    pub(crate) roots: WebRoots,
    /// Key exchange.
    pub(crate) kex: KexPolicy,
    /// A file with a token that is shown as `Authorization: Bearer`. It is read each time, since it is replaced.
    pub(crate) token_file: Option<PathBuf>,
}

/// A service cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutsideError {
    #[error("{0}")]
    Url(#[from] symbolon_host::http::InvalidPlace),
    #[error("{0} is not https")]
    Plain(String),
    #[error("the host of {0} is neither a DNS name nor an address")]
    Name(String),
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: std::io::Error },
    #[error("the TLS handshake with {address} failed: {source}")]
    Tls { address: String, source: std::io::Error },
    #[error("the token in {path} cannot be read: {reason}", path = path.display())]
    Token { path: PathBuf, reason: String },
    #[error("the exchange with {address}: {source}")]
    Exchange {
        address: String,
        source: symbolon_host::http::ExchangeError,
    },
    #[error("{address} did not answer within {} s", PATIENCE.as_secs())]
    Late { address: String },
}

/// Asks a service over TLS 1.3.
#[derive(Clone)]
pub(crate) struct OutsideClient {
    tls: Arc<ClientConfig>,
    token_file: Option<PathBuf>,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl fmt::Debug for OutsideClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutsideClient")
            .field("token_file", &self.token_file)
            .finish_non_exhaustive()
    }
}

impl OutsideClient {
    /// A client that judges certificates by this clock.
    ///
    /// # Errors
    /// Why TLS cannot be set up so.
    pub(crate) fn new(options: OutsideOptions, clock: &Arc<dyn Clock>) -> Result<Self, String> {
        let tls = options.roots.client_config(&options.kex, clock)?;
        Ok(Self {
            tls: Arc::new(tls),
            token_file: options.token_file,
            places: Arc::new(Semaphore::new(MOST)),
            patience: PATIENCE,
        })
    }

    async fn token(&self) -> Result<Option<Zeroizing<String>>, OutsideError> {
        let Some(path) = self.token_file.clone() else {
            return Ok(None);
        };
        let unreadable = |reason: String| OutsideError::Token {
            path: path.clone(),
            reason,
        };
        let content = tokio::fs::read(&path)
            .await
            .map_err(|error| unreadable(error.to_string()))?;
        let content = Zeroizing::new(content);
        if content.len() > MAX_TOKEN {
            return Err(unreadable(format!("it has more than {MAX_TOKEN} bytes")));
        }
        let text = std::str::from_utf8(content.trim_ascii()).ok();
        let text = text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
        let text = text.ok_or_else(|| unreadable("there is none in it".to_owned()))?;
        Ok(Some(Zeroizing::new(format!("Bearer {text}"))))
    }

    async fn ask(
        &self,
        turn: Arc<OwnedSemaphorePermit>,
        place: &Place,
        request: &Request,
    ) -> Result<Response, OutsideError> {
        let address = place.address();
        let name =
            ServerName::try_from(place.host.clone()).map_err(|_| OutsideError::Name(place.to_string()))?;
        let token = self.token().await?;
        let connect = async { dial::reach(dial::look_up(&place.host, place.port, turn).await?).await };
        let stream = connect.await.map_err(|source| OutsideError::Connect {
            address: address.clone(),
            source,
        })?;
        let stream = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
        let stream = stream.map_err(|source| OutsideError::Tls {
            address: address.clone(),
            source,
        })?;
        let mut fields: Vec<(&str, &str)> = request
            .fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if let Some(token) = &token {
            fields.push(("authorization", token));
        }
        let ask = Ask {
            method: match request.verb {
                Verb::Get => symbolon_host::http::Method::GET,
                Verb::Post => symbolon_host::http::Method::POST,
                Verb::Put => symbolon_host::http::Method::PUT,
            },
            fields,
            body: request.body.clone(),
            most: request.most,
        };
        let told = exchange(stream, place, ask).await;
        let told = told.map_err(|source| OutsideError::Exchange { address, source })?;
        Ok(Response {
            status: told.status,
            body: told.body,
        })
    }
}

#[async_trait]
impl HttpClient for OutsideClient {
    async fn send(&self, request: Request) -> Result<Response, Box<dyn Error + Send + Sync>> {
        let place: Place = request.url.parse().map_err(OutsideError::Url)?;
        if !place.is_secure {
            return Err(Box::new(OutsideError::Plain(place.to_string())));
        }
        let deadline = Instant::now() + self.patience;
        let turn = timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await;
        // Held by a look-up for as long as that goes on, and by the question for as long as it does.
        let turn = Arc::new(turn.map_err(|_| Busy)??);
        match timeout_at(deadline, self.ask(Arc::clone(&turn), &place, &request)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Box::new(OutsideError::Late {
                address: place.address(),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use symbolon_pki::time::SystemClock;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_service_that_does_not_answer_is_asked_no_more_than_so_much_at_a_time() {
        let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("https://{}/", silent.local_addr().unwrap());
        let request = move || Request {
            verb: Verb::Get,
            url: url.clone(),
            fields: Vec::new(),
            body: Zeroizing::default(),
            most: 1,
        };
        let options = OutsideOptions {
            roots: WebRoots::mozilla(),
            kex: KexPolicy::AllowClassical,
            token_file: None,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut client = OutsideClient::new(options, &clock).unwrap();
        client.patience = Duration::from_secs(600);
        let (mut asking, mut held) = (JoinSet::new(), Vec::new());
        for _ in 0..MOST {
            let (client, request) = (client.clone(), request());
            asking.spawn(async move { client.send(request).await.is_ok() });
            held.push(silent.accept().await.unwrap());
        }
        let hasty = OutsideClient {
            patience: Duration::from_millis(20),
            ..client.clone()
        };
        assert!(hasty.send(request()).await.unwrap_err().is::<Busy>());
        // Whoever waits has its turn when another is gone.
        let waiting = tokio::spawn(async move { client.send(request()).await.is_ok() });
        asking.shutdown().await;
        held.push(silent.accept().await.unwrap());
        waiting.abort();
    }
}
