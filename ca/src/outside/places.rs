//! How much is done at a time of what strangers can have done.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use symbolon_tls::grpc::{client_network, site};

/// How many places there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) all: usize,
    /// Of these, for what calls from the network of one site: whoever has one has as many addresses as it likes.
    pub(super) of_site: usize,
    /// Of these, for one address.
    pub(super) of_one: usize,
}

/// Places for work that somebody asked for, of which all that call from one address, and from one site, have a part.
#[derive(Clone, Debug)]
pub(super) struct Places {
    share: Share,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// By site.
    of_sites: HashMap<IpAddr, usize>,
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
    /// That many.
    pub(super) fn new(share: Share) -> Self {
        let taken = Arc::default();
        Self { share, taken }
    }

    /// One for somebody who calls from this address, if there is one.
    pub(super) fn take(&self, asking: Option<IpAddr>) -> Option<Place> {
        let asking = client_network(asking.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
        let mut taken = lock(&self.taken);
        let count = |of: &HashMap<IpAddr, usize>, whose| of.get(&whose).copied().unwrap_or_default();
        let of_site = count(&taken.of_sites, site(asking));
        let of_one = count(&taken.of_each, asking);
        let Share { all, .. } = self.share;
        if taken.all >= all || of_site >= self.share.of_site || of_one >= self.share.of_one {
            return None;
        }
        taken.all += 1;
        taken.of_sites.insert(site(asking), of_site + 1);
        taken.of_each.insert(asking, of_one + 1);
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
        give_back(&mut taken.of_sites, site(self.asking));
        give_back(&mut taken.of_each, self.asking);
    }
}

fn give_back(of: &mut HashMap<IpAddr, usize>, whose: IpAddr) {
    if let Some(count) = of.get_mut(&whose) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            of.remove(&whose);
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
        let places = Places::new(Share {
            all: 3,
            of_site: 3,
            of_one: 2,
        });
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
        assert!(taken.all == 0 && taken.of_each.is_empty() && taken.of_sites.is_empty());
    }

    #[test]
    fn a_site_has_no_more_for_having_many_addresses() {
        let places = Places::new(Share {
            all: 4,
            of_site: 2,
            of_one: 1,
        });
        let take = |address: &str| places.take(Some(address.parse().unwrap()));
        for (of_site, elsewhere) in [
            (["192.0.2.1", "192.0.2.2", "192.0.2.3"], "198.51.100.1"),
            (
                ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"],
                "2001:db8:2:1::1",
            ),
        ] {
            let [first, second, third] = of_site;
            let first = take(first).unwrap();
            let _second = take(second).unwrap();
            assert!(take(third).is_none(), "{third}");
            assert!(take(elsewhere).is_some(), "{elsewhere}");
            drop(first);
            assert!(take(third).is_some(), "{third}: there is room again");
        }
    }
}
