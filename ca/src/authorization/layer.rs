//! The gate as a layer around every service of an endpoint.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};
use tracing::Instrument;

use super::Gate;
use crate::caller::Caller;
use crate::telemetry;

/// Puts a [`Gate`] before services.
#[derive(Clone, Debug)]
pub struct AuthorizationLayer(Arc<Gate>);

impl AuthorizationLayer {
    /// A layer with this gate.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self(gate)
    }
}

impl<S> Layer<S> for AuthorizationLayer {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized {
            gate: Arc::clone(&self.0),
            inner,
        }
    }
}

/// A service that only calls reach which were let in.
#[derive(Clone)]
pub struct Authorized<S> {
    gate: Arc<Gate>,
    inner: S,
}

impl<S> fmt::Debug for Authorized<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorized")
            .field("gate", &self.gate)
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
        let gate = Arc::clone(&self.gate);
        // The service that is ready is the one to call; its clone is not, yet.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let request_id: Arc<str> = telemetry::request_id().into();
        let caller = Caller::of(request.extensions(), gate.own_uid());
        let path = request.uri().path().to_owned();
        let span = tracing::info_span!("call", request_id = &*request_id, method = path, %caller);
        let work = async move {
            match gate.admit(&path, caller, request_id).await {
                Ok(context) => {
                    tracing::debug!(standing = context.standing.name(), "let in");
                    request.extensions_mut().insert(context);
                    inner.call(request).await
                }
                Err(status) => Ok(status.into_http()),
            }
        };
        Box::pin(work.instrument(span))
    }
}
