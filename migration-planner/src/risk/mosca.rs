//! Mosca's inequality, once for what must stay secret and once for what must be believed.
//!
//! With X the time for which something must hold, Y the time that moving it takes and Z the time until a quantum
//! computer is there, it is too late when X + Y > Z. As days: it must have moved by Z − X, so somebody must start
//! by Z − X − Y.

use std::sync::Arc;

use serde::Serialize;

use super::Day;
use super::catalogue::Scenario;
use super::purpose::Purpose;

/// For how long something must hold, and why.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Shelf {
    /// Months.
    pub months: u32,
    /// Where the number comes from.
    pub because: Arc<str>,
}

/// The inequality for one scenario, with all that went into it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Mosca {
    /// The scenario, by id.
    pub scenario: Arc<str>,
    /// What decides: what must stay secret, or what must be believed.
    pub purpose: Purpose,
    /// X, in months.
    pub shelf_months: u32,
    /// Y, in months.
    pub migration_months: u32,
    /// Z, as a day.
    pub arrives: Day,
    /// The day by which it must have moved: Z − X.
    pub done_by: Day,
    /// The day by which somebody must start: Z − X − Y.
    pub start_by: Day,
    /// Days by which a start today is too late; negative when there is time left.
    pub late_days: i64,
}

impl Mosca {
    /// Whether a start today is too late.
    #[must_use]
    pub const fn is_late(&self) -> bool {
        self.late_days > 0
    }
}

/// The inequality for this scenario, where `confidentiality` or `signatures` may not be at stake. The one that must
/// be done first decides; `None` when neither is.
#[must_use]
pub fn mosca(
    scenario: &Scenario,
    today: Day,
    confidentiality: Option<&Shelf>,
    signatures: Option<&Shelf>,
    migration_months: u32,
) -> Option<Mosca> {
    let secret = confidentiality.map(|shelf| (shelf.months, Purpose::KeyEstablishment));
    let believed = signatures.map(|shelf| (shelf.months, Purpose::Signature));
    // Of two that are equal, secrecy decides: it cannot be mended afterwards.
    let (shelf_months, purpose) = match (secret, believed) {
        (Some(secret), Some(believed)) if believed.0 > secret.0 => believed,
        (Some(secret), _) => secret,
        (None, believed) => believed?,
    };
    let done_by = scenario.arrives.plus_months(-i64::from(shelf_months));
    let start_by = done_by.plus_months(-i64::from(migration_months));
    Some(Mosca {
        scenario: Arc::from(scenario.id.as_str()),
        purpose,
        shelf_months,
        migration_months,
        arrives: scenario.arrives,
        done_by,
        start_by,
        late_days: start_by.days_until(today),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::catalogue::{Confidence, Source};

    fn scenario(arrives: &str) -> Scenario {
        Scenario {
            id: "test".to_owned(),
            name: "test".to_owned(),
            arrives: arrives.parse().unwrap(),
            why: String::new(),
            source: Source {
                title: "test".to_owned(),
                url: "https://example.org/".to_owned(),
            },
            verified_on: "2026-11-22".parse().unwrap(),
            confidence: Confidence::Primary,
        }
    }

    fn shelf(months: u32) -> Shelf {
        Shelf {
            months,
            because: Arc::from("test"),
        }
    }

    fn today() -> Day {
        "2026-11-22".parse().unwrap()
    }

    #[test]
    fn the_day_itself_is_not_too_late() {
        // X + Y = Z to the day: one may start today, but not tomorrow.
        let exactly = mosca(&scenario("2029-11-22"), today(), Some(&shelf(24)), None, 12).unwrap();
        assert_eq!((exactly.late_days, exactly.is_late()), (0, false));
        assert_eq!(exactly.start_by, today());
        let a_day_less = mosca(&scenario("2029-11-21"), today(), Some(&shelf(24)), None, 12).unwrap();
        assert_eq!((a_day_less.late_days, a_day_less.is_late()), (1, true));
    }

    #[test]
    fn what_must_hold_longer_decides() {
        let both = mosca(
            &scenario("2040-01-01"),
            today(),
            Some(&shelf(12)),
            Some(&shelf(120)),
            6,
        )
        .unwrap();
        assert_eq!((both.purpose, both.shelf_months), (Purpose::Signature, 120));
        let equal = mosca(
            &scenario("2040-01-01"),
            today(),
            Some(&shelf(12)),
            Some(&shelf(12)),
            6,
        )
        .unwrap();
        assert_eq!(equal.purpose, Purpose::KeyEstablishment);
        assert_eq!(mosca(&scenario("2040-01-01"), today(), None, None, 6), None);
    }

    #[test]
    fn nothing_to_keep_and_no_work_leave_all_the_time() {
        let live = mosca(&scenario("2035-01-01"), today(), None, Some(&shelf(0)), 0).unwrap();
        assert_eq!((live.done_by, live.start_by), (live.arrives, live.arrives));
        assert!(!live.is_late());
    }

    #[test]
    fn a_computer_that_is_there_already_makes_everything_late() {
        let there = mosca(&scenario("2020-01-01"), today(), None, Some(&shelf(0)), 0).unwrap();
        assert!(there.is_late());
    }

    #[test]
    fn a_month_ends_where_it_ends() {
        let leap = mosca(&scenario("2032-02-29"), today(), Some(&shelf(12)), None, 0).unwrap();
        assert_eq!(leap.done_by, "2031-02-28".parse().unwrap());
        let for_ever = mosca(
            &scenario("2035-01-01"),
            today(),
            Some(&shelf(u32::MAX)),
            None,
            u32::MAX,
        )
        .unwrap();
        assert!(for_ever.is_late());
    }
}
