//! A few pages over plain HTTP/1.1 for probes and scrapers: nothing is read from a caller but which page it wants.
//!
//! Bounded in everything: connections, the time and size of a request, one request a connection. What is not known is
//! 404, what is not GET or HEAD 405.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What callers may have.
const BOUNDS: Bounds = Bounds {
    connections: 32,
    asking: Duration::from_secs(5),
    answering: Duration::from_secs(30),
};
/// Longest request line and headers, in bytes. The least that hyper takes.
const MAX_REQUEST: usize = 8 * 1024;
/// How long to wait after no connection could be accepted: for want of descriptors, most likely.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Most connections at a time; others wait to be accepted.
    connections: usize,
    /// How long a caller may take to say what it wants.
    asking: Duration,
    /// How long a connection may last in all.
    answering: Duration,
}

/// A page that could not be put on the network.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {what}; choose another address")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// For what.
    pub what: &'static str,
    /// What the system says.
    pub source: std::io::Error,
}

/// What a caller is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Whether all is well: 200, or else 503.
    pub is_well: bool,
    /// What the body is.
    pub content_type: &'static str,
    /// The page.
    pub body: String,
}

impl Answer {
    /// Plain words.
    pub fn text(is_well: bool, body: impl Into<String>) -> Self {
        Self {
            is_well,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;
type Page = Box<dyn Fn() -> Answering + Send + Sync>;

/// Pages by their paths.
#[derive(Default)]
pub struct Pages(BTreeMap<String, Page>);

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Pages {
    /// Adds a page. One with the same path is replaced.
    pub fn add<F>(&mut self, path: &str, page: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        self.0.insert(path.to_owned(), Box::new(move || Box::pin(page())));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(page) = self.0.get(request.uri().path()) else {
            return plain(StatusCode::NOT_FOUND, "there is no such page\n");
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "pages are only read\n");
            refused
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        let answer = page().await;
        let status = match answer.is_well {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        respond(status, answer.content_type, answer.body)
    }
}

fn plain(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", words.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Takes an address for `what`.
///
/// # Errors
/// [`ListenError`].
pub async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener, ListenError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ListenError {
        address,
        what,
        source,
    })
}

/// Shows the pages to whoever connects, until `stop` ends.
pub async fn serve(listener: TcpListener, pages: Pages, stop: impl Future<Output = ()>) {
    serve_within(BOUNDS, listener, pages, stop).await;
}

async fn serve_within(bounds: Bounds, listener: TcpListener, pages: Pages, stop: impl Future<Output = ()>) {
    let pages = Arc::new(pages);
    let room = Arc::new(Semaphore::new(bounds.connections));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut stop => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let pages = Arc::clone(&pages);
                connections.spawn(async move {
                    let _place = place;
                    // A caller that is too slow has lost its interest, or never had any.
                    let shown = show(stream, &pages, bounds.asking);
                    let _late = tokio::time::timeout(bounds.answering, shown).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection for a page was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    connections.shutdown().await;
}

async fn show(stream: TcpStream, pages: &Arc<Pages>, asking: Duration) {
    let service = service_fn(|request: Request<Incoming>| {
        let pages = Arc::clone(pages);
        async move { Ok::<_, Infallible>(pages.answer(&request).await) }
    });
    let shown = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(asking)
        .max_buf_size(MAX_REQUEST)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = shown {
        tracing::debug!(%error, "a page was not shown");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::{oneshot, watch};
    use tokio::task::yield_now;

    use super::*;

    /// Of time, more than any machine needs.
    const PATIENT: Bounds = Bounds {
        connections: 4,
        asking: Duration::from_secs(3600),
        answering: Duration::from_secs(3600),
    };

    /// What comes about sooner or later, or never.
    async fn soon<T>(future: impl Future<Output = T>) -> T {
        let done = tokio::time::timeout(Duration::from_secs(120), future).await;
        done.expect("it comes about")
    }

    async fn pages() -> (SocketAddr, oneshot::Sender<()>) {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into(), "a test").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut pages = Pages::default();
        pages.add("/live", || async { Answer::text(true, "alive\n") });
        pages.add("/ready", || async { Answer::text(false, "no key store\n") });
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(serve_within(PATIENT, listener, pages, async {
            let _gone = stopped.await;
        }));
        (address, stop)
    }

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A connection that is broken off has no answer, or not the whole of one.
        let _broken = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn pages_are_shown_and_nothing_else_is() {
        let (address, _stop) = pages().await;
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n").into_bytes();
        let live = ask(address, &get("/live")).await;
        assert!(
            live.starts_with("HTTP/1.1 200 OK\r\n") && live.ends_with("\r\n\r\nalive\n"),
            "{live}"
        );
        let ready = ask(address, &get("/ready?deep=1")).await;
        assert!(
            ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("no key store\n"),
            "{ready}"
        );
        let head = ask(address, b"HEAD /live HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        for (request, status) in [
            (get("/"), "404"),
            (get("/live/../ready"), "404"),
            (
                b"POST /live HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nhi".to_vec(),
                "405",
            ),
            (b"rubbish\r\n\r\n".to_vec(), "400"),
            (get(&format!("/{}", "x".repeat(2 * MAX_REQUEST))), "431"),
        ] {
            let answer = ask(address, &request).await;
            let shown = String::from_utf8_lossy(&request[..request.len().min(40)]).into_owned();
            let is_refused = answer.starts_with(&format!("HTTP/1.1 {status}"));
            assert!(is_refused, "{shown:?} gave {answer:?}");
        }
    }

    #[tokio::test]
    async fn callers_that_say_nothing_keep_nobody_out_for_good_and_the_end_does_not_wait_for_them() {
        let (address, stop) = pages().await;
        let silent = TcpStream::connect(address).await.unwrap();
        let live = ask(address, b"GET /live HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert!(live.contains("alive"), "{live}");
        stop.send(()).unwrap();
        // The other side closes: that is an end of file or a reset.
        let mut silent = silent;
        let mut rest = Vec::new();
        let _reset = soon(silent.read_to_end(&mut rest)).await;
    }

    #[tokio::test]
    async fn no_more_pages_are_made_at_a_time_than_there_is_room() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into(), "a test").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (making, mut made) = watch::channel(0);
        let gate = Arc::new(Semaphore::new(0));
        let mut pages = Pages::default();
        let held = Arc::clone(&gate);
        pages.add("/metrics", move || {
            making.send_modify(|made| *made += 1);
            let held = Arc::clone(&held);
            async move {
                held.acquire().await.unwrap().forget();
                Answer::text(true, "figures\n")
            }
        });
        let serving = tokio::spawn(serve_within(PATIENT, listener, pages, std::future::pending()));
        // All are connected, and have said what they want, before the first has its page to the end.
        let mut asking = JoinSet::new();
        for _ in 0..2 * PATIENT.connections {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(b"GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n")
                .await
                .unwrap();
            asking.spawn(async move {
                let mut answer = Vec::new();
                let _broken = stream.read_to_end(&mut answer).await;
            });
        }
        // Whoever goes makes room for one.
        for gone in 0..=PATIENT.connections {
            let most = PATIENT.connections + gone;
            soon(made.wait_for(|made| *made >= most)).await.unwrap();
            // Others that were let in would have their turn by then.
            for _ in 0..1000 {
                yield_now().await;
            }
            assert_eq!(*made.borrow(), most, "{gone} went");
            gate.add_permits(1);
        }
        gate.add_permits(PATIENT.connections);
        soon(asking.join_all()).await;
        serving.abort();
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let (address, _stop) = pages().await;
        let error = listen(address, "health").await.unwrap_err().to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("health"),
            "{error}"
        );
    }
}
