//! One look at everything that readiness is judged by, for as many rules and stages as there are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use symbolon_host::duration::HumanDuration;
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::Migrations;
use super::check::{Check, Counted, Party, Readiness};
use super::look::Look;
use super::rules::{Rule, Rules, following};
use super::seen::Said;
use crate::authorities::Authorities;
use crate::datastore::{AgentFilter, DatastoreError, EntryRecord, LivingForms};

/// What was found at a moment.
pub(super) struct Survey {
    pub(super) entries: Vec<Arc<EntryRecord>>,
    living: LivingForms,
    said: Said,
    /// How many agents are on record that may still call.
    current_agents: u64,
    authorities: Arc<Authorities>,
    /// For how long this server wants nothing to have been seen that the last stage refuses.
    wanted_quiet: Duration,
    /// For how long the asker does.
    quiet: Duration,
}

impl Survey {
    /// Whether these entries are ready for a stage.
    pub(super) fn check(
        &self,
        target: MigrationTarget,
        stage: MigrationStage,
        entries: &[Arc<EntryRecord>],
    ) -> Check {
        let mut check = match stage {
            MigrationStage::Issue => self.agents(target),
            _ => self.look(target).entries(stage, entries),
        };
        let is_early = matches!(stage, MigrationStage::Publish | MigrationStage::Issue);
        if is_early && self.published(target).is_empty() {
            let family = target.form().family();
            check.obstacle = format!("the family {family} has no authority that is active and published");
        }
        if stage == MigrationStage::Require {
            check.quiet = Some(self.quiet);
            if self.quiet < self.wanted_quiet {
                let (quiet, wanted) = (HumanDuration(self.quiet), HumanDuration(self.wanted_quiet));
                check.obstacle = format!(
                    "a quiet time of {quiet} is less than the {wanted} of this server's `migration.quiet`, and is for force alone"
                );
            }
        }
        check
    }

    fn look(&self, target: MigrationTarget) -> Look<'_> {
        Look {
            target,
            living: &self.living,
            said: &self.said,
            quiet: self.quiet,
        }
    }

    /// Whether the agents that have spoken lately hold what is published.
    fn agents(&self, target: MigrationTarget) -> Check {
        let mut check = Check::new(MigrationStage::Issue, Counted::Agents);
        let published = self.published(target);
        let family = target.form().family();
        let nothing = BTreeSet::new();
        for (agent, held) in &self.said.agents {
            let held = held.get(&family).unwrap_or(&nothing);
            match published.difference(held).next() {
                None => check.add(Readiness::Ready, 1),
                Some(missing) => check.party(Party {
                    entry_id: String::new(),
                    spiffe_id: agent.clone(),
                    readiness: Readiness::NotReady,
                    reason: format!("it has not fetched the authority {missing}"),
                }),
            }
        }
        let known = u64::try_from(self.said.agents.len()).unwrap_or(u64::MAX);
        check.add(Readiness::Unknown, self.current_agents.saturating_sub(known));
        check
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

impl Migrations {
    /// Looks at everything.
    ///
    /// # Errors
    /// The datastore's.
    pub(super) async fn survey(&self, quiet: Option<Duration>) -> Result<Survey, DatastoreError> {
        let now = self.clock.now();
        let of_record = AgentFilter {
            banned: Some(false),
            ..AgentFilter::default()
        };
        let expired = AgentFilter {
            expires_before: Some(now),
            ..of_record.clone()
        };
        let agents = self.datastore.count_agents(&of_record).await?;
        let expired = self.datastore.count_agents(&expired).await?;
        let wanted_quiet = **self.quiet.load();
        Ok(Survey {
            entries: self.registrations.all(),
            living: self.datastore.living_forms(now).await?,
            said: self.seen.said(now),
            current_agents: agents.saturating_sub(expired),
            authorities: Arc::clone(&self.authorities),
            wanted_quiet,
            quiet: quiet.unwrap_or(wanted_quiet),
        })
    }

    /// Every rule, in the order in which they decide, and who is ready for the stage that comes after; `None` after the last
    /// one.
    ///
    /// # Errors
    /// The datastore's.
    pub async fn look(&self, quiet: Option<Duration>) -> Result<Vec<(Rule, Option<Check>)>, DatastoreError> {
        let rules: Arc<Rules> = self.rules();
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let survey = self.survey(quiet).await?;
        let mut decided = vec![Vec::new(); rules.all().count()];
        for entry in &survey.entries {
            let at = rules.all().position(|rule| rule.scope.contains(entry));
            if let Some(of_rule) = at.and_then(|at| decided.get_mut(at)) {
                of_rule.push(Arc::clone(entry));
            }
        }
        let next = |(rule, entries): (&Rule, Vec<Arc<EntryRecord>>)| {
            let setting = rule.setting;
            let stage = following(setting.stage);
            let check = stage.map(|stage| survey.check(setting.target, stage, &entries));
            (rule.clone(), check)
        };
        Ok(rules.all().zip(decided).map(next).collect())
    }
}
