//! Who gets what.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::suite::Form;

use super::slots::{Key, Lease, Slots};
use super::{Entries, Entry, Selector, SvidProblem, WorkloadSvid};
use crate::migration::Stages;

/// What a workload gets.
#[derive(Debug)]
pub(crate) struct Matches {
    /// Its entries, the oldest first: that one is its default identity. Empty if it has no identity.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Its X.509-SVIDs: form by form in the order asked for, in each form in the order of the entries.
    pub(crate) identities: Vec<Identity>,
    /// The bundle they are verified with.
    pub(crate) bundle: Arc<TrustBundle>,
    /// The bundles of the other trust domains that its entries federate with, as far as they are known, in the order of
    /// their names.
    pub(crate) federated: Vec<Arc<TrustBundle>>,
    /// How far its entries are in their migration.
    pub(crate) stages: Arc<Stages>,
}

/// One identity in one form.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) entry: Arc<Entry>,
    pub(crate) form: Form,
    pub(crate) offer: Offer,
    /// Keeps the SVID wanted for as long as it is in use.
    pub(crate) lease: Option<Lease>,
}

/// How far an SVID is.
#[derive(Clone, Debug)]
pub(crate) enum Offer {
    /// Here it is.
    Ready(Arc<WorkloadSvid>),
    /// It is being fetched.
    Pending,
    /// It could not be fetched, so far.
    Failed(Arc<SvidProblem>),
    /// The trust domain has no authority of this form.
    NoAuthority,
    /// The entry does not allow this form.
    NotAllowed,
    /// The agent holds as many SVIDs as it may, and all are in use.
    NoRoom,
}

/// The entries whose selectors the workload has, all of them. Of those with one hint in common only the oldest counts,
/// since a hint tells identities apart.
pub(super) fn entries(all: &Entries, selectors: &BTreeSet<Selector>, now: SystemTime) -> Vec<Arc<Entry>> {
    let fits =
        |entry: &&Arc<Entry>| entry.served && !entry.has_expired(now) && entry.selectors.is_subset(selectors);
    let mut mine: Vec<_> = all.values().filter(fits).cloned().collect();
    mine.sort_by(|a, b| (a.version.created_at, &a.id).cmp(&(b.version.created_at, &b.id)));
    let mut hints = HashSet::new();
    mine.retain(|entry| entry.hint.is_empty() || hints.insert(entry.hint.clone()));
    mine
}

/// The bundles of the trust domains that these entries federate with.
pub(super) fn federated(entries: &[Arc<Entry>], known: &BundleSet) -> Vec<Arc<TrustBundle>> {
    let names: BTreeSet<_> = entries.iter().flat_map(|entry| &entry.federates_with).collect();
    names
        .into_iter()
        .filter_map(|name| known.get(name))
        .cloned()
        .collect()
}

/// Their SVIDs, which are wanted from now on.
pub(super) fn identities(
    entries: &[Arc<Entry>],
    forms: &[Form],
    bundle: &TrustBundle,
    slots: &mut Slots,
    now: SystemTime,
) -> Vec<Identity> {
    let mut found = Vec::with_capacity(entries.len() * forms.len());
    for form in forms {
        let has_authority = super::issues(bundle, *form);
        for entry in entries {
            let (offer, lease) = match has_authority {
                _ if !entry.allows(*form) => (Offer::NotAllowed, None),
                true => want(slots, entry, *form, bundle, now),
                false => (Offer::NoAuthority, None),
            };
            found.push(Identity {
                entry: entry.clone(),
                form: *form,
                offer,
                lease,
            });
        }
    }
    found
}

fn want(
    slots: &mut Slots,
    entry: &Entry,
    form: Form,
    bundle: &TrustBundle,
    now: SystemTime,
) -> (Offer, Option<Lease>) {
    let Some((slot, lease)) = slots.want(&Key::new(&entry.id, form)) else {
        return (Offer::NoRoom, None);
    };
    // One for an older state of the entry will do until the next is there, and so will one of a tainted authority; but not
    // one for somebody else, nor one that the bundle beside it refuses.
    let will_do = |svid: &WorkloadSvid| {
        svid.not_after > now && svid.spiffe_id == entry.spiffe_id && svid.is_believed_by(bundle)
    };
    let offer = match (&slot.svid, &slot.problem) {
        (Some(svid), _) if will_do(svid) => Offer::Ready(svid.clone()),
        (_, Some(problem)) => Offer::Failed(problem.clone()),
        (_, None) => Offer::Pending,
    };
    (offer, Some(lease))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use spiffe::SpiffeId;

    use super::*;

    fn set(values: &[&str]) -> BTreeSet<Selector> {
        values
            .iter()
            .map(|value| ("unix".to_owned(), (*value).to_owned()))
            .collect()
    }

    fn entry(id: &str, created_at: i64, selectors: &[&str], hint: &str) -> (String, Arc<Entry>) {
        let entry = Entry {
            id: id.to_owned(),
            spiffe_id: SpiffeId::new(format!("spiffe://example.org/{id}")).unwrap(),
            selectors: set(selectors),
            hint: hint.to_owned(),
            federates_with: BTreeSet::new(),
            version: super::super::Version {
                created_at,
                revision: 0,
            },
            expires_at: None,
            served: true,
            prefetch: true,
            allowed_forms: BTreeSet::new(),
            unique_tokens: false,
        };
        (id.to_owned(), Arc::new(entry))
    }

    fn ids(all: &Entries, selectors: &[&str], now: SystemTime) -> Vec<String> {
        entries(all, &set(selectors), now)
            .iter()
            .map(|entry| entry.id.clone())
            .collect()
    }

    #[test]
    fn a_workload_gets_the_entries_whose_selectors_it_has_all() {
        let all = Entries::from([
            entry("uid", 3, &["uid:1"], ""),
            entry("both", 2, &["uid:1", "gid:2"], ""),
            entry("other", 1, &["uid:2"], ""),
        ]);
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(ids(&all, &["uid:1"], now), ["uid"]);
        assert_eq!(
            ids(&all, &["uid:1", "gid:2", "path:/x"], now),
            ["both", "uid"],
            "the oldest first"
        );
        assert!(ids(&all, &["gid:2"], now).is_empty());
        assert!(ids(&all, &[], now).is_empty());
    }

    #[test]
    fn bundles_are_given_to_those_alone_who_federate() {
        let domain = |name: &str| spiffe::TrustDomain::new(name).unwrap();
        let with = |id: &str, names: &[&str]| {
            let (_, mut entry) = entry(id, 1, &["uid:1"], "");
            let federates_with = names.iter().map(|name| domain(name)).collect();
            Arc::get_mut(&mut entry).unwrap().federates_with = federates_with;
            entry
        };
        let known: BundleSet = ["a.test", "b.test"]
            .map(|name| TrustBundle::new(domain(name)))
            .into_iter()
            .collect();
        let given = |entries: &[Arc<Entry>]| -> Vec<String> {
            let found = federated(entries, &known);
            found
                .iter()
                .map(|bundle| bundle.trust_domain.to_string())
                .collect()
        };
        assert!(given(&[with("none", &[])]).is_empty());
        assert_eq!(given(&[with("one", &["b.test", "unknown.test"])]), ["b.test"]);
        assert_eq!(
            given(&[with("both", &["b.test", "a.test"]), with("again", &["a.test"])]),
            ["a.test", "b.test"]
        );
    }

    #[test]
    fn hints_stay_unique_and_the_older_entry_wins() {
        let all = Entries::from([
            entry("young", 2, &["uid:1"], "web"),
            entry("old", 1, &["uid:1"], "web"),
            entry("plain-1", 3, &["uid:1"], ""),
            entry("plain-2", 3, &["uid:1"], ""),
        ]);
        assert_eq!(
            ids(&all, &["uid:1"], SystemTime::UNIX_EPOCH),
            ["old", "plain-1", "plain-2"]
        );
    }

    #[test]
    fn expired_entries_and_those_for_a_store_are_not_served() {
        let mut all = Entries::from([entry("a", 1, &["uid:1"], ""), entry("b", 1, &["uid:1"], "")]);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
        Arc::get_mut(all.get_mut("a").unwrap()).unwrap().expires_at = Some(now);
        Arc::get_mut(all.get_mut("b").unwrap()).unwrap().served = false;
        assert!(ids(&all, &["uid:1"], now).is_empty());
        assert_eq!(ids(&all, &["uid:1"], SystemTime::UNIX_EPOCH), ["a"]);
    }
}
