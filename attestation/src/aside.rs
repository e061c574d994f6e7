//! Work that strangers can have done: signatures of their choice, of which some cost a lot.
//!
//! It is done beside the threads that serve calls, and by no more of them at a time than there are processors: who comes
//! then waits, and everybody else is served meanwhile.

use std::error::Error;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::{AttestationError, Attested, Challenger, check_len};

/// Where evidence stands in what a node sends.
pub(crate) const PAYLOAD: &str = "params.data.payload";
/// Where an answer does.
pub(crate) const ANSWER: &str = "challenge_response";

static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// Does what takes a while on a thread that may be kept busy. Whoever leaves before its end has not ended it. Outside of a
/// runtime, where nobody else is waiting, it is done at once.
///
/// # Errors
/// Those of `work`; [`AttestationError::Unavailable`] if it panicked.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AttestationError> + Send + 'static,
) -> Result<T, AttestationError> {
    let place = PLACES.acquire().await.map_err(unavailable)?;
    let Ok(runtime) = Handle::try_current() else {
        return work();
    };
    let working = runtime.spawn_blocking(move || {
        let _place = place;
        work()
    });
    working.await.map_err(unavailable)?
}

/// The frame of a method that asks its node once: what is opened out of the evidence gives a question, and who the node is
/// comes out of the answer. Both are worked on aside, and nothing that is too long is copied.
///
/// # Errors
/// Those of both halves and of the question; [`AttestationError::Malformed`] for what is too long.
pub(crate) async fn asking_once<T: Send + 'static>(
    evidence: &[u8],
    challenger: &mut dyn Challenger,
    open: impl FnOnce(&[u8]) -> Result<(T, Vec<u8>), AttestationError> + Send + 'static,
    judge: impl FnOnce(T, &[u8]) -> Result<Attested, AttestationError> + Send + 'static,
) -> Result<Attested, AttestationError> {
    check_len(PAYLOAD, evidence)?;
    let evidence = evidence.to_vec();
    let (opening, question) = aside(move || open(&evidence)).await?;
    let answer = challenger.challenge(question).await?;
    check_len(ANSWER, &answer)?;
    aside(move || judge(opening, &answer)).await
}

fn unavailable(error: impl Error + Send + Sync + 'static) -> AttestationError {
    AttestationError::Unavailable(error.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};
    use std::thread::{self, ThreadId};
    use std::time::{Duration, Instant};

    use tokio::task::JoinSet;

    use super::*;

    /// The thread that it was done on, and how many did it at the same time at most.
    async fn crowd(size: usize) -> (Vec<ThreadId>, usize) {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut working = JoinSet::new();
        for _ in 0..size {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            working.spawn(aside(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Long enough for the others to come, if they may.
                for _ in 0..1000 {
                    thread::yield_now();
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(thread::current().id())
            }));
        }
        let threads = working.join_all().await;
        let threads = threads.into_iter().map(Result::unwrap).collect();
        (threads, most.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn a_crowd_keeps_no_more_threads_busy_than_there_are_processors_and_none_that_serves() {
        let (threads, most) = crowd(100).await;
        assert!(!threads.contains(&thread::current().id()));
        assert!(most <= available_parallelism().unwrap().get(), "{most}");
    }

    #[tokio::test]
    async fn what_panics_is_an_error_and_gives_its_place_back() {
        for _ in 0..100 {
            let outcome = aside(|| -> Result<(), _> { panic!("a defect") }).await;
            assert!(
                matches!(outcome, Err(AttestationError::Unavailable(_))),
                "{outcome:?}"
            );
        }
        assert_eq!(aside(|| Ok(7)).await.unwrap(), 7);
    }

    #[test]
    fn where_nobody_else_waits_it_is_done_at_once() {
        let mut outcome = std::pin::pin!(aside(|| Ok(thread::current().id())));
        let mut context = Context::from_waker(Waker::noop());
        // The places may be the other tests' just now.
        let deadline = Instant::now() + Duration::from_secs(30);
        let id = loop {
            match outcome.as_mut().poll(&mut context) {
                Poll::Ready(outcome) => break outcome.unwrap(),
                Poll::Pending => assert!(Instant::now() < deadline),
            }
            thread::yield_now();
        };
        assert_eq!(id, thread::current().id());
    }
}
