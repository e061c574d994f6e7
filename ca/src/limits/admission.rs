//! How many calls are in progress.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use symbolon_api::resource_exhausted;
use symbolon_crypto::random;
use symbolon_tls::grpc::Call;
use tonic::Status;

use super::Source;
use super::source::Key;
use crate::caller::Caller;
use crate::telemetry::CALLS_SHED;

/// However few places there are, one caller may have so many of them.
const FEWEST: usize = 4;
/// Those turned away are asked to wait this long, and up to twice as much longer: they should not come back together.
const PAUSE: Duration = Duration::from_secs(1);
/// Of every so many turned away, one leaves a line in the log.
const LOGGED: u64 = 256;

/// Places for calls.
#[derive(Debug)]
pub(super) struct Admission {
    /// 0: there is no bound.
    places: usize,
    taken: Arc<Mutex<Taken>>,
    turned_away: AtomicU64,
}

/// Who calls, by how much of the server it may have. Each may have what those before it may not touch.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Class {
    /// Whoever has no SVID: a quarter of the places, one address at most an eighth of those.
    Stranger,
    /// Whoever has one: with strangers half of the places, one identity at most an eighth of those.
    Holder,
    /// Agents, by whom workloads live: all places, one agent at most a quarter.
    Agent,
}

#[derive(Debug, Default)]
struct Taken {
    /// By class, in its order.
    of_class: [usize; 3],
    of_key: HashMap<Key, usize>,
}

/// A call's place, given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Place {
    _taking: Option<Taking>,
    /// Its connection is of use for as long.
    _call: Option<Call>,
}

impl Place {
    /// The place of a call on this connection.
    pub(crate) fn with(self, call: Option<Call>) -> Self {
        Self { _call: call, ..self }
    }
}

#[derive(Debug)]
struct Taking {
    taken: Arc<Mutex<Taken>>,
    class: Class,
    key: Key,
}

impl Class {
    fn of(caller: &Caller) -> Self {
        match caller {
            Caller::X509(svid) if svid.spiffe_id.path().starts_with("/spire/agent/") => Self::Agent,
            Caller::X509(_) => Self::Holder,
            Caller::Local { .. } | Caller::Anonymous => Self::Stranger,
        }
    }

    /// How many of the places this class and those below it may have together, and how many one caller of it.
    fn share(self, places: usize) -> (usize, usize) {
        let (share, parts) = match self {
            Self::Stranger => (places.div_ceil(4), 8),
            Self::Holder => (places.div_ceil(2), 8),
            Self::Agent => (places, 4),
        };
        (share, share.div_ceil(parts).max(FEWEST))
    }
}

impl Admission {
    /// That many places; 0 for no bound.
    pub(super) fn new(places: usize) -> Self {
        Self {
            places,
            taken: Arc::default(),
            turned_away: AtomicU64::new(0),
        }
    }

    /// A place for a call of this caller's. Operators on this machine always get one: they may have come to help.
    ///
    /// # Errors
    /// `ResourceExhausted`, with when to come back.
    pub(super) fn enter(&self, caller: &Caller, source: &Source) -> Result<Place, Status> {
        let Source::Remote { key, .. } = source else {
            return Ok(Place::default());
        };
        if self.places == 0 {
            return Ok(Place::default());
        }
        let class = Class::of(caller);
        match lock(&self.taken).take(class, key, self.places) {
            true => Ok(Place {
                _taking: Some(Taking {
                    taken: Arc::clone(&self.taken),
                    class,
                    key: key.clone(),
                }),
                _call: None,
            }),
            false => Err(self.refuse(caller)),
        }
    }

    fn refuse(&self, caller: &Caller) -> Status {
        let places = self.places;
        let turned_away = self.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        if turned_away % LOGGED == 1 {
            tracing::warn!(event = CALLS_SHED, %caller, places, turned_away);
        }
        resource_exhausted(
            format!(
                "the server has {places} calls in progress, or this caller's share of them; ask again later"
            ),
            PAUSE + (2 * PAUSE).mul_f64(dice()),
        )
    }
}

impl Taken {
    /// Takes a place for a caller, if it may have one more.
    fn take(&mut self, class: Class, key: &Key, places: usize) -> bool {
        // A place that this class takes counts for it and for all that may have more.
        let is_full = [Class::Stranger, Class::Holder, Class::Agent]
            .into_iter()
            .zip(&self.of_class)
            .any(|(one, taken)| one >= class && *taken >= one.share(places).0);
        let of_caller = self.of_key.get(key).copied().unwrap_or_default();
        if is_full || of_caller >= class.share(places).1 {
            return false;
        }
        self.count(class, |taken| taken + 1);
        self.of_key.insert(key.clone(), of_caller + 1);
        true
    }

    fn give_back(&mut self, class: Class, key: &Key) {
        self.count(class, |taken| taken.saturating_sub(1));
        if let Some(taken) = self.of_key.get_mut(key) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                self.of_key.remove(key);
            }
        }
    }

    fn count(&mut self, class: Class, change: impl Fn(usize) -> usize) {
        for taken in self.of_class.iter_mut().skip(class as usize) {
            *taken = change(*taken);
        }
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        lock(&self.taken).give_back(self.class, &self.key);
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    // A count that a panic left behind is at worst one too high.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A random number between 0 and 1. Where the system has none the middle one does.
fn dice() -> f64 {
    let mut bytes = [0; 2];
    random::fill(&mut bytes).map_or(0.5, |()| {
        f64::from(u16::from_be_bytes(bytes)) / f64::from(u16::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use symbolon_api::retry_delay;
    use tonic::Code;
    use tonic::codegen::http::Extensions;

    use super::*;
    use crate::caller::tests::x509;

    fn enter(admission: &Admission, caller: &Caller) -> Result<Place, Status> {
        admission.enter(caller, &Source::of(caller, &Extensions::new()))
    }

    fn stranger(admission: &Admission, address: u32) -> Result<Place, Status> {
        let address = Ipv4Addr::from(address).into();
        let key = Key::Network(address);
        admission.enter(&Caller::Anonymous, &Source::Remote { key, address })
    }

    fn agent(number: usize) -> Caller {
        x509(&format!("/spire/agent/x/{number}"))
    }

    fn workload(number: usize) -> Caller {
        x509(&format!("/{number}"))
    }

    #[test]
    fn there_are_so_many_places_and_they_are_given_back() {
        let admission = Admission::new(2);
        let first = enter(&admission, &agent(1)).unwrap();
        let second = enter(&admission, &agent(1)).unwrap();
        let status = enter(&admission, &agent(2)).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let after = retry_delay(&status).unwrap();
        assert!((PAUSE..=3 * PAUSE).contains(&after), "{after:?}");
        enter(&admission, &Caller::Local { pid: None, uid: 0 }).unwrap();
        drop(first);
        let third = enter(&admission, &agent(2)).unwrap();
        drop((second, third));
        let taken = lock(&admission.taken);
        assert_eq!(taken.of_class, [0; 3]);
        assert!(taken.of_key.is_empty(), "who is gone is forgotten");
    }

    #[test]
    fn strangers_leave_room_for_all_and_workloads_for_agents() {
        let admission = Admission::new(8);
        let strangers: Vec<_> = (0..2).map(|one| stranger(&admission, one).unwrap()).collect();
        assert!(stranger(&admission, 3).is_err());
        let workloads: Vec<_> = (0..2)
            .map(|one| enter(&admission, &workload(one)).unwrap())
            .collect();
        assert!(enter(&admission, &workload(3)).is_err(), "half is for agents");
        let agents: Vec<_> = (0..4)
            .map(|one| enter(&admission, &agent(one)).unwrap())
            .collect();
        assert!(enter(&admission, &agent(5)).is_err());
        drop((strangers, workloads, agents));
        // Agents may have everything. A stranger who finds no place among strangers takes none of the others'.
        let all: Vec<_> = (0..8)
            .map(|one| enter(&admission, &agent(one)).unwrap())
            .collect();
        assert_eq!(all.len(), 8);
        assert!(stranger(&admission, 1).is_err());
    }

    #[test]
    fn nobody_takes_the_places_of_its_like() {
        let admission = Admission::new(512);
        let taken_by = |enter: &dyn Fn() -> Result<Place, Status>| {
            let held: Vec<_> = std::iter::from_fn(|| enter().ok()).take(1000).collect();
            let count = held.len();
            (held, count)
        };
        let (strangers, count) = taken_by(&|| stranger(&admission, 1));
        assert_eq!(count, 16, "of 128");
        let (workloads, count) = taken_by(&|| enter(&admission, &workload(1)));
        assert_eq!(count, 32, "of 256");
        let (agents, count) = taken_by(&|| enter(&admission, &agent(1)));
        assert_eq!(count, 128, "of 512");
        for outcome in [
            stranger(&admission, 2),
            enter(&admission, &workload(2)),
            enter(&admission, &agent(2)),
        ] {
            outcome.unwrap();
        }
        drop((strangers, workloads, agents));
    }

    #[test]
    fn without_a_bound_everybody_gets_in() {
        let admission = Admission::new(0);
        let held: Vec<_> = (0..10_000).map(|_| stranger(&admission, 1).unwrap()).collect();
        assert_eq!(held.len(), 10_000);
    }
}
