//! The journal's transactions: each is told once it is durable, and how often authorities came to a state is counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use symbolon_pki::suite::Family;

use super::Authorities;
use crate::datastore::{AuthorityRecord, AuthorityState, AuthorityTransition, FamilyChoice, Result};

/// How many authorities of a family came to a state since the server began.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<(Family, AuthorityState), u64>>);

impl Tally {
    fn count(&self, record: &AuthorityRecord) {
        let AuthorityRecord {
            family,
            authority_id,
            state,
            ..
        } = record;
        tracing::debug!(event = "authority.journalled", %family, authority_id, %state);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((record.family, record.state)).or_default() += 1;
    }
}

impl Authorities {
    /// Adds an authority to the journal.
    pub(super) async fn enter(&self, record: &AuthorityRecord) -> Result<()> {
        self.datastore.add_authority(record).await?;
        self.tally.count(record);
        Ok(())
    }

    /// Takes an authority of the journal to its next state.
    pub(super) async fn advance(
        &self,
        authority_id: &str,
        next: AuthorityState,
        at: SystemTime,
    ) -> Result<AuthorityTransition> {
        let done = self
            .datastore
            .change_authority_state(authority_id, next, at)
            .await?;
        self.tally.count(&done.authority);
        done.replaced
            .iter()
            .for_each(|replaced| self.tally.count(replaced));
        Ok(done)
    }

    /// Writes down what somebody chose that a family be, and returns the number of the choice.
    pub(super) async fn write_choice(&self, choice: &FamilyChoice) -> Result<u64> {
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

    /// How many authorities of each family came to each state since this server began, starting included.
    pub fn arrivals(&self) -> BTreeMap<(Family, AuthorityState), u64> {
        let counts = self.tally.0.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
