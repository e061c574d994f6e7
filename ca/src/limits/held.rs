//! What goes with a reply to its end: the call's place, and a status that says what stock clients expect.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::task::AbortHandle;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::{HeaderMap, HeaderValue, Response};
use tonic::{Code, Status};

use super::Place;

/// Where the status of a call stands: among the headers of a reply that has no message, and otherwise at its end.
pub(crate) const STATUS: &str = "grpc-status";

/// A reply's body that keeps its call's place until it is over, or is taken too slowly.
#[derive(Debug)]
pub(crate) struct Held {
    shared: Arc<Mutex<Shared>>,
    /// What takes the reply away when its time is up. Nobody asks for more of a reply whose reader leaves no room for it,
    /// so the body itself would not notice.
    watch: Option<AbortHandle>,
}

#[derive(Debug)]
struct Shared {
    /// `None` when its time was up.
    reply: Option<(Body, Place)>,
    /// Whether its reader is still to be told that its time was up.
    untold: bool,
    /// Who waits for more.
    reader: Option<Waker>,
}

impl Held {
    /// The reply, with the place held until its end, or until the time is up that its reader has.
    pub(crate) fn reply(mut reply: Response<Body>, place: Place, within: Option<Duration>) -> Response<Body> {
        as_exhausted(reply.headers_mut());
        reply.map(|body| {
            let within = within.filter(|_| !body.is_end_stream());
            let shared = Arc::new(Mutex::new(Shared {
                reply: Some((body, place)),
                untold: false,
                reader: None,
            }));
            let watch = within.map(|within| {
                let watched = Arc::downgrade(&shared);
                let watching = tokio::spawn(async move {
                    tokio::time::sleep(within).await;
                    if let Some(shared) = watched.upgrade() {
                        take_away(&shared);
                    }
                });
                watching.abort_handle()
            });
            Body::new(Self { shared, watch })
        })
    }
}

fn take_away(shared: &Mutex<Shared>) {
    let mut shared = lock(shared);
    let reply = shared.reply.take();
    shared.untold = reply.is_some();
    let reader = shared.reader.take();
    drop(shared);
    drop(reply);
    if let Some(reader) = reader {
        reader.wake();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

/// A message that is too long is `RESOURCE_EXHAUSTED` to gRPC's own implementations, and `OUT_OF_RANGE` to the library
/// under this server; no service here answers that by itself.
fn as_exhausted(headers: &mut HeaderMap) {
    let out_of_range = i32::from(Code::OutOfRange).to_string();
    if headers
        .get(STATUS)
        .is_some_and(|status| status.as_bytes() == out_of_range.as_bytes())
    {
        headers.insert(STATUS, HeaderValue::from(i32::from(Code::ResourceExhausted)));
    }
}

/// What ends a reply whose time is up.
fn too_late() -> Result<Frame<Bytes>, Status> {
    let status = Status::deadline_exceeded("the call took longer than it may");
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers)?;
    Ok(Frame::trailers(trailers))
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut guard = lock(&self.shared);
        let shared = &mut *guard;
        let Some((body, _)) = &mut shared.reply else {
            return Poll::Ready(std::mem::take(&mut shared.untold).then(too_late));
        };
        let mut polled = Pin::new(body).poll_frame(cx);
        match &mut polled {
            Poll::Pending => shared.reader = Some(cx.waker().clone()),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    as_exhausted(trailers);
                }
            }
            Poll::Ready(_) => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let shared = lock(&self.shared);
        match &shared.reply {
            Some((body, _)) => body.is_end_stream(),
            None => !shared.untold,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &lock(&self.shared).reply {
            Some((body, _)) => body.size_hint(),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::mpsc;

    use super::*;

    /// A body without an end, that says when it is dropped.
    struct Endless {
        _is_there: mpsc::Sender<()>,
    }

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

    fn reply(within: Duration) -> (Body, mpsc::Receiver<()>) {
        let (is_there, gone) = mpsc::channel();
        let reply = Response::new(Body::new(Endless { _is_there: is_there }));
        let reply = Held::reply(reply, Place::default(), Some(within));
        (reply.into_body(), gone)
    }

    #[tokio::test]
    async fn who_waits_for_a_reply_is_told_that_its_time_is_up() {
        let (mut body, _gone) = reply(Duration::from_millis(20));
        let mut next = async || std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let trailers = next().await.unwrap().unwrap().into_trailers().unwrap();
        let code = i32::from(Code::DeadlineExceeded).to_string();
        assert_eq!(trailers.get(STATUS).unwrap().as_bytes(), code.as_bytes());
        assert!(next().await.is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_reply_that_nobody_takes_gives_its_place_back() {
        let (body, gone) = reply(Duration::from_millis(20));
        let waited = tokio::task::spawn_blocking(move || gone.recv_timeout(Duration::from_secs(60)));
        assert_eq!(waited.await.unwrap(), Err(mpsc::RecvTimeoutError::Disconnected));
        drop(body);
    }
}
