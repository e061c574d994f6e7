//! Counts that all threads add to, and what they say about how far a scan is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Snapshot;

/// What all threads counted together.
#[derive(Debug, Default)]
pub(super) struct Counts {
    files: AtomicU64,
    unchanged: AtomicU64,
    bytes: AtomicU64,
    places: AtomicU64,
    unread: AtomicU64,
    contacts: AtomicU64,
    /// The share that is done, in units of 2⁻⁵² of the whole.
    done: AtomicU64,
}

/// What one thread counted since it last told the others: every count of its own would make the processors fight.
#[derive(Debug, Default)]
pub(super) struct Since {
    pub(super) files: u64,
    pub(super) unchanged: u64,
    pub(super) bytes: u64,
    pub(super) places: u64,
    pub(super) unread: u64,
    pub(super) contacts: u64,
    pub(super) done: f64,
}

const WHOLE: f64 = 4_503_599_627_370_496.0;

impl Counts {
    pub(super) fn add(&self, since: &mut Since) {
        let since = std::mem::take(since);
        // A share is between 0 and 1, so the product fits.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 2^52"
        )]
        let done = (since.done.clamp(0.0, 1.0) * WHOLE) as u64;
        let pairs = [
            (&self.files, since.files),
            (&self.unchanged, since.unchanged),
            (&self.bytes, since.bytes),
            (&self.places, since.places),
            (&self.unread, since.unread),
            (&self.contacts, since.contacts),
            (&self.done, done),
        ];
        for (count, more) in pairs.into_iter().filter(|(_, more)| *more > 0) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(super) fn snapshot(&self, elapsed: Duration) -> Snapshot {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
        let done = (of(&self.done) as f64 / WHOLE).clamp(0.0, 1.0);
        // Too early, the estimate is worth nothing.
        let remaining = (done > 0.01 && elapsed > Duration::from_secs(1))
            .then(|| Duration::try_from_secs_f64(elapsed.as_secs_f64() * (1.0 - done) / done).ok())
            .flatten();
        Snapshot {
            files: of(&self.files),
            unchanged: of(&self.unchanged),
            bytes: of(&self.bytes),
            places: of(&self.places),
            unread: of(&self.unread),
            contacts: of(&self.contacts),
            done,
            elapsed,
            remaining,
        }
    }
}
