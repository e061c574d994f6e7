//! When which bundle is fetched.

use std::collections::BTreeMap;
use std::time::SystemTime;

use spiffe::TrustDomain;

use crate::datastore::FederationRecord;

/// What is to be fetched when, and what is being fetched.
///
/// Times belong to a relationship as it was when it was tried: what somebody corrects while the wrong place is being asked is
/// due, whenever that comes to its end.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Whoever is not in it is due now.
    next: BTreeMap<TrustDomain, Next>,
    /// What the background is at.
    underway: Vec<FederationRecord>,
}

/// The attempt after the last one.
#[derive(Debug)]
struct Next {
    /// The relationship that the last one was made with.
    tried: FederationRecord,
    /// When it is due.
    at: SystemTime,
    /// Whether the last one failed.
    failed: bool,
}

impl Schedule {
    /// Whether a relationship's bundle is to be fetched now.
    pub(super) fn is_due(&self, relationship: &FederationRecord, now: SystemTime) -> bool {
        match self.next.get(&relationship.trust_domain) {
            Some(next) => next.tried != *relationship || next.at <= now,
            None => true,
        }
    }

    /// Sets the time of the next attempt, after one with this relationship.
    pub(super) fn set(&mut self, tried: &FederationRecord, at: SystemTime, failed: bool) {
        let next = Next {
            tried: tried.clone(),
            at,
            failed,
        };
        self.next.insert(tried.trust_domain.clone(), next);
    }

    /// How many attempts failed the last time.
    pub(super) fn failing(&self) -> usize {
        self.next.values().filter(|next| next.failed).count()
    }

    /// Makes it due.
    pub(super) fn forget(&mut self, trust_domain: &TrustDomain) {
        self.next.remove(trust_domain);
    }

    /// Forgets all that there is no relationship with.
    pub(super) fn keep_only(&mut self, relationships: &[FederationRecord]) {
        self.next
            .retain(|name, _| relationships.iter().any(|known| known.trust_domain == *name));
    }

    /// Whether the background may begin to fetch; not while it is at the very same.
    pub(super) fn begin(&mut self, relationship: &FederationRecord) -> bool {
        let free = !self.underway.contains(relationship);
        if free {
            self.underway.push(relationship.clone());
        }
        free
    }

    /// The background has ended what it began.
    pub(super) fn end(&mut self, relationship: &FederationRecord) {
        self.underway.retain(|known| known != relationship);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::datastore::FederationProfile;

    fn relationship(url: &str) -> FederationRecord {
        FederationRecord {
            trust_domain: TrustDomain::new("other.org").unwrap(),
            endpoint_url: url.to_owned(),
            profile: FederationProfile::HttpsWeb,
        }
    }

    #[test]
    fn what_was_corrected_while_it_was_tried_is_due_when_that_failed() {
        let (wrong, right) = (relationship("https://wrong/"), relationship("https://right/"));
        let now = SystemTime::UNIX_EPOCH;
        let later = now + Duration::from_secs(60);
        let mut schedule = Schedule::default();
        assert!(schedule.is_due(&wrong, now));
        schedule.set(&wrong, later, true);
        assert!(!schedule.is_due(&wrong, now) && schedule.is_due(&wrong, later));
        // It is corrected, and then the attempt with what it was before fails.
        schedule.forget(&right.trust_domain);
        schedule.set(&wrong, later, true);
        assert!(schedule.is_due(&right, now));
        assert_eq!(schedule.failing(), 1);
        schedule.set(&right, later, false);
        assert_eq!(schedule.failing(), 0);
        assert!(!schedule.is_due(&right, now));
        schedule.keep_only(&[]);
        assert!(schedule.is_due(&right, now), "a relationship that is made anew");
    }

    #[test]
    fn nothing_is_fetched_twice_at_a_time_unless_it_is_another() {
        let (wrong, right) = (relationship("https://wrong/"), relationship("https://right/"));
        let mut schedule = Schedule::default();
        assert!(schedule.begin(&wrong) && !schedule.begin(&wrong));
        assert!(schedule.begin(&right));
        schedule.end(&wrong);
        assert!(schedule.begin(&wrong) && !schedule.begin(&right));
    }
}
