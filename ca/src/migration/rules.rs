//! The rules in force, as they follow from all changes.

use symbolon_tls::MigrationStage;

use super::scope::Scope;
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
    /// What is in force after these changes, oldest first. One whose words this version does not know is left out: it was
    /// made by a newer one.
    pub fn after(changes: Vec<(u64, MigrationChange)>) -> Self {
        let mut rules: Vec<Rule> = Vec::new();
        let mut newest = 0;
        for (revision, change) in changes {
            newest = revision;
            let Ok(scope) = change.entries.parse::<Scope>() else {
                tracing::warn!(
                    revision,
                    entries = change.entries,
                    "a rule of migration cannot be read"
                );
                continue;
            };
            let at = rules.iter().position(|rule| rule.scope == scope);
            match (at, change.setting) {
                (Some(at), None) => {
                    rules.remove(at);
                }
                (None, None) => {}
                (at, Some(setting)) => {
                    let before = at.map(|at| rules.remove(at));
                    rules.push(Rule {
                        scope,
                        setting,
                        revision,
                        change,
                        made: before.map_or(revision, |before| before.made),
                    });
                }
            }
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.made));
        let (default, scoped) = rules.into_iter().partition(|rule| rule.scope == Scope::All);
        Self {
            revision: newest,
            scoped,
            default: default.into_iter().next(),
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

    /// Whether a rule for `scope` decides, or would, about an entry.
    pub fn decides(&self, scope: &Scope, entry: &EntryRecord) -> bool {
        if !scope.contains(entry) {
            return false;
        }
        match (self.own_rule(entry), scope) {
            (None, _) => true,
            (Some(_), Scope::All) => false,
            // A rule that is yet to be made will be the newest.
            (Some(rule), scope) => rule.scope == *scope || self.of(scope).is_none(),
        }
    }
}

/// Where a stage stands in order, with `None`, which is off, first.
pub(crate) fn rank(stage: Option<MigrationStage>) -> usize {
    let known = stage.and_then(|stage| MigrationStage::ALL.into_iter().position(|other| other == stage));
    known.map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
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

    fn rules(changes: &[(&str, Option<Option<MigrationStage>>)]) -> Rules {
        let changes = changes.iter().enumerate();
        Rules::after(
            changes
                .map(|(at, (entries, stage))| (at as u64 + 1, change(entries, *stage)))
                .collect(),
        )
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
        assert!(rules.decides(&Scope::All, &entry("web", "/web")));
        assert!(!rules.decides(&Scope::All, &entry("web", "/ns/web")));
        let ns: Scope = "spiffe-id-prefix:/ns".parse().unwrap();
        assert!(rules.decides(&ns, &entry("web", "/ns/web")));
        assert!(!rules.decides(&ns, &entry("held", "/ns/held")));
        let new: Scope = "spiffe-id-prefix:/ns/held".parse().unwrap();
        assert!(rules.decides(&new, &entry("held", "/ns/held")));
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
