//! How often a second several threads together do something, for several pieces of work in turns.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::issuer::AnyError;

/// One thread's share of a piece of work, with whatever it keeps between rounds of it.
pub type Turn<'a> = Box<dyn FnMut() -> Result<(), AnyError> + 'a>;

/// A piece of work for several threads: makes one thread's share, which is not part of what is measured.
pub trait Work: Sync {
    /// Gets a thread ready.
    ///
    /// # Errors
    /// Whatever goes wrong in that.
    fn ready(&self) -> Result<Turn<'_>, AnyError>;
}

/// Work that needs nothing got ready.
#[derive(Debug)]
pub struct Simply<F>(pub F);

impl<F: Fn() -> Result<(), AnyError> + Sync> Work for Simply<F> {
    fn ready(&self) -> Result<Turn<'_>, AnyError> {
        Ok(Box::new(&self.0))
    }
}

/// How long each piece of work is done in a round.
const SLICE: Duration = Duration::from_millis(200);

/// How several pieces of work went, round by round.
#[derive(Clone, Debug)]
pub struct Rates(Vec<Vec<Slice>>);

impl Rates {
    /// How often a second a work was done, all threads together: the median.
    pub fn per_second(&self, work: usize) -> f64 {
        median(self.of(work).map(|slice| slice.per_second).collect())
    }

    /// Processor time of this process for one, in seconds: the median. A machine that does other things besides moves
    /// it far less than the rate.
    pub fn processor(&self, work: usize) -> f64 {
        median(self.of(work).map(|slice| slice.processor).collect())
    }

    /// A work's rate ÷ another's, in the same round: the median.
    pub fn ratio(&self, work: usize, other: usize) -> f64 {
        let pairs = self.of(work).zip(self.of(other));
        median(
            pairs
                .map(|(work, other)| work.per_second / other.per_second)
                .collect(),
        )
    }

    fn of(&self, work: usize) -> impl Iterator<Item = &Slice> {
        self.0.get(work).into_iter().flatten()
    }
}

/// How one piece of work went in one round.
#[derive(Clone, Copy, Debug)]
struct Slice {
    per_second: f64,
    processor: f64,
}

/// Does the works in turns, each by `threads` threads, for `rounds` rounds and one that is not counted. Those that will
/// be compared should be neighbours: the less time is between them, the less of it is the machine's.
///
/// # Errors
/// The first error of any of them.
pub fn measure(threads: usize, rounds: usize, works: &[&dyn Work]) -> Result<Rates, AnyError> {
    let mut done: Vec<Vec<Slice>> = vec![Vec::new(); works.len()];
    for round in 0..=rounds {
        for step in 0..works.len() {
            // Nobody always comes after the same other one.
            let index = if round % 2 == 0 {
                step
            } else {
                works.len() - 1 - step
            };
            if let (Some(work), Some(done)) = (works.get(index), done.get_mut(index)) {
                let slice = slice(threads, *work)?;
                // The first round is a warm-up.
                if round > 0 {
                    done.push(slice);
                }
            }
        }
    }
    Ok(Rates(done))
}

/// One work over one slice of time.
fn slice(threads: usize, work: &dyn Work) -> Result<Slice, AnyError> {
    let (start, over, done) = (
        Barrier::new(threads + 1),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    let one = || -> Result<Instant, AnyError> {
        // Once before the start: sessions open, keys load.
        let ready = work.ready().and_then(|mut turn| {
            turn()?;
            Ok(turn)
        });
        start.wait();
        let mut turn = ready?;
        while !over.load(Ordering::Relaxed) {
            turn()?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        // Sessions are closed after this, which is not part of what is measured.
        Ok(Instant::now())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        start.wait();
        let (started, before) = (Instant::now(), processor_time());
        thread::sleep(SLICE);
        over.store(true, Ordering::Relaxed);
        // Turns that were begun are done, and counted; so is their time.
        let mut ended = Ok(started);
        for worker in workers {
            let one = worker.join().unwrap_or_else(|_| Err("a thread panicked".into()));
            ended = ended.and_then(|ended: Instant| Ok(ended.max(one?)));
        }
        let spent = processor_time() - before;
        let done = done.load(Ordering::Relaxed) as f64;
        ended.map(|ended| Slice {
            per_second: done / ended.duration_since(started).as_secs_f64(),
            processor: spent / done,
        })
    })
}

/// Processor time that this process has used, in seconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
