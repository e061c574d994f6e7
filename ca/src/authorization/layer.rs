//! What stands before every service of an endpoint: a place among the calls in progress, the gate, and the caller's rate,
//! in this order. No message is read before.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use symbolon_tls::grpc::TlsConnectInfo;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Extensions, Request, Response};
use tower::{Layer, Service};
use tracing::Span;

use super::{Asking, Gate};
use crate::caller::Caller;
use crate::limits::{Asked, Bounds, Held, Limits, Meter, Place, STATUS, Source, deadline, is_attestation};
use crate::telemetry::{self, RequestId};

/// Puts a [`Gate`] and [`Limits`] before services.
#[derive(Clone, Debug)]
pub struct AuthorizationLayer(Arc<Inside>);

/// What may be replaced while there are calls.
#[derive(Debug)]
struct Inside {
    gate: ArcSwap<Gate>,
    limits: ArcSwap<Limits>,
}

impl AuthorizationLayer {
    /// A layer with this gate and these limits.
    pub fn new(gate: Arc<Gate>, limits: Arc<Limits>) -> Self {
        let (gate, limits) = (ArcSwap::new(gate), ArcSwap::new(limits));
        Self(Arc::new(Inside { gate, limits }))
    }

    /// Has calls pass another gate from now on, in every place that this layer is in.
    pub fn replace_gate(&self, gate: Arc<Gate>) {
        self.0.gate.store(gate);
    }

    /// Applies other limits from now on. What was used up of the old ones is forgotten.
    pub fn replace_limits(&self, limits: Arc<Limits>) {
        self.0.limits.store(limits);
    }
}

impl<S> Layer<S> for AuthorizationLayer {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized {
            inside: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service that only calls reach which were let in.
#[derive(Clone)]
pub struct Authorized<S> {
    inside: Arc<Inside>,
    inner: S,
}

impl<S> fmt::Debug for Authorized<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized")
            .field("inside", &self.inside)
            .finish_non_exhaustive()
    }
}

impl<S> Service<Request<Body>> for Authorized<S>
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
        let (gate, limits) = (self.inside.gate.load_full(), self.inside.limits.load_full());
        // The service that is ready is the one to call; its clone is not, yet.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let request_id = request_id(&request);
        let caller = Caller::of(request.extensions(), gate.own_uid());
        let connection = request.extensions().get::<TlsConnectInfo>();
        let on_connection = connection.map(|connection| connection.calls.begin());
        let path = request.uri().path().to_owned();
        Span::current().record("caller", tracing::field::display(&caller));
        let work = async move {
            let bounds = Bounds::of(&path, &caller);
            match let_in(&gate, &limits, &mut request, &path, caller, request_id).await {
                Ok((place, meter)) => {
                    let on_connection = on_connection.map(|call| match is_attestation(&path) {
                        true => call.of_use().keeping(),
                        false => call.of_use(),
                    });
                    let reply = inner.call(Asked::within(request, bounds)).await?;
                    let went_well = !reply.headers().contains_key(STATUS);
                    if went_well && meter.is_some_and(|meter| !meter.was_used()) {
                        tracing::error!(method = path, "a batch was not counted; this is a defect");
                    }
                    Ok(Held::reply(reply, place.with(on_connection), bounds.reply))
                }
                Err(status) => Ok(status.into_http()),
            }
        };
        Box::pin(work)
    }
}

/// Lets a call in, and leaves with it what its service should know. Returns its place, and the meter that its service is to
/// use, if any.
async fn let_in(
    gate: &Gate,
    limits: &Arc<Limits>,
    request: &mut Request<Body>,
    path: &str,
    caller: Caller,
    request_id: Arc<str>,
) -> Result<(Place, Option<Meter>), Status> {
    let source = Source::of(&caller, request.extensions());
    let mut place = limits.admit(&caller, &source)?;
    let asking = Asking {
        path,
        caller,
        address: source_address(request.extensions()),
        metadata: request.headers(),
        request_id,
    };
    let context = gate.admit(asking).await?;
    tracing::debug!(standing = context.standing.name(), "let in");
    let turn = limits.meter(path, source.clone(), deadline(request.headers()));
    let (wait, meter) = turn.inspect_err(|status| {
        let (caller, reason) = (&context.caller, status.message());
        tracing::warn!(event = telemetry::CALL_LIMITED, method = path, %caller, reason);
    })?;
    if !wait.is_zero() {
        drop(place);
        place = limits.wait(&context.caller, &source, wait).await?;
    }
    request.extensions_mut().insert(context);
    if let Some(meter) = &meter {
        request.extensions_mut().insert(meter.clone());
    }
    Ok((place, meter))
}

/// The id that the call was given on its way in.
fn request_id(request: &Request<Body>) -> Arc<str> {
    match request.extensions().get::<RequestId>() {
        Some(RequestId(id)) => Arc::clone(id),
        None => telemetry::request_id().into(),
    }
}

/// Where a call comes from; `None` for one from this machine.
pub(crate) fn source_address(extensions: &Extensions) -> Option<IpAddr> {
    let connection = extensions.get::<TlsConnectInfo>()?;
    connection.remote_addr.map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use http_body::{Body as HttpBody, Frame};
    use symbolon_pki::time::SystemClock;
    use symbolon_tls::grpc::Calls;
    use symbolon_tls::{ConnectionInfo, Negotiated};
    use tempfile::TempDir;
    use tonic::codegen::Bytes;

    use super::*;
    use crate::config::LimitsConfig;
    use crate::datastore::Datastore;
    use crate::datastore::sqlite::SqliteDatastore;
    use crate::registrations::Registrations;

    /// A reply that goes on until it is let go of.
    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }

    /// A layer before a service that answers everything.
    async fn service(
        dir: &TempDir,
    ) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
        let datastore = SqliteDatastore::open(&dir.path().join("db")).await.unwrap();
        let datastore: Arc<dyn Datastore> = Arc::new(datastore);
        let own = spiffe::TrustDomain::new("example.org").unwrap();
        let registrations = Registrations::open(Arc::clone(&datastore), &own).await.unwrap();
        let gate = Gate::new(datastore, registrations, Arc::new(SystemClock));
        let layer = AuthorizationLayer::new(Arc::new(gate), Limits::new(&LimitsConfig::OFF));
        layer.layer(tower::service_fn(async |_| Ok(Response::new(Body::new(Endless)))))
    }

    /// A call of somebody without a certificate.
    fn asked(path: &str, calls: &Calls) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap();
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
        request.extensions_mut().insert(TlsConnectInfo {
            remote_addr: Some(([192, 0, 2, 1], 1234).into()),
            connection: Arc::new(connection),
            calls: calls.clone(),
        });
        request
    }

    #[tokio::test]
    async fn only_calls_that_are_let_in_are_of_use_to_a_strangers_connection() {
        let dir = TempDir::new().unwrap();
        let (mut service, calls) = (service(&dir).await, Calls::default());
        let begun = calls.idle_since().unwrap();
        for path in ["/none/such", "/spire.api.server.agent.v1.Agent/ListAgents"] {
            let reply = service.call(asked(path, &calls)).await.unwrap();
            assert!(reply.headers().contains_key(STATUS), "{path} is refused");
            drop(reply);
            assert_eq!(calls.idle_since(), Some(begun), "{path}");
        }
        let bundle = "/spire.api.server.bundle.v1.Bundle/GetBundle";
        let reply = service.call(asked(bundle, &calls)).await.unwrap();
        assert_eq!(calls.idle_since(), None);
        assert!(!calls.is_kept());
        drop(reply);
        assert!(calls.idle_since().unwrap() > begun);
        let attestation = "/spire.api.server.agent.v1.Agent/AttestAgent";
        let reply = service.call(asked(attestation, &calls)).await.unwrap();
        assert!(calls.is_kept(), "until it ends");
        drop(reply);
        assert!(!calls.is_kept());
    }
}
