//! Which connections are of use to somebody.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The calls on one connection. Its server says when they begin and end, and what they are; a client of which it knows
/// nothing else is hung up on when it makes none that are of use.
#[derive(Clone, Debug)]
pub struct Calls(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    born: Instant,
    in_progress: usize,
    /// How many of these the connection is kept for, however old it is.
    kept_for: usize,
    /// Since when there has been none of use.
    since: Instant,
    /// Whether somebody else has its place.
    is_given_up: bool,
    /// Who is to look again then.
    task: Option<Waker>,
}

/// A call in progress, until it is dropped.
#[derive(Debug)]
pub struct Call {
    calls: Calls,
    is_of_use: bool,
    is_kept_for: bool,
}

impl Default for Calls {
    fn default() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            born: now,
            in_progress: 0,
            kept_for: 0,
            since: now,
            is_given_up: false,
            task: None,
        })))
    }
}

impl Calls {
    /// One more, of which it is not known yet whether it is let in.
    #[must_use]
    pub fn begin(&self) -> Call {
        self.lock().in_progress += 1;
        Call {
            calls: self.clone(),
            is_of_use: false,
            is_kept_for: false,
        }
    }

    /// Since when there has been none of use; `None` while there is any.
    pub fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.in_progress == 0).then_some(state.since)
    }

    /// Whether the connection is kept for one of them, however old it is.
    pub fn is_kept(&self) -> bool {
        self.lock().kept_for > 0
    }

    /// Has the connection end: another one has its place.
    pub(super) fn give_up(&self) {
        let mut state = self.lock();
        state.is_given_up = true;
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    /// It was let in: its connection is not idle from now on, until a while after its end.
    #[must_use]
    pub fn of_use(mut self) -> Self {
        self.is_of_use = true;
        self
    }

    /// It is what connections without a certificate are there for: one that has grown old is kept until it ends.
    #[must_use]
    pub fn keeping(mut self) -> Self {
        if !self.is_kept_for {
            self.calls.lock().kept_for += 1;
            self.is_kept_for = true;
        }
        self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.calls.lock();
        state.in_progress = state.in_progress.saturating_sub(1);
        if self.is_kept_for {
            state.kept_for = state.kept_for.saturating_sub(1);
        }
        if self.is_of_use {
            state.since = Instant::now();
        }
    }
}

/// How long a connection may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lasting {
    /// Without a call of use.
    pub(super) idle: Duration,
    /// With or without, but for calls that it is kept for.
    pub(super) age: Duration,
}

/// The end of a connection that is of no use, or has been of use for long enough.
#[derive(Debug)]
pub(super) struct Ending {
    calls: Calls,
    lasting: Lasting,
    next_look: Pin<Box<Sleep>>,
    is_over: bool,
}

impl Ending {
    pub(super) fn new(calls: Calls, lasting: Lasting) -> Self {
        Self {
            calls,
            lasting,
            next_look: Box::pin(sleep_until(Instant::now() + lasting.idle.min(lasting.age))),
            is_over: false,
        }
    }

    /// Whether it has come. The task is woken to look again.
    pub(super) fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let mut state = self.calls.lock();
        self.is_over |= state.is_given_up;
        while !self.is_over
            && let Poll::Ready(()) = self.next_look.as_mut().poll(cx)
        {
            match state.next_look(self.lasting, Instant::now()) {
                Some(next) => self.next_look.as_mut().reset(next),
                None => self.is_over = true,
            }
        }
        if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            state.task = Some(cx.waker().clone());
        }
        self.is_over
    }
}

impl State {
    /// When to look again; `None` if it has been enough.
    fn next_look(&self, lasting: Lasting, now: Instant) -> Option<Instant> {
        let idle_since = if self.in_progress == 0 { self.since } else { now };
        let mut until = idle_since + lasting.idle;
        if self.kept_for == 0 {
            until = until.min(self.born + lasting.age);
        }
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTING: Lasting = Lasting {
        idle: Duration::from_secs(10),
        age: Duration::from_secs(120),
    };

    fn state(born: Instant) -> State {
        State {
            born,
            in_progress: 0,
            kept_for: 0,
            since: born,
            is_given_up: false,
            task: None,
        }
    }

    #[test]
    fn it_is_counted_from_the_end_of_the_last_call() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut state = state(start);
        assert_eq!(state.next_look(LASTING, at(9)), Some(at(10)));
        assert_eq!(state.next_look(LASTING, at(10)), None, "it never called");
        state.in_progress = 1;
        assert_eq!(state.next_look(LASTING, at(25)), Some(at(35)), "it has one");
        (state.in_progress, state.since) = (0, at(27));
        assert_eq!(state.next_look(LASTING, at(35)), Some(at(37)), "it had one");
    }

    #[test]
    fn one_that_calls_all_the_time_grows_old() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut state = state(start);
        (state.in_progress, state.since) = (1, at(110));
        assert_eq!(state.next_look(LASTING, at(115)), Some(at(120)));
        assert_eq!(state.next_look(LASTING, at(120)), None);
        state.kept_for = 1;
        assert_eq!(
            state.next_look(LASTING, at(120)),
            Some(at(130)),
            "it is kept for that"
        );
        (state.in_progress, state.kept_for, state.since) = (0, 0, at(125));
        assert_eq!(state.next_look(LASTING, at(126)), None, "and no longer");
    }

    #[test]
    fn a_connection_has_a_call_for_as_long_as_there_is_one() {
        let calls = Calls::default();
        let first_of_all = calls.idle_since().unwrap();
        let (first, second) = (calls.begin(), calls.begin().of_use());
        drop(first);
        assert_eq!(calls.idle_since(), None);
        let before = Instant::now();
        drop(second);
        let since = calls.idle_since().unwrap();
        assert!(since >= before && since >= first_of_all);
        // One that is turned away is of no use, and keeps nothing.
        drop(calls.begin());
        assert_eq!(calls.idle_since(), Some(since));
        let kept = calls.begin().keeping().keeping();
        assert!(calls.is_kept());
        drop(kept);
        assert!(!calls.is_kept());
    }
}
