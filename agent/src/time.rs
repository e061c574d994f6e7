//! Waiting: by a timer that is passed in, until half of a life is over, and ever longer while something fails.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use symbolon_crypto::random;

/// What the agent waits by, so that tests need not wait.
pub trait Timer: Send + Sync + Debug {
    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The runtime's own timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTimer;

impl Timer for SystemTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A random number. Where the system has none to give it is the middle one, which is as good as any.
pub(crate) fn dice() -> u16 {
    let mut bytes = [0; 2];
    random::fill(&mut bytes).map_or(u16::MAX / 2, |()| u16::from_be_bytes(bytes))
}

/// When something that was obtained at `from` and ends at `until` is to be renewed: at half of its life, give or take a
/// tenth of that as `dice` says, so that what began together does not renew together. Never sooner than a second, so that
/// lives too short to be kept up do not become a loop.
pub(crate) fn renewal_at(from: SystemTime, until: SystemTime, dice: u16) -> SystemTime {
    let half = until.duration_since(from).unwrap_or_default() / 2;
    let earliest = half - half / 10;
    let spread = (half / 5).mul_f64(f64::from(dice) / f64::from(u16::MAX));
    from + (earliest + spread).max(Duration::from_secs(1))
}

/// How long to wait after something failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after this many failures in a row: doubled each time, and cut by up to a quarter as `dice` says, so that the
    /// agents of a server that was away do not come back all at once.
    pub(crate) fn wait(&self, failures: u32, dice: u16) -> Duration {
        let full = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .map_or(self.longest, |factor| self.first.saturating_mul(factor))
            .min(self.longest);
        full - (full / 4).mul_f64(f64::from(dice) / f64::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_is_at_half_life_within_a_tenth() {
        let from = SystemTime::UNIX_EPOCH;
        let until = from + Duration::from_secs(3600);
        let at = |dice| renewal_at(from, until, dice).duration_since(from).unwrap();
        assert_eq!(at(0), Duration::from_secs(1620));
        assert_eq!(at(u16::MAX), Duration::from_secs(1980));
        assert_eq!(
            renewal_at(until, from, 0),
            until + Duration::from_secs(1),
            "no loop"
        );
        for _ in 0..100 {
            let drawn = at(dice());
            assert!(drawn >= at(0) && drawn <= at(u16::MAX));
        }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(480),
        };
        for (failures, full) in [(1, 5), (2, 10), (7, 320), (8, 480), (40, 480), (u32::MAX, 480)] {
            let full = Duration::from_secs(full);
            assert_eq!(backoff.wait(failures, 0), full, "{failures}");
            assert_eq!(backoff.wait(failures, u16::MAX), full - full / 4);
        }
    }
}
