//! Calls to the server and calls of workloads, each with its span, counted when they end.
//!
//! A call to the server carries the context of its trace, by which the server's span becomes part of it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use symbolon_host::traces;
use symbolon_tls::grpc::{code_name, until_end};
use tonic::body::Body;
use tonic::codegen::http::header::{HeaderName, HeaderValue};
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::Calls;

/// The methods that an agent calls or serves; others have no name, so that nobody can add to them.
const METHODS: [&str; 17] = [
    "AttestAgent",
    "RenewAgent",
    "PostStatus",
    "GetBundle",
    "GetFederatedBundle",
    "GetAuthorizedEntries",
    "SyncAuthorizedEntries",
    "BatchNewX509SVID",
    "BatchNewWITSVID",
    "NewJWTSVID",
    "FetchX509SVID",
    "FetchX509Bundles",
    "FetchJWTSVID",
    "FetchJWTBundles",
    "ValidateJWTSVID",
    "Check",
    "Watch",
];

/// From which side a call is seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// We call.
    Client,
    /// We are called.
    Server,
}

/// A service whose calls are observed.
#[derive(Clone, Debug)]
pub(crate) struct Observed<S> {
    inner: S,
    calls: Calls,
    side: Side,
}

impl<S> Observed<S> {
    /// Calls through `inner`, which is the server.
    pub(crate) fn client(inner: S, calls: Calls) -> Self {
        let side = Side::Client;
        Self { inner, calls, side }
    }
}

/// Observes the calls that are made to services.
#[derive(Clone, Debug)]
pub(crate) struct ObserveLayer(pub(crate) Calls);

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            inner,
            calls: self.0.clone(),
            side: Side::Server,
        }
    }
}

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: Send> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The service that is ready is the one to call; its clone is not, yet.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let method = method_of(request.uri().path());
        let span = span_of(self.side, method, &mut request);
        let calls = self.calls.clone();
        let (began, running) = (Instant::now(), span.clone());
        let work = async move {
            let ended = move |span: &Span, code: Code| {
                calls.ended(method, code_name(code), began.elapsed());
                if traces::are_on() {
                    span.record("rpc.grpc.status_code", i64::from(i32::from(code)));
                }
            };
            match inner.call(request).await {
                Ok(response) => {
                    let span = running.clone();
                    Ok(until_end(response, running, move |status: &Status| {
                        ended(&span, status.code());
                    }))
                }
                Err(error) => {
                    ended(&running, Code::Unavailable);
                    Err(error)
                }
            }
        };
        Box::pin(work.instrument(span))
    }
}

fn span_of(side: Side, method: &'static str, request: &mut Request<Body>) -> Span {
    macro_rules! span {
        ($name:literal) => {
            tracing::info_span!(
                $name,
                method,
                otel.name = Empty,
                otel.kind = Empty,
                rpc.system = Empty,
                rpc.method = Empty,
                rpc.grpc.status_code = Empty,
            )
        };
    }
    let span = match side {
        Side::Client => span!("server"),
        Side::Server => span!("workload"),
    };
    // In the log these would only say again what `method` says.
    if traces::are_on() {
        span.record("otel.name", method);
        span.record("rpc.system", "grpc");
        span.record("rpc.method", method);
        let headers = request.headers_mut();
        match side {
            Side::Client => {
                span.record("otel.kind", "client");
                traces::pass_on(&span, |name, value| {
                    if let Ok(value) = HeaderValue::from_str(&value) {
                        headers.insert(HeaderName::from_static(name), value);
                    }
                });
            }
            Side::Server => {
                span.record("otel.kind", "server");
                traces::follow(&span, |name| headers.get(name)?.to_str().ok());
            }
        }
    }
    span
}

fn method_of(path: &str) -> &'static str {
    let wanted = path.rsplit('/').next().unwrap_or_default();
    METHODS
        .into_iter()
        .find(|known| *known == wanted)
        .unwrap_or("unknown")
}
