//! How much is done at a time of what strangers can have done.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::network;

/// Places for work that somebody asked for, of which all that call from one address have a part.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: usize,
    of_one: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// By address, of IPv6 by network.
    of_each: HashMap<IpAddr, usize>,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    asking: IpAddr,
}

impl Places {
    /// That many, and that many of them for one address.
    pub(super) fn new(all: usize, of_one: usize) -> Self {
        let taken = Arc::default();
        Self { all, of_one, taken }
    }

    /// One for somebody who calls from this address, if there is one.
    pub(super) fn take(&self, asking: Option<IpAddr>) -> Option<Place> {
        let asking = network(asking.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
        let mut taken = lock(&self.taken);
        let of_this = taken.of_each.get(&asking).copied().unwrap_or_default();
        if taken.all >= self.all || of_this >= self.of_one {
            return None;
        }
        taken.all += 1;
        taken.of_each.insert(asking, of_this + 1);
        Some(Place {
            taken: Arc::clone(&self.taken),
            asking,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_this) = taken.of_each.get_mut(&self.asking) {
            *of_this = of_this.saturating_sub(1);
            if *of_this == 0 {
                taken.of_each.remove(&self.asking);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    // A count that a panic left behind is at worst one too high.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_all_places_and_all_are_given_back() {
        let places = Places::new(3, 2);
        let take = |address: &str| places.take(Some(address.parse().unwrap()));
        let first = take("2001:db8:1:2::1").unwrap();
        let _second = take("2001:db8:1:2:ffff::9").unwrap();
        assert!(take("2001:db8:1:2::3").is_none(), "one network is one");
        let third = places.take(None).unwrap();
        assert!(take("192.0.2.1").is_none(), "there are three");
        drop(first);
        let fourth = take("2001:db8:1:2::3").unwrap();
        drop((third, fourth));
        assert!(take("192.0.2.1").is_some());
        drop(_second);
        let taken = lock(&places.taken);
        assert!(taken.all == 0 && taken.of_each.is_empty());
    }
}
