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
mod look;
mod moves;
mod rules;
mod scope;
mod seen;
mod survey;
mod wish;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use spiffe::SpiffeId;
use symbolon_pki::suite::Family;
use symbolon_pki::time::Clock;
use symbolon_tls::MigrationStage;
use tokio::sync::Mutex;

pub use self::check::{Check, Counted, MAX_PARTIES, Party, Readiness};
pub(crate) use self::rules::rank;
use self::rules::{MAX_SCOPED, following};
pub use self::rules::{Rule, Rules};
pub use self::scope::{InvalidScope, Scope};
pub use self::seen::Reported;
use self::seen::Seen;
pub use self::wish::{Done, MigrationError, OpenError, Wish, WishedStage};
use crate::authorities::Authorities;
use crate::datastore::{AgentRecord, Datastore, EntryRecord, MigrationChange, MigrationSetting};
use crate::registrations::Registrations;
use crate::telemetry::{MIGRATION_CHANGED, MIGRATION_ENTRY_MOVED, MIGRATION_REFUSED};

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

impl Migrations {
    /// Reads the record. `quiet` is for how long nothing that the last stage refuses may have been seen.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        datastore: Arc<dyn Datastore>,
        registrations: Arc<Registrations>,
        authorities: Arc<Authorities>,
        clock: Arc<dyn Clock>,
        quiet: Duration,
    ) -> Result<Arc<Self>, OpenError> {
        let rules = Rules::after(datastore.migration_changes().await?)?;
        let families: Vec<Family> = authorities.families().collect();
        rules.are_served_by(&families)?;
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

    /// Takes what an agent says of itself and of the identities that it may serve; what it says of others is left out, and
    /// authorities that are not this server's.
    pub fn note(
        &self,
        agent: &SpiffeId,
        authorized: &[Arc<EntryRecord>],
        mut held: BTreeMap<Family, BTreeSet<String>>,
        mut reports: Vec<(SpiffeId, Reported)>,
    ) {
        let bundle = self.authorities.bundle();
        let skids = bundle.x509_authorities.iter();
        let known: HashSet<String> = skids
            .filter_map(|authority| authority.certificate.skid().map(ToString::to_string))
            .collect();
        held.values_mut()
            .for_each(|ids| ids.retain(|id| known.contains(id)));
        let own: HashSet<&SpiffeId> = authorized.iter().map(|entry| &entry.spiffe_id).collect();
        reports.retain(|(id, _)| own.contains(id));
        self.seen.note(agent, held, reports, self.clock.now());
    }

    /// The entries that an agent may serve now.
    pub fn authorized(&self, agent: &AgentRecord) -> Vec<Arc<EntryRecord>> {
        self.registrations.authorized(agent, self.clock.now())
    }

    /// Tells the log where a change of an entry itself takes it forward under the rules, which no check comes before; a new
    /// entry, where peers are refused at once.
    pub(crate) fn note_entry(&self, before: Option<&EntryRecord>, after: &EntryRecord) {
        let Some((from, to)) = moves::of_changed(&self.rules(), before, after) else {
            return;
        };
        let demands = to.stage == Some(MigrationStage::Require);
        if before.is_none() && !demands {
            return;
        }
        let name = |stage: Option<MigrationStage>| stage.map_or("off", MigrationStage::name);
        tracing::warn!(
            event = MIGRATION_ENTRY_MOVED,
            entry_id = after.id,
            spiffe_id = %after.spiffe_id,
            is_new = before.is_none(),
            target = to.target.name(),
            from = name(from),
            to = name(to.stage),
            "an entry was made or changed, and is further in its migration by that, unchecked"
        );
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
        if wish.force && wish.reason.trim().is_empty() {
            let reason = "force wants a reason, which is recorded with who asked";
            return Err(MigrationError::Invalid(reason.to_owned()));
        }
        let rules = self.rules();
        let existing = rules.of(&wish.scope);
        // A new rule for some entries begins where the one for all has them.
        let before = existing.or(rules.default.as_ref()).map(|rule| rule.setting);
        let setting = self.setting(wish, &rules, before)?;
        if let (Some(existing), Some(setting)) = (existing, setting)
            && existing.setting == setting
        {
            return Ok(Done {
                rule: Some(existing.clone()),
                check: None,
                changed: false,
            });
        }
        let mut change = MigrationChange {
            entries: wish.scope.to_string(),
            setting,
            changed_at: self.clock.now(),
            changed_by: wish.by.clone(),
            forced: false,
            reason: wish.reason.trim().to_owned(),
            quiet: None,
        };
        // What counts is what each entry goes to, whatever rule it is that changes; and the rule itself, for entries to come.
        let after = rules.with(&wish.scope, change.clone());
        let survey = self.survey(wish.quiet).await?;
        let mut moves = moves::Moves::new();
        if setting.is_some() {
            moves::enter(&mut moves, before, setting, &|| "the migration".to_owned());
        }
        for (to, moved) in moves::forward(&rules, &after, &survey.entries) {
            let at = moves.entry(to).or_default();
            at.entries = moved.entries;
            at.skips = at.skips.take().or(moved.skips);
        }
        let checks = moves.into_iter().map(|((target, stage), moved)| {
            let mut check = survey.check(target, stage, &moved.entries);
            // What is refused for a rule's own sake is refused whoever is ready.
            if let Some(skips) = moved.skips {
                check.obstacle = skips;
            }
            check
        });
        let mut checks: Vec<Check> = checks.collect();
        change.quiet = checks.iter().find_map(|check| check.quiet);
        checks.sort_by_key(|check| (!check.is_ready(), !check.obstacle.is_empty()));
        let check = checks.pop();
        let unready = check.as_ref().filter(|check| !check.is_ready());
        if let Some(unready) = unready.filter(|_| !wish.force && !wish.dry_run) {
            return Err(MigrationError::Refused(unready.summary()));
        }
        change.forced = unready.is_some();
        self.record(wish, before, change, check).await
    }

    /// What a rule is to say; `None` for nothing.
    fn setting(
        &self,
        wish: &Wish,
        rules: &Rules,
        before: Option<MigrationSetting>,
    ) -> Result<Option<MigrationSetting>, MigrationError> {
        let refused = |reason: String| Err(MigrationError::Refused(reason));
        let existing = rules.of(&wish.scope);
        if wish.stage == WishedStage::Clear || wish.stage == WishedStage::Off && wish.scope == Scope::All {
            return match existing {
                Some(_) => Ok(None),
                None => Err(MigrationError::NoRule(wish.scope.to_string())),
            };
        }
        if existing.is_none() && wish.scope != Scope::All && rules.scoped.len() >= MAX_SCOPED {
            return refused(format!(
                "there are {MAX_SCOPED} rules for some entries, and no more are kept"
            ));
        }
        let Some(target) = wish.target.or(before.map(|before| before.target)) else {
            let reason = "there is no rule yet; say where it is to lead, to hybrid or to pq";
            return Err(MigrationError::Invalid(reason.to_owned()));
        };
        if let Some(existing) = existing
            && existing.setting.target != target
            && existing.setting.stage.is_some()
        {
            let other = existing.setting.target;
            return refused(format!(
                "the rule leads to {other}; take it back to `off` before it leads to {target}"
            ));
        }
        let present = before
            .filter(|before| before.target == target)
            .and_then(|before| before.stage);
        let stage = match wish.stage {
            WishedStage::To(wanted) => Some(wanted),
            WishedStage::Next => match following(present) {
                Some(next) => Some(next),
                None => return refused("the migration is at its last stage, `require`".to_owned()),
            },
            WishedStage::Off | WishedStage::Clear => None,
        };
        let family = target.form().family();
        if stage.is_some() && !self.authorities.families().any(|configured| configured == family) {
            return refused(format!(
                "the family {family} is not configured, so there is nothing to migrate to; add it to [authorities]"
            ));
        }
        Ok(Some(MigrationSetting { target, stage }))
    }

    async fn record(
        &self,
        wish: &Wish,
        before: Option<MigrationSetting>,
        change: MigrationChange,
        check: Option<Check>,
    ) -> Result<Done, MigrationError> {
        if wish.dry_run {
            return Ok(Done {
                rule: self.rules().of(&wish.scope).cloned(),
                check,
                changed: false,
            });
        }
        let changed = self
            .datastore
            .change_migration(self.rules().revision, &change)
            .await;
        // Whatever became of it, what the record says is in force.
        let read = self.datastore.migration_changes().await;
        let read = read.map_err(MigrationError::from).and_then(|changes| {
            Rules::after(changes).map_err(|error| MigrationError::Refused(error.to_string()))
        });
        let rules = match (&changed, read) {
            // It is on record, and so in force, whether or not that can be read just now.
            (Ok(_), Err(error)) => {
                tracing::warn!(%error, "the migration moved, and what is on record of it cannot be read back");
                self.rules().with(&wish.scope, change.clone())
            }
            (_, read) => read?,
        };
        let rules = Arc::new(rules);
        self.rules.store(Arc::clone(&rules));
        let revision = changed?;
        let name = |setting: Option<MigrationSetting>| {
            let stage = setting.and_then(|setting| setting.stage);
            stage.map_or("off", MigrationStage::name)
        };
        tracing::info!(
            event = MIGRATION_CHANGED,
            revision,
            entries = change.entries,
            target = change.setting.map(|setting| setting.target.name()),
            from = name(before),
            to = change.setting.map_or("none", |setting| name(Some(setting))),
            by = change.changed_by,
            forced = change.forced,
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
}
