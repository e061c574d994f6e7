//! Days of the calendar, the only measure of time that risk and roadmap need.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Date, Month};

/// A day, written `2026-11-22`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Day(Date);

/// Why a text is no day.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no day: write it as 2026-11-22")]
pub struct DayError(String);

impl Day {
    /// The last day that can be told, 9999-12-31: whatever lies behind it is written as it.
    pub const LAST: Self = Self(Date::MAX);

    /// The first day that can be told, 0001-01-01: whatever lies before it is written as it.
    pub const FIRST: Self = Self(match Date::from_ordinal_date(1, 1) {
        Ok(day) => day,
        Err(_) => Date::MIN,
    });

    /// The day of this moment, in UTC.
    #[must_use]
    pub fn of(moment: std::time::SystemTime) -> Self {
        Self(time::OffsetDateTime::from(moment).date())
    }

    /// This year, month (1 to 12) and day, if there is such a day.
    #[must_use]
    pub fn new(year: i32, month: u8, day: u8) -> Option<Self> {
        let month = Month::try_from(month).ok()?;
        Date::from_calendar_date(year, month, day).ok().map(Self)
    }

    /// The day of a moment as inventories have it (RFC 3339), whatever follows the date.
    #[must_use]
    pub fn of_rfc3339(text: &str) -> Option<Self> {
        text.get(..10)?.parse().ok()
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i32 {
        self.0.year()
    }

    /// So many months later (or earlier): the same day of the month, or the month's last if it has no such day.
    /// Beyond the calendar it is its first or last day.
    #[must_use]
    pub fn plus_months(self, months: i64) -> Self {
        let here = i64::from(self.0.year()) * 12 + i64::from(u8::from(self.0.month())) - 1;
        let there = here.saturating_add(months);
        let (year, month) = (there.div_euclid(12), there.rem_euclid(12) + 1);
        let (Ok(year), Ok(month)) = (i32::try_from(year), u8::try_from(month)) else {
            return if months < 0 { Self::FIRST } else { Self::LAST };
        };
        if year < 1 {
            return Self::FIRST;
        }
        (1..=self.0.day())
            .rev()
            .find_map(|day| Self::new(year, month, day))
            .unwrap_or(if months < 0 { Self::FIRST } else { Self::LAST })
    }

    /// How many days from here to there; negative when it has passed.
    #[must_use]
    pub fn days_until(self, there: Self) -> i64 {
        (there.0 - self.0).whole_days()
    }

    /// How many whole months from here to there, 0 when it has passed.
    #[must_use]
    pub fn months_until(self, there: Self) -> u32 {
        if there <= self {
            return 0;
        }
        let months = |day: Self| i64::from(day.0.year()) * 12 + i64::from(u8::from(day.0.month()));
        let mut count = months(there) - months(self);
        if self.plus_months(count) > there {
            count -= 1;
        }
        u32::try_from(count).unwrap_or(0)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let wrong = || DayError(text.to_owned());
        let mut parts = text.split('-');
        let mut part = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            part.bytes().all(|byte| byte.is_ascii_digit()).then_some(part)
        };
        let year = part(4).and_then(|year| year.parse().ok()).ok_or_else(wrong)?;
        let month = part(2).and_then(|month| month.parse().ok()).ok_or_else(wrong)?;
        let day = part(2).and_then(|day| day.parse().ok()).ok_or_else(wrong)?;
        if parts.next().is_some() {
            return Err(wrong());
        }
        Self::new(year, month, day).ok_or_else(wrong)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn months_end_where_months_end() {
        assert_eq!(day("2028-02-29").plus_months(12), day("2029-02-28"));
        assert_eq!(day("2028-02-29").plus_months(48), day("2032-02-29"));
        assert_eq!(day("2026-11-30").plus_months(3), day("2027-02-28"));
        assert_eq!(day("2026-11-30").plus_months(-9), day("2026-02-28"));
        assert_eq!(day("2026-01-15").plus_months(-1), day("2025-12-15"));
        assert_eq!(day("2026-11-22").plus_months(1_000_000), Day::LAST);
        assert_eq!(Day::LAST.plus_months(i64::MAX), Day::LAST);
        assert_eq!(day("2035-01-01").plus_months(-95_676), Day::FIRST);
        assert_eq!(Day::LAST.plus_months(i64::MIN), Day::FIRST);
        assert_eq!(
            Day::FIRST.to_string().parse(),
            Ok(Day::FIRST),
            "it can be read back"
        );
    }

    #[test]
    fn spans_are_whole() {
        assert_eq!(day("2026-11-22").months_until(day("2027-11-21")), 11);
        assert_eq!(day("2026-11-22").months_until(day("2027-11-22")), 12);
        assert_eq!(day("2026-11-22").months_until(day("2026-01-01")), 0);
        assert_eq!(day("2028-02-28").days_until(day("2028-03-01")), 2);
        assert_eq!(day("2027-02-28").days_until(day("2027-03-01")), 1);
    }

    #[test]
    fn only_days_are_days() {
        for text in [
            "2026-02-30",
            "2026-13-01",
            "26-01-01",
            "2026-1-1",
            "2026-01-01-",
            "2026/01/01",
            "",
            "+026-01-01",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert_eq!(Day::of_rfc3339("2031-12-31T23:59:59Z"), Some(day("2031-12-31")));
        assert_eq!(Day::of_rfc3339("never"), None);
        assert_eq!(day("2026-11-22").to_string(), "2026-11-22");
    }
}
