//! A rate for each of many callers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::source::Key;

/// Most callers that are kept in mind. Those who asked for nothing lately are forgotten before.
const MOST_CALLERS: usize = 65_536;
/// How many are kept in mind before the first look for some to forget.
const FIRST_LOOK: usize = 1024;

/// Why a caller cannot have what it asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    /// It could not have so much at once, however long it waited.
    TooMany {
        /// The most.
        burst: usize,
    },
    /// Its turn would come too late.
    Later {
        /// When it would come.
        wait: Duration,
        /// How much it may have in a second.
        rate: u32,
    },
    /// There are more callers than can be kept in mind.
    Crowded,
}

/// The rate of one kind of work, for each caller by itself: so many a second, and as many at once.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: u32,
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// When each caller will have paid for all it was given (the generic cell rate algorithm). A moment that is past says
    /// as much as none.
    paid: HashMap<Key, Instant>,
    look_at: usize,
    /// When it was last looked for some to forget.
    looked: Option<Instant>,
}

impl Buckets {
    /// So many a second; 0 for any number.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate,
            shared: Mutex::new(Shared {
                paid: HashMap::new(),
                look_at: FIRST_LOOK,
                looked: None,
            }),
        }
    }

    /// Gives `count` to a caller who asks at the moment `now` and is prepared to wait. Returns how long it has to; whoever
    /// leaves before has had them all the same.
    ///
    /// # Errors
    /// [`Refusal`]. Nothing was given then.
    pub(super) fn take(
        &self,
        key: &Key,
        count: usize,
        now: Instant,
        patience: Duration,
    ) -> Result<Duration, Refusal> {
        if self.rate == 0 || count == 0 {
            return Ok(Duration::ZERO);
        }
        let burst = usize::try_from(self.rate).unwrap_or(usize::MAX);
        let Some(price) = u32::try_from(count)
            .ok()
            .filter(|_| count <= burst)
            .map(|count| Duration::from_secs(u64::from(count)) / self.rate)
        else {
            return Err(Refusal::TooMany { burst });
        };
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = shared.paid.get(key).copied().unwrap_or(now).max(now) + price;
        // A second's worth is given on credit.
        let wait = paid
            .saturating_duration_since(now)
            .saturating_sub(Duration::from_secs(1));
        if wait > patience {
            let rate = self.rate;
            return Err(Refusal::Later { wait, rate });
        }
        match shared.paid.get_mut(key) {
            // It has its room.
            Some(known) => *known = paid,
            None => {
                shared.make_room(now)?;
                shared.paid.insert(key.clone(), paid);
            }
        }
        Ok(wait)
    }
}

impl Shared {
    fn make_room(&mut self, now: Instant) -> Result<(), Refusal> {
        if self.paid.len() < self.look_at {
            return Ok(());
        }
        // A crowd that nobody leaves is not gone through again for each who would join it.
        let is_recent = |at: Instant| now.saturating_duration_since(at) < Duration::from_secs(1);
        if self.paid.len() >= MOST_CALLERS && self.looked.is_some_and(is_recent) {
            return Err(Refusal::Crowded);
        }
        self.looked = Some(now);
        self.paid.retain(|_, paid| *paid > now);
        if self.paid.len() >= MOST_CALLERS {
            return Err(Refusal::Crowded);
        }
        self.look_at = (2 * self.paid.len()).clamp(FIRST_LOOK, MOST_CALLERS);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn key(number: u32) -> Key {
        Key::Network(Ipv4Addr::from(number).into())
    }

    const NO_WAIT: Duration = Duration::ZERO;
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_second_s_worth_comes_at_once_and_then_as_time_passes() {
        let buckets = Buckets::new(5);
        let start = Instant::now();
        for _ in 0..5 {
            assert_eq!(buckets.take(&key(1), 1, start, NO_WAIT), Ok(NO_WAIT));
        }
        let later = Refusal::Later {
            wait: SECOND / 5,
            rate: 5,
        };
        assert_eq!(buckets.take(&key(1), 1, start, NO_WAIT), Err(later));
        assert_eq!(
            buckets.take(&key(2), 5, start, NO_WAIT),
            Ok(NO_WAIT),
            "another caller"
        );
        assert_eq!(buckets.take(&key(1), 1, start + SECOND / 5, NO_WAIT), Ok(NO_WAIT));
        assert_eq!(buckets.take(&key(1), 5, start + 3 * SECOND, NO_WAIT), Ok(NO_WAIT));
    }

    #[test]
    fn whoever_can_wait_is_told_how_long_and_keeps_its_turn() {
        let buckets = Buckets::new(1);
        let start = Instant::now();
        let take = || buckets.take(&key(1), 1, start, 2 * SECOND);
        assert_eq!(take(), Ok(NO_WAIT));
        assert_eq!(take(), Ok(SECOND));
        assert_eq!(take(), Ok(2 * SECOND));
        let later = Refusal::Later {
            wait: 3 * SECOND,
            rate: 1,
        };
        assert_eq!(take(), Err(later));
        assert_eq!(take(), Err(later), "a refusal costs nothing");
    }

    #[test]
    fn what_never_could_be_given_is_refused_outright() {
        let buckets = Buckets::new(500);
        let now = Instant::now();
        for count in [501, usize::MAX] {
            assert_eq!(
                buckets.take(&key(1), count, now, SECOND),
                Err(Refusal::TooMany { burst: 500 })
            );
        }
        assert_eq!(buckets.take(&key(1), 500, now, NO_WAIT), Ok(NO_WAIT));
        assert_eq!(
            Buckets::new(0).take(&key(1), usize::MAX, now, NO_WAIT),
            Ok(NO_WAIT)
        );
    }

    #[test]
    fn callers_who_went_are_forgotten_and_a_crowd_is_bounded() {
        let buckets = Buckets::new(1);
        let start = Instant::now();
        for number in 0..200_000 {
            let at = start + Duration::from_millis(u64::from(number));
            buckets.take(&key(number), 1, at, NO_WAIT).unwrap();
        }
        assert!(buckets.shared.lock().unwrap().paid.len() < 4 * FIRST_LOOK);
        let crowd = Buckets::new(1);
        let met = (0..200_000).filter(|number| crowd.take(&key(*number), 1, start, NO_WAIT).is_ok());
        assert_eq!(met.count(), MOST_CALLERS);
        assert_eq!(
            crowd.take(&key(1), 1, start, SECOND),
            Ok(SECOND),
            "who is known is not turned away"
        );
        assert_eq!(crowd.take(&key(1), 1, start + 9 * SECOND, NO_WAIT), Ok(NO_WAIT));
    }
}
