//! One request over HTTP/1.1, over a connection that somebody else made.
//!
//! For the few questions that programs ask of services outside: bounded in size, one request a connection, and no redirect
//! is followed, because whoever answers does not choose where secrets are sent. How long it may take is for the caller to
//! say, who has the connection to make as well.

use std::fmt;
use std::str::FromStr;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
pub use hyper::Method;
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

/// Most bytes of an answer before its body.
const MAX_HEAD: usize = 64 * 1024;
/// Most header fields of an answer.
const MAX_FIELDS: usize = 100;
/// Longest URL, in bytes.
pub const MAX_URL_LEN: usize = 2048;

/// A place on the network: an `http` or `https` URL without user, password or fragment.
#[derive(Clone, Eq, PartialEq)]
pub struct Place {
    text: String,
    /// Whether TLS is to be spoken.
    pub is_secure: bool,
    /// DNS name or address, without the brackets that URLs put around IPv6.
    pub host: String,
    /// The port: 80 or 443 unless the URL has another.
    pub port: u16,
    authority: String,
    target: String,
}

/// Text that is no URL of such a place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPlace {
    /// Longer than any.
    #[error("the URL has {0} bytes; at most {MAX_URL_LEN} are read")]
    TooLong(usize),
    /// Not a URL.
    #[error("it is no URL: {0}")]
    Malformed(String),
    /// Neither `http` nor `https`.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// No host, or what is none.
    #[error("the URL names no host")]
    Host,
    /// What is no port.
    #[error("the port of the URL is none")]
    Port,
    /// A user or a password, which logs would show.
    #[error("the URL has a user or a password in it")]
    UserInfo,
    /// What no server is told.
    #[error("the URL has a fragment (#…), which no server is told")]
    Fragment,
}

impl Place {
    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Host and port, for messages.
    pub fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        if text.len() > MAX_URL_LEN {
            return Err(InvalidPlace::TooLong(text.len()));
        }
        if text.contains('#') {
            return Err(InvalidPlace::Fragment);
        }
        let malformed = |error: hyper::http::uri::InvalidUri| InvalidPlace::Malformed(error.to_string());
        let uri: Uri = text.parse().map_err(malformed)?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(InvalidPlace::Scheme),
        };
        let authority = uri.authority().ok_or(InvalidPlace::Host)?;
        if authority.as_str().contains('@') {
            return Err(InvalidPlace::UserInfo);
        }
        let written = authority.host();
        if written.is_empty() {
            return Err(InvalidPlace::Host);
        }
        let port = match authority.as_str().strip_prefix(written) {
            Some("") if is_secure => 443,
            Some("") => 80,
            Some(rest) => rest
                .strip_prefix(':')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|port| *port > 0)
                .ok_or(InvalidPlace::Port)?,
            None => return Err(InvalidPlace::Port),
        };
        let host = written
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(written);
        let target = uri.path_and_query().map_or("/", |target| match target.as_str() {
            "" => "/",
            target => target,
        });
        Ok(Self {
            text: text.to_owned(),
            is_secure,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            target: target.to_owned(),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// What is asked.
pub struct Ask<'a> {
    /// GET, POST or PUT.
    pub method: Method,
    /// Header fields beside those that every request has; their values may be secrets, and are never shown. They are copied into
    /// the request, and nobody wipes that.
    pub fields: Vec<(&'a str, &'a str)>,
    /// What is sent along. It may be a secret: what is here is handed to the connection as it is, without a copy of ours, and
    /// wiped after that. What the connection copies into buffers of its own, and TLS of its, nobody wipes.
    pub body: Zeroizing<Vec<u8>>,
    /// Longest body of an answer, in bytes.
    pub most: usize,
}

/// What was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The request cannot be written: a field has a character that it may not have.
    #[error("the request cannot be written: {0}")]
    Request(String),
    /// The other side does not speak HTTP, or broke off.
    #[error("the exchange failed: {0}")]
    Http(#[source] hyper::Error),
    /// More bytes than were wanted.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
}

/// Asks `place` over `io`.
///
/// # Errors
/// [`ExchangeError`]. An answer with another status than 200 is none.
pub async fn exchange<IO>(io: IO, place: &Place, ask: Ask<'_>) -> Result<Told, ExchangeError>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let most = ask.most;
    let request = request(place, ask)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .handshake(TokioIo::new(io))
        .await
        .map_err(ExchangeError::Http)?;
    // Ends with this function, be the exchange over or not.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let answer = sender.send_request(request).await.map_err(ExchangeError::Http)?;
    let status = answer.status().as_u16();
    let body = answer.into_body();
    if body.size_hint().lower() > most as u64 {
        return Err(ExchangeError::TooLong(most));
    }
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(Told {
            status,
            body: collected.to_bytes().to_vec(),
        }),
        Err(error) if error.is::<LengthLimitError>() => Err(ExchangeError::TooLong(most)),
        Err(error) => Err(match error.downcast::<hyper::Error>() {
            Ok(source) => ExchangeError::Http(*source),
            Err(other) => ExchangeError::Request(other.to_string()),
        }),
    }
}

fn request(place: &Place, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, ExchangeError> {
    // The value is not repeated: it may be a secret.
    let unusable =
        |name: &str| ExchangeError::Request(format!("the field {name} has a value that no header can have"));
    let mut request = Request::new(Full::new(Bytes::from_owner(ask.body)));
    *request.method_mut() = ask.method;
    *request.uri_mut() = place
        .target
        .parse()
        .map_err(|_| ExchangeError::Request("the path of the URL".to_owned()))?;
    let fields = request.headers_mut();
    let host = HeaderValue::from_str(&place.authority).map_err(|_| unusable("host"))?;
    fields.insert(HOST, host);
    fields.insert(ACCEPT, HeaderValue::from_static("*/*"));
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
    let agent = concat!("symbolon/", env!("CARGO_PKG_VERSION"));
    fields.insert(USER_AGENT, HeaderValue::from_static(agent));
    for (name, value) in ask.fields {
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable(name))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| unusable(name))?;
        value.set_sensitive(true);
        fields.insert(key, value);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    #[test]
    fn urls_are_taken_apart() {
        for (text, is_secure, address, target) in [
            ("https://example.com", true, "example.com:443", "/"),
            (
                "http://169.254.169.254/a?b=c",
                false,
                "169.254.169.254:80",
                "/a?b=c",
            ),
            ("https://[::1]:9/x", true, "[::1]:9", "/x"),
        ] {
            let place = place(text);
            assert_eq!(
                (place.is_secure, &*place.address()),
                (is_secure, address),
                "{text}"
            );
            assert_eq!((&*place.target, place.as_str()), (target, text));
        }
        for (text, wrong) in [
            ("", None),
            ("example.com", Some(InvalidPlace::Scheme)),
            ("ftp://example.com/", Some(InvalidPlace::Scheme)),
            ("https://user:secret@example.com/", Some(InvalidPlace::UserInfo)),
            ("https://example.com:0/", Some(InvalidPlace::Port)),
            ("https://example.com:x/", None),
            ("https://example.com/#a", Some(InvalidPlace::Fragment)),
            ("https://exa mple.com/", None),
            ("https://example.com/\r\nHost: evil", None),
        ] {
            let error = text.parse::<Place>().unwrap_err();
            assert!(wrong.is_none_or(|wrong| wrong == error), "{text:?}: {error}");
        }
    }

    async fn answered(answer: &'static [u8], most: usize) -> (Result<Told, ExchangeError>, String) {
        let (ours, mut theirs) = duplex(64 * 1024);
        let server = tokio::spawn(async move {
            let mut asked = vec![0; 16 * 1024];
            let mut len = 0;
            while !asked[..len].windows(6).any(|end| end == b"\r\n\r\n{}") {
                match theirs.read(&mut asked[len..]).await.unwrap() {
                    0 => break,
                    more => len += more,
                }
            }
            theirs.write_all(answer).await.unwrap();
            drop(theirs);
            String::from_utf8(asked[..len].to_vec()).unwrap()
        });
        let ask = Ask {
            method: Method::POST,
            fields: vec![
                ("authorization", "Bearer secret"),
                ("content-type", "application/json"),
            ],
            body: Zeroizing::new(b"{}".to_vec()),
            most,
        };
        let told = exchange(ours, &place("https://api.example.com:6443/review?x=y"), ask).await;
        (told, server.await.unwrap())
    }

    #[tokio::test]
    async fn one_question_is_asked_and_answered() {
        let (told, asked) = answered(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok", 2).await;
        let told = told.unwrap();
        assert_eq!((told.status, &told.body[..]), (201, &b"ok"[..]));
        assert!(asked.starts_with("POST /review?x=y HTTP/1.1\r\n"), "{asked}");
        for field in [
            "host: api.example.com:6443\r\n",
            "authorization: Bearer secret\r\n",
            "connection: close\r\n",
        ] {
            assert!(asked.contains(field), "{asked}");
        }
    }

    #[tokio::test]
    async fn answers_are_bounded_and_redirects_are_answers() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ] {
            let (told, _) = answered(answer, 2).await;
            assert!(matches!(told, Err(ExchangeError::TooLong(2))), "{told:?}");
        }
        let moved = b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answered(moved, 9).await.0.unwrap().status, 302);
        assert!(answered(b"rubbish", 9).await.0.is_err());
        let place = place("http://h/");
        let ask = Ask {
            method: Method::GET,
            fields: vec![("authorization", "sec\nret")],
            body: Zeroizing::default(),
            most: 1,
        };
        let error = request(&place, ask).unwrap_err().to_string();
        assert!(
            error.contains("authorization") && !error.contains("sec"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_body_is_handed_on_without_a_copy() {
        let body = Zeroizing::new(b"secret_id".to_vec());
        let there = body.as_ptr();
        let ask = Ask {
            method: Method::POST,
            fields: Vec::new(),
            body,
            most: 1,
        };
        let mut sent = request(&place("http://h/"), ask).unwrap().into_body();
        let sent = sent.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!((&sent[..], sent.as_ptr()), (&b"secret_id"[..], there));
    }
}
