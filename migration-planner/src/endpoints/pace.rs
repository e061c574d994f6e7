//! No host is contacted more often than agreed, however many endpoints of it were named.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::scan::Budget;

/// When each host may be contacted next.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Mutex<HashMap<IpAddr, Instant>>,
}

impl Pace {
    /// So many connections a second to one host; at least one.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            next: Mutex::new(HashMap::new()),
        }
    }

    /// Waits for this host's turn. `false`, without waiting, when it comes after the budget's end.
    pub(super) fn wait(&self, host: IpAddr, budget: Budget) -> bool {
        let Some(wait) = self.turn(host, Instant::now(), budget.left()) else {
            return false;
        };
        std::thread::sleep(wait);
        true
    }

    /// How long to wait from `now` on; the turn is taken.
    fn turn(&self, host: IpAddr, now: Instant, longest: Duration) -> Option<Duration> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.retain(|_, at| *at > now);
        let at = next.get(&host).copied().unwrap_or(now);
        let wait = at.saturating_duration_since(now);
        if wait >= longest {
            return None;
        }
        next.insert(host, at.max(now) + self.interval);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_its_own_turn() {
        let pace = Pace::new(10);
        let now = Instant::now();
        let hosts: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        let long = Duration::from_secs(60);
        let millis = |wait: Option<Duration>| wait.map(|wait| wait.as_millis());
        assert_eq!(millis(pace.turn(hosts[0], now, long)), Some(0));
        assert_eq!(millis(pace.turn(hosts[0], now, long)), Some(100));
        assert_eq!(millis(pace.turn(hosts[0], now, long)), Some(200));
        assert_eq!(millis(pace.turn(hosts[1], now, long)), Some(0));
        // What does not fit into the budget takes no turn.
        assert_eq!(pace.turn(hosts[0], now, Duration::from_millis(300)), None);
        assert_eq!(millis(pace.turn(hosts[0], now, long)), Some(300));
        // Time that passed is not saved up.
        let later = now + Duration::from_secs(5);
        assert_eq!(millis(pace.turn(hosts[0], later, long)), Some(0));
        assert_eq!(millis(pace.turn(hosts[0], later, long)), Some(100));
    }
}
