//! Which SVIDs are wanted, and when each is due: a bounded table.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;

use super::{Entry, Issued, SvidProblem, WorkloadSvid};
use crate::server::CallError;
use crate::time::Backoff;

/// No SVID is fetched twice within this time, or within half of its life where that is shorter, so that a server whose
/// answers do not help is not asked in a loop.
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);

/// An entry and a form.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    pub(super) entry_id: String,
    pub(super) form: Form,
}

impl Key {
    pub(super) fn new(entry_id: &str, form: Form) -> Self {
        Self {
            entry_id: entry_id.to_owned(),
            form,
        }
    }
}

/// Held by whoever is using an SVID: it is not given up for another meanwhile.
pub(crate) type Lease = Arc<()>;

/// A time in which nothing is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Pause {
    from: SystemTime,
    until: SystemTime,
}

/// One wanted SVID.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) svid: Option<Arc<WorkloadSvid>>,
    /// The first half of a pair whose second could not be had, for the next try.
    pub(super) first: Option<Arc<Issued>>,
    /// When it was last asked for, counted in questions; 0 if nobody did.
    asked_for: u64,
    lease: Lease,
    failures: u32,
    pause: Option<Pause>,
    pub(super) problem: Option<Arc<SvidProblem>>,
}

impl Slot {
    /// When the next one is to be fetched.
    pub(super) fn due_at(&self, entry: &Entry, bundle: &TrustBundle, now: SystemTime) -> SystemTime {
        let natural = match &self.svid {
            Some(svid) if svid.version == entry.version && svid.stands_by(bundle) => svid.renew_at,
            _ => SystemTime::UNIX_EPOCH,
        };
        // A pause that has yet to begin is from before the clock was set back, and could last for ever.
        match self.pause {
            Some(pause) if pause.from <= now => pause.until.max(natural),
            _ => natural,
        }
    }

    pub(super) fn put(&mut self, svid: Arc<WorkloadSvid>, now: SystemTime) {
        let renewal_in = svid.renew_at.duration_since(now).unwrap_or_default();
        *self = Self {
            svid: Some(svid),
            first: None,
            asked_for: self.asked_for,
            lease: self.lease.clone(),
            failures: 0,
            pause: Some(Pause {
                from: now,
                until: now + renewal_in.min(SHORTEST_PAUSE),
            }),
            problem: None,
        };
    }

    pub(super) fn fail(&mut self, problem: SvidProblem, now: SystemTime, backoff: Backoff, dice: u16) {
        self.failures = self.failures.saturating_add(1);
        let wanted = problem.retry_delay().unwrap_or_default().min(backoff.longest);
        self.pause = Some(Pause {
            from: now,
            until: now + backoff.wait(self.failures, dice).max(wanted),
        });
        self.problem = Some(Arc::new(problem));
    }

    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.lease) > 1
    }
}

/// The wanted SVIDs, at most `max`.
#[derive(Debug)]
pub(super) struct Slots {
    max: usize,
    slots: HashMap<Key, Slot>,
    questions: u64,
}

impl Slots {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            slots: HashMap::new(),
            questions: 0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Slot)> {
        self.slots.iter()
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Slot> {
        self.slots.get_mut(key)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Key) -> bool) {
        self.slots.retain(|key, _| keep(key));
    }

    /// Wants an SVID that nobody asked for. `false` if there is no room.
    pub(super) fn prefetch(&mut self, key: Key) -> bool {
        if self.slots.contains_key(&key) {
            return true;
        }
        let room = self.slots.len() < self.max;
        if room {
            self.slots.insert(key, Slot::default());
        }
        room
    }

    /// Gives up those of `unwanted` that nobody asked for.
    pub(super) fn give_up(&mut self, unwanted: impl Fn(&Key) -> bool) {
        self.slots
            .retain(|key, slot| slot.asked_for > 0 || slot.is_in_use() || !unwanted(key));
    }

    /// Wants an SVID that somebody asks for. One that nobody uses gives way to it: the one that was not asked for the
    /// longest, and before that those that nobody ever asked for. `None` if all are in use.
    pub(super) fn want(&mut self, key: &Key) -> Option<(&Slot, Lease)> {
        if !self.slots.contains_key(key) {
            if self.slots.len() >= self.max {
                let idle = self.slots.iter().filter(|(_, slot)| !slot.is_in_use());
                let (oldest, _) = idle.min_by_key(|(_, slot)| slot.asked_for)?;
                let oldest = oldest.clone();
                self.slots.remove(&oldest);
            }
            self.slots.insert(key.clone(), Slot::default());
        }
        self.questions += 1;
        let slot = self.slots.get_mut(key)?;
        slot.asked_for = self.questions;
        let lease = slot.lease.clone();
        Some((slot, lease))
    }

    /// Lets what failed for such a reason be tried at once.
    pub(super) fn forgive(&mut self, reason: impl Fn(&CallError) -> bool) {
        let forgiven = |slot: &&mut Slot| match slot.problem.as_deref() {
            Some(SvidProblem::Call(error)) => reason(error),
            _ => false,
        };
        for slot in self.slots.values_mut().filter(forgiven) {
            slot.pause = None;
            slot.problem = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(entry_id: &str) -> Key {
        Key::new(entry_id, Form::Classical)
    }

    fn held(slots: &Slots) -> Vec<&str> {
        let mut held: Vec<_> = slots.iter().map(|(key, _)| key.entry_id.as_str()).collect();
        held.sort_unstable();
        held
    }

    #[test]
    fn prefetching_stops_when_there_is_no_room() {
        let mut slots = Slots::new(2);
        assert!(slots.prefetch(key("a")) && slots.prefetch(key("b")));
        assert!(!slots.prefetch(key("c")));
        assert!(slots.prefetch(key("a")), "it is there already");
        assert_eq!(held(&slots), ["a", "b"]);
    }

    #[test]
    fn what_is_asked_for_takes_the_place_of_what_is_not() {
        let mut slots = Slots::new(3);
        for entry in ["a", "b", "c"] {
            slots.prefetch(key(entry));
        }
        for entry in ["c", "a", "c"] {
            slots.want(&key(entry)).unwrap();
        }
        slots.want(&key("d")).unwrap();
        assert_eq!(held(&slots), ["a", "c", "d"], "nobody asked for b");
        slots.want(&key("e")).unwrap();
        assert_eq!(held(&slots), ["c", "d", "e"], "a was asked for the longest ago");
    }

    #[test]
    fn what_nobody_asked_for_can_be_given_up() {
        let mut slots = Slots::new(3);
        for entry in ["a", "b", "c"] {
            slots.prefetch(key(entry));
        }
        slots.want(&key("b")).unwrap();
        slots.give_up(|key| key.entry_id != "c");
        assert_eq!(held(&slots), ["b", "c"]);
    }

    #[test]
    fn what_is_in_use_stays() {
        let mut slots = Slots::new(2);
        let (_, a) = slots.want(&key("a")).unwrap();
        let (_, b) = slots.want(&key("b")).unwrap();
        assert!(slots.want(&key("c")).is_none());
        drop(b);
        assert!(slots.want(&key("c")).is_some());
        assert_eq!(held(&slots), ["a", "c"]);
        drop(a);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_prolong_a_pause() {
        let domain = spiffe::TrustDomain::new("example.org").unwrap();
        let bundle = TrustBundle::new(domain.clone());
        let wire = symbolon_api::spire::api::types::Entry {
            id: "web".to_owned(),
            spiffe_id: Some((&spiffe::SpiffeId::new("spiffe://example.org/web").unwrap()).into()),
            selectors: vec![Default::default()],
            ..Default::default()
        };
        let entry = Entry::from_wire(wire, &domain).unwrap();
        let backoff = Backoff {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(480),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut slot = Slot::default();
        slot.fail(SvidProblem::Key("none".to_owned()), now, backoff, 0);
        assert_eq!(slot.due_at(&entry, &bundle, now), now + Duration::from_secs(5));
        let earlier = now - Duration::from_secs(3600);
        assert!(slot.due_at(&entry, &bundle, earlier) <= earlier);
    }

    #[test]
    fn failures_wait_ever_longer_and_absence_is_forgiven() {
        let backoff = Backoff {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(480),
        };
        let now = SystemTime::UNIX_EPOCH;
        let mut slots = Slots::new(3);
        let busy = symbolon_api::resource_exhausted("busy", Duration::from_secs(30));
        for (entry, problem) in [
            ("away", CallError::Timeout),
            ("busy", CallError::from(busy)),
            ("gone", CallError::from(tonic::Status::permission_denied("no"))),
        ] {
            slots.prefetch(key(entry));
            slots
                .get_mut(&key(entry))
                .unwrap()
                .fail(problem.into(), now, backoff, 0);
        }
        let again = CallError::Timeout.into();
        slots.get_mut(&key("away")).unwrap().fail(again, now, backoff, 0);
        let retry = |slots: &mut Slots, entry: &str| {
            let slot = slots.get_mut(&key(entry)).unwrap();
            slot.pause.map(|pause| pause.until)
        };
        assert_eq!(retry(&mut slots, "away"), Some(now + Duration::from_secs(10)));
        slots.forgive(CallError::went_unanswered);
        assert_eq!(retry(&mut slots, "away"), None);
        assert_eq!(retry(&mut slots, "gone"), Some(now + Duration::from_secs(5)));
        assert_eq!(
            retry(&mut slots, "busy"),
            Some(now + Duration::from_secs(30)),
            "as long as it wants"
        );
    }
}
