//! What a change of the rules moves forward, entry by entry: only that can cut anybody off.

use std::collections::BTreeMap;
use std::sync::Arc;

use symbolon_tls::{MigrationStage, MigrationTarget};

use super::rules::{Rules, rank};
use crate::datastore::{EntryRecord, MigrationSetting};

/// Entries that go to a stage.
#[derive(Debug, Default)]
pub(super) struct Move {
    pub(super) entries: Vec<Arc<EntryRecord>>,
    /// Why it leaves stages out, of the first entry that it does for.
    pub(super) skips: Option<String>,
}

/// Everything that a change moves forward, by target and stage.
pub(super) type Moves = BTreeMap<(MigrationTarget, MigrationStage), Move>;

/// What goes forward from `before` to `after`.
pub(super) fn forward(before: &Rules, after: &Rules, entries: &[Arc<EntryRecord>]) -> Moves {
    let mut moves = Moves::new();
    for entry in entries {
        let setting = |rules: &Rules| rules.deciding(entry).map(|rule| rule.setting);
        let (from, to) = (setting(before), setting(after));
        let who = || format!("the entry {} of {}", entry.id, entry.spiffe_id);
        if let Some(at) = enter(&mut moves, from, to, &who) {
            at.entries.push(Arc::clone(entry));
        }
    }
    moves
}

/// From which stage to which setting an entry goes that changes from one to the other, or is new; `None` if that is not
/// forward.
pub(super) fn of_changed(
    rules: &Rules,
    before: Option<&EntryRecord>,
    after: &EntryRecord,
) -> Option<(Option<MigrationStage>, MigrationSetting)> {
    let setting = |entry| rules.deciding(entry).map(|rule| rule.setting);
    let (from, to) = (before.and_then(setting), setting(after)?);
    let is_forward = enter(&mut Moves::new(), from, Some(to), &String::new).is_some();
    is_forward.then_some((stage_of(from, to.target), to))
}

/// The stage of a setting for a target. What was prepared for another target counts for nothing.
fn stage_of(setting: Option<MigrationSetting>, target: MigrationTarget) -> Option<MigrationStage> {
    setting
        .filter(|setting| setting.target == target)
        .and_then(|setting| setting.stage)
}

/// Notes that somebody goes from one setting to another. `None` if that is not forward.
pub(super) fn enter<'a>(
    moves: &'a mut Moves,
    from: Option<MigrationSetting>,
    to: Option<MigrationSetting>,
    who: &dyn Fn() -> String,
) -> Option<&'a mut Move> {
    let MigrationSetting { target, stage } = to?;
    let stage = stage?;
    let from = stage_of(from, target);
    let (low, high) = (rank(from), rank(Some(stage)));
    if high <= low {
        return None;
    }
    let at = moves.entry((target, stage)).or_default();
    if high > low + 1 && at.skips.is_none() {
        let name = from.map_or("off", MigrationStage::name);
        at.skips = Some(format!(
            "{} would go from `{name}` to `{stage}`, which leaves stages out; go one at a time, or force it",
            who()
        ));
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::super::rules::tests::rules;
    use super::super::scope::tests::entry;
    use super::*;
    use MigrationStage::{Accept, Issue, Prefer, Publish, Require};

    /// What each of two entries is moved to, and whether stages are left out.
    fn moved(
        before: &[(&str, Option<Option<MigrationStage>>)],
        change: (&str, Option<Option<MigrationStage>>),
    ) -> Vec<(MigrationStage, Vec<String>, bool)> {
        let after = [before, &[change]].concat();
        let entries = [entry("web", "/web"), entry("prod", "/ns/prod")].map(Arc::new);
        let moves = forward(&rules(before), &rules(&after), &entries);
        let told = |((_, stage), at): (&(MigrationTarget, MigrationStage), &Move)| {
            let ids = at.entries.iter().map(|entry| entry.id.clone()).collect();
            (*stage, ids, at.skips.is_some())
        };
        moves.iter().map(told).collect()
    }

    fn of(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn to_take_a_hold_away_moves_what_was_held() {
        let prod = "spiffe-id-prefix:/ns/prod";
        let held = |stage| [("", Some(Some(Require))), (prod, Some(stage))];
        assert_eq!(
            moved(&held(Some(Accept)), (prod, None)),
            [(Require, of(&["prod"]), true)]
        );
        assert_eq!(moved(&held(None), (prod, None)), [(Require, of(&["prod"]), true)]);
        assert_eq!(
            moved(&held(Some(Prefer)), (prod, None)),
            [(Require, of(&["prod"]), false)]
        );
        assert_eq!(moved(&held(Some(Require)), (prod, None)), []);
        // On the way back nothing goes forward.
        assert_eq!(moved(&held(Some(Prefer)), ("", Some(Some(Publish)))), []);
        assert_eq!(moved(&held(Some(Prefer)), ("", None)), []);
    }

    #[test]
    fn a_new_rule_over_a_held_one_moves_what_was_held() {
        let before = [("", Some(Some(Require))), ("id:prod", Some(None))];
        let new = ("spiffe-id-prefix:/ns", Some(Some(Require)));
        assert_eq!(moved(&before, new), [(Require, of(&["prod"]), true)]);
        let before = [("", Some(Some(Issue))), ("id:prod", Some(Some(Publish)))];
        let new = ("spiffe-id-prefix:/", Some(Some(Issue)));
        assert_eq!(moved(&before, new), [(Issue, of(&["prod"]), false)]);
    }

    #[test]
    fn an_entry_that_changes_may_go_forward_by_that() {
        let rules = rules(&[
            ("", Some(Some(Require))),
            ("spiffe-id-prefix:/ns/prod", Some(Some(Accept))),
        ]);
        let (held, free) = (entry("one", "/ns/prod/web"), entry("one", "/web"));
        let moved = |before, after| {
            let found = of_changed(&rules, before, after);
            found.map(|(from, to)| (from, to.stage))
        };
        assert_eq!(moved(Some(&held), &free), Some((Some(Accept), Some(Require))));
        assert_eq!(moved(None, &free), Some((None, Some(Require))));
        assert_eq!(moved(None, &held), Some((None, Some(Accept))));
        for (before, after) in [(&free, &held), (&free, &free), (&held, &held)] {
            assert_eq!(moved(Some(before), after), None);
        }
        assert_eq!(of_changed(&Rules::default(), None, &free), None);
    }

    #[test]
    fn what_was_prepared_for_another_target_counts_for_nothing() {
        let to = |target, stage| {
            Some(MigrationSetting {
                target,
                stage: Some(stage),
            })
        };
        let (hybrid, pq) = (MigrationTarget::Hybrid, MigrationTarget::PostQuantum);
        let mut moves = Moves::new();
        let who = || "somebody".to_owned();
        assert!(enter(&mut moves, to(hybrid, Require), to(hybrid, Prefer), &who).is_none());
        let at = enter(&mut moves, to(hybrid, Require), to(pq, Accept), &who).unwrap();
        assert!(at.skips.as_ref().unwrap().contains("from `off` to `accept`"));
        assert_eq!(moves.len(), 1);

        // Nor is it where an entry comes from that goes from one target to the other.
        let mut rules = rules(&[
            ("", Some(Some(Issue))),
            ("spiffe-id-prefix:/ns/prod", Some(Some(Accept))),
        ]);
        rules.scoped[0].setting.target = pq;
        let (before, after) = (entry("one", "/ns/prod/web"), entry("one", "/web"));
        let moved = of_changed(&rules, Some(&before), &after).unwrap();
        assert_eq!(moved, (None, to(hybrid, Issue).unwrap()));
    }
}
