//! What goes with a reply to its end: the call's place, and a status that says what stock clients expect.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::{HeaderMap, HeaderValue, Response};
use tonic::{Code, Status};

use super::Place;

/// Where the status of a call stands: among the headers of a reply that has no message, and otherwise at its end.
pub(crate) const STATUS: &str = "grpc-status";

/// A reply's body that keeps its call's place until it is over.
#[derive(Debug)]
pub(crate) struct Held {
    body: Body,
    _place: Place,
}

impl Held {
    /// The reply, with the place held until its end.
    pub(crate) fn reply(mut reply: Response<Body>, place: Place) -> Response<Body> {
        as_exhausted(reply.headers_mut());
        reply.map(|body| Body::new(Self { body, _place: place }))
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

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            as_exhausted(trailers);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
