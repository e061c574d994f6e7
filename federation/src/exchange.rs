//! One request and its answer, over a connection that has proven itself.

use http::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use symbolon_pki::bundle::MAX_BUNDLE_LEN;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use crate::endpoint::EndpointUrl;
use crate::error::FetchError;

/// The protocol, as TLS names it.
pub(crate) const ALPN: &[u8] = b"http/1.1";

/// Most bytes of an answer before its body.
const MAX_HEAD: usize = 64 * 1024;

/// Most header fields of an answer.
const MAX_FIELDS: usize = 100;

/// What an endpoint answers.
pub(crate) enum Answer {
    /// The document.
    Document(Bytes),
    /// Look there; `None` if it does not say where.
    Elsewhere(Option<String>),
}

/// Asks `url` over `io`.
pub(crate) async fn get<IO>(io: IO, url: &EndpointUrl, address: &str) -> Result<Answer, FetchError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |source| FetchError::Exchange {
        address: address.to_owned(),
        source,
    };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .handshake(TokioIo::new(io))
        .await
        .map_err(failed)?;
    // Ends with this function, be the exchange over or not.
    let mut driving = JoinSet::new();
    driving.spawn(connection);

    let request = Request::get(url.target())
        .header(HOST, url.authority())
        .header(ACCEPT, "application/json")
        .header(CONNECTION, "close")
        .header(USER_AGENT, concat!("symbolon/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| FetchError::Tls(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(failed)?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => {
            let location = answer.headers().get(LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            return Ok(Answer::Elsewhere(location.map(ToOwned::to_owned)));
        }
        status => {
            return Err(FetchError::Status {
                address: address.to_owned(),
                status,
            });
        }
    }
    let too_long = || FetchError::TooLong {
        address: address.to_owned(),
    };
    let body = answer.into_body();
    if body.size_hint().lower() > MAX_BUNDLE_LEN as u64 {
        return Err(too_long());
    }
    match Limited::new(body, MAX_BUNDLE_LEN).collect().await {
        Ok(collected) => Ok(Answer::Document(collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(too_long()),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(source) => failed(*source),
            Err(other) => FetchError::Tls(other.to_string()),
        }),
    }
}
