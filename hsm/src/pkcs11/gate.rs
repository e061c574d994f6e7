//! Who may be inside a module, and when it may be started again.
//!
//! A module may be finalised only while nobody is in it. So every call passes the gate; a recovery closes it, waits
//! until those inside have left, starts the module again and opens it. Each such start is a new *epoch*: sessions and
//! object handles belong to one epoch and are worth nothing in the next.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two recoveries, at least; doubled for each that brought nothing, up to [`LONGEST_PAUSE`]. A module may
/// hold other tokens too, which every recovery disturbs.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    inside: usize,
    closed: bool,
    last: Option<Instant>,
    /// Recoveries since a call last succeeded.
    fruitless: u32,
}

/// Why a recovery did not happen, or did not help.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum NotRecovered<E> {
    /// The last one is too recent.
    TooSoon,
    /// So many calls are inside and do not come out.
    Occupied(usize),
    /// The module did not start again.
    Failed(E),
}

/// The deadline passed in front of the gate.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct ClosedTooLong;

/// Leave to be inside, until dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    epoch: u64,
    succeeded: bool,
}

impl Gate {
    /// Goes in, as soon as the gate is open.
    pub(super) fn enter(&self, deadline: Instant) -> Result<Pass<'_>, ClosedTooLong> {
        let mut state = self.lock();
        while state.closed {
            state = self.wait(state, deadline).ok_or(ClosedTooLong)?;
        }
        state.inside += 1;
        Ok(Pass {
            gate: self,
            epoch: state.epoch,
            succeeded: false,
        })
    }

    /// Starts the module again with `restart`, because a call of the epoch `seen` found its token gone. Whoever
    /// comes here with a pass waits for themselves. Done when somebody else did it in the meantime.
    pub(super) fn recover<E>(
        &self,
        seen: u64,
        deadline: Instant,
        restart: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), NotRecovered<E>> {
        let mut state = self.lock();
        while state.closed {
            let inside = state.inside;
            state = self
                .wait(state, deadline)
                .ok_or(NotRecovered::Occupied(inside))?;
        }
        if state.epoch != seen {
            return Ok(());
        }
        let pause = PAUSE
            .saturating_mul(1 << state.fruitless.min(8))
            .min(LONGEST_PAUSE);
        if state.last.is_some_and(|last| last.elapsed() < pause) {
            return Err(NotRecovered::TooSoon);
        }
        state.closed = true;
        // Half of what is left, so that the caller has time to try again.
        let patience = deadline.saturating_duration_since(Instant::now()) / 2;
        let until = Instant::now() + patience;
        while state.inside > 0 {
            let inside = state.inside;
            match self.wait(state, until) {
                Some(woken) => state = woken,
                None => {
                    let mut state = self.lock();
                    if state.inside == 0 {
                        break;
                    }
                    state.closed = false;
                    state.last = Some(Instant::now());
                    drop(state);
                    self.changed.notify_all();
                    return Err(NotRecovered::Occupied(inside));
                }
            }
        }
        self.restart(restart)
    }

    /// The gate is closed and nobody is inside.
    fn restart<E>(&self, restart: impl FnOnce() -> Result<(), E>) -> Result<(), NotRecovered<E>> {
        // Opens again even if `restart` panics.
        let reopened = Reopen(self);
        let result = restart();
        drop(reopened);
        result.map_err(NotRecovered::Failed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change; `None` when `deadline` has passed.
    fn wait<'a>(&self, state: MutexGuard<'a, State>, deadline: Instant) -> Option<MutexGuard<'a, State>> {
        let left = deadline.checked_duration_since(Instant::now())?;
        if left.is_zero() {
            return None;
        }
        let woken = self.changed.wait_timeout(state, left);
        Some(woken.unwrap_or_else(PoisonError::into_inner).0)
    }
}

struct Reopen<'a>(&'a Gate);

impl Drop for Reopen<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = false;
        state.epoch += 1;
        state.fruitless = state.fruitless.saturating_add(1);
        state.last = Some(Instant::now());
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Pass<'_> {
    /// The epoch this pass is for.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Leaves after a call that succeeded: the module is of use as it is.
    pub(super) fn succeeded(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.inside = state.inside.saturating_sub(1);
        if self.succeeded && state.epoch == self.epoch {
            state.fruitless = 0;
        }
        if state.closed && state.inside == 0 {
            drop(state);
            self.gate.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn epoch(gate: &Gate) -> u64 {
        gate.enter(soon()).expect("open").epoch()
    }

    #[test]
    fn a_recovery_begins_an_epoch_and_one_is_enough_for_all() {
        let gate = Gate::default();
        assert_eq!(epoch(&gate), 0);
        gate.recover::<()>(0, later(), || Ok(())).expect("recovered");
        assert_eq!(epoch(&gate), 1);
        gate.recover::<()>(0, later(), || panic!("somebody did it already"))
            .expect("recovered");
        assert_eq!(epoch(&gate), 1);
    }

    #[test]
    fn recoveries_keep_their_distance() {
        let gate = Gate::default();
        assert_eq!(gate.recover(0, later(), || Err("no")), Err(NotRecovered::Failed("no")));
        assert_eq!(
            gate.recover::<()>(1, later(), || panic!("too soon")),
            Err(NotRecovered::TooSoon)
        );
        // Fruitless ones ever more so.
        gate.lock().last = Instant::now().checked_sub(PAUSE);
        assert_eq!(
            gate.recover::<()>(1, later(), || panic!("too soon")),
            Err(NotRecovered::TooSoon)
        );
        gate.enter(soon()).expect("open").succeeded();
        gate.recover::<()>(1, later(), || Ok(())).expect("recovered");
    }

    #[test]
    fn nobody_is_inside_while_the_module_restarts() {
        let gate = Gate::default();
        let (left, has_left) = mpsc::channel();
        let pass = gate.enter(soon()).expect("open");
        thread::scope(|scope| {
            let recovery = scope.spawn(|| {
                gate.recover::<()>(0, later(), || {
                    has_left.try_recv().expect("the other has left");
                    Ok(())
                })
            });
            while !gate.lock().closed {
                thread::yield_now();
            }
            assert_eq!(gate.enter(soon()).expect_err("closed"), ClosedTooLong);
            left.send(()).expect("send");
            drop(pass);
            recovery.join().expect("join").expect("recovered");
        });
        assert_eq!(epoch(&gate), 1);
    }

    #[test]
    fn whoever_stays_inside_prevents_a_recovery_and_nothing_else() {
        let gate = Gate::default();
        let _stuck = gate.enter(soon()).expect("open");
        assert_eq!(
            gate.recover::<()>(0, soon(), || panic!("somebody is inside")),
            Err(NotRecovered::Occupied(1))
        );
        assert_eq!(epoch(&gate), 0);
    }
}
