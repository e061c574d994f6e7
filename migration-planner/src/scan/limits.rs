//! Bounds in memory and time.

#[cfg(test)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How much is read, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The largest file read, in bytes.
    pub file_size: u64,
    /// How long the scanners may take over one file, together.
    pub file_time: Duration,
    /// How long one endpoint may take.
    pub endpoint_time: Duration,
    /// How long the whole scan may take; what is left then is counted as timed out.
    pub total_time: Option<Duration>,
    /// How many bytes of files are held in memory at the same time, by all threads together.
    pub in_memory: u64,
    /// The longest path below a target, in bytes.
    pub path_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_size: 32 << 20,
            file_time: Duration::from_secs(10),
            // A hundred connections at ten a second, and slow servers.
            endpoint_time: Duration::from_secs(60),
            total_time: None,
            in_memory: 128 << 20,
            path_len: 4000,
        }
    }
}

/// What is left of the time for one piece.
///
/// This is the monotonic clock, asked directly: it decides when to give up, never what is found.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    until: Instant,
    /// In tests, how many more questions there is time for.
    #[cfg(test)]
    questions: Option<&'static AtomicUsize>,
}

impl Budget {
    /// This much from now on.
    #[must_use]
    pub fn starting_now(time: Duration) -> Self {
        let now = Instant::now();
        // A duration beyond what the clock can count is no bound that anybody will meet.
        Self {
            until: now
                .checked_add(time)
                .unwrap_or_else(|| now + Duration::from_secs(1 << 30)),
            #[cfg(test)]
            questions: None,
        }
    }

    /// One that is used up after so many questions whether it is, however long they take.
    #[cfg(test)]
    pub(crate) fn of_questions(count: usize) -> Self {
        Self {
            questions: Some(Box::leak(Box::new(AtomicUsize::new(count)))),
            ..Self::starting_now(Duration::MAX)
        }
    }

    /// Whether it is used up. Scanners ask between steps that may be long.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        #[cfg(test)]
        if let Some(questions) = self.questions {
            let one_less = |left: usize| left.checked_sub(1);
            return questions
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_err();
        }
        Instant::now() >= self.until
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}
