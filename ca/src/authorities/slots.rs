//! When an authority is prepared, activated and forgotten.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use symbolon_hsm::StoreError;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::rfc3339;

use super::changing::Changing;
use super::choosing::{NOTICE, Wanted};
use super::settings::FamilySettings;
use super::snapshot::Loaded;
use super::{Authorities, AuthoritiesError, PRUNE_AFTER, TICK, is_valid};
use crate::datastore::{AuthorityRecord, AuthorityState};

/// What happened to an authority.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChangeKind {
    /// Its key was made and its certificate published.
    Prepared,
    /// It signs from now on: the first of its family.
    Activated,
    /// It signs from now on in place of one that had time left.
    Rotated,
    /// It signs from now on in place of one that had expired.
    ReplacedExpired,
    /// It is not to be trusted: whoever holds what it signed replaces that.
    Tainted,
    /// What it signed counts no more; its key is destroyed.
    Revoked,
    /// It had expired long ago and was forgotten, its key destroyed.
    Forgotten,
}

/// One change to one authority.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The family.
    pub family: Family,
    /// What the authority signs with.
    pub suite: Suite,
    /// The authority.
    pub authority_id: String,
    /// When it expires.
    pub not_after: SystemTime,
}

impl Change {
    pub(super) fn of(kind: ChangeKind, record: &AuthorityRecord) -> Self {
        Self {
            kind,
            family: record.family,
            suite: record.suite,
            authority_id: record.authority_id.clone(),
            not_after: record.not_after,
        }
    }

    pub(super) fn log(&self) {
        let event = match self.kind {
            ChangeKind::Prepared => "authority.prepared",
            ChangeKind::Activated | ChangeKind::Rotated | ChangeKind::ReplacedExpired => {
                "authority.activated"
            }
            ChangeKind::Tainted => "authority.tainted",
            ChangeKind::Revoked => "authority.revoked",
            ChangeKind::Forgotten => "authority.forgotten",
        };
        tracing::info!(
            event,
            family = %self.family,
            suite = %self.suite,
            authority_id = self.authority_id,
            not_after = rfc3339(self.not_after),
        );
    }
}

/// Longest before its end that an authority's successor is prepared, and activated: as in SPIRE.
const PREPARE_AT_MOST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const ACTIVATE_AT_MOST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// When the successor of `active` is prepared: with half of its life left, so that it is published long before it signs,
/// and not so long before that its own life goes by unused.
fn is_prepare_due(active: &AuthorityRecord, now: SystemTime) -> bool {
    now + (life(active) / 2).min(PREPARE_AT_MOST) >= active.not_after
}

/// When the successor of `active` takes over: with a sixth of its life left, which is the longest that an SVID it
/// signs may live in full, or a week.
fn is_activate_due(active: &AuthorityRecord, now: SystemTime) -> bool {
    now + (life(active) / 6).min(ACTIVATE_AT_MOST) >= active.not_after
}

/// Whether a successor has been published for so long that everybody has had time to ask: for [`NOTICE`], or for half of
/// what the one that signs had left when it was made, if that is less.
///
/// Mostly it was published at half life. One that was made late, its key having been lost or its store or upstream away,
/// must not sign for that reason what nobody can verify yet, while another can sign.
fn is_known(waiting: &AuthorityRecord, active: &AuthorityRecord, now: SystemTime) -> bool {
    let left = active.not_after.duration_since(waiting.created_at);
    waiting.created_at + NOTICE.min(left.unwrap_or_default() / 2) <= now
}

/// How many authorities of a family may be made within half of one's life without a wait before the next.
const WITHOUT_A_WAIT: usize = 4;

/// Whether so many authorities of the family of `active` were made of late that the next one has to wait: after
/// [`WITHOUT_A_WAIT`] for 20 seconds, and then for twice as long each time, up to a twelfth of a life. Where somebody above
/// certifies below a root that it does not publish, each one has fallen as soon as it is made.
fn is_made_too_often(journal: &[AuthorityRecord], active: &AuthorityRecord, now: SystemTime) -> bool {
    // A clock that was set back must not make it longer.
    let is_late = |made: &SystemTime| *made <= now && now < *made + life(active) / 2;
    let lately = || journal.iter().map(|record| record.created_at).filter(is_late);
    let Some(over) = lately().count().checked_sub(WITHOUT_A_WAIT) else {
        return false;
    };
    let doublings = u32::try_from(over).unwrap_or(u32::MAX).min(16);
    let wait = (TICK * 2 * 2_u32.pow(doublings)).min(life(active) / 12);
    lately().max().is_some_and(|last| now < last + wait)
}

fn life(authority: &AuthorityRecord) -> Duration {
    let life = authority.not_after.duration_since(authority.not_before);
    life.unwrap_or_default()
}

impl Authorities {
    /// Takes the steps that are due in one family. Where another authority signs from now on, `opened` gets that one: its
    /// key is opened before it is given the word, and not asked for again.
    pub(super) async fn rotate_family(
        &self,
        wanted: &Wanted,
        changing: &mut Changing<'_>,
        changes: &mut Vec<Change>,
        opened: &mut Vec<Loaded>,
    ) -> Result<(), AuthoritiesError> {
        let (settings, now) = (&wanted.settings, self.clock.now());
        let journal = self.datastore.authorities(Some(settings.family)).await?;
        let in_state = |state| journal.iter().find(|record| record.state == state).cloned();
        let active = in_state(AuthorityState::Active);
        let mut prepared = in_state(AuthorityState::Prepared);

        // One that expired while it waited, in a server that was off, and one whose suite or place is no longer what is
        // configured: neither ever signed, and neither will.
        let is_wanted = |record: &AuthorityRecord| is_valid(record, now) && settings.is_like(record);
        if let Some(stale) = prepared.take_if(|record| !is_wanted(record)) {
            self.retire(&stale, "it expired, or the configuration changed", now)
                .await?;
        }
        // Below a root that is not to be trusted any more nothing is to be signed, now or later.
        let mut falls = false;
        if let Some(waiting) = &prepared
            && self.has_fallen(waiting).await?
        {
            self.retire(waiting, "the root above it is not trusted any more", now)
                .await?;
            prepared = None;
            falls = true;
        }
        let has_fallen = match &active {
            Some(active) => self.has_fallen(active).await?,
            None => false,
        };
        // Whoever has nothing that can sign on has no time to wait for.
        let at_once = match &active {
            None => Some(ChangeKind::Activated),
            Some(active) if !is_valid(active, now) => Some(ChangeKind::ReplacedExpired),
            Some(_) => has_fallen.then_some(ChangeKind::Rotated),
        };
        let is_changing = active.as_ref().is_some_and(|active| wanted.is_changing(active));
        let has_had_notice = |waiting: &AuthorityRecord| {
            is_changing && wanted.activates_at(waiting).is_some_and(|at| at <= now)
        };
        let is_time = |waiting: &AuthorityRecord| {
            let succeeds =
                |active: &AuthorityRecord| is_activate_due(active, now) && is_known(waiting, active, now);
            at_once.is_some() || has_had_notice(waiting) || active.as_ref().is_some_and(succeeds)
        };
        // There is no way back from signing: whoever is to has to have its key.
        let mut next = None;
        if let Some(waiting) = prepared.take_if(|waiting| is_time(waiting)) {
            match self.load(&waiting).await {
                Ok(loaded) => next = Some((waiting, loaded)),
                Err(error) if error.is_lost_key() => {
                    tracing::error!(error = &error as &dyn std::error::Error, "a key is lost");
                    self.retire(&waiting, "its key is not in its store any more", now)
                        .await?;
                }
                Err(error) => return Err(error),
            }
        }
        let is_needed = at_once.is_some()
            || is_changing
            || active.as_ref().is_some_and(|active| is_prepare_due(active, now));
        if is_needed && prepared.is_none() && next.is_none() {
            // One that signs can wait for an upstream that does not answer.
            let who_signs_on = active.as_ref().filter(|active| is_valid(active, now));
            falls |= has_fallen;
            prepared = match who_signs_on {
                // What is above takes back what it gave, time and again.
                Some(active) if falls && is_made_too_often(&journal, active, now) => None,
                _ => self.make_next(settings, who_signs_on.is_some(), changing).await?,
            };
            changes.extend(prepared.iter().map(|made| Change::of(ChangeKind::Prepared, made)));
        }
        // What was made just now is known to nobody.
        if at_once.is_some()
            && let Some(made) = prepared
        {
            let loaded = self.load(&made).await?;
            next = Some((made, loaded));
        }
        if let Some((record, loaded)) = next {
            let done = self
                .datastore
                .change_authority_state(&record.authority_id, AuthorityState::Active, self.clock.now())
                .await?;
            changes.push(Change::of(
                at_once.unwrap_or(ChangeKind::Rotated),
                &done.authority,
            ));
            opened.push(loaded);
        }
        Ok(())
    }

    /// Makes the next authority of a family; `None` where that has to be waited for.
    async fn make_next(
        &self,
        settings: &FamilySettings,
        can_wait: bool,
        changing: &mut Changing<'_>,
    ) -> Result<Option<AuthorityRecord>, AuthoritiesError> {
        tracing::debug!(event = "authority.preparing", family = %settings.family, suite = %settings.suite);
        if can_wait && !self.waits.is_over(settings.family, self.clock.now()) {
            return Ok(None);
        }
        let made = self.make(settings, changing).await;
        let failed = matches!(made, Err(AuthoritiesError::Upstream { .. }));
        self.waits.note(settings.family, failed, self.clock.now());
        match made {
            Err(AuthoritiesError::Awaited { .. }) => Ok(None),
            made => made.map(Some),
        }
    }

    /// Retires the authorities of families that left the configuration. They sign nothing any more, and would otherwise
    /// be in the bundle for ever: what is active is not forgotten when it has expired.
    pub(super) async fn retire_what_is_not_configured(&self) -> Result<(), AuthoritiesError> {
        let families: Vec<_> = self.families().collect();
        for record in self.datastore.authorities(None).await? {
            let in_use = matches!(record.state, AuthorityState::Active | AuthorityState::Prepared);
            if in_use && !families.contains(&record.family) {
                let why = "the configuration has no such family any more";
                self.retire(&record, why, self.clock.now()).await?;
            }
        }
        Ok(())
    }

    /// Retires an authority without a successor: mostly one that was prepared and has not signed.
    pub(super) async fn retire(
        &self,
        record: &AuthorityRecord,
        why: &str,
        now: SystemTime,
    ) -> Result<(), AuthoritiesError> {
        tracing::info!(
            event = "authority.dropped",
            family = %record.family,
            suite = %record.suite,
            authority_id = record.authority_id,
            "not to sign any more: {why}"
        );
        self.datastore
            .change_authority_state(&record.authority_id, AuthorityState::Old, now)
            .await?;
        Ok(())
    }

    /// Forgets authorities that expired long ago and destroys their keys.
    pub(super) async fn forget_expired(
        &self,
        now: SystemTime,
        changes: &mut Vec<Change>,
    ) -> Result<(), AuthoritiesError> {
        let Some(before) = now.checked_sub(PRUNE_AFTER) else {
            return Ok(());
        };
        let mut failures = Vec::new();
        for record in self.datastore.prune_authorities(before).await? {
            // The journal has forgotten all of them; a key that cannot be reached now is destroyed later.
            failures.extend(self.destroy_keys(&record).await.err());
            changes.push(Change::of(ChangeKind::Forgotten, &record));
        }
        failures.into_iter().next().map_or(Ok(()), Err)
    }

    /// Destroys an authority's keys. Those that cannot be reached now are destroyed at the next look at what is due.
    pub(super) async fn destroy_keys(&self, record: &AuthorityRecord) -> Result<(), AuthoritiesError> {
        let destroyed = self.try_to_destroy_keys(record).await;
        if destroyed.is_err() {
            self.keys_are_left.store(true, Ordering::Relaxed);
        }
        destroyed
    }

    async fn try_to_destroy_keys(&self, record: &AuthorityRecord) -> Result<(), AuthoritiesError> {
        for key in &record.keys {
            // A store that left the configuration keeps its keys; they are its owner's to destroy.
            let Ok(store) = self.stores.get(&key.store) else {
                continue;
            };
            let (store, id, name) = (store.clone(), key.key_id.clone(), key.store.clone());
            let destroyed = tokio::task::spawn_blocking(move || store.destroy(&id))
                .await
                .map_err(|_| AuthoritiesError::Interrupted)?;
            match destroyed {
                // Gone already, by whoever else looks after the store.
                Ok(()) | Err(StoreError::UnknownKey { .. }) => {}
                Err(source) => return Err(AuthoritiesError::Store { store: name, source }),
            }
        }
        Ok(())
    }
}
