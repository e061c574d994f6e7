//! The rules in force, as they follow from all changes.

use symbolon_pki::suite::Family;
use symbolon_tls::MigrationStage;

use super::scope::Scope;
use super::wish::OpenError;
use crate::datastore::{EntryRecord, MigrationChange, MigrationSetting};

/// Most rules for some entries that there may be: each is tried with every entry.
pub(super) const MAX_SCOPED: usize = 256;

/// A rule as its last change left it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which entries.
    pub scope: Scope,
    /// What it says.
    pub setting: MigrationSetting,
    /// Its last change.
    pub revision: u64,
    /// What that was.
    pub change: MigrationChange,
    /// The change that made it.
    made: u64,
}

/// All rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The last change, of whatever rule; 0 for none.
    pub revision: u64,
    /// Those for some entries, the one made last first: of those that contain an entry the first decides.
    pub scoped: Vec<Rule>,
    /// The one for all others.
    pub default: Option<Rule>,
}

impl Rules {
    /// What is in force after these changes, oldest first.
    ///
    /// # Errors
    /// [`OpenError::Unreadable`] for one whose words this version does not know: it may hold entries back, and nobody can say
    /// which.
    pub fn after(changes: Vec<(u64, MigrationChange)>) -> Result<Self, OpenError> {
        let mut rules = Vec::new();
        let mut newest = 0;
        for (revision, change) in changes {
            newest = revision;
            let scope = change.entries.parse().map_err(|error| OpenError::Unreadable {
                revision,
                entries: change.entries.clone(),
                reason: format!("{error}"),
            })?;
            apply(&mut rules, revision, scope, change);
        }
        Ok(Self::of_all(newest, rules))
    }

    /// What would be in force after one more.
    pub(super) fn with(&self, scope: &Scope, change: MigrationChange) -> Self {
        let revision = self.revision.saturating_add(1);
        let mut rules = self.all().cloned().collect();
        apply(&mut rules, revision, scope.clone(), change);
        Self::of_all(revision, rules)
    }

    fn of_all(revision: u64, mut rules: Vec<Rule>) -> Self {
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.made));
        let (default, scoped) = rules.into_iter().partition(|rule| rule.scope == Scope::All);
        Self {
            revision,
            scoped,
            default: default.into_iter().next(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.scoped.is_empty() && self.default.is_none()
    }

    /// The furthest stage that a rule is at; `None` if they keep entries out and nothing else.
    pub(crate) fn furthest(&self) -> Option<MigrationStage> {
        self.all().filter_map(|rule| rule.setting.stage).max()
    }

    /// # Errors
    /// [`OpenError::NoFamily`] for a rule that leads to a family that is not among these.
    pub(super) fn are_served_by(&self, families: &[Family]) -> Result<(), OpenError> {
        let leads = |rule: &&Rule| {
            let family = rule.setting.target.form().family();
            rule.setting.stage.is_some() && !families.contains(&family)
        };
        match self.all().find(leads) {
            None => Ok(()),
            Some(rule) => Err(OpenError::NoFamily {
                entries: rule.scope.in_words(),
                target: rule.setting.target,
                family: rule.setting.target.form().family(),
            }),
        }
    }

    /// The rule for exactly these entries.
    pub fn of(&self, scope: &Scope) -> Option<&Rule> {
        self.all().find(|rule| rule.scope == *scope)
    }

    /// Every rule, in the order in which they decide.
    pub fn all(&self) -> impl Iterator<Item = &Rule> {
        self.scoped.iter().chain(&self.default)
    }

    /// The rule that decides about an entry.
    pub fn deciding(&self, entry: &EntryRecord) -> Option<&Rule> {
        self.all().find(|rule| rule.scope.contains(entry))
    }

    /// The rule for some entries that decides about this one, if it is not the one for all.
    pub fn own_rule(&self, entry: &EntryRecord) -> Option<&Rule> {
        self.scoped.iter().find(|rule| rule.scope.contains(entry))
    }
}

/// Makes a change.
fn apply(rules: &mut Vec<Rule>, revision: u64, scope: Scope, change: MigrationChange) {
    let at = rules.iter().position(|rule| rule.scope == scope);
    let before = at.map(|at| rules.remove(at));
    let Some(setting) = change.setting else {
        return;
    };
    rules.push(Rule {
        scope,
        setting,
        revision,
        change,
        made: before.map_or(revision, |before| before.made),
    });
}

/// Where a stage stands in order, with `None`, which is off, first.
pub(crate) fn rank(stage: Option<MigrationStage>) -> usize {
    let known = stage.and_then(|stage| MigrationStage::ALL.into_iter().position(|other| other == stage));
    known.map_or(0, |at| at + 1)
}

/// The stage after this one, where `None` is off.
pub(super) fn following(stage: Option<MigrationStage>) -> Option<MigrationStage> {
    match stage {
        None => Some(MigrationStage::Publish),
        Some(stage) => stage.next(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::SystemTime;

    use symbolon_tls::MigrationTarget;

    use super::super::scope::tests::entry;
    use super::*;

    fn change(entries: &str, stage: Option<Option<MigrationStage>>) -> MigrationChange {
        MigrationChange {
            entries: entries.to_owned(),
            setting: stage.map(|stage| MigrationSetting {
                target: MigrationTarget::Hybrid,
                stage,
            }),
            changed_at: SystemTime::UNIX_EPOCH,
            changed_by: "somebody".to_owned(),
            forced: false,
            reason: String::new(),
            quiet: None,
        }
    }

    pub(crate) fn rules(changes: &[(&str, Option<Option<MigrationStage>>)]) -> Rules {
        let changes = changes.iter().enumerate();
        Rules::after(
            changes
                .map(|(at, (entries, stage))| (at as u64 + 1, change(entries, *stage)))
                .collect(),
        )
        .unwrap()
    }

    #[test]
    fn the_rule_made_last_decides_and_all_others_before_the_one_for_all() {
        use MigrationStage::{Accept, Issue, Prefer, Publish};
        let rules = rules(&[
            ("", Some(Some(Publish))),
            ("spiffe-id-prefix:/ns", Some(Some(Issue))),
            ("id:held", Some(None)),
            ("", Some(Some(Prefer))),
            ("spiffe-id-prefix:/ns", Some(Some(Accept))),
            ("id:gone", Some(Some(Publish))),
            ("id:gone", None),
            ("id:never", None),
        ]);
        assert_eq!(rules.revision, 8);
        let stage = |id: &str, path: &str| rules.deciding(&entry(id, path)).unwrap().setting.stage;
        assert_eq!(stage("web", "/web"), Some(Prefer));
        assert_eq!(stage("web", "/ns/web"), Some(Accept));
        // That the older rule was moved later does not put it first.
        assert_eq!(stage("held", "/ns/held"), None);
        assert_eq!(stage("gone", "/gone"), Some(Prefer));
        assert!(rules.own_rule(&entry("web", "/web")).is_none());
    }

    #[test]
    fn a_change_that_is_thought_through_is_as_one_that_is_made() {
        use MigrationStage::{Accept, Issue};
        let made = [("", Some(Some(Issue))), ("id:a", Some(None))];
        for (entries, stage) in [
            ("id:b", Some(Some(Accept))),
            ("id:a", None),
            ("", Some(Some(Accept))),
            ("", None),
        ] {
            let scope: Scope = entries.parse().unwrap();
            let thought = rules(&made).with(&scope, change(entries, stage));
            let done = rules(&[&made[..], &[(entries, stage)]].concat());
            let settings = |rules: &Rules| {
                let all = rules
                    .all()
                    .map(|rule| (rule.scope.clone(), rule.setting, rule.made));
                (rules.revision, all.collect::<Vec<_>>())
            };
            assert_eq!(settings(&thought), settings(&done), "{entries} {stage:?}");
        }
    }

    #[test]
    fn a_rule_of_another_version_is_not_gone_over() {
        let changes = vec![
            (1, change("", Some(None))),
            (2, change("weather:sunny", Some(None))),
        ];
        let error = Rules::after(changes).unwrap_err().to_string();
        assert!(
            error.contains("change 2") && error.contains("weather:sunny"),
            "{error}"
        );
    }

    #[test]
    fn one_set_of_entries_has_one_rule_however_it_is_written() {
        let rules = rules(&[
            ("spiffe-id-prefix:/ns/prod", Some(None)),
            ("spiffe-id-prefix:/ns/prod/", Some(Some(MigrationStage::Publish))),
        ]);
        assert_eq!(rules.all().count(), 1);
    }

    #[test]
    fn a_family_that_a_rule_leads_to_has_to_be_there() {
        let led = rules(&[("id:a", Some(Some(MigrationStage::Accept)))]);
        assert!(led.are_served_by(&[Family::Classical, Family::Composite]).is_ok());
        let error = led.are_served_by(&[Family::Classical]).unwrap_err().to_string();
        assert!(error.contains("composite") && error.contains("`off`"), "{error}");
        // Who is kept out leads nowhere.
        let out = rules(&[("id:a", Some(None))]);
        assert!(out.are_served_by(&[Family::Classical]).is_ok());
    }

    #[test]
    fn without_rules_nothing_is_decided() {
        assert!(rules(&[]).deciding(&entry("web", "/web")).is_none());
        assert!(
            rules(&[("", Some(Some(MigrationStage::Publish))), ("", None)])
                .default
                .is_none()
        );
    }
}
