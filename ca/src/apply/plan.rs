//! From what is wanted and what there is to what has to change.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use symbolon_api::spire::api::types;

use super::document::Declaration;
use super::field::{FIELDS, id_text, selectors};

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is made.
    Create,
    /// Some of its fields change.
    Update,
    /// It was nobody's, and is kept by these declarations from now on.
    Adopt,
    /// It is removed: it was kept by these declarations, and is not among them any more.
    Delete,
}

/// A field that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Which.
    pub field: &'static str,
    /// What it is; null where the entry has none.
    pub from: Value,
    /// What it is to be.
    pub to: Value,
}

/// An entry that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// How.
    pub action: Action,
    /// Its id; `None` for one that the server is to name.
    pub id: Option<String>,
    /// The identity it gives.
    pub spiffe_id: String,
    /// Who may fetch it.
    pub parent_id: String,
    /// What a workload must be, each as `type:value`.
    pub selectors: Vec<String>,
    /// The fields that change; those that are set, of one that is made.
    pub fields: Vec<FieldChange>,
    /// Where it is declared, as `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// What there is to do, in the order in which it is done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) steps: Vec<Step>,
    /// How many of the wanted entries are as they are wanted.
    pub(super) unchanged: usize,
    /// Which fields updates write.
    pub(super) mask: types::EntryMask,
    /// The entries that are not as they are wanted and stay so, because others keep them.
    pub(super) left: Vec<Left>,
}

/// An entry that is left as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Left {
    pub(crate) id: String,
    /// Why.
    pub(crate) reason: String,
}

/// A change and the message that makes it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) change: Change,
    pub(super) entry: types::Entry,
}

impl Plan {
    /// The changes, in order.
    pub fn changes(&self) -> impl ExactSizeIterator<Item = &Change> {
        self.steps.iter().map(|step| &step.change)
    }

    /// Whether everything is as it is wanted.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many of the wanted entries are as they are wanted.
    pub fn unchanged(&self) -> usize {
        self.unchanged
    }

    /// The entries that are not as they are wanted and stay so, because others keep them.
    pub(crate) fn left(&self) -> &[Left] {
        &self.left
    }
}

/// What makes two entries the same registration: parent, identity and selectors.
pub(super) type Likeness = (String, String, BTreeSet<String>);

pub(super) fn likeness(entry: &types::Entry) -> Likeness {
    (
        id_text(entry.parent_id.as_ref()),
        id_text(entry.spiffe_id.as_ref()),
        selectors(entry).into_iter().collect(),
    )
}

/// What a plan may touch.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// The fields that are compared and written.
    pub(crate) mask: types::EntryMask,
    /// The owners whose entries are removed when nobody wants them.
    pub(crate) prune: BTreeSet<String>,
}

/// Compares what is wanted with what there is.
///
/// # Errors
/// In words, what stands in the way of each entry that others keep.
pub(crate) fn plan(
    wanted: &[Declaration],
    current: &[types::Entry],
    scope: &Scope,
) -> Result<Plan, Vec<String>> {
    let by_id: HashMap<&str, &types::Entry> =
        current.iter().map(|entry| (entry.id.as_str(), entry)).collect();
    let by_likeness: HashMap<Likeness, &types::Entry> =
        current.iter().map(|entry| (likeness(entry), entry)).collect();
    let mut kept: HashSet<&str> = HashSet::new();
    let mut conflicts = Vec::new();
    let mut left = Vec::new();
    // What is to become the same registration as another entry, and which.
    let mut moves = Vec::new();
    let (mut creations, mut updates, mut unchanged) = (Vec::new(), Vec::new(), 0);
    for declaration in wanted {
        let entry = &declaration.entry;
        let alike = by_likeness.get(&likeness(entry)).copied();
        let named = by_id
            .get(entry.id.as_str())
            .copied()
            .filter(|_| !entry.id.is_empty());
        let Some(found) = named.or(alike) else {
            creations.push(Step::new(Action::Create, None, declaration, scope));
            continue;
        };
        if !kept.insert(&found.id) {
            conflicts.push(describe(declaration, found, "two declarations are about it"));
            continue;
        }
        let others = !found.owner.is_empty() && found.owner != entry.owner;
        let kept_by = || format!("it is kept by the declarations of {:?}", found.owner);
        // Who does not speak of owners at all leaves to them what is theirs, and asks for nothing where nothing differs.
        if others && scope.mask.owner {
            conflicts.push(describe(declaration, found, &kept_by()));
            continue;
        }
        let adopts = scope.mask.owner && found.owner.is_empty() && !entry.owner.is_empty();
        let action = if adopts { Action::Adopt } else { Action::Update };
        let step = Step::new(action, Some(found), declaration, scope);
        if step.change.fields.is_empty() {
            unchanged += 1;
        } else if others {
            let fields: Vec<_> = step.change.fields.iter().map(|change| change.field).collect();
            left.push(Left {
                id: found.id.clone(),
                reason: format!("{}, and differs in {}", kept_by(), fields.join(", ")),
            });
        } else {
            updates.push(step);
            if let Some(other) = alike.filter(|other| other.id != found.id) {
                moves.push((declaration, found, other));
            }
        }
    }
    let is_gone = |entry: &types::Entry| {
        let is_pruned = !entry.owner.is_empty() && scope.prune.contains(&entry.owner);
        is_pruned && !kept.contains(entry.id.as_str())
    };
    // The server would refuse it, and by then the rest would be done.
    for (declaration, found, other) in moves {
        if !is_gone(other) {
            let what = format!(
                "entry {:?} is that registration (the same parent, identity and selectors) and stays",
                other.id
            );
            conflicts.push(describe(declaration, found, &what));
        }
    }
    let gone = current.iter().filter(|entry| is_gone(entry));
    // What is to be becomes of another entry's likeness only once that one is gone.
    let taken: HashSet<Likeness> = creations
        .iter()
        .chain(&updates)
        .map(|step: &Step| likeness(&step.entry))
        .collect();
    let (first, last): (Vec<Step>, Vec<Step>) = gone
        .map(Step::deletion)
        .partition(|step| taken.contains(&likeness(&step.entry)));
    if conflicts.is_empty() {
        let steps = [first, creations, updates, last].into_iter().flatten().collect();
        Ok(Plan {
            steps,
            unchanged,
            mask: scope.mask,
            left,
        })
    } else {
        Err(conflicts)
    }
}

fn describe(declaration: &Declaration, found: &types::Entry, what: &str) -> String {
    let place = declaration.place.as_ref().map(|place| format!("{place}: "));
    format!(
        "{}entry {:?} for {} cannot be changed: {what}",
        place.unwrap_or_default(),
        found.id,
        id_text(found.spiffe_id.as_ref())
    )
}

impl Step {
    fn new(action: Action, found: Option<&types::Entry>, declaration: &Declaration, scope: &Scope) -> Self {
        let wanted = &declaration.entry;
        let nothing = types::Entry::default();
        let before = found.unwrap_or(&nothing);
        let changed = FIELDS.iter().filter(|field| (field.picked)(&scope.mask));
        let changed = changed.filter_map(|field| {
            let (from, to) = ((field.value)(before), (field.value)(wanted));
            (from != to).then_some(FieldChange {
                field: field.name,
                from,
                to,
            })
        });
        let id = found.map_or(&wanted.id, |found| &found.id);
        Self {
            change: Change {
                action,
                id: Some(id.clone()).filter(|id| !id.is_empty()),
                spiffe_id: id_text(wanted.spiffe_id.as_ref()),
                parent_id: id_text(wanted.parent_id.as_ref()),
                selectors: selectors(wanted),
                fields: changed.collect(),
                place: declaration.place.as_ref().map(ToString::to_string),
            },
            entry: types::Entry {
                id: id.clone(),
                ..wanted.clone()
            },
        }
    }

    fn deletion(entry: &types::Entry) -> Self {
        Self {
            change: Change {
                action: Action::Delete,
                id: Some(entry.id.clone()),
                spiffe_id: id_text(entry.spiffe_id.as_ref()),
                parent_id: id_text(entry.parent_id.as_ref()),
                selectors: selectors(entry),
                fields: Vec::new(),
                place: None,
            },
            entry: entry.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ALL_FIELDS, STOCK_FIELDS};

    fn entry(id: &str, path: &str, owner: &str) -> types::Entry {
        let spiffe_id = |path: &str| types::Spiffeid {
            trust_domain: "example.org".to_owned(),
            path: path.to_owned(),
        };
        types::Entry {
            id: id.to_owned(),
            spiffe_id: Some(spiffe_id(path)),
            parent_id: Some(spiffe_id("/node")),
            selectors: vec![types::Selector {
                r#type: "unix".to_owned(),
                value: "uid:1".to_owned(),
            }],
            owner: owner.to_owned(),
            ..types::Entry::default()
        }
    }

    fn wanted(entries: &[types::Entry]) -> Vec<Declaration> {
        let declaration = |entry: &types::Entry| Declaration {
            place: None,
            entry: entry.clone(),
        };
        entries.iter().map(declaration).collect()
    }

    fn scope(prune: &[&str]) -> Scope {
        Scope {
            mask: ALL_FIELDS,
            prune: prune.iter().map(|owner| (*owner).to_owned()).collect(),
        }
    }

    /// Actions with ids and the fields that change.
    fn steps(plan: &Plan) -> Vec<(Action, &str, Vec<&str>)> {
        plan.changes()
            .map(|change| {
                let fields = change.fields.iter().map(|field| field.field).collect();
                (change.action, change.id.as_deref().unwrap_or("?"), fields)
            })
            .collect()
    }

    #[test]
    fn what_is_as_wanted_stays_and_the_rest_is_made_changed_adopted_and_removed() {
        let hinted = |entry: types::Entry| types::Entry {
            hint: "h".to_owned(),
            ..entry
        };
        let current = [
            entry("same", "/same", "team"),
            entry("changed", "/changed", "team"),
            entry("free", "/free", ""),
            entry("gone", "/gone", "team"),
            entry("others", "/others", "others"),
            entry("nobodys", "/nobodys", ""),
        ];
        let declared = wanted(&[
            entry("", "/same", "team"),
            hinted(entry("", "/changed", "team")),
            entry("", "/free", "team"),
            hinted(entry("", "/new", "team")),
        ]);
        let made = plan(&declared, &current, &scope(&["team"])).unwrap();
        let new = vec!["spiffe_id", "parent_id", "selectors", "hint", "owner"];
        assert_eq!(
            steps(&made),
            [
                (Action::Create, "?", new),
                (Action::Update, "changed", vec!["hint"]),
                (Action::Adopt, "free", vec!["owner"]),
                (Action::Delete, "gone", vec![]),
            ]
        );
        assert_eq!(made.unchanged(), 1);
        let kept = plan(&declared, &current, &scope(&[])).unwrap();
        assert!(kept.changes().all(|change| change.action != Action::Delete));
    }

    #[test]
    fn an_entry_is_found_by_its_id_first_and_then_by_what_it_is() {
        let current = [entry("one", "/a", "team"), entry("two", "/b", "team")];
        // It keeps its id while it becomes another registration; the one that was that goes first.
        let declared = wanted(&[entry("one", "/b", "team")]);
        let made = plan(&declared, &current, &scope(&["team"])).unwrap();
        assert_eq!(
            steps(&made),
            [
                (Action::Delete, "two", vec![]),
                (Action::Update, "one", vec!["spiffe_id"])
            ]
        );
        // An id that nobody has does not make a second registration of what is there.
        let declared = wanted(&[entry("new", "/a", "team"), entry("", "/b", "team")]);
        assert!(plan(&declared, &current, &scope(&["team"])).unwrap().is_empty());
    }

    #[test]
    fn what_others_keep_is_not_touched() {
        let current = [entry("one", "/a", "others")];
        for declared in [
            entry("", "/a", "team"),
            entry("one", "/b", "team"),
            entry("", "/a", ""),
        ] {
            let conflicts = plan(&wanted(&[declared]), &current, &scope(&["team"])).unwrap_err();
            assert!(
                conflicts.len() == 1 && conflicts[0].contains("\"others\""),
                "{conflicts:?}"
            );
        }
        let twice = wanted(&[entry("one", "/b", "others"), entry("", "/a", "others")]);
        let conflicts = plan(&twice, &current, &scope(&[])).unwrap_err();
        assert!(conflicts[0].contains("two declarations"), "{conflicts:?}");
    }

    #[test]
    fn two_entries_never_become_one_registration() {
        let current = [
            entry("one", "/a", "team"),
            entry("two", "/b", "others"),
            entry("three", "/c", ""),
            entry("four", "/d", "team"),
        ];
        // Others keep it; nobody does; it is to become another, but after; it is not to be removed.
        let swapped = [entry("one", "/d", "team"), entry("four", "/a", "team")];
        for (declared, prune, count) in [
            (wanted(&[entry("one", "/b", "team")]), vec!["team"], 1),
            (wanted(&[entry("one", "/c", "team")]), vec!["team"], 1),
            (wanted(&swapped), vec!["team"], 2),
            (wanted(&[entry("one", "/d", "team")]), vec![], 1),
        ] {
            let conflicts = plan(&declared, &current, &scope(&prune)).unwrap_err();
            assert_eq!(conflicts.len(), count, "{conflicts:?}");
            assert!(
                conflicts.iter().all(|text| text.contains("that registration")),
                "{conflicts:?}"
            );
        }
    }

    #[test]
    fn who_does_not_speak_of_owners_leaves_what_is_theirs() {
        let current = [
            entry("one", "/a", "team"),
            entry("two", "/b", "team"),
            entry("three", "/c", ""),
        ];
        let stock = Scope {
            mask: STOCK_FIELDS,
            prune: BTreeSet::new(),
        };
        let hinted = |id: &str, path: &str| types::Entry {
            hint: "h".to_owned(),
            ..entry(id, path, "")
        };
        let declared = wanted(&[entry("one", "/a", ""), hinted("two", "/b"), hinted("three", "/c")]);
        let made = plan(&declared, &current, &stock).unwrap();
        assert_eq!(steps(&made), [(Action::Update, "three", vec!["hint"])]);
        assert_eq!((made.unchanged(), made.left().len()), (1, 1));
        let left = &made.left()[0];
        assert!(
            left.id == "two" && left.reason.contains("\"team\"") && left.reason.contains("hint"),
            "{left:?}"
        );
    }

    #[test]
    fn fields_out_of_scope_are_not_compared() {
        let ours = types::Entry {
            allowed_forms: vec!["composite".to_owned()],
            ..entry("one", "/a", "")
        };
        let stock = Scope {
            mask: STOCK_FIELDS,
            prune: BTreeSet::new(),
        };
        let declared = wanted(&[entry("one", "/a", "")]);
        assert!(plan(&declared, &[ours], &stock).unwrap().is_empty());
    }
}
