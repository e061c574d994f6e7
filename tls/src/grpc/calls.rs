//! Which connections are of use to somebody.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The calls on one connection. Its server says when they begin and end; a client of which it knows nothing else is hung up
/// on when it makes none.
#[derive(Clone, Debug)]
pub struct Calls(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    in_progress: usize,
    /// Since when there has been none, if there is none.
    since: Instant,
}

/// A call in progress, until it is dropped.
#[derive(Debug)]
pub struct Call(Calls);

impl Default for Calls {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            in_progress: 0,
            since: Instant::now(),
        })))
    }
}

impl Calls {
    /// One more.
    #[must_use]
    pub fn begin(&self) -> Call {
        self.lock().in_progress += 1;
        Call(self.clone())
    }

    /// Since when there has been none; `None` while there is one.
    fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.in_progress == 0).then_some(state.since)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_progress = state.in_progress.saturating_sub(1);
        state.since = Instant::now();
    }
}

/// How long a connection may be without a call.
#[derive(Debug)]
pub(super) struct Idle {
    most: Duration,
    next_look: Pin<Box<Sleep>>,
}

impl Idle {
    pub(super) fn new(most: Duration) -> Self {
        Self {
            most,
            next_look: Box::pin(sleep_until(Instant::now() + most)),
        }
    }

    /// Whether it has been without one for longer. The task is woken to look again.
    pub(super) fn is_over(&mut self, calls: &Calls, cx: &mut Context<'_>) -> bool {
        while let Poll::Ready(()) = self.next_look.as_mut().poll(cx) {
            match next_look(calls.idle_since(), self.most, Instant::now()) {
                Some(next) => self.next_look.as_mut().reset(next),
                None => return true,
            }
        }
        false
    }
}

/// When to look again at a connection that has had no call since then, or has one; `None` if it has been enough.
fn next_look(idle_since: Option<Instant>, most: Duration, now: Instant) -> Option<Instant> {
    let until = idle_since.unwrap_or(now) + most;
    (until > now).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_counted_from_the_end_of_the_last_call() {
        let (start, most) = (Instant::now(), Duration::from_secs(10));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(next_look(Some(start), most, at(9)), Some(at(10)));
        assert_eq!(next_look(Some(start), most, at(10)), None, "it never called");
        assert_eq!(next_look(None, most, at(25)), Some(at(35)), "it has one");
        assert_eq!(next_look(Some(at(27)), most, at(35)), Some(at(37)), "it had one");
    }

    #[test]
    fn a_connection_has_a_call_for_as_long_as_there_is_one() {
        let calls = Calls::default();
        assert!(calls.idle_since().is_some());
        let (first, second) = (calls.begin(), calls.begin());
        drop(first);
        assert_eq!(calls.idle_since(), None);
        let before = Instant::now();
        drop(second);
        assert!(calls.idle_since().unwrap() >= before);
    }
}
