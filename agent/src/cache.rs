//! What the agent has: entries, trust bundle, and the workloads' SVIDs. In memory only; a restart fetches anew.
//!
//! It decides which SVIDs are wanted, which of them are due, and who gets which. It must not know how they are fetched
//! or served.

mod entry;
mod jwt;
mod matches;
mod slots;
mod svid;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::suite::Form;
use tokio::sync::{Notify, watch};

pub(crate) use self::entry::{Entries, Entry, Selector, Version};
pub(crate) use self::jwt::{JwtCache, JwtKey};
pub(crate) use self::matches::{Identity, Matches, Offer};
pub(crate) use self::slots::Lease;
use self::slots::{Key, Slot, Slots};
pub(crate) use self::svid::{Expected, Issued, NewKeys, SvidProblem, WorkloadSvid};
use crate::attestor::Asked;
use crate::migration::Stages;
use crate::server::CallError;
use crate::telemetry;
use crate::time::Backoff;

/// Entries, bundle and SVIDs of one agent.
#[derive(Debug)]
pub(crate) struct Cache {
    state: Mutex<State>,
    /// Counts changes, for those who wait for one.
    changes: watch::Sender<u64>,
    /// Woken when an SVID is wanted at once.
    work: Notify,
    prefetch: Vec<Form>,
    backoff: Backoff,
}

#[derive(Debug)]
struct State {
    entries: Arc<Entries>,
    asked: Arc<Asked>,
    bundle: Option<Arc<TrustBundle>>,
    /// Those of other trust domains.
    federated: Arc<BundleSet>,
    stages: Arc<Stages>,
    slots: Slots,
}

/// An SVID that is to be fetched now.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Whose.
    pub(crate) entry: Arc<Entry>,
    /// In which form.
    pub(crate) form: Form,
    /// Whether there is one already.
    pub(crate) renewal: bool,
    /// The first half of a pair, where it is there already: a server that cannot issue the second is not made to issue
    /// another first with every try.
    pub(crate) first: Option<Arc<Issued>>,
}

impl Order {
    fn key(&self) -> Key {
        Key::new(&self.entry.id, self.form)
    }
}

impl Cache {
    /// An empty cache for at most `max` SVIDs, which fetches those of the forms `prefetch` unasked.
    pub(crate) fn new(max: usize, prefetch: Vec<Form>, backoff: Backoff) -> Self {
        Self {
            state: Mutex::new(State {
                entries: Arc::default(),
                asked: Arc::default(),
                bundle: None,
                federated: Arc::default(),
                stages: Arc::default(),
                slots: Slots::new(max),
            }),
            changes: watch::Sender::new(0),
            work: Notify::new(),
            prefetch,
            backoff,
        }
    }

    /// Tells of every change, by a number that grows.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Ends when an SVID is wanted that was not wanted before.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }

    /// The entries held.
    pub(crate) fn entries(&self) -> Arc<Entries> {
        self.state().entries.clone()
    }

    /// The trust bundle, once there is one.
    pub(crate) fn bundle(&self) -> Option<Arc<TrustBundle>> {
        self.state().bundle.clone()
    }

    /// The bundles of other trust domains.
    pub(crate) fn federated(&self) -> Arc<BundleSet> {
        self.state().federated.clone()
    }

    /// What entries want to know of workloads.
    pub(crate) fn asked(&self) -> Arc<Asked> {
        self.state().asked.clone()
    }

    /// Takes what the server said. The SVIDs of entries that are gone are dropped.
    pub(crate) fn update(&self, bundle: Arc<TrustBundle>, entries: Entries, federated: BundleSet) {
        let mut state = self.state();
        let new_federated = *state.federated != federated;
        if new_federated {
            tracing::info!(
                event = telemetry::FEDERATED_BUNDLES_CHANGED,
                bundles = federated.len(),
                "the bundles of other trust domains changed"
            );
            state.federated = Arc::new(federated);
        }
        let new_bundle = state.bundle.as_ref() != Some(&bundle);
        let difference = entry::difference(&state.entries, &entries);
        if new_bundle {
            tracing::info!(
                event = telemetry::BUNDLE_CHANGED,
                sequence = bundle.sequence,
                x509_authorities = bundle.x509_authorities.len(),
                jwt_authorities = bundle.jwt_authorities.len(),
                "the trust bundle changed"
            );
            state.bundle = Some(bundle);
        }
        if let Some(difference) = &difference {
            tracing::info!(
                event = telemetry::ENTRIES_CHANGED,
                entries = entries.len(),
                added = difference.added,
                removed = difference.removed,
                changed = difference.changed,
                "the entries changed"
            );
            state.asked = Arc::new(Asked::by(entries.values().flat_map(|entry| &entry.selectors)));
            let gives = |key: &Key| {
                entries
                    .get(&key.entry_id)
                    .is_some_and(|entry| entry.allows(key.form))
            };
            state.slots.retain(gives);
            state.entries = Arc::new(entries);
        }
        self.prefetch(&mut state);
        // The agent is heard again, so what was refused for want of that is worth another try.
        state.slots.forgive(CallError::must_reattest);
        drop(state);
        if new_bundle || new_federated || difference.is_some() {
            self.changed();
        }
        self.work.notify_one();
    }

    /// How far entries are in their migration.
    pub(crate) fn stages(&self) -> Arc<Stages> {
        self.state().stages.clone()
    }

    /// Takes how far entries are in their migration. From a stage on an SVID of the target's form is kept beside the
    /// classical one, whether or not anybody asks for it; on the way back it is given up unless somebody did.
    pub(crate) fn migrate(&self, stages: Stages) {
        let mut state = self.state();
        if *state.stages == stages {
            return;
        }
        let before = std::mem::replace(&mut state.stages, Arc::new(stages));
        let State { slots, stages, .. } = &mut *state;
        let kept_beside = |stages: &Stages, key: &Key| {
            let migration = stages.beside(&key.entry_id);
            migration.is_some_and(|migration| migration.target.form() == key.form)
        };
        slots.give_up(|key| {
            kept_beside(&before, key) && !kept_beside(stages, key) && !self.prefetch.contains(&key.form)
        });
        self.prefetch(&mut state);
        drop(state);
        self.changed();
        self.work.notify_one();
    }

    /// Has what failed for want of an answer tried at once: the server was away, and answers. What it cannot do while it
    /// answers is asked for later and later.
    pub(crate) fn server_is_back(&self) {
        self.state().slots.forgive(CallError::went_unanswered);
        self.work.notify_one();
    }

    fn prefetch(&self, state: &mut State) {
        let State {
            entries,
            slots,
            stages,
            ..
        } = state;
        for form in &self.prefetch {
            let wanted = |entry: &&Arc<Entry>| entry.served && entry.prefetch && entry.allows(*form);
            for entry in entries.values().filter(wanted) {
                if !slots.prefetch(Key::new(&entry.id, *form)) {
                    return;
                }
            }
        }
        // Last, so that it takes no room from what was wanted before.
        if !stages.is_empty() {
            for entry in entries.values().filter(|entry| entry.served && entry.prefetch) {
                let form = stages.beside(&entry.id).map(|migration| migration.target.form());
                if let Some(form) = form.filter(|form| entry.allows(*form))
                    && !slots.prefetch(Key::new(&entry.id, form))
                {
                    return;
                }
            }
        }
    }

    /// What is to be fetched now, at most `limit` of it and all of one form: the classical one first, so that what every
    /// workload needs never waits for another form's authority.
    pub(crate) fn due(&self, now: SystemTime, limit: usize) -> Vec<Order> {
        let state = self.state();
        let due: Vec<(&Key, &Slot)> = state
            .slots
            .iter()
            .filter(|(key, slot)| state.due_at(key, slot, now).is_some_and(|at| at <= now))
            .collect();
        let first = Form::ALL
            .into_iter()
            .find(|form| due.iter().any(|(key, _)| key.form == *form));
        let of_form = due.into_iter().filter(|(key, _)| Some(key.form) == first);
        let orders = of_form.filter_map(|(key, slot)| {
            let (entry, bundle) = (state.entries.get(&key.entry_id)?, state.bundle.as_ref()?);
            let first = slot.first.as_ref();
            Some(Order {
                entry: entry.clone(),
                form: key.form,
                renewal: slot.svid.is_some(),
                first: first
                    .filter(|first| first.can_be_first(entry, bundle, now))
                    .cloned(),
            })
        });
        orders.take(limit).collect()
    }

    /// When the next SVID is due. `None` if none ever is.
    pub(crate) fn next_due(&self, now: SystemTime) -> Option<SystemTime> {
        let state = self.state();
        let due = state
            .slots
            .iter()
            .filter_map(|(key, slot)| state.due_at(key, slot, now));
        due.min()
    }

    /// Takes what became of orders. An SVID of an entry that went away meanwhile is dropped.
    pub(crate) fn settle(
        &self,
        outcomes: Vec<(Order, Result<WorkloadSvid, SvidProblem>)>,
        now: SystemTime,
        dice: impl Fn() -> u16,
    ) {
        let mut state = self.state();
        for (order, outcome) in outcomes {
            let Some(slot) = state.slots.get_mut(&order.key()) else {
                continue;
            };
            match outcome {
                Ok(svid) => slot.put(Arc::new(svid), now),
                Err(problem) => {
                    slot.first = order.first.filter(|_| problem.is_transient());
                    slot.fail(problem, now, self.backoff, dice());
                }
            }
        }
        drop(state);
        self.changed();
    }

    /// What a workload with these selectors gets, in these forms. What is missing is fetched from now on.
    pub(crate) fn matches(
        &self,
        selectors: &std::collections::BTreeSet<Selector>,
        forms: &[Form],
        now: SystemTime,
    ) -> Option<Matches> {
        let mut state = self.state();
        let State {
            entries,
            bundle,
            federated,
            stages,
            slots,
            ..
        } = &mut *state;
        let bundle = bundle.clone()?;
        let stages = stages.clone();
        let mine = matches::entries(entries, selectors, now);
        let federated = matches::federated(&mine, federated);
        let found = matches::identities(&mine, forms, &bundle, slots, now);
        drop(state);
        if found
            .iter()
            .any(|identity| matches!(identity.offer, Offer::Pending))
        {
            self.work.notify_one();
        }
        Some(Matches {
            entries: mine,
            identities: found,
            bundle,
            federated,
            stages,
        })
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the trust domain has the authorities of `form`: for a pair those of both halves.
fn issues(bundle: &TrustBundle, form: Form) -> bool {
    let has = |form| bundle.authorities_of(form).next().is_some();
    match form {
        Form::Paired => has(Form::Classical) && has(Form::MlDsa),
        form => has(form),
    }
}

impl State {
    /// When the SVID of a slot is due. `None` if none can be had: its entry has expired, or there is no authority.
    fn due_at(&self, key: &Key, slot: &Slot, now: SystemTime) -> Option<SystemTime> {
        let entry = self.entries.get(&key.entry_id)?;
        let bundle = self.bundle.as_ref()?;
        if !issues(bundle, key.form) {
            return None;
        }
        (!entry.has_expired(now)).then(|| slot.due_at(entry, bundle, now))
    }
}
