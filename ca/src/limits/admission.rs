//! How many calls are in progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use symbolon_api::resource_exhausted;
use symbolon_crypto::random;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use crate::caller::Caller;
use crate::telemetry::CALLS_SHED;

/// Those without an SVID may hold one place in so many, so that they never keep agents from theirs.
const STRANGERS: usize = 4;
/// Those turned away are asked to wait this long, and up to twice as much longer: they should not come back together.
const PAUSE: Duration = Duration::from_secs(1);
/// Of every so many turned away, one leaves a line in the log.
const LOGGED: u64 = 256;

/// Places for calls.
#[derive(Debug)]
pub(super) struct Admission {
    /// `None`: there is no bound.
    places: Option<Places>,
    turned_away: AtomicU64,
}

#[derive(Debug)]
struct Places {
    count: usize,
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

/// A call's place, given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Place {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Admission {
    /// That many places; 0 for no bound.
    pub(super) fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        let places = (count > 0).then(|| Places {
            count,
            all: Arc::new(Semaphore::new(count)),
            strangers: Arc::new(Semaphore::new(count.div_ceil(STRANGERS))),
        });
        Self {
            places,
            turned_away: AtomicU64::new(0),
        }
    }

    /// A place for a call of this caller's. Operators on this machine always get one: they may have come to help.
    ///
    /// # Errors
    /// `ResourceExhausted`, with when to come back.
    pub(super) fn enter(&self, caller: &Caller) -> Result<Place, Status> {
        let (Some(places), false) = (&self.places, matches!(caller, Caller::Local { .. })) else {
            return Ok(Place::default());
        };
        let mut wanted = vec![&places.all];
        if matches!(caller, Caller::Anonymous) {
            wanted.push(&places.strangers);
        }
        let permits = wanted
            .into_iter()
            .map(|places| Arc::clone(places).try_acquire_owned());
        match permits.collect() {
            Ok(permits) => Ok(Place { _permits: permits }),
            Err(_) => Err(self.refuse(places.count, caller)),
        }
    }

    fn refuse(&self, places: usize, caller: &Caller) -> Status {
        let turned_away = self.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        if turned_away % LOGGED == 1 {
            tracing::warn!(event = CALLS_SHED, %caller, places, turned_away);
        }
        resource_exhausted(
            format!(
                "the server has {places} calls in progress, or its share for callers without an SVID; ask again later"
            ),
            PAUSE + (2 * PAUSE).mul_f64(dice()),
        )
    }
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
    use symbolon_api::retry_delay;
    use tonic::Code;

    use super::*;
    use crate::caller::tests::x509;

    const LOCAL: Caller = Caller::Local { pid: None, uid: 0 };

    #[test]
    fn there_are_so_many_places_and_they_are_given_back() {
        let admission = Admission::new(2);
        let agent = x509("/spire/agent/x/a");
        let first = admission.enter(&agent).unwrap();
        let _second = admission.enter(&agent).unwrap();
        let status = admission.enter(&agent).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let after = retry_delay(&status).unwrap();
        assert!((PAUSE..=3 * PAUSE).contains(&after), "{after:?}");
        admission.enter(&LOCAL).unwrap();
        drop(first);
        admission.enter(&agent).unwrap();
    }

    #[test]
    fn strangers_leave_room_for_agents() {
        let admission = Admission::new(8);
        let held: Vec<_> = (0..2)
            .map(|_| admission.enter(&Caller::Anonymous).unwrap())
            .collect();
        assert!(admission.enter(&Caller::Anonymous).is_err());
        let agents: Vec<_> = (0..6).map(|_| admission.enter(&x509("/a")).unwrap()).collect();
        assert!(admission.enter(&x509("/a")).is_err());
        drop((held, agents));
        // A stranger who finds no place among strangers takes none of the others'.
        let all: Vec<_> = (0..8).map(|_| admission.enter(&x509("/a")).unwrap()).collect();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn without_a_bound_everybody_gets_in() {
        let admission = Admission::new(0);
        let held: Vec<_> = (0..10_000)
            .map(|_| admission.enter(&Caller::Anonymous).unwrap())
            .collect();
        assert_eq!(held.len(), 10_000);
    }
}
