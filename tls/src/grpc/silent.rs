//! Who of the trusted proxies was said to say nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::network::client_network;

/// How long it is enough to have said so of one.
const ENOUGH: Duration = Duration::from_secs(10 * 60);
/// Of how many that is known at a time.
const MOST: usize = 1024;

/// When it was last said of whom.
#[derive(Debug, Default)]
pub(super) struct SilentProxies(Mutex<HashMap<IpAddr, Instant>>);

impl SilentProxies {
    /// Whether it is to be said of this one now, and counts as said then.
    pub(super) fn is_news(&self, address: IpAddr, now: Instant) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_enough = |last: &Instant| now.saturating_duration_since(*last) < ENOUGH;
        let proxy = client_network(address);
        if said.get(&proxy).is_some_and(is_enough) {
            return false;
        }
        if said.len() >= MOST {
            said.retain(|_, last| is_enough(last));
        }
        let has_room = said.len() < MOST;
        if has_room {
            said.insert(proxy, now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn each_is_said_once_in_ten_minutes() {
        let (proxies, start) = (SilentProxies::default(), Instant::now());
        let news = |address: &str, seconds| {
            proxies.is_news(address.parse().unwrap(), start + Duration::from_secs(seconds))
        };
        assert!(news("192.0.2.1", 0));
        assert!(!news("192.0.2.1", 0) && !news("::ffff:192.0.2.1", 599));
        // One that is checked for its health does not hide the others.
        assert!(news("192.0.2.2", 1));
        assert!(news("2001:db8::1", 1) && !news("2001:db8::2", 2));
        assert!(news("192.0.2.1", 600) && !news("192.0.2.1", 1199) && news("192.0.2.1", 1200));
    }

    #[test]
    fn not_more_is_kept_than_may_be() {
        let (proxies, start) = (SilentProxies::default(), Instant::now());
        let address = |number: usize| Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into();
        for number in 0..MOST {
            assert!(proxies.is_news(address(number), start));
        }
        assert!(!proxies.is_news(address(MOST), start));
        assert!(proxies.is_news(address(MOST), start + ENOUGH));
        assert_eq!(proxies.0.lock().unwrap().len(), 1);
    }
}
