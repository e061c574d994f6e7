//! What every call leaves behind, whoever makes it and however it ends: its request id, its span, and how long it took.
//!
//! This stands around the gate, so that what is turned away is counted as well. The request id is in the extensions of
//! the request, in every line of the log, in the span, and in the reply's metadata.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use symbolon_api::denial_reason;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_host::traces;
use symbolon_tls::grpc::{TlsConnectInfo, code_name, until_end};
use tonic::body::Body;
use tonic::codegen::http::header::{HeaderMap, HeaderName, HeaderValue};
use tonic::codegen::http::{Extensions, Request, Response};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::Counted;

/// Where a reply says by which id its call stands in the server's log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("symbolon-request-id");

/// What is not in the table of what is served.
const UNKNOWN: (&str, &str) = ("unknown", "unknown");

/// The id of a call, in the extensions of its request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Observes the calls of services.
#[derive(Clone, Debug)]
pub(crate) struct ObserveLayer(Counted);

impl ObserveLayer {
    /// A layer that counts here.
    pub(crate) fn new(counted: Counted) -> Self {
        Self(counted)
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed {
            counted: self.0.clone(),
            inner,
        }
    }
}

/// A service whose calls are observed.
#[derive(Clone, Debug)]
pub(crate) struct Observed<S> {
    counted: Counted,
    inner: S,
}

impl<S> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The service that is ready is the one to call; its clone is not, yet.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let id: Arc<str> = super::request_id().into();
        let path = request.uri().path();
        let method = super::served::names_of(path).unwrap_or(UNKNOWN);
        let leads = may_lead(request.extensions());
        let span = span_of(path, method, &id, leads.then_some(request.headers()));
        let header = HeaderValue::from_str(&id);
        request.extensions_mut().insert(RequestId(id));
        let call = Call {
            counted: self.counted.clone(),
            method,
            began: Instant::now(),
            span: span.clone(),
        };
        let running = span.clone();
        let mut call = Unanswered {
            deadline: deadline(request.headers()),
            call: Some(call),
        };
        let work = async move {
            let mut response = inner.call(request).await?;
            if let Ok(header) = header {
                response.headers_mut().insert(REQUEST_ID, header);
            }
            let call = call.call.take();
            let ended = move |status: &Status| {
                if let Some(call) = call {
                    call.ended(status);
                }
            };
            Ok(until_end(response, running, ended))
        };
        Box::pin(work.instrument(span))
    }
}

/// Whether a caller's calls may become part of its own trace, and be sampled as it says: strangers could have every call of
/// a flood exported, or put what they do into the traces of others.
fn may_lead(extensions: &Extensions) -> bool {
    match extensions.get::<TlsConnectInfo>() {
        Some(tls) => tls.connection.peer.is_some(),
        None => extensions.get::<UdsConnectInfo>().is_some(),
    }
}

/// The span of a call. Who calls is recorded in it by the gate. `parent` has the headers that may name its trace.
fn span_of(path: &str, (service, method): (&str, &str), id: &str, parent: Option<&HeaderMap>) -> Span {
    let span = tracing::info_span!(
        "call",
        request_id = id,
        method = path,
        caller = Empty,
        otel.name = Empty,
        otel.kind = Empty,
        otel.status_code = Empty,
        rpc.system = Empty,
        rpc.service = Empty,
        rpc.method = Empty,
        rpc.grpc.status_code = Empty,
    );
    // In the log these would only say again what `method` says.
    if traces::are_on() {
        span.record("otel.name", format!("{service}/{method}"));
        span.record("otel.kind", "server");
        span.record("rpc.system", "grpc");
        span.record("rpc.service", service);
        span.record("rpc.method", method);
        if let Some(headers) = parent {
            traces::follow(&span, |name| headers.get(name)?.to_str().ok());
        }
    }
    span
}

/// A call that goes on.
#[derive(Debug)]
struct Call {
    counted: Counted,
    method: (&'static str, &'static str),
    began: Instant,
    span: Span,
}

impl Call {
    fn ended(self, status: &Status) {
        let code = status.code();
        self.counted
            .rpc(self.method, code_name(code), self.began.elapsed());
        if let Some(reason) = denial(status) {
            self.counted.denied(reason);
        }
        if traces::are_on() {
            self.span
                .record("rpc.grpc.status_code", i64::from(i32::from(code)));
            if is_own_failure(code) {
                self.span.record("otel.status_code", "ERROR");
            }
        }
    }
}

/// A call that has no answer yet. It may never have one: where the time is over that its caller gave it, or the caller
/// left, what works for it is let go of.
#[derive(Debug)]
struct Unanswered {
    deadline: Option<Duration>,
    call: Option<Call>,
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let is_over = self
                .deadline
                .is_some_and(|deadline| call.began.elapsed() >= deadline);
            call.ended(&match is_over {
                true => Status::deadline_exceeded("the caller's time was over"),
                false => Status::cancelled("the caller left"),
            });
        }
    }
}

/// How long a caller waits for its answer, by the header `grpc-timeout`: at most eight digits and a unit.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let count: u32 = digits.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(3600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    unit.checked_mul(count)
}

/// Why a call was turned away, if that is how it ended.
fn denial(status: &Status) -> Option<&'static str> {
    match status.code() {
        Code::PermissionDenied => Some(match denial_reason(status) {
            Some(Reason::AgentExpired) => "agent_expired",
            Some(Reason::AgentNotAttested) => "agent_not_attested",
            Some(Reason::AgentNotActive) => "agent_not_active",
            Some(Reason::AgentBanned) => "agent_banned",
            Some(Reason::AgentMustReattest) => "agent_must_reattest",
            _ => "not_allowed",
        }),
        Code::Unauthenticated => Some("unauthenticated"),
        Code::ResourceExhausted => Some("limit"),
        _ => None,
    }
}

fn is_own_failure(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

#[cfg(test)]
mod tests {
    use symbolon_tls::grpc::Calls;
    use symbolon_tls::{ConnectionInfo, Negotiated};

    use super::*;

    #[test]
    fn callers_say_how_long_they_wait() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_str(value).unwrap());
            deadline(&headers)
        };
        assert_eq!(deadline(&HeaderMap::new()), None);
        assert_eq!(of("10S"), Some(Duration::from_secs(10)));
        assert_eq!(of("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(of("1500000u"), Some(Duration::from_millis(1500)));
        for wrong in ["", "S", "10", "-1S", "1.5S", "99999999999S", "1s"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn strangers_do_not_decide_what_is_traced() {
        let mut extensions = Extensions::new();
        assert!(!may_lead(&extensions));
        extensions.insert(UdsConnectInfo {
            peer_addr: None,
            peer_cred: None,
        });
        assert!(may_lead(&extensions));
        let negotiated = Negotiated {
            key_exchange: String::new(),
            cipher_suite: String::new(),
            peer_signature: None,
            own_signature: None,
        };
        let connection = ConnectionInfo {
            peer: None,
            presented: None,
            negotiated,
        };
        extensions.insert(TlsConnectInfo {
            remote_addr: None,
            connection: Arc::new(connection),
            calls: Calls::default(),
        });
        assert!(!may_lead(&extensions), "no certificate");
    }
}
