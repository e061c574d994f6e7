//! Whoever uses a TPM in this process does so through one thread a TPM, which keeps the one connection.
//!
//! A TPM does one thing at a time, and libtss2 waits for it without end. So callers wait here, with a deadline: a
//! call that hangs is left to itself, and the next one gets a new thread and a new connection. The connection is
//! given up when nobody has asked for anything for a moment, so that other programs have their turn, and nothing
//! of ours stays loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::mpsc::{self, RecvTimeoutError, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::codes::{self, Failure, Step};
use super::config::Tcti;
use super::connection::Connection;
use super::error::TpmError;

/// How long a connection is kept without use.
const LINGER: Duration = Duration::from_millis(250);

/// How many calls may hang before no further one is tried.
const MOST_HANGING: usize = 3;

/// How long the end of the last user waits for the connection to be closed properly.
const PARTING: Duration = Duration::from_secs(2);

/// After the TPM could not be reached, how long callers are told so without another try. A server under load would
/// otherwise try, and libtss2 complain on stderr, a thousand times a second.
const RESPITE: Duration = Duration::from_millis(100);

/// The thread for one TPM.
pub(super) struct Manager {
    tcti: Tcti,
    state: Mutex<State>,
    /// Handles for persistent keys that are being made, which the TPM does not know to be taken yet.
    reserved: Arc<Mutex<BTreeSet<u32>>>,
}

#[derive(Default)]
struct State {
    worker: Option<Worker>,
    /// Threads that were given up on, and still hang.
    hanging: Vec<JoinHandle<()>>,
}

struct Worker {
    jobs: mpsc::Sender<Job>,
    /// Until when the job that is being done was to be done; `None` between jobs.
    busy: Arc<Mutex<Option<Instant>>>,
    /// Disconnected when the thread ends.
    ended: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

struct Job {
    until: Instant,
    work: Box<Work>,
}

/// Does a job, with a connection or with the reason for there being none. The flag says that this is the last try.
type Work = dyn FnMut(Result<&mut Connection, TpmError>, bool) -> Outcome + Send;

/// What becomes of the connection.
enum Outcome {
    Keep,
    Drop,
    /// Drop it, and try once more with a new one.
    Retry,
}

impl Manager {
    /// The manager for this TPM: one in the process, for as long as anybody has it.
    pub(super) fn of(tcti: &Tcti) -> Arc<Self> {
        static ALL: Mutex<BTreeMap<Tcti, Weak<Manager>>> = Mutex::new(BTreeMap::new());
        let mut all = lock(&ALL);
        all.retain(|_, manager| manager.strong_count() > 0);
        if let Some(manager) = all.get(tcti).and_then(Weak::upgrade) {
            return manager;
        }
        let manager = Arc::new(Self {
            tcti: tcti.clone(),
            state: Mutex::default(),
            reserved: Arc::default(),
        });
        all.insert(tcti.clone(), Arc::downgrade(&manager));
        manager
    }

    /// Has the thread do something with the TPM, and waits for it, `deadline` at most. What fails is tried a second
    /// time with a new connection: it must be something that may be done twice.
    pub(super) fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        deadline: Duration,
        mut job: impl FnMut(&mut Connection) -> Step<T> + Send + 'static,
    ) -> Result<T, TpmError> {
        let until = Instant::now() + deadline;
        let (answer, answered) = mpsc::sync_channel(1);
        let tcti = self.tcti.clone();
        let work = move |connection: Result<&mut Connection, TpmError>, last: bool| {
            let (result, outcome) = match connection.map(&mut job) {
                Err(unreachable) => (Err(unreachable), Outcome::Drop),
                Ok(Ok(value)) => (Ok(value), Outcome::Keep),
                Ok(Err(Failure::Final(error))) => (Err(error), Outcome::Keep),
                Ok(Err(Failure::Tss(error))) if !last => {
                    tracing::debug!(%tcti, doing, reason = codes::reason(error), "trying again with a new connection");
                    return Outcome::Retry;
                }
                Ok(Err(Failure::Tss(error))) => (Err(failed(&tcti, doing, error)), Outcome::Drop),
            };
            match answer.try_send(result) {
                // Nobody listens when the deadline has passed, which the caller has been told.
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => outcome,
            }
        };
        self.send(Job {
            until,
            work: Box::new(work),
        })?;
        answered.recv_timeout(deadline).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                self.give_up();
                TpmError::Deadline {
                    tcti: self.tcti.clone(),
                    doing,
                    deadline,
                }
            }
            RecvTimeoutError::Disconnected => TpmError::Thread {
                doing: "finish what it was asked",
            },
        })?
    }

    /// The handles that are reserved, for a job that makes another [`Reservation`].
    pub(super) fn reserved(&self) -> Arc<Mutex<BTreeSet<u32>>> {
        Arc::clone(&self.reserved)
    }

    fn send(&self, job: Job) -> Result<(), TpmError> {
        let mut state = lock(&self.state);
        state.hanging.retain(|thread| !thread.is_finished());
        let job = match &state.worker {
            Some(worker) => match worker.jobs.send(job) {
                Ok(()) => return Ok(()),
                // It has died; its connection with it.
                Err(mpsc::SendError(job)) => job,
            },
            None => job,
        };
        if state.hanging.len() >= MOST_HANGING {
            return Err(TpmError::Hanging {
                tcti: self.tcti.clone(),
                hanging: state.hanging.len(),
            });
        }
        let worker = state.worker.insert(Worker::start(&self.tcti)?);
        worker
            .jobs
            .send(job)
            .map_err(|_| TpmError::Thread { doing: "start" })
    }

    /// Leaves the thread to itself if what it does is overdue, rather than behind others in the queue.
    fn give_up(&self) {
        let mut state = lock(&self.state);
        let is_overdue = |worker: &Worker| lock(&worker.busy).is_some_and(|until| until <= Instant::now());
        if state.worker.as_ref().is_some_and(is_overdue)
            && let Some(worker) = state.worker.take()
        {
            tracing::warn!(tcti = %self.tcti, "the TPM does not answer; the next call makes a new connection");
            state.hanging.push(worker.thread);
        }
    }
}

/// A free handle that nobody else in this process takes while this is held.
pub(super) struct Reservation {
    pub(super) handle: u32,
    all: Arc<Mutex<BTreeSet<u32>>>,
}

impl Reservation {
    /// Reserves the lowest free handle of a range. On the TPM's thread alone, so that no two look at once.
    pub(super) fn make(
        connection: &mut Connection,
        range: RangeInclusive<u32>,
        all: &Arc<Mutex<BTreeSet<u32>>>,
    ) -> Step<Self> {
        let taken = lock(all).clone();
        let handle = connection.free_handle(range.filter(|handle| !taken.contains(handle)))?;
        lock(all).insert(handle);
        Ok(Self {
            handle,
            all: Arc::clone(all),
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.handle);
    }
}

impl Drop for Manager {
    /// Waits for the connection to be closed, so that a program that ends leaves nothing loaded.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Worker { jobs, ended, .. }) = state.worker.take() {
            drop(jobs);
            if ended.recv_timeout(PARTING) == Err(RecvTimeoutError::Timeout) {
                tracing::warn!(tcti = %self.tcti, "the TPM does not answer; something of ours may still be loaded");
            }
        }
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("tcti", &self.tcti)
            .finish_non_exhaustive()
    }
}

impl Worker {
    fn start(tcti: &Tcti) -> Result<Self, TpmError> {
        let (jobs, queue) = mpsc::channel();
        let (ending, ended) = mpsc::sync_channel(0);
        let busy = Arc::new(Mutex::new(None));
        let line = Line {
            tcti: tcti.clone(),
            connection: None,
            failed: None,
        };
        let shown = Arc::clone(&busy);
        let thread = std::thread::Builder::new()
            .name("tpm".to_owned())
            .spawn(move || {
                // Dropped after the line and its connection: a program that waits for the end may exit right then.
                let _ending: mpsc::SyncSender<()> = ending;
                let mut line = line;
                line.serve(&queue, &shown);
            })
            .map_err(|_| TpmError::Thread { doing: "start" })?;
        Ok(Self {
            jobs,
            busy,
            ended,
            thread,
        })
    }
}

/// The thread's end: a connection that comes and goes.
struct Line {
    tcti: Tcti,
    connection: Option<Connection>,
    /// When and why the TPM could not be reached.
    failed: Option<(Instant, TpmError)>,
}

impl Line {
    fn serve(&mut self, queue: &mpsc::Receiver<Job>, busy: &Mutex<Option<Instant>>) {
        loop {
            let next = match self.connection {
                Some(_) => queue.recv_timeout(LINGER),
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                // Its caller has stopped waiting.
                Ok(job) if job.until <= Instant::now() => {}
                Ok(mut job) => {
                    *lock(busy) = Some(job.until);
                    self.work(&mut job);
                    *lock(busy) = None;
                }
                Err(RecvTimeoutError::Timeout) => {
                    // This talks to the TPM too, and may hang: whoever waits in vain meanwhile may give up on it.
                    *lock(busy) = Some(Instant::now());
                    self.connection = None;
                    *lock(busy) = None;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn work(&mut self, job: &mut Job) {
        for last in [false, true] {
            match (job.work)(self.connected(), last) {
                Outcome::Keep => {
                    if self.connection.as_ref().is_some_and(Connection::is_retired) {
                        self.connection = None;
                    }
                    return;
                }
                Outcome::Drop => {
                    self.connection = None;
                    return;
                }
                Outcome::Retry => self.connection = None,
            }
        }
    }

    fn connected(&mut self) -> Result<&mut Connection, TpmError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        Ok(self.connection.insert(connection))
    }

    fn connect(&mut self) -> Result<Connection, TpmError> {
        if let Some((when, error)) = &self.failed
            && when.elapsed() < RESPITE
        {
            return Err(error.clone());
        }
        match Connection::open(&self.tcti) {
            Ok(connection) => {
                self.failed = None;
                Ok(connection)
            }
            Err(error) => {
                self.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

fn failed(tcti: &Tcti, doing: &'static str, error: tss_esapi::Error) -> TpmError {
    let reason = codes::reason(error);
    if codes::is_of_the_connection(error) {
        TpmError::Unreachable {
            tcti: tcti.clone(),
            reason,
        }
    } else {
        TpmError::Refused { doing, reason }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
