//! How long a call from elsewhere may take to be sent and to be received, and how long its messages may be.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::Request;

use crate::caller::Caller;

/// Attestation is a conversation: one message after another, each waited for by itself.
const ATTEST: &str = "/spire.api.server.agent.v1.Agent/AttestAgent";
/// Goes on for as long as the agent likes.
const SYNC: &str = "/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries";
const GET_BUNDLE: &str = "/spire.api.server.bundle.v1.Bundle/GetBundle";

/// A whole conversation of attestation.
const ATTESTATION: Duration = Duration::from_secs(90);
/// Evidence, a request for a certificate and answers, each as long as it may be, and what is around them.
const ATTESTATION_LEN: usize = 512 * 1024;
/// A mask is all that a request for the bundle has.
const GET_BUNDLE_LEN: usize = 4 * 1024;

/// Whether a call is what nodes come for that nobody knows yet.
pub(crate) fn is_attestation(path: &str) -> bool {
    path == ATTEST
}

/// The bounds of one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bounds {
    /// From when it is let in to the end of its request.
    pub(super) request: Option<Duration>,
    /// All bytes of its request.
    pub(super) request_len: usize,
    /// From the beginning of its reply to its end.
    pub(crate) reply: Option<Duration>,
}

impl Bounds {
    const NONE: Self = Self {
        request: None,
        request_len: usize::MAX,
        reply: None,
    };

    /// The bounds of a call by its method and its caller; operators on this machine have none.
    pub(crate) fn of(path: &str, caller: &Caller) -> Self {
        let (request, reply) = match caller {
            Caller::Local { .. } => return Self::NONE,
            Caller::X509(_) => (Duration::from_secs(30), Duration::from_secs(60)),
            Caller::Anonymous => (Duration::from_secs(10), Duration::from_secs(10)),
        };
        match path {
            ATTEST => Self {
                request: None,
                request_len: ATTESTATION_LEN,
                reply: Some(ATTESTATION),
            },
            SYNC => Self::NONE,
            path => Self {
                request: Some(request),
                request_len: if path == GET_BUNDLE {
                    GET_BUNDLE_LEN
                } else {
                    usize::MAX
                },
                reply: Some(reply),
            },
        }
    }
}

/// A request's body within its bounds.
#[derive(Debug)]
pub(crate) struct Asked {
    body: Body,
    left: usize,
    until: Option<Instant>,
    /// Made when there is first something to wait for; most requests are there at once.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Asked {
    /// The request, within these bounds from now on.
    pub(crate) fn within(request: Request<Body>, bounds: Bounds) -> Request<Body> {
        if bounds.request.is_none() && bounds.request_len == usize::MAX {
            return request;
        }
        request.map(|body| {
            Body::new(Self {
                body,
                left: bounds.request_len,
                until: bounds.request.map(|within| Instant::now() + within),
                timer: None,
            })
        })
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        timer.as_mut().poll(cx).is_ready()
    }
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let len = frame.data_ref().map_or(0, Bytes::len);
                match self.left.checked_sub(len) {
                    Some(left) => self.left = left,
                    None => {
                        let message = "the request is longer than any that makes sense for this method";
                        return Poll::Ready(Some(Err(Status::resource_exhausted(message))));
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Pending if self.is_late(cx) => {
                let message = "the request was begun and not sent to its end in time";
                Poll::Ready(Some(Err(Status::deadline_exceeded(message))))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tonic::Code;

    use super::*;

    /// A body that sends this much at a time, so often, and then neither more nor its end.
    struct Unfinished(usize, usize);

    impl HttpBody for Unfinished {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.1 == 0 {
                return Poll::Pending;
            }
            self.1 -= 1;
            Poll::Ready(Some(Ok(Frame::data(vec![0; self.0].into()))))
        }
    }

    /// Reads a body to its end, and gives how much it was.
    async fn read(body: Unfinished, bounds: Bounds) -> (usize, Status) {
        let request = Asked::within(Request::new(Body::new(body)), bounds);
        let mut body = request.into_body();
        let mut len = 0;
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            match frame.expect("it has no end") {
                Ok(frame) => len += frame.into_data().unwrap().len(),
                Err(status) => return (len, status),
            }
        }
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_given_up() {
        let bounds = Bounds {
            request: Some(Duration::from_millis(20)),
            ..Bounds::NONE
        };
        let (len, status) = read(Unfinished(10, 2), bounds).await;
        assert_eq!((len, status.code()), (20, Code::DeadlineExceeded));
    }

    #[tokio::test]
    async fn a_request_is_read_no_further_than_makes_sense() {
        let bounds = Bounds {
            request_len: 25,
            ..Bounds::NONE
        };
        let (len, status) = read(Unfinished(10, usize::MAX), bounds).await;
        assert_eq!((len, status.code()), (20, Code::ResourceExhausted));
    }
}
