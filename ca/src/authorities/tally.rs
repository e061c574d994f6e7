//! The journal's transactions: each is told once it is durable, and how often authorities came to a state is counted.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use symbolon_pki::bundle::JwtAuthority;
use symbolon_pki::suite::Family;
use symbolon_pki::text::printable;

use super::Authorities;
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityRecord, AuthorityRequest, AuthorityState,
    AuthorityTransition, Datastore, FamilyChoice, Result,
};

/// How many authorities of a family came to a state since the server began.
#[derive(Debug, Default)]
struct Tally(Mutex<BTreeMap<(Family, AuthorityState), u64>>);

impl Tally {
    fn count(&self, record: &AuthorityRecord) {
        let AuthorityRecord {
            family,
            authority_id,
            state,
            ..
        } = record;
        tracing::debug!(event = JOURNALLED, %family, authority_id, %state);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((record.family, record.state)).or_default() += 1;
    }
}

/// What is told of every transaction.
const JOURNALLED: &str = "authority.journalled";

/// The datastore as authorities see it. What reads goes straight to it; each of its transactions by which the journal
/// changes has its like here, which takes it and tells of it.
#[derive(Debug)]
pub(super) struct Journal {
    datastore: Arc<dyn Datastore>,
    tally: Tally,
}

impl Deref for Journal {
    type Target = dyn Datastore;

    fn deref(&self) -> &Self::Target {
        self.datastore.as_ref()
    }
}

impl Journal {
    pub(super) fn new(datastore: Arc<dyn Datastore>) -> Self {
        Self {
            datastore,
            tally: Tally::default(),
        }
    }

    /// Adds an authority.
    pub(super) async fn add_authority(&self, record: &AuthorityRecord) -> Result<u64> {
        let sequence = self.datastore.add_authority(record).await?;
        self.tally.count(record);
        Ok(sequence)
    }

    /// Takes an authority to its next state.
    pub(super) async fn change_authority_state(
        &self,
        authority_id: &str,
        next: AuthorityState,
        at: SystemTime,
    ) -> Result<AuthorityTransition> {
        let done = self.datastore.change_authority_state(authority_id, next, at);
        let done = done.await?;
        self.tally.count(&done.authority);
        done.replaced
            .iter()
            .for_each(|replaced| self.tally.count(replaced));
        Ok(done)
    }

    /// Forgets authorities that ended long ago.
    pub(super) async fn prune_authorities(&self, expired_before: SystemTime) -> Result<Vec<AuthorityRecord>> {
        let forgotten = self.datastore.prune_authorities(expired_before).await?;
        if !forgotten.is_empty() {
            tracing::debug!(
                event = JOURNALLED,
                count = forgotten.len(),
                "authorities were forgotten"
            );
        }
        Ok(forgotten)
    }

    /// Writes down what somebody chose that a family be, and returns the number of the choice.
    pub(super) async fn choose_family(&self, choice: &FamilyChoice) -> Result<u64> {
        let sequence = self.datastore.choose_family(choice).await?;
        let FamilyChoice {
            family, chosen_by, ..
        } = choice;
        tracing::info!(
            event = "authority.chosen",
            %family,
            suite = %choice.wanted.suite,
            sequence,
            chosen_by,
            notice_seconds = choice.notice.as_secs(),
        );
        Ok(sequence)
    }

    /// Forgets what was chosen for a family.
    pub(super) async fn forget_family_choice(&self, family: Family) -> Result<()> {
        self.datastore.forget_family_choice(family).await?;
        tracing::debug!(event = JOURNALLED, %family, "what was chosen is over");
        Ok(())
    }

    /// Notes that a certificate is awaited.
    pub(super) async fn request_authority(&self, request: &AuthorityRequest) -> Result<()> {
        self.datastore.request_authority(request).await?;
        tracing::debug!(event = JOURNALLED, family = %request.family, "a certificate is awaited");
        Ok(())
    }

    /// Awaits no certificate for a family any more.
    pub(super) async fn forget_authority_request(&self, family: Family) -> Result<()> {
        self.datastore.forget_authority_request(family).await?;
        tracing::debug!(event = JOURNALLED, %family, "no certificate is awaited");
        Ok(())
    }

    /// Takes over what an upstream has for the bundle. Whether that changed anything.
    pub(super) async fn follow_upstream(
        &self,
        upstream: &str,
        found: &AppendedAuthorities,
        is_all: bool,
    ) -> Result<bool> {
        let changed = self.datastore.follow_upstream(upstream, found, is_all).await?;
        if changed {
            tracing::debug!(event = JOURNALLED, upstream, "what it has was taken over");
        }
        Ok(changed)
    }

    /// Takes an authority above this server's to its next state.
    pub(super) async fn change_upstream_root(&self, root_id: &str, next: AuthorityState) -> Result<()> {
        self.datastore.change_upstream_root(root_id, next).await?;
        tracing::debug!(event = JOURNALLED, root_id = printable(root_id), state = %next, "one above");
        Ok(())
    }

    /// Takes a key that others put into the bundle to its next state.
    pub(super) async fn change_appended_key(
        &self,
        kind: AuthorityKind,
        key_id: &str,
        next: AuthorityState,
    ) -> Result<JwtAuthority> {
        let changed = self.datastore.change_appended_key(kind, key_id, next).await?;
        tracing::debug!(event = JOURNALLED, key_id = printable(key_id), state = %next, "a key of others");
        Ok(changed)
    }
}

impl Authorities {
    /// How many authorities of each family came to each state since this server began, starting included.
    pub fn arrivals(&self) -> BTreeMap<(Family, AuthorityState), u64> {
        let counts = self.datastore.tally.0.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
