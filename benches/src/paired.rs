//! Two pieces of work measured in turns, so that what disturbs the machine disturbs both.

use std::time::{Duration, Instant};

/// The median times of two pieces of work and their ratio.
#[derive(Clone, Copy, Debug)]
pub struct Paired {
    /// Median time of the work in question.
    pub work: Duration,
    /// Median time of what it is compared with.
    pub floor: Duration,
    /// The median over all rounds of work ÷ floor within the round.
    pub ratio: f64,
}

/// How often each is run in a round, so that one round is long against the clock's resolution and short against the
/// machine's moods.
const BATCH: u32 = 16;

/// Runs `work` and `floor` in turns for `rounds` rounds, the first of which are not counted.
///
/// # Errors
/// The first error of either.
pub fn measure<E>(
    rounds: usize,
    mut work: impl FnMut() -> Result<(), E>,
    mut floor: impl FnMut() -> Result<(), E>,
) -> Result<Paired, E> {
    let warm_up = rounds / 10 + 1;
    let (mut works, mut floors, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds + warm_up {
        // Whoever goes second finds warm caches; they take turns at that too.
        let (one, other) = if round % 2 == 0 {
            let one = batch(&mut work)?;
            (one, batch(&mut floor)?)
        } else {
            let other = batch(&mut floor)?;
            (batch(&mut work)?, other)
        };
        if round >= warm_up {
            works.push(one);
            floors.push(other);
            ratios.push(one.as_secs_f64() / other.as_secs_f64());
        }
    }
    ratios.sort_by(f64::total_cmp);
    Ok(Paired {
        work: median(&mut works) / BATCH,
        floor: median(&mut floors) / BATCH,
        ratio: ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN),
    })
}

fn batch<E>(work: &mut impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let start = Instant::now();
    for _ in 0..BATCH {
        work()?;
    }
    Ok(start.elapsed())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
