//! Migration from one family of algorithms to another: which entries are how far, who is ready to go on, and what agents
//! are told.
//!
//! A rule takes a set of entries, or all of them, to a target in stages. It moves one stage forwards when those in scope are
//! ready, and backwards at any time. A change is one line of a record that is only added to, so a server that is killed in
//! the middle of one comes back to the stage before it or to the one after. What readiness is judged by is what agents say
//! at each sync and which certificates are on record.
//!
//! This module must not know who may ask for a change, nor how any of this looks on the wire.

mod check;
mod rules;
mod scope;
mod seen;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use spiffe::SpiffeId;
use symbolon_host::duration::HumanDuration;
use symbolon_pki::suite::Family;
use symbolon_pki::time::Clock;
use symbolon_tls::{MigrationStage, MigrationTarget};
use tokio::sync::Mutex;

use self::check::Look;
pub use self::check::{Check, Counted, MAX_PARTIES, Party, Readiness};
use self::rules::MAX_SCOPED;
pub(crate) use self::rules::rank;
pub use self::rules::{Rule, Rules};
pub use self::scope::{InvalidScope, Scope};
pub use self::seen::Reported;
use self::seen::Seen;
use crate::authorities::Authorities;
use crate::datastore::{
    AgentFilter, AgentRecord, Datastore, DatastoreError, EntryRecord, MigrationChange, MigrationSetting,
};
use crate::registrations::Registrations;
use crate::telemetry::{MIGRATION_CHANGED, MIGRATION_REFUSED};

/// The migrations of a server.
#[derive(Debug)]
pub struct Migrations {
    datastore: Arc<dyn Datastore>,
    registrations: Arc<Registrations>,
    authorities: Arc<Authorities>,
    clock: Arc<dyn Clock>,
    rules: ArcSwap<Rules>,
    seen: Seen,
    /// For how long nothing that the last stage refuses may have been seen.
    quiet: ArcSwap<Duration>,
    /// Held from the check to the change, so that two changes do not overlap.
    changing: Mutex<()>,
}

/// What is to become of a rule.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which entries.
    pub scope: Scope,
    /// Where to; `None` for where the rule leads already.
    pub target: Option<MigrationTarget>,
    /// How far.
    pub stage: WishedStage,
    /// Go over what keeps it from being done.
    pub force: bool,
    /// Why; not empty with `force`.
    pub reason: String,
    /// Check and change nothing.
    pub dry_run: bool,
    /// For how long nothing that the last stage refuses may have been seen; `None` for as long as this server wants. Less than
    /// that is only for force.
    pub quiet: Option<Duration>,
    /// Who asks.
    pub by: String,
}

/// How far a rule is to go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WishedStage {
    /// One stage on.
    Next,
    /// To this stage.
    To(MigrationStage),
    /// No further, and back: these entries are in no migration.
    Off,
    /// The rule is to go, so that those for more entries decide.
    Clear,
}

/// What became of a wish.
#[derive(Clone, Debug)]
pub struct Done {
    /// The rule as it is now.
    pub rule: Option<Rule>,
    /// What was checked, if anything.
    pub check: Option<Check>,
    /// Whether the rule was changed.
    pub changed: bool,
}

/// Why a rule was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// There is nothing to be found out what is meant by: the asker's fault.
    #[error("{0}")]
    Invalid(String),
    /// There is no such rule.
    #[error("there is no rule for the entries {0:?}")]
    NoRule(String),
    /// It may not be, as things stand.
    #[error("{0}")]
    Refused(String),
    /// The datastore failed, or somebody else was faster.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
}

impl Migrations {
    /// Reads the record. `quiet` is for how long nothing that the last stage refuses may have been seen.
    ///
    /// # Errors
    /// The datastore's.
    pub async fn open(
        datastore: Arc<dyn Datastore>,
        registrations: Arc<Registrations>,
        authorities: Arc<Authorities>,
        clock: Arc<dyn Clock>,
        quiet: Duration,
    ) -> Result<Arc<Self>, DatastoreError> {
        let rules = Rules::after(datastore.migration_changes().await?);
        Ok(Arc::new(Self {
            datastore,
            registrations,
            authorities,
            clock,
            rules: ArcSwap::from_pointee(rules),
            seen: Seen::default(),
            quiet: ArcSwap::from_pointee(quiet),
            changing: Mutex::new(()),
        }))
    }

    /// Takes another time for which nothing that the last stage refuses may have been seen.
    pub fn set_quiet(&self, quiet: Duration) {
        self.quiet.store(Arc::new(quiet));
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Takes what an agent says of itself and of the identities that it may serve; what it says of others is left out.
    pub fn note(
        &self,
        agent: &SpiffeId,
        authorized: &[Arc<EntryRecord>],
        held: BTreeMap<Family, BTreeSet<String>>,
        mut reports: Vec<(SpiffeId, Reported)>,
    ) {
        let own: HashSet<&SpiffeId> = authorized.iter().map(|entry| &entry.spiffe_id).collect();
        reports.retain(|(id, _)| own.contains(id));
        self.seen.note(agent, held, reports, self.clock.now());
    }

    /// The entries that an agent may serve now.
    pub fn authorized(&self, agent: &AgentRecord) -> Vec<Arc<EntryRecord>> {
        self.registrations.authorized(agent, self.clock.now())
    }

    /// Who is ready for the stage that comes after a rule's; `None` at the last one.
    ///
    /// # Errors
    /// The datastore's.
    pub async fn next(&self, rule: &Rule, quiet: Option<Duration>) -> Result<Option<Check>, DatastoreError> {
        match following(rule.setting.stage) {
            Some(stage) => self
                .check(&self.rules(), &rule.scope, rule.setting.target, stage, quiet)
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Does what is wished, or says why not.
    ///
    /// # Errors
    /// [`MigrationError`]; nothing was changed then.
    pub async fn change(&self, wish: Wish) -> Result<Done, MigrationError> {
        let _changing = self.changing.lock().await;
        let outcome = self.decide(&wish).await;
        if let Err(error) = &outcome {
            let (entries, by) = (wish.scope.to_string(), wish.by.as_str());
            tracing::warn!(event = MIGRATION_REFUSED, entries, by, reason = %error, "a change of the migration was refused");
        }
        outcome
    }

    async fn decide(&self, wish: &Wish) -> Result<Done, MigrationError> {
        let refused = |reason: String| Err(MigrationError::Refused(reason));
        if wish.force && wish.reason.trim().is_empty() {
            let reason = "force wants a reason, which is recorded with who asked";
            return Err(MigrationError::Invalid(reason.to_owned()));
        }
        let rules = self.rules();
        let existing = rules.of(&wish.scope);
        if wish.stage == WishedStage::Clear || wish.stage == WishedStage::Off && wish.scope == Scope::All {
            let Some(existing) = existing else {
                return Err(MigrationError::NoRule(wish.scope.to_string()));
            };
            return self.record(wish, existing.setting.stage, None, None, false).await;
        }
        if existing.is_none() && wish.scope != Scope::All && rules.scoped.len() >= MAX_SCOPED {
            return refused(format!(
                "there are {MAX_SCOPED} rules for some entries, and no more are kept"
            ));
        }
        // A new rule for some entries begins where the one for all has them.
        let before = existing.or(rules.default.as_ref()).map(|rule| rule.setting);
        let Some(target) = wish.target.or(before.map(|before| before.target)) else {
            let reason = "there is no rule yet; say where it is to lead, to hybrid or to pq";
            return Err(MigrationError::Invalid(reason.to_owned()));
        };
        let stage = before
            .filter(|before| before.target == target)
            .and_then(|before| before.stage);
        if let Some(existing) = existing
            && existing.setting.target != target
            && existing.setting.stage.is_some()
        {
            let other = existing.setting.target;
            return refused(format!(
                "the rule leads to {other}; take it back to `off` before it leads to {target}"
            ));
        }
        let wanted = match wish.stage {
            WishedStage::To(wanted) => Some(wanted),
            WishedStage::Next => match following(stage) {
                Some(next) => Some(next),
                None => return refused("the migration is at its last stage, `require`".to_owned()),
            },
            WishedStage::Off | WishedStage::Clear => None,
        };
        let family = target.form().family();
        if wanted.is_some() && !self.authorities.families().any(|configured| configured == family) {
            return refused(format!(
                "the family {family} is not configured, so there is nothing to migrate to; add it to [authorities]"
            ));
        }
        let setting = MigrationSetting {
            target,
            stage: wanted,
        };
        if existing.is_some_and(|existing| existing.setting == setting) {
            return Ok(Done {
                rule: existing.cloned(),
                check: None,
                changed: false,
            });
        }
        let (from, to) = (rank(stage), rank(wanted));
        let Some(wanted) = wanted.filter(|_| to > from) else {
            // On the way back nobody is cut off.
            return self.record(wish, stage, Some(setting), None, false).await;
        };
        let check = self
            .check(&rules, &wish.scope, target, wanted, wish.quiet)
            .await?;
        let skips = to > from + 1;
        if skips && !wish.force && !wish.dry_run {
            let name = stage.map_or("off", MigrationStage::name);
            return refused(format!(
                "from `{name}` to `{wanted}` leaves stages out; go one at a time, or force it"
            ));
        }
        if !check.is_ready() && !wish.force && !wish.dry_run {
            return refused(check.summary());
        }
        let forced = skips || !check.is_ready();
        self.record(wish, stage, Some(setting), Some(check), forced).await
    }

    async fn record(
        &self,
        wish: &Wish,
        from: Option<MigrationStage>,
        setting: Option<MigrationSetting>,
        check: Option<Check>,
        forced: bool,
    ) -> Result<Done, MigrationError> {
        if wish.dry_run {
            return Ok(Done {
                rule: self.rules().of(&wish.scope).cloned(),
                check,
                changed: false,
            });
        }
        let change = MigrationChange {
            entries: wish.scope.to_string(),
            setting,
            changed_at: self.clock.now(),
            changed_by: wish.by.clone(),
            forced,
            reason: wish.reason.trim().to_owned(),
            quiet: check.as_ref().and_then(|check| check.quiet),
        };
        let changed = self
            .datastore
            .change_migration(self.rules().revision, &change)
            .await;
        // Whatever became of it, what the record says is in force.
        let rules = Arc::new(Rules::after(self.datastore.migration_changes().await?));
        self.rules.store(Arc::clone(&rules));
        let revision = changed?;
        let name = |stage: Option<MigrationStage>| stage.map_or("off", MigrationStage::name);
        tracing::info!(
            event = MIGRATION_CHANGED,
            revision,
            entries = change.entries,
            target = setting.map(|setting| setting.target.name()),
            from = name(from),
            to = setting.map_or("none", |setting| name(setting.stage)),
            by = change.changed_by,
            forced,
            reason = change.reason,
            quiet_seconds = change.quiet.map(|quiet| quiet.as_secs()),
            "the migration moved"
        );
        Ok(Done {
            rule: rules.of(&wish.scope).cloned(),
            check,
            changed: true,
        })
    }

    async fn check(
        &self,
        rules: &Rules,
        scope: &Scope,
        target: MigrationTarget,
        stage: MigrationStage,
        quiet: Option<Duration>,
    ) -> Result<Check, DatastoreError> {
        let wanted = **self.quiet.load();
        let quiet = quiet.unwrap_or(wanted);
        let now = self.clock.now();
        if stage == MigrationStage::Issue {
            return self.check_agents(target).await;
        }
        let living = self.datastore.living_forms(now).await?;
        let entries: Vec<_> = self.registrations.all();
        let entries: Vec<_> = entries
            .into_iter()
            .filter(|entry| rules.decides(scope, entry))
            .collect();
        let look = Look {
            target,
            living: &living,
            workloads: &self.seen.workloads(now),
            quiet,
            now,
        };
        let mut check = look.entries(stage, &entries);
        if stage == MigrationStage::Require {
            check.quiet = Some(quiet);
            if quiet < wanted {
                let (quiet, wanted) = (HumanDuration(quiet), HumanDuration(wanted));
                check.obstacle = format!(
                    "a quiet time of {quiet} is less than the {wanted} of this server's `migration.quiet`, and is for force alone"
                );
            }
        }
        let family = target.form().family();
        if stage == MigrationStage::Publish && self.published(target).is_empty() {
            check.obstacle = format!("the family {family} has no authority that is active and published");
        }
        Ok(check)
    }

    /// Whether the agents that have spoken lately hold what is published.
    async fn check_agents(&self, target: MigrationTarget) -> Result<Check, DatastoreError> {
        let family = target.form().family();
        let mut check = Check::new(MigrationStage::Issue, Counted::Agents);
        let published = self.published(target);
        if published.is_empty() {
            check.obstacle = format!("the family {family} has no authority that is active and published");
        }
        let now = self.clock.now();
        let holders = self.seen.holders(family, now);
        let known = u64::try_from(holders.len()).unwrap_or(u64::MAX);
        for (agent, held) in holders {
            match published.difference(&held).next() {
                None => check.add(Readiness::Ready, 1),
                Some(missing) => check.party(Party {
                    entry_id: String::new(),
                    spiffe_id: agent,
                    readiness: Readiness::NotReady,
                    reason: format!("it has not fetched the authority {missing}"),
                }),
            }
        }
        let of_record = AgentFilter {
            banned: Some(false),
            ..AgentFilter::default()
        };
        let expired = AgentFilter {
            expires_before: Some(now),
            ..of_record.clone()
        };
        let current = self.datastore.count_agents(&of_record).await?;
        let current = current.saturating_sub(self.datastore.count_agents(&expired).await?);
        check.add(Readiness::Unknown, current.saturating_sub(known));
        Ok(check)
    }

    /// The authorities of the target's family that verifiers are to know; none while none of them signs.
    fn published(&self, target: MigrationTarget) -> BTreeSet<String> {
        let form = target.form();
        if self.authorities.active(form.family()).is_none() {
            return BTreeSet::new();
        }
        let bundle = self.authorities.bundle();
        let trusted = bundle.authorities_of(form).filter(|authority| !authority.tainted);
        trusted
            .filter_map(|authority| authority.certificate.skid().map(ToString::to_string))
            .collect()
    }
}

/// The stage after this one, where `None` is off.
fn following(stage: Option<MigrationStage>) -> Option<MigrationStage> {
    match stage {
        None => Some(MigrationStage::Publish),
        Some(stage) => stage.next(),
    }
}
