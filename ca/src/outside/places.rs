//! How much is done at a time of what strangers can have done.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use symbolon_tls::grpc::{IpNetwork, client_network, site};

/// How many places there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) all: usize,
    /// Of these, for what calls from the network of one site, unless it is known: whoever has one has as many addresses as it
    /// likes.
    pub(super) of_site: usize,
    /// Of these, for one address.
    pub(super) of_one: usize,
}

/// Places for work that somebody asked for, of which all that call from one address, and from one site, have a part.
#[derive(Clone, Debug)]
pub(super) struct Places {
    share: Share,
    /// Networks of which somebody said whose they are: nobody has as many addresses of them as it likes.
    known: Vec<IpNetwork>,
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
    /// Where it counts.
    site: Option<IpAddr>,
}

impl Places {
    /// That many, and networks that are known.
    pub(super) fn new(share: Share, known: Vec<IpNetwork>) -> Self {
        let taken = Arc::default();
        Self { share, known, taken }
    }

    /// One for somebody who calls from this address, if there is one.
    pub(super) fn take(&self, asking: Option<IpAddr>) -> Option<Place> {
        let asking = asking.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let is_known = self.known.iter().any(|network| network.contains(asking));
        let asking = client_network(asking);
        let site = (!is_known).then(|| site(asking));
        let mut taken = lock(&self.taken);
        let count = |of: &HashMap<IpAddr, usize>, whose| of.get(&whose).copied().unwrap_or_default();
        let of_site = site.map_or(0, |site| count(&taken.of_sites, site));
        let of_one = count(&taken.of_each, asking);
        let Share { all, .. } = self.share;
        if taken.all >= all || of_site >= self.share.of_site || of_one >= self.share.of_one {
            return None;
        }
        taken.all += 1;
        if let Some(site) = site {
            taken.of_sites.insert(site, of_site + 1);
        }
        taken.of_each.insert(asking, of_one + 1);
        Some(Place {
            taken: Arc::clone(&self.taken),
            asking,
            site,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(site) = self.site {
            give_back(&mut taken.of_sites, site);
        }
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
        let share = Share {
            all: 3,
            of_site: 3,
            of_one: 2,
        };
        let places = Places::new(share, Vec::new());
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
        let share = Share {
            all: 4,
            of_site: 2,
            of_one: 1,
        };
        let places = Places::new(share, Vec::new());
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

    #[test]
    fn networks_that_are_known_have_no_share_of_a_site() {
        let share = Share {
            all: 4,
            of_site: 1,
            of_one: 1,
        };
        let places = Places::new(share, vec!["10.0.0.0/25".parse().unwrap()]);
        let take = |address: &str| places.take(Some(address.parse().unwrap()));
        let first = take("10.0.0.1").unwrap();
        let _mapped = take("::ffff:10.0.0.2").unwrap();
        assert!(take("10.0.0.2").is_none(), "one address is one");
        let _beside = take("10.0.0.200").unwrap();
        drop(first);
        assert!(
            take("10.0.0.201").is_none(),
            "what is not in it counts for the site, and nothing else does"
        );
        let _again = take("10.0.0.1").unwrap();
        let _fourth = take("192.0.2.1").unwrap();
        assert!(take("10.0.0.3").is_none(), "there are four");
    }
}
