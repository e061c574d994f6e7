//! Threads that make the blocking calls, so that nobody who waits for one waits for ever.
//!
//! A PKCS#11 call cannot be interrupted. So it runs on a worker, and its caller waits until a deadline: then the
//! caller leaves with an error, and the worker counts as stuck until its call comes back. Others take its place, up
//! to a bound; beyond it, calls are refused at once instead of piling up.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a pool that is dropped waits for its workers.
const FAREWELL: Duration = Duration::from_secs(2);

/// A call that takes less than this does its work in this process: workers beyond the processors' number would only
/// take turns, and waking one costs a good part of what the call does.
const SHORT: Duration = Duration::from_micros(250);

/// How long a call waits for a worker to come free by itself, before it has another one woken after all.
const PATIENCE: Duration = Duration::from_millis(1);

/// How many threads a pool may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Limits {
    /// Workers that take calls, at most; at least 1.
    pub(super) workers: usize,
    /// Workers whose caller has given up on them, at most, in each copy of a module.
    pub(super) stuck: usize,
}

/// Why a call brought nothing.
#[derive(Debug)]
pub(super) enum PoolError {
    /// The deadline passed, waiting for a worker or for the call.
    TimedOut,
    /// As many workers are stuck as may be.
    Stuck(usize),
    /// No thread could be started.
    Thread(io::Error),
    /// The call panicked.
    Broken,
}

/// A call as the worker sees it.
pub(super) trait Watch {
    /// Whether the caller has given up, so that more work is wasted.
    fn is_abandoned(&self) -> bool;
    /// Until when the caller waits.
    fn deadline(&self) -> Instant;
}

/// Worker threads that each own a `W`, made when the thread starts and dropped when it ends.
#[derive(Debug)]
pub(super) struct Pool<W>(Arc<Shared<W>>);

type Job<W> = Box<dyn Ticket<W>>;

#[derive(Debug)]
struct Shared<W> {
    name: String,
    make: fn() -> W,
    processors: usize,
    state: Mutex<State<W>>,
    work: Condvar,
    ended: Condvar,
}

struct State<W> {
    queue: VecDeque<Job<W>>,
    limits: Limits,
    workers: usize,
    idle: usize,
    stuck: usize,
    /// All of them: workers, stuck ones, and those about to end.
    threads: usize,
    /// What calls take of late: a moving mean.
    pace: Duration,
    closed: bool,
}

impl<W> std::fmt::Debug for State<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("queued", &self.queue.len())
            .field("workers", &self.workers)
            .field("idle", &self.idle)
            .field("stuck", &self.stuck)
            .finish_non_exhaustive()
    }
}

impl<W: 'static> Pool<W> {
    /// A pool without threads; they start when there is work.
    pub(super) fn new(name: &str, limits: Limits, make: fn() -> W) -> Self {
        Self(Arc::new(Shared {
            name: name.to_owned(),
            make,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                limits,
                workers: 0,
                idle: 0,
                stuck: 0,
                threads: 0,
                pace: SHORT,
                closed: false,
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
        }))
    }

    /// Lowers the number of workers: those above it end when they next have nothing to do.
    pub(super) fn shrink(&self, workers: usize) {
        let mut state = lock(&self.0.state);
        state.limits.workers = state.limits.workers.min(workers.max(1));
        drop(state);
        self.0.work.notify_all();
    }

    /// Runs `job` on a worker, until `deadline`. `copies` of the module were left to those who hang in them. When the caller has left by then, `abandoned` gets what the job
    /// made, to undo it; exactly one of the two sees it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        copies: usize,
        job: impl FnOnce(&mut W, &dyn Watch) -> T + Send + 'static,
        abandoned: impl FnOnce(&mut W, T) + Send + 'static,
    ) -> Result<T, PoolError> {
        let call = Arc::new(Call {
            deadline,
            phase: Mutex::new(Phase::Queued),
            done: Condvar::new(),
        });
        let errand = Errand {
            call: Arc::clone(&call),
            work: Some((job, abandoned)),
        };
        let mut is_attended = self.submit(Box::new(errand), copies)?;
        let mut phase = lock(&call.phase);
        while matches!(*phase, Phase::Queued | Phase::Running) {
            let Some(left) = deadline
                .checked_duration_since(Instant::now())
                .filter(|d| !d.is_zero())
            else {
                break;
            };
            let patience = if is_attended { left } else { left.min(PATIENCE) };
            phase = call
                .done
                .wait_timeout(phase, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if !is_attended && matches!(*phase, Phase::Queued) {
                self.0.work.notify_one();
            }
            is_attended = true;
        }
        match std::mem::replace(&mut *phase, Phase::Abandoned) {
            Phase::Done(result) => Ok(result),
            Phase::Broken => Err(PoolError::Broken),
            Phase::Queued | Phase::Abandoned => Err(PoolError::TimedOut),
            // The lock is still held: the worker cannot come back before it is counted as stuck.
            Phase::Running => {
                self.give_up_on_one();
                Err(PoolError::TimedOut)
            }
        }
    }

    /// Queues `job`. Whether somebody was woken for it, or nobody needs to be; otherwise a worker that is busy is
    /// expected to come to it soon.
    fn submit(&self, job: Job<W>, copies: usize) -> Result<bool, PoolError> {
        let mut state = lock(&self.0.state);
        if state.stuck >= state.limits.stuck.saturating_mul(copies.saturating_add(1)) {
            return Err(PoolError::Stuck(state.stuck));
        }
        state.queue.push_back(job);
        // An idle worker may be about to take an earlier call, so each idle one counts for one queued call.
        if state.queue.len() > state.idle && state.workers < state.limits.workers {
            match self.start_worker(&mut state) {
                Ok(()) => {}
                Err(error) if state.workers == 0 => {
                    state.queue.pop_back();
                    return Err(PoolError::Thread(error));
                }
                // Those that there are will come to it.
                Err(error) => tracing::warn!(pool = self.0.name, %error, "cannot start another worker"),
            }
        }
        // Waking is a call to the system, needed or not.
        let somebody_sleeps = state.idle > 0;
        let busy = state.workers.saturating_sub(state.idle);
        let soon = state.pace < SHORT && busy >= self.0.processors;
        drop(state);
        if somebody_sleeps && !soon {
            self.0.work.notify_one();
        }
        Ok(!(somebody_sleeps && soon))
    }

    /// A call has outlived its caller: its worker no longer counts as one, and another takes its place.
    fn give_up_on_one(&self) {
        let mut state = lock(&self.0.state);
        state.workers = state.workers.saturating_sub(1);
        state.stuck += 1;
        tracing::warn!(
            pool = self.0.name,
            stuck = state.stuck,
            "a call has not come back within its deadline"
        );
        if !state.queue.is_empty()
            && state.workers < state.limits.workers
            && let Err(error) = self.start_worker(&mut state)
        {
            tracing::warn!(pool = self.0.name, %error, "cannot start another worker");
        }
    }

    fn start_worker(&self, state: &mut State<W>) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        let name = format!("pkcs11 {}", self.0.name);
        std::thread::Builder::new().name(name).spawn(move || {
            work(&shared);
            lock(&shared.state).threads -= 1;
            shared.ended.notify_all();
        })?;
        state.threads += 1;
        state.workers += 1;
        Ok(())
    }
}

impl<W> Drop for Pool<W> {
    /// Ends the workers, and waits a little for those that are not stuck: a process that exits while they are still
    /// leaving a module may crash in the module's own clean-up.
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.closed = true;
        self.0.work.notify_all();
        let at_work = |state: &mut State<W>| state.threads > state.stuck;
        drop(self.0.ended.wait_timeout_while(state, FAREWELL, at_work));
    }
}

/// What a worker does until there is no need for it.
fn work<W>(shared: &Shared<W>) {
    let mut own = (shared.make)();
    let mut took = None;
    while let Some(job) = next(shared, took) {
        let began = Instant::now();
        let Outcome { abandoned, broken } = job.run(&mut own);
        took = Some(began.elapsed());
        if broken {
            own = (shared.make)();
        }
        if abandoned {
            let mut state = lock(&shared.state);
            state.stuck = state.stuck.saturating_sub(1);
            if state.workers >= state.limits.workers {
                // Somebody took this one's place.
                return;
            }
            state.workers += 1;
        }
    }
}

/// The next call, after one that took so long; `None` when this worker is not needed any more.
fn next<W>(shared: &Shared<W>, took: Option<Duration>) -> Option<Job<W>> {
    let mut state = lock(&shared.state);
    if let Some(took) = took {
        state.pace = (state.pace.saturating_mul(7).saturating_add(took)) / 8;
    }
    loop {
        if state.workers > state.limits.workers {
            state.workers -= 1;
            return None;
        }
        if let Some(job) = state.queue.pop_front() {
            return Some(job);
        }
        if state.closed {
            state.workers = state.workers.saturating_sub(1);
            return None;
        }
        state.idle += 1;
        state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
    }
}

enum Phase<T> {
    Queued,
    Running,
    Done(T),
    Broken,
    Abandoned,
}

/// What caller and worker share about one call.
struct Call<T> {
    deadline: Instant,
    phase: Mutex<Phase<T>>,
    done: Condvar,
}

impl<T> Watch for Call<T> {
    fn is_abandoned(&self) -> bool {
        matches!(*lock(&self.phase), Phase::Abandoned)
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// How a call went, for the worker's accounts.
struct Outcome {
    /// The caller left while it ran.
    abandoned: bool,
    /// It panicked: what the worker owns is not to be trusted.
    broken: bool,
}

impl Outcome {
    /// The caller has it, or had left before it began.
    const KEPT: Self = Self {
        abandoned: false,
        broken: false,
    };
}

/// A queued call, whatever it returns.
trait Ticket<W>: Send {
    fn run(self: Box<Self>, own: &mut W) -> Outcome;
}

struct Errand<T, J, A> {
    call: Arc<Call<T>>,
    work: Option<(J, A)>,
}

impl<W, T, J, A> Ticket<W> for Errand<T, J, A>
where
    T: Send,
    J: FnOnce(&mut W, &dyn Watch) -> T + Send,
    A: FnOnce(&mut W, T) + Send,
{
    fn run(mut self: Box<Self>, own: &mut W) -> Outcome {
        let Some((job, undo)) = self.work.take() else {
            return Outcome::KEPT;
        };
        let mut phase = lock(&self.call.phase);
        if matches!(*phase, Phase::Abandoned) {
            return Outcome::KEPT;
        }
        *phase = Phase::Running;
        drop(phase);

        let result = catch_unwind(AssertUnwindSafe(|| job(own, &*self.call)));

        let mut phase = lock(&self.call.phase);
        let abandoned = matches!(*phase, Phase::Abandoned);
        let broken = match result {
            Ok(result) if abandoned => {
                drop(phase);
                catch_unwind(AssertUnwindSafe(|| undo(own, result))).is_err()
            }
            Ok(result) => {
                *phase = Phase::Done(result);
                // The caller would wake to find it locked.
                drop(phase);
                self.call.done.notify_one();
                false
            }
            Err(_) => {
                *phase = Phase::Broken;
                // The caller would wake to find it locked.
                drop(phase);
                self.call.done.notify_one();
                true
            }
        };
        Outcome { abandoned, broken }
    }
}

/// What a panic leaves behind is consistent: every lock here is held for a few assignments.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
