//! The steps of an authority's life by command, for every family alike.
//!
//! The rules are SPIRE's: only what was prepared is activated, only what was replaced is tainted, only what is tainted
//! is revoked. So no slip takes away the authority that signs. Each step is one transaction of the journal, and readers
//! see it when the command returns.

use symbolon_pki::bundle::JwtAuthority;
use symbolon_pki::suite::Family;

use super::changing::Changing;
use super::making::Fresh;
use super::settings::FamilySettings;
use super::slots::{Change, ChangeKind};
use super::{Authorities, AuthoritiesError, CommandError, is_valid, log_failure};
use crate::datastore::{AuthorityKind, AuthorityRecord, AuthorityState};

/// A step that a command takes with an authority that is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// A prepared one signs from now on.
    Activate,
    /// An old one is not to be trusted any more.
    Taint,
    /// What a tainted one signed counts no more.
    Revoke,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 3] = [Self::Activate, Self::Taint, Self::Revoke];

    /// Where an authority has to stand for the step.
    pub const fn from(self) -> AuthorityState {
        match self {
            Self::Activate => AuthorityState::Prepared,
            Self::Taint => AuthorityState::Old,
            Self::Revoke => AuthorityState::Tainted,
        }
    }

    /// Where it stands after the step.
    pub const fn to(self) -> AuthorityState {
        match self {
            Self::Activate => AuthorityState::Active,
            Self::Taint => AuthorityState::Tainted,
            Self::Revoke => AuthorityState::Revoked,
        }
    }

    /// The name used in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activate => "activate",
            Self::Taint => "taint",
            Self::Revoke => "revoke",
        }
    }

    pub(super) const fn done(self) -> &'static str {
        match self {
            Self::Activate => "activated",
            Self::Taint => "tainted",
            Self::Revoke => "revoked",
        }
    }

    const fn change(self) -> ChangeKind {
        match self {
            Self::Activate => ChangeKind::Rotated,
            Self::Taint => ChangeKind::Tainted,
            Self::Revoke => ChangeKind::Revoked,
        }
    }
}

impl Authorities {
    /// Makes a new authority of a family and publishes it, whether one is due or not. One that was prepared already and
    /// has not signed never will.
    ///
    /// It is to be run to its end: dropped half way it may leave a key that nobody names, until the next start.
    ///
    /// # Errors
    /// [`CommandError`]; but for [`CommandError::Failed`] nothing has changed then, and after that at most the one that
    /// was prepared before is let go.
    pub async fn prepare(&self, family: Family) -> Result<AuthorityRecord, CommandError> {
        let mut changing = self.turns.making(family).await;
        let wanted = self.wanted(family).ok_or(CommandError::NotConfigured(family))?;
        if self.in_state(family, AuthorityState::Active).await?.is_none() {
            return Err(self.not_ready(family).await?);
        }
        self.refuse_more_unused(family).await?;
        let made = self.prepare_instead(&wanted.settings, &mut changing).await;
        if made.is_err()
            && let Err(error) = self.destroy_orphaned_keys().await
        {
            // Every further try leaves one more key behind, until the store answers.
            log_failure(&error);
        }
        let reloaded = self.reload(Vec::new()).await;
        let made = made?;
        reloaded?;
        Change::of(ChangeKind::Prepared, &made).log();
        Ok(made)
    }

    /// The new one is made before the other is let go: where its key cannot be made, nothing changes.
    async fn prepare_instead(
        &self,
        settings: &FamilySettings,
        changing: &mut Changing<'_>,
    ) -> Result<AuthorityRecord, AuthoritiesError> {
        let family = settings.family;
        let made = match self.new_authority(settings, changing).await? {
            Fresh::Certified(made) => made,
            Fresh::Requested(request) => {
                self.request(settings, &request, changing).await?;
                return Err(AuthoritiesError::Awaited { family });
            }
        };
        if let Some(waiting) = self.in_state(family, AuthorityState::Prepared).await? {
            self.retire(&waiting, "another was prepared by command", self.clock.now())
                .await?;
        }
        self.datastore.add_authority(&made).await?;
        Ok(made)
    }

    /// Takes a step with the authority of a family that has this id.
    ///
    /// # Errors
    /// [`CommandError`]; but for [`CommandError::Failed`] nothing has changed then. After that the step may have been
    /// taken, which the journal says: of a revocation a key may be left, which is destroyed as soon as its store answers.
    ///
    /// As with [`prepare`](Self::prepare), whoever may have to leave runs it on a task of its own: a step that is dropped
    /// half way is in the journal, and not seen by readers until the next look at what is due.
    pub async fn step(
        &self,
        family: Family,
        step: Step,
        authority_id: &str,
    ) -> Result<AuthorityRecord, CommandError> {
        let _changing = self.turns.journal().await;
        let record = match self.record(family, authority_id).await {
            // What a family that left the configuration signed may still count, and can be taken back.
            Ok(record) if step != Step::Activate => record,
            found => {
                self.wanted(family).ok_or(CommandError::NotConfigured(family))?;
                found?
            }
        };
        if record.state != step.from() {
            return Err(CommandError::WrongState {
                step,
                authority_id: record.authority_id,
                state: record.state,
            });
        }
        if step != Step::Activate && record.upstream.is_some() {
            return Err(CommandError::BelowUpstream {
                authority_id: record.authority_id,
            });
        }
        let now = self.clock.now();
        let mut opened = Vec::new();
        if step == Step::Activate {
            if now < record.not_before {
                return Err(CommandError::NotYet {
                    authority_id: record.authority_id,
                    not_before: record.not_before,
                });
            }
            if !is_valid(&record, now) {
                return Err(CommandError::Expired {
                    authority_id: record.authority_id,
                });
            }
            if self.has_fallen(&record).await? {
                return Err(CommandError::Fallen {
                    authority_id: record.authority_id,
                });
            }
            // There is no way back from signing: whoever is to has to have its key.
            opened.push(self.load(&record).await?);
        }
        let done = self
            .datastore
            .change_authority_state(&record.authority_id, step.to(), now)
            .await
            .map_err(AuthoritiesError::from)?;
        let reloaded = self.reload(opened).await;
        Change::of(step.change(), &done.authority).log();
        // Its key goes whatever became of the others.
        let destroyed = match step {
            Step::Revoke => self.destroy_keys(&record).await,
            Step::Activate | Step::Taint => Ok(()),
        };
        reloaded?;
        destroyed?;
        Ok(done.authority)
    }

    /// Taints or revokes a key that signs tokens and that others put into the bundle: a server below this one, or an
    /// operator. No server of the journal holds it, so nothing is destroyed; one that was revoked cannot be put in again.
    ///
    /// # Errors
    /// [`CommandError`], as [`step`](Self::step).
    pub async fn step_appended(
        &self,
        family: Family,
        step: Step,
        key_id: &str,
    ) -> Result<JwtAuthority, CommandError> {
        let printed = || symbolon_pki::text::printable(key_id);
        let unknown = || CommandError::Unknown {
            family,
            authority_id: printed(),
        };
        let (kind, event) = match (family, step) {
            (Family::Jwt, Step::Taint) => (AuthorityKind::Jwt, "authority.tainted"),
            (Family::Jwt, Step::Revoke) => (AuthorityKind::Jwt, "authority.revoked"),
            (Family::Wit, Step::Taint) => (AuthorityKind::Wit, "authority.tainted"),
            (Family::Wit, Step::Revoke) => (AuthorityKind::Wit, "authority.revoked"),
            _ => return Err(unknown()),
        };
        let _changing = self.turns.journal().await;
        let found = self.datastore.appended_key(kind, key_id).await;
        let (_, state) = found.map_err(AuthoritiesError::from)?.ok_or_else(unknown)?;
        if state != step.from() {
            return Err(CommandError::WrongState {
                step,
                authority_id: printed(),
                state,
            });
        }
        let changed = self
            .datastore
            .change_appended_key(kind, key_id, step.to())
            .await
            .map_err(AuthoritiesError::from)?;
        let reloaded = self.reload(Vec::new()).await;
        tracing::info!(event, %family, authority_id = printed(), "a key that others put into the bundle");
        reloaded?;
        Ok(changed)
    }

    pub(super) async fn in_state(
        &self,
        family: Family,
        state: AuthorityState,
    ) -> Result<Option<AuthorityRecord>, AuthoritiesError> {
        let journal = self.datastore.authorities(Some(family)).await?;
        Ok(journal.into_iter().find(|record| record.state == state))
    }

    async fn record(&self, family: Family, authority_id: &str) -> Result<AuthorityRecord, CommandError> {
        let journal = self.datastore.authorities(Some(family)).await;
        let mut journal = journal.map_err(AuthoritiesError::from)?.into_iter();
        let found = journal.find(|record| record.authority_id == authority_id);
        found.ok_or_else(|| CommandError::Unknown {
            family,
            authority_id: symbolon_pki::text::printable(authority_id),
        })
    }

    /// The authority of a family that signed last before the one that does now, if it is still known and not revoked. Once
    /// it is revoked there is none: whoever taints and revokes until there is nothing left must not come to those before
    /// it, what they signed being in use.
    pub fn replaced(&self, family: Family) -> Option<AuthorityRecord> {
        let snapshot = self.current.load();
        let signed = snapshot.journal.iter().filter(|record| {
            record.family == family && record.activated_at.is_some() && record.state != AuthorityState::Active
        });
        let last = signed.max_by_key(|record| record.activated_at);
        last.filter(|record| record.state != AuthorityState::Revoked)
            .cloned()
    }
}
