//! Clocks that are passed in, and how moments are written.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Where a program gets the time from, so that tests can set it.
pub trait Clock: Send + Sync + Debug {
    /// The present moment.
    fn now(&self) -> SystemTime;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Whole seconds since 1970-01-01T00:00:00Z; 0 for anything earlier.
pub fn unix_seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The moment `seconds` after 1970-01-01T00:00:00Z, if the platform can represent it.
pub fn from_unix_seconds(seconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// RFC 3339 in UTC with whole seconds, as in `2026-11-22T03:25:00Z`. Moments outside the years 0 to 9999, which
/// RFC 3339 cannot write, come out as `out of range`.
pub fn rfc3339(at: SystemTime) -> String {
    from_unix_seconds(unix_seconds(at))
        .and_then(|whole| OffsetDateTime::from_unix_timestamp(unix_seconds(whole).try_into().ok()?).ok())
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| "out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc_without_fractions() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_317_900_999);
        assert_eq!(rfc3339(at), "2026-11-22T03:25:00Z");
    }

    #[test]
    fn moments_before_1970_count_as_zero() {
        assert_eq!(unix_seconds(SystemTime::UNIX_EPOCH - Duration::from_secs(9)), 0);
    }
}
