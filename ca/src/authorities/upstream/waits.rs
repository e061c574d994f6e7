//! When an upstream that failed is asked again.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use symbolon_pki::suite::Family;

/// The first wait after an upstream failed, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// When each family's upstream is asked again after it failed, and how long the wait after that is.
#[derive(Debug, Default)]
pub(in crate::authorities) struct Waits(std::sync::Mutex<BTreeMap<Family, (SystemTime, Duration)>>);

impl Waits {
    /// Whether a family may ask now.
    pub(in crate::authorities) fn is_over(&self, family: Family, now: SystemTime) -> bool {
        let waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not make it longer.
        waits
            .get(&family)
            .is_none_or(|(until, wait)| now >= *until || now + *wait < *until)
    }

    /// Notes how an attempt ended.
    pub(in crate::authorities) fn note(&self, family: Family, failed: bool, now: SystemTime) {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failed {
            let wait = waits
                .get(&family)
                .map_or(FIRST_WAIT, |(_, wait)| (*wait * 2).min(LONGEST_WAIT));
            waits.insert(family, (now + wait, wait));
        } else {
            waits.remove(&family);
        }
    }
}
