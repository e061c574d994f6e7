//! Who may be inside a module, and when it may be started again.
//!
//! A module may be finalised only while nobody is in it. So every call passes the gate; a recovery closes it, waits
//! until those inside have left, starts the module again and opens it. When some do not leave, because the module
//! keeps them, they are left where they are and a second copy of the module is started beside theirs. Each start is a
//! new *epoch*: sessions and object handles belong to one epoch and are worth nothing in the next.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two recoveries, at least; doubled for each that brought nothing, up to [`LONGEST_PAUSE`]. A module may
/// hold other tokens too, which every recovery disturbs.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How long those inside have to leave, at most, before a copy is started beside theirs. A call that would have come
/// back later still does, and nothing is lost but the copy's memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// Copies that are left to those who do not come out. Each may hold some threads for good.
const MOST_COPIES: usize = 8;

/// The gate of a module whose binding is a `C`.
#[derive(Debug)]
pub(super) struct Gate<C> {
    state: Mutex<State<C>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<C> {
    module: C,
    epoch: u64,
    inside: usize,
    closed: bool,
    last: Option<Instant>,
    /// Recoveries since a call last succeeded.
    fruitless: u32,
    /// Copies that were left behind.
    copies: usize,
    /// Whether what the module says of its objects is in doubt until it is started again.
    doubtful: bool,
}

/// How a module is to be started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    /// Nobody is inside: it can be finalised and initialised.
    Again,
    /// Somebody is: theirs must be left alone.
    Beside,
}

/// Why a recovery did not happen, or did not help.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum NotRecovered<E> {
    /// The last one is too recent.
    TooSoon,
    /// So many calls are inside and do not come out, and there are as many copies as may be.
    Occupied(usize),
    /// The module did not start again.
    Failed(E),
}

/// The deadline passed in front of the gate.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct ClosedTooLong;

/// Leave to be inside, until dropped.
#[derive(Debug)]
pub(super) struct Pass<'a, C> {
    gate: &'a Gate<C>,
    module: C,
    epoch: u64,
    succeeded: bool,
}

impl<C: Clone> Gate<C> {
    /// An open gate in front of a module that was just started.
    pub(super) fn new(module: C) -> Self {
        Self {
            state: Mutex::new(State {
                module,
                epoch: 0,
                inside: 0,
                closed: false,
                last: None,
                fruitless: 0,
                copies: 0,
                doubtful: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Goes in, as soon as the gate is open.
    pub(super) fn enter(&self, deadline: Instant) -> Result<Pass<'_, C>, ClosedTooLong> {
        let mut state = self.lock();
        while state.closed {
            state = self.wait(state, deadline).ok_or(ClosedTooLong)?;
        }
        state.inside += 1;
        Ok(Pass {
            gate: self,
            module: state.module.clone(),
            epoch: state.epoch,
            succeeded: false,
        })
    }

    /// Notes that a token failed in `epoch` as if it were gone. It may be back before the module was started again,
    /// and then some modules have forgotten one object and remember another.
    pub(super) fn doubt(&self, epoch: u64) {
        let mut state = self.lock();
        state.doubtful |= state.epoch == epoch;
    }

    /// Whether that was noted.
    pub(super) fn is_doubtful(&self, epoch: u64) -> bool {
        let state = self.lock();
        state.doubtful || state.epoch != epoch
    }

    /// How many copies were left behind.
    pub(super) fn copies(&self) -> usize {
        self.lock().copies
    }

    /// Starts the module again with `start`, because a call of the epoch `seen` found its token gone. Whoever comes
    /// here must not hold a pass. Done when somebody else did it in the meantime.
    pub(super) fn recover<E>(
        &self,
        seen: u64,
        deadline: Instant,
        start: impl FnOnce(&C, Start) -> Result<C, E>,
    ) -> Result<(), NotRecovered<E>> {
        let mut state = self.lock();
        while state.closed {
            let inside = state.inside;
            state = self.wait(state, deadline).ok_or(NotRecovered::Occupied(inside))?;
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
        let module = state.module.clone();
        // Half of what is left, so that the caller has time to try again.
        let left = deadline.saturating_duration_since(Instant::now());
        let until = Instant::now() + (left / 2).min(PATIENCE);
        let mut how = Start::Again;
        while state.inside > 0 {
            let (inside, copies) = (state.inside, state.copies);
            match self.wait(state, until) {
                Some(woken) => state = woken,
                None if copies < MOST_COPIES => {
                    how = Start::Beside;
                    state = self.lock();
                    break;
                }
                None => {
                    self.open(None);
                    return Err(NotRecovered::Occupied(inside));
                }
            }
        }
        drop(state);
        // Opens the gate even if `start` panics.
        let mut opening = Opening {
            gate: self,
            started: (how == Start::Again).then(|| (module.clone(), how)),
        };
        let started = start(&module, how).map_err(NotRecovered::Failed)?;
        opening.started = Some((started, how));
        Ok(())
    }

    /// Lets calls in again: in a new epoch, if the module was started, or at least was finalised.
    fn open(&self, started: Option<(C, Start)>) {
        let mut state = self.lock();
        state.closed = false;
        state.last = Some(Instant::now());
        state.fruitless = state.fruitless.saturating_add(1);
        if let Some((module, how)) = started {
            state.module = module;
            state.epoch += 1;
            state.inside = 0;
            state.doubtful = false;
            state.copies += usize::from(how == Start::Beside);
        }
        drop(state);
        self.changed.notify_all();
    }
}

struct Opening<'a, C: Clone> {
    gate: &'a Gate<C>,
    started: Option<(C, Start)>,
}

impl<C: Clone> Drop for Opening<'_, C> {
    fn drop(&mut self) {
        self.gate.open(self.started.take());
    }
}

impl<C> Gate<C> {
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change; `None` when `deadline` has passed.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State<C>>,
        deadline: Instant,
    ) -> Option<MutexGuard<'a, State<C>>> {
        let left = deadline.checked_duration_since(Instant::now())?;
        if left.is_zero() {
            return None;
        }
        let woken = self.changed.wait_timeout(state, left);
        Some(woken.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl<C> Pass<'_, C> {
    /// The epoch this pass is for.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The module's binding in this epoch.
    pub(super) fn module(&self) -> &C {
        &self.module
    }

    /// Leaves after a call that succeeded: the module is of use as it is.
    pub(super) fn succeeded(mut self) {
        self.succeeded = true;
    }
}

impl<C> Drop for Pass<'_, C> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        if state.epoch != self.epoch {
            // Inside a copy that was given up.
            return;
        }
        state.inside = state.inside.saturating_sub(1);
        if self.succeeded {
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
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn epoch(gate: &Gate<u32>) -> u64 {
        gate.enter(soon()).expect("open").epoch()
    }

    fn again(module: &u32, how: Start) -> Result<u32, &'static str> {
        assert_eq!(how, Start::Again);
        Ok(*module)
    }

    fn not_now(_: &u32, _: Start) -> Result<u32, &'static str> {
        panic!("nothing is to be started")
    }

    #[test]
    fn a_recovery_begins_an_epoch_and_one_is_enough_for_all() {
        let gate = Gate::new(7);
        assert_eq!(epoch(&gate), 0);
        gate.recover(0, later(), again).expect("recovered");
        assert_eq!(epoch(&gate), 1);
        gate.recover(0, later(), not_now).expect("recovered");
        assert_eq!(epoch(&gate), 1);
        assert_eq!(gate.copies(), 0);
    }

    #[test]
    fn a_doubt_lasts_until_the_module_is_started_again() {
        let gate = Gate::new(7);
        assert!(!gate.is_doubtful(0));
        gate.doubt(0);
        assert!(gate.is_doubtful(0));
        gate.recover(0, later(), again).expect("recovered");
        assert!(!gate.is_doubtful(1));
        // What belongs to an earlier epoch is not about this one.
        gate.doubt(0);
        assert!(!gate.is_doubtful(1) && gate.is_doubtful(0));
    }

    #[test]
    fn recoveries_keep_their_distance() {
        let gate = Gate::new(7);
        let failed = gate.recover(0, later(), |_, _| Err("no"));
        assert_eq!(failed, Err(NotRecovered::Failed("no")));
        // However long this thread waits for its turn.
        let last = gate.lock().last.expect("noted");
        gate.lock().last = Some(last + Duration::from_secs(600));
        assert_eq!(gate.recover(1, later(), not_now), Err(NotRecovered::TooSoon));
        // Fruitless ones ever more so.
        assert_eq!(gate.lock().fruitless, 1);
        gate.lock().fruitless = 8;
        gate.lock().last = Instant::now().checked_sub(PAUSE);
        assert_eq!(gate.recover(1, later(), not_now), Err(NotRecovered::TooSoon));
        gate.enter(soon()).expect("open").succeeded();
        gate.recover(1, later(), again).expect("recovered");
    }

    #[test]
    fn nobody_is_inside_while_the_module_starts_again() {
        let gate = Gate::new(7);
        let left = AtomicBool::new(false);
        let pass = gate.enter(soon()).expect("open");
        thread::scope(|scope| {
            let recovery = scope.spawn(|| {
                gate.recover(0, later(), |module, how| {
                    assert!(left.load(Ordering::SeqCst), "somebody is still inside");
                    again(module, how)
                })
            });
            while !gate.lock().closed {
                thread::yield_now();
            }
            assert_eq!(gate.enter(soon()).expect_err("closed"), ClosedTooLong);
            left.store(true, Ordering::SeqCst);
            drop(pass);
            recovery.join().expect("join").expect("recovered");
        });
        assert_eq!(epoch(&gate), 1);
    }

    #[test]
    fn whoever_stays_inside_keeps_their_copy_and_the_others_get_a_new_one() {
        let gate = Gate::new(7);
        let stays = gate.enter(soon()).expect("open");
        gate.recover::<()>(0, soon(), |module, how| {
            assert_eq!((*module, how), (7, Start::Beside));
            Ok(8)
        })
        .expect("recovered");
        assert_eq!((*stays.module(), stays.epoch()), (7, 0));
        let new = gate.enter(soon()).expect("open");
        assert_eq!((*new.module(), new.epoch()), (8, 1));
        // Leaving late is nothing to those who are in the new copy.
        drop(stays);
        assert_eq!(gate.lock().inside, 1);
        assert_eq!(gate.copies(), 1);
    }

    #[test]
    fn copies_are_bounded_and_one_that_does_not_start_changes_nothing() {
        let gate = Gate::new(7);
        let stays = gate.enter(soon()).expect("open");
        let failed = gate.recover(0, soon(), |_, _| Err("no"));
        assert_eq!(failed, Err(NotRecovered::Failed("no")));
        assert_eq!((epoch(&gate), gate.copies()), (0, 0));
        gate.lock().copies = MOST_COPIES;
        gate.lock().last = None;
        assert_eq!(gate.recover(0, soon(), not_now), Err(NotRecovered::Occupied(1)));
        drop(stays);
        gate.lock().last = None;
        gate.recover(0, later(), again).expect("recovered");
    }
}
