//! The connections of clients that showed no certificate, and whose goes when there are too many.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::calls::Calls;
use super::limits::IncomingLimits;
use super::network::{client_network, site};

/// All of them.
#[derive(Debug)]
pub(super) struct Strangers {
    limits: IncomingLimits,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The number of the next.
    next: u64,
    places: HashMap<u64, Place>,
    /// How many there are of each client.
    of_each: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Place {
    client: IpAddr,
    calls: Calls,
}

/// A connection's place among those of strangers, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Stranger {
    strangers: Arc<Strangers>,
    number: u64,
}

impl Strangers {
    pub(super) fn new(limits: IncomingLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            held: Mutex::default(),
        })
    }

    /// A place for one more connection from `address`, if need be that of another; `None` if its client has too many, or all
    /// have and nobody is idle who could go for it.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, calls: &Calls) -> Option<Stranger> {
        let client = client_network(address);
        let mut held = self.lock();
        let of_client = held.of_each.get(&client).copied().unwrap_or_default();
        if of_client >= self.limits.strangers_per_address.max(1) {
            return None;
        }
        if held.places.len() >= self.limits.strangers.max(1) {
            let goes = held.who_goes(site(client))?;
            let place = held.give_back(goes)?;
            tracing::debug!(client = %place.client, "an idle connection without a certificate makes room for another");
            place.calls.give_up();
        }
        *held.of_each.entry(client).or_default() += 1;
        let number = held.next;
        held.next += 1;
        let calls = calls.clone();
        held.places.insert(number, Place { client, calls });
        Some(Stranger {
            strangers: self.clone(),
            number,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Whose place one from the site `come` takes: the longest idle connection of the site that has most of those that have an
    /// idle one. Whoever wants all places has to be at many sites, and loses its own first; no site takes from one that has
    /// as few.
    fn who_goes(&self, come: IpAddr) -> Option<u64> {
        type LongestIdle = Option<(Instant, u64)>;
        let mut sites: HashMap<IpAddr, (usize, LongestIdle)> = HashMap::new();
        for (number, place) in &self.places {
            let (count, longest) = sites.entry(site(place.client)).or_default();
            *count += 1;
            if let Some(since) = place.calls.idle_since() {
                let this = (since, *number);
                *longest = Some(longest.map_or(this, |other| other.min(this)));
            }
        }
        let own = sites.get(&come).map_or(0, |(count, _)| *count);
        let may_go = sites
            .into_iter()
            .filter(|(site, (count, _))| *site == come || *count > own)
            .filter_map(|(_, (count, longest))| Some((Reverse(count), longest?)));
        let (_, (_, goes)) = may_go.min()?;
        Some(goes)
    }

    /// Takes a place out, if it is still there.
    fn give_back(&mut self, number: u64) -> Option<Place> {
        let place = self.places.remove(&number)?;
        if let Some(of_client) = self.of_each.get_mut(&place.client) {
            *of_client = of_client.saturating_sub(1);
            if *of_client == 0 {
                self.of_each.remove(&place.client);
            }
        }
        Some(place)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Its place may be another's by now.
        let _place = self.strangers.lock().give_back(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers(all: usize, per_address: usize) -> Arc<Strangers> {
        Strangers::new(IncomingLimits {
            strangers: all,
            strangers_per_address: per_address,
            ..IncomingLimits::new(4)
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A stranger with a call in progress.
    fn busy(strangers: &Arc<Strangers>, address: &str) -> (Stranger, super::super::calls::Call) {
        let calls = Calls::default();
        let call = calls.begin();
        (strangers.admit(ip(address), &calls).unwrap(), call)
    }

    fn is_there(stranger: &Stranger) -> bool {
        stranger.strangers.lock().places.contains_key(&stranger.number)
    }

    #[test]
    fn strangers_are_counted_together_and_by_address() {
        let strangers = strangers(3, 2);
        let first = busy(&strangers, "192.0.2.1");
        let second = busy(&strangers, "::ffff:192.0.2.1");
        let one_more = |address| strangers.admit(ip(address), &Calls::default());
        assert!(one_more("192.0.2.1").is_none());
        let third = busy(&strangers, "192.0.2.2");
        assert!(
            one_more("192.0.2.3").is_none(),
            "three of all, and all have calls"
        );
        drop(first);
        let fourth = busy(&strangers, "192.0.2.3");
        drop((second, third, fourth));
        let held = strangers.lock();
        assert!(
            held.places.is_empty() && held.of_each.is_empty(),
            "who is gone is forgotten"
        );
    }

    #[test]
    fn whose_site_has_most_loses_what_is_idle_for_longest() {
        let strangers = strangers(5, 2);
        let one_more = |address| strangers.admit(ip(address), &Calls::default());
        let alone = one_more("192.0.2.1").unwrap();
        // Of one /48, each with a network of its own.
        let with_call = busy(&strangers, "2001:db8:1:1::1");
        let oldest = one_more("2001:db8:1:2::1").unwrap();
        let newer = one_more("2001:db8:1:3::1").unwrap();
        let other = one_more("2001:db8:2::1").unwrap();
        let come = one_more("198.51.100.1").unwrap();
        assert!(!is_there(&oldest));
        for stranger in [&alone, &with_call.0, &newer, &other, &come] {
            assert!(is_there(stranger));
        }
        // What it gave back is not given back again.
        drop(oldest);
        assert_eq!(strangers.lock().places.len(), 5);
        let last = one_more("198.51.101.1").unwrap();
        assert!(!is_there(&newer) && is_there(&last));
        // Now each site has one, and it is the one that did nothing for longest.
        assert!(one_more("203.0.113.1").is_some());
        assert!(!is_there(&alone) && is_there(&other));
    }
    #[test]
    fn where_the_fullest_site_is_busy_the_next_one_makes_room_and_not_for_who_is_busy() {
        let strangers = strangers(5, 2);
        let one_more = |address| strangers.admit(ip(address), &Calls::default());
        let of_fullest = ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"];
        let fullest: Vec<_> = of_fullest
            .into_iter()
            .map(|address| busy(&strangers, address))
            .collect();
        let next = one_more("192.0.2.1").unwrap();
        let last = one_more("192.0.2.2").unwrap();
        // It has more than those whose places it would take.
        assert!(one_more("2001:db8:1:4::1").is_none());
        let come = one_more("198.51.100.1").unwrap();
        assert!(!is_there(&next));
        for stranger in fullest.iter().map(|(stranger, _)| stranger).chain([&last, &come]) {
            assert!(is_there(stranger));
        }
    }
}
