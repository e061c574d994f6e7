//! What a family is to be: what the configuration says, or what a command chose instead.
//!
//! A choice is written down before anything is done about it, with what the configuration said at that moment. It counts
//! through every rotation and restart until the configuration of the family says something else; then it is over, and
//! stays so whatever the configuration says later. While the authority that signs is not yet what was chosen, the next one
//! is prepared at once and signs when it has been published for the notice that the choice gives.

use std::time::{Duration, SystemTime};

use symbolon_hsm::{StoreName, Stores};
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::rfc3339;

use super::changing::Changing;
use super::making::Fresh;
use super::settings::{AuthoritySettings, FamilySettings};
use super::slots::{Change, ChangeKind};
use super::tally::Journal;
use super::{Authorities, AuthoritiesError, CommandError, log_failure};
use crate::datastore::{AuthorityRecord, AuthorityState, FamilyChoice, FamilyShape};

/// How long an authority of a new kind is published before it signs, unless the command says otherwise: as long as bundle
/// holders may wait before they ask again.
pub const NOTICE: Duration = super::snapshot::REFRESH_HINT;

/// Most authorities of a family that are published though they never signed and never will.
const MOST_UNUSED: usize = 8;

/// What a family is to become.
#[derive(Clone, Debug, Default)]
pub struct Rotation {
    /// What it signs with; `None` for what it is to sign with already.
    pub suite: Option<Suite>,
    /// What it signs with beside that; `None` likewise.
    pub alternative: Option<Suite>,
    /// Where its keys are kept: one store for every component, or one for each; none for where they are to be already.
    pub stores: Vec<StoreName>,
    /// How long the next authority is published before it signs; `None` for [`NOTICE`].
    pub notice: Option<Duration>,
    /// Whether a request for the certificate of what the family was to be is given up, which somebody may be having signed.
    pub gives_up_request: bool,
    /// Who wants it.
    pub by: String,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Rotating {
    /// The authority that was prepared; `None` where the one that signs is like that already, and what waited to replace
    /// it will not, and where its certificate is awaited.
    pub prepared: Option<AuthorityRecord>,
    /// Whether somebody is to bring the certificate of the next authority.
    pub is_awaited: bool,
    /// What the family is to be from now on.
    pub plan: Plan,
}

/// What a family is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The family.
    pub family: Family,
    /// What its next authority will be.
    pub wanted: FamilyShape,
    /// What the configuration says.
    pub configured: FamilyShape,
    /// The choice that counts, with its number; `None` where the configuration does.
    pub choice: Option<(u64, FamilyChoice)>,
    /// When the prepared authority will sign because of that choice.
    pub activates_at: Option<SystemTime>,
}

/// What counts for a family.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) settings: FamilySettings,
    pub(super) choice: Option<(u64, FamilyChoice)>,
}

impl Wanted {
    /// Whether a command chose something else than what signs now.
    pub(super) fn is_changing(&self, active: &AuthorityRecord) -> bool {
        self.choice.is_some() && !self.settings.is_like(active)
    }

    /// When an authority that was prepared signs because of the choice.
    pub(super) fn activates_at(&self, prepared: &AuthorityRecord) -> Option<SystemTime> {
        let (_, choice) = self.choice.as_ref()?;
        prepared.created_at.checked_add(choice.notice)
    }
}

/// What counts for each family: what was chosen, as long as the configuration says what it said then. Choices that are
/// over are forgotten.
///
/// # Errors
/// [`AuthoritiesError`], for what the stores that are configured now cannot keep.
pub(super) async fn wanted(
    settings: &AuthoritySettings,
    stores: &Stores,
    datastore: &Journal,
) -> Result<Vec<Wanted>, AuthoritiesError> {
    let plain = |settings: &FamilySettings| Wanted {
        settings: settings.clone(),
        choice: None,
    };
    let mut wanted: Vec<Wanted> = settings.families.iter().map(plain).collect();
    for (sequence, choice) in datastore.family_choices().await? {
        let family = choice.family;
        let of_family = wanted.iter_mut().find(|wanted| wanted.settings.family == family);
        let counts = of_family.filter(|wanted| wanted.settings.shape() == choice.configured);
        let Some(of_family) = counts else {
            tracing::warn!(
                event = "authority.choice_over",
                %family,
                sequence,
                suite = %choice.wanted.suite,
                "the configuration of the family has changed and counts from now on, not what was chosen by command"
            );
            datastore.forget_family_choice(family).await?;
            continue;
        };
        of_family.settings.take(&choice.wanted);
        of_family.settings.check(stores)?;
        of_family.choice = Some((sequence, choice));
    }
    Ok(wanted)
}

impl Authorities {
    /// Changes what a family signs with, or where its keys are kept, for good. The next authority is made like that at
    /// once, and signs when it has been published for the notice; a choice that is what signs already takes back the one
    /// before it.
    ///
    /// As with [`prepare`](Self::prepare), whoever may have to leave runs it on a task of its own.
    ///
    /// # Errors
    /// [`CommandError`]; but for [`CommandError::Failed`] nothing has changed then, nor if no key could be made. After that
    /// the choice may have been made, which is then carried out as soon as that is possible.
    pub async fn rotate(&self, family: Family, rotation: &Rotation) -> Result<Rotating, CommandError> {
        let mut changing = self.turns.making(family).await;
        let wanted = self.wanted(family).ok_or(CommandError::NotConfigured(family))?;
        let next = self.chosen(&wanted.settings, rotation)?;
        let active = self.in_state(family, AuthorityState::Active).await?;
        let Some(active) = active else {
            return Err(self.not_ready(family).await?);
        };
        let is_like = next.is_like(&active);
        if next.shape() == wanted.settings.shape() && (is_like || wanted.choice.is_some()) {
            return Err(CommandError::Already { family, is_like });
        }
        self.refuse_more_unused(family).await?;
        if let Some(request) = self.awaited(family).await?
            && !self.is_awaited(&next).await?
            && !rotation.gives_up_request
        {
            return Err(CommandError::Requested {
                family,
                suite: request.suite,
                requested_at: request.created_at,
            });
        }
        let now = self.clock.now();
        let configured = self.settings.families.iter().find(|known| known.family == family);
        let choice = FamilyChoice {
            family,
            wanted: next.shape(),
            configured: configured.unwrap_or(&next).shape(),
            notice: rotation.notice.unwrap_or(NOTICE),
            chosen_at: now,
            chosen_by: symbolon_pki::text::printable(&rotation.by),
        };
        let done = self.choose(next, choice, is_like, &mut changing).await;
        if done.is_err()
            && let Err(error) = self.destroy_orphaned_keys().await
        {
            log_failure(&error);
        }
        let reloaded = self.reload(Vec::new()).await;
        let prepared = done?;
        reloaded?;
        if let Some(made) = &prepared {
            Change::of(ChangeKind::Prepared, made).log();
        }
        let plan = self.plan(family).ok_or(CommandError::NotConfigured(family))?;
        let is_awaited = !is_like && prepared.is_none();
        Ok(Rotating {
            prepared,
            is_awaited,
            plan,
        })
    }

    /// What the family would be, if it can be that.
    fn chosen(&self, settings: &FamilySettings, rotation: &Rotation) -> Result<FamilySettings, CommandError> {
        let mut next = settings.clone();
        next.suite = rotation.suite.unwrap_or(settings.suite);
        next.alternative = rotation.alternative.or(settings.alternative);
        if !rotation.stores.is_empty() {
            next.stores.clone_from(&rotation.stores);
        }
        next.check(&self.stores).map_err(CommandError::Unsuitable)?;
        Ok(next)
    }

    /// Makes the next authority, or the request for its certificate, writes the choice down, and enters what was made, in this
    /// order: where the key cannot be made nothing changes, and where the process dies in between the next start goes on from
    /// the choice. What was requested before it is given up when it counts, and not before.
    async fn choose(
        &self,
        next: FamilySettings,
        choice: FamilyChoice,
        is_like: bool,
        changing: &mut Changing<'_>,
    ) -> Result<Option<AuthorityRecord>, AuthoritiesError> {
        let family = next.family;
        let made = match is_like {
            true => None,
            false => match self.new_authority(&next, changing).await {
                // Its certificate was requested before, and is what is to be brought.
                Err(AuthoritiesError::Awaited { .. }) => None,
                made => Some(made?),
            },
        };
        let sequence = self.datastore.choose_family(&choice).await?;
        let mut wanted = Vec::clone(&self.wanted.load());
        wanted.retain(|wanted| wanted.settings.family != family);
        wanted.push(Wanted {
            settings: next.clone(),
            choice: Some((sequence, choice)),
        });
        self.wanted.store(wanted.into());
        if let Some(waiting) = self.in_state(family, AuthorityState::Prepared).await? {
            let why = "the family is to be something else";
            self.retire(&waiting, why, self.clock.now()).await?;
        }
        match made {
            Some(Fresh::Certified(made)) => {
                self.datastore.add_authority(&made).await?;
                self.forget_request_unless(family, Some(&next)).await?;
                Ok(Some(made))
            }
            Some(Fresh::Requested(request)) => self.request(&next, &request, changing).await.map(|()| None),
            None => self
                .forget_request_unless(family, Some(&next))
                .await
                .map(|()| None),
        }
    }

    /// What counts for a family that is configured.
    pub(super) fn wanted(&self, family: Family) -> Option<Wanted> {
        let wanted = self.wanted.load();
        let mut wanted = wanted.iter();
        wanted.find(|wanted| wanted.settings.family == family).cloned()
    }

    /// What a family that is configured is to be.
    pub fn plan(&self, family: Family) -> Option<Plan> {
        let wanted = self.wanted(family)?;
        let configured = self
            .settings
            .families
            .iter()
            .find(|known| known.family == family)?;
        let journal = self.journal();
        let in_state = |state| {
            let mut records = journal.iter();
            records.find(|record| record.family == family && record.state == state)
        };
        let is_changing = in_state(AuthorityState::Active).is_some_and(|active| wanted.is_changing(active));
        let prepared = in_state(AuthorityState::Prepared).filter(|_| is_changing);
        Some(Plan {
            family,
            wanted: wanted.settings.shape(),
            configured: configured.shape(),
            activates_at: prepared.and_then(|prepared| wanted.activates_at(prepared)),
            choice: wanted.choice,
        })
    }

    /// Refuses to prepare another authority where many of the family were published, never signed, and were let go of:
    /// each stands in everybody's bundle until it expires.
    pub(super) async fn refuse_more_unused(&self, family: Family) -> Result<(), CommandError> {
        let now = self.clock.now();
        let journal = self.datastore.authorities(Some(family)).await;
        let journal = journal.map_err(AuthoritiesError::from)?;
        let is_unused = |record: &&AuthorityRecord| {
            record.state == AuthorityState::Old && record.activated_at.is_none() && now < record.not_after
        };
        let unused: Vec<_> = journal.iter().filter(is_unused).collect();
        if unused.len() < MOST_UNUSED {
            return Ok(());
        }
        let until = unused.iter().map(|record| record.not_after).min();
        Err(CommandError::TooMany {
            family,
            count: unused.len(),
            until: rfc3339(until.unwrap_or(now)),
        })
    }
}
