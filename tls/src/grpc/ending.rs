//! How calls end: in the reply's headers, in its trailers, by an error on the way, or because somebody left.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::codegen::{Body as HttpBody, Bytes};
use tonic::{Code, Status};
use tracing::Span;

/// Hands a reply on, and calls `ended` once, with the status that its call ended with: at once where the headers say it,
/// else when the last of the reply was read. A reply that is let go of before is `Cancelled`. What the reply still does
/// is done inside `span`.
pub fn until_end(
    response: Response<Body>,
    span: Span,
    ended: impl FnOnce(&Status) + Send + 'static,
) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(status) => {
            ended(&status);
            response
        }
        None => response.map(|body| {
            Body::new(Watched {
                body,
                span,
                ended: Some(Box::new(ended)),
            })
        }),
    }
}

/// What is to be done when a reply has ended.
type Ended = Box<dyn FnOnce(&Status) + Send>;

/// A reply whose end is waited for.
struct Watched {
    body: Body,
    span: Span,
    ended: Option<Ended>,
}

impl Watched {
    /// The first word about how it ended counts.
    fn end(&mut self, status: &Status) {
        if let Some(ended) = self.ended.take() {
            ended(status);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end(&Status::cancelled("the reply was not read to its end"));
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let frame = {
            let _in_call = this.span.enter();
            ready!(Pin::new(&mut this.body).poll_frame(cx))
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                    this.end(&status);
                }
            }
            Some(Err(status)) => this.end(status),
            None => this.end(&Status::unknown("the reply ended without a status")),
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

/// A code's name, as gRPC for Go writes it and SPIRE's metrics have it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::mpsc;

    use tonic::codegen::http::HeaderMap;

    use super::*;

    /// A reply in parts.
    struct Parts(Vec<Result<Frame<Bytes>, Status>>);

    impl HttpBody for Parts {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready((!self.0.is_empty()).then(|| self.0.remove(0)))
        }
    }

    fn data() -> Result<Frame<Bytes>, Status> {
        Ok(Frame::data(Bytes::from_static(b"x")))
    }

    fn trailers(status: &Status) -> Result<Frame<Bytes>, Status> {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        Ok(Frame::trailers(headers))
    }

    /// The codes that were told after so many frames were read.
    async fn told(parts: Vec<Result<Frame<Bytes>, Status>>, reads: usize) -> Vec<Code> {
        let (tell, told) = mpsc::channel();
        let response = Response::new(Body::new(Parts(parts)));
        let response = until_end(response, Span::none(), move |status| {
            tell.send(status.code()).unwrap();
        });
        let mut body = response.into_body();
        for _ in 0..reads {
            let _frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        }
        drop(body);
        told.iter().collect()
    }

    #[tokio::test]
    async fn the_first_word_about_the_end_is_told_once() {
        let ok = || trailers(&Status::ok(""));
        assert_eq!(told(vec![data(), ok()], 3).await, [Code::Ok]);
        let denied = Status::permission_denied("no");
        assert_eq!(
            told(vec![data(), trailers(&denied)], 3).await,
            [Code::PermissionDenied]
        );
        assert_eq!(
            told(vec![data(), Err(Status::internal("broke"))], 2).await,
            [Code::Internal]
        );
        assert_eq!(told(vec![data()], 2).await, [Code::Unknown]);
        assert_eq!(told(vec![data(), ok()], 1).await, [Code::Cancelled]);
        assert_eq!(told(vec![data(), ok()], 0).await, [Code::Cancelled]);
    }

    #[test]
    fn a_reply_of_headers_alone_has_ended() {
        let (tell, told) = mpsc::channel();
        let response = Status::not_found("none").into_http::<Body>();
        let response = until_end(response, Span::none(), move |status| {
            tell.send(status.code()).unwrap();
        });
        assert_eq!(told.recv().unwrap(), Code::NotFound);
        drop(response);
        assert!(told.recv().is_err(), "once");
    }
}
