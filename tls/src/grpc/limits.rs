//! How far strangers may get before they have said who they are, all together and each by itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::network::client_network;

/// What a listener of few handshakes bears, too: those who wait cost a descriptor and some memory.
const LEAST_WAITING: usize = 256;

/// Bounds on the connections of a listener whose handshakes are not done yet, and on those whose clients showed no
/// certificate. Whoever did is not counted when that is done.
///
/// A client is told by its IP address; IPv6 addresses count by the 64 bits of their network, since whoever has one of
/// its addresses has all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct IncomingLimits {
    /// Handshakes at a time. Each costs a few signatures. Further clients wait their turn.
    pub handshakes: usize,
    /// Handshakes at a time with one client's address, so that the others get their turn. Half of
    /// [`handshakes`](Self::handshakes) by default.
    pub handshakes_per_address: usize,
    /// Connections on which nothing has come yet, or that wait for their handshake. While there are that many, further
    /// clients wait in the kernel's queue. Eight for each handshake by default, and no fewer than 256.
    pub waiting: usize,
    /// Connections of one client's address that wait or are in their handshake; a further one is closed. A quarter of
    /// [`waiting`](Self::waiting) by default, which leaves room for a site behind one address.
    pub per_address: usize,
    /// Longest wait for a connection's first byte. Clients of TLS speak first. 3 s by default.
    pub first_byte: Duration,
    /// Connections of clients that showed no certificate. For a further one that is closed which has been idle for longest,
    /// of those of the network that has most of them; where that has none that is idle, the further one itself. Four for each
    /// that may wait by default.
    pub strangers: usize,
    /// Such connections of one client's address; a further one is closed after its handshake. A sixteenth of
    /// [`strangers`](Self::strangers) by default.
    pub strangers_per_address: usize,
    /// How long such a connection may be without a [call](super::Calls) that is let in. 10 s by default.
    pub strangers_idle: Duration,
    /// How long it may last with such calls, unless it is kept for one in progress. 2 min by default.
    pub strangers_age: Duration,
}

impl IncomingLimits {
    /// The default limits of a listener that does that many handshakes at a time.
    #[must_use]
    pub const fn new(handshakes: usize) -> Self {
        let handshakes = if handshakes == 0 { 1 } else { handshakes };
        let eight_each = handshakes.saturating_mul(8);
        let waiting = if eight_each < LEAST_WAITING {
            LEAST_WAITING
        } else {
            eight_each
        };
        Self {
            handshakes,
            handshakes_per_address: handshakes.div_ceil(2),
            waiting,
            per_address: waiting / 4,
            first_byte: Duration::from_secs(3),
            strangers: waiting.saturating_mul(4),
            strangers_per_address: waiting.div_ceil(4),
            strangers_idle: Duration::from_secs(10),
            strangers_age: Duration::from_secs(120),
        }
    }
}

/// Who holds how many connections.
#[derive(Debug)]
pub(super) struct Addresses {
    limits: IncomingLimits,
    held: Mutex<HashMap<IpAddr, Held>>,
}

#[derive(Debug)]
struct Held {
    connections: usize,
    handshakes: Arc<Semaphore>,
    /// Whether it was said that there were too many. Once is enough.
    said: bool,
}

/// A connection's place among those of its address, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    addresses: Arc<Addresses>,
    network: IpAddr,
    /// A permit of this for each handshake of the address.
    pub(super) handshakes: Arc<Semaphore>,
}

impl Addresses {
    pub(super) fn new(limits: IncomingLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            held: Mutex::default(),
        })
    }

    /// A place for one more connection from `address`; `None` if it has too many.
    pub(super) fn seat(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let network = client_network(address);
        let mut held = self.lock();
        let of_address = held.entry(network).or_insert_with(|| Held {
            connections: 0,
            handshakes: Arc::new(Semaphore::new(self.limits.handshakes_per_address.max(1))),
            said: false,
        });
        if of_address.connections >= self.limits.per_address.max(1) {
            if !std::mem::replace(&mut of_address.said, true) {
                let allowed = self.limits.per_address;
                tracing::warn!(client = %address, allowed, "too many connections before their handshake; closing more");
            }
            return None;
        }
        of_address.connections += 1;
        Some(Seat {
            addresses: self.clone(),
            network,
            handshakes: of_address.handshakes.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Held>> {
        // A count that a panic left behind is at worst one too high.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.addresses.lock();
        if let Some(of_address) = held.get_mut(&self.network) {
            of_address.connections -= 1;
            if of_address.connections == 0 {
                held.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(per_address: usize) -> Arc<Addresses> {
        Addresses::new(IncomingLimits {
            per_address,
            ..IncomingLimits::new(4)
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_does_not_take_the_seats_of_another() {
        let addresses = addresses(2);
        let first = addresses.seat(ip("192.0.2.1")).unwrap();
        let second = addresses.seat(ip("::ffff:192.0.2.1")).unwrap();
        assert!(addresses.seat(ip("192.0.2.1")).is_none());
        let other = addresses.seat(ip("192.0.2.2")).unwrap();
        drop(first);
        let third = addresses.seat(ip("192.0.2.1")).unwrap();
        assert!(addresses.seat(ip("192.0.2.1")).is_none());
        drop((second, third, other));
        assert!(addresses.lock().is_empty(), "who is gone is forgotten");
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let addresses = addresses(1);
        let _first = addresses.seat(ip("2001:db8:1:2::1")).unwrap();
        assert!(addresses.seat(ip("2001:db8:1:2:ffff::9")).is_none());
        assert!(addresses.seat(ip("2001:db8:1:3::1")).is_some());
    }

    #[test]
    fn no_default_lets_one_address_have_everything() {
        for handshakes in 0..200 {
            let limits = IncomingLimits::new(handshakes);
            assert!(limits.handshakes >= 1 && limits.handshakes_per_address >= 1);
            assert!(limits.handshakes == 1 || limits.handshakes_per_address < limits.handshakes);
            assert!(limits.per_address >= 1 && limits.per_address < limits.waiting);
            assert!(limits.strangers_per_address >= 1 && limits.strangers_per_address < limits.strangers);
        }
    }
}
