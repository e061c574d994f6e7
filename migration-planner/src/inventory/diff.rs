//! What changed between two inventories.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Asset, AssetId, Inventory, Occurrence};

/// What changed.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Diff {
    /// Assets that are new, in order.
    pub added: Vec<Change>,
    /// Assets that are gone.
    pub removed: Vec<Change>,
    /// Assets that are in both, seen in other places or known otherwise.
    pub changed: Vec<Change>,
}

/// One asset that changed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Change {
    /// Its identifier.
    pub id: AssetId,
    /// Its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Places where it is now and was not.
    pub appeared: Vec<Occurrence>,
    /// Places where it was and is not now.
    pub disappeared: Vec<Occurrence>,
    /// Whether what is known about the thing itself changed: dates, protection, facts, owners.
    pub altered: bool,
}

impl Diff {
    /// What `new` has that `old` had not, and the other way round.
    #[must_use]
    pub fn between(old: &Inventory, new: &Inventory) -> Self {
        let mut diff = Self::default();
        for asset in new.assets() {
            match old.get(asset.id()) {
                None => diff.added.push(change(None, Some(asset))),
                Some(before) => {
                    let change = change(Some(before), Some(asset));
                    if change.altered || !change.appeared.is_empty() || !change.disappeared.is_empty() {
                        diff.changed.push(change);
                    }
                }
            }
        }
        let gone = old.assets().filter(|asset| new.get(asset.id()).is_none());
        diff.removed.extend(gone.map(|asset| change(Some(asset), None)));
        diff
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

fn change(old: Option<&Asset>, new: Option<&Asset>) -> Change {
    let places = |asset: Option<&Asset>| -> BTreeSet<Occurrence> {
        asset
            .into_iter()
            .flat_map(|asset| asset.evidence.iter().cloned())
            .collect()
    };
    let (before, after) = (places(old), places(new));
    let altered = match (old, new) {
        (Some(old), Some(new)) => {
            (&old.detail, &old.owners, &old.exposure, &old.facts)
                != (&new.detail, &new.owners, &new.exposure, &new.facts)
        }
        _ => false,
    };
    let named = new.or(old);
    Change {
        id: named.map_or_else(|| AssetId::from_text(""), |asset| asset.id().clone()),
        kind: named.map_or("", |asset| asset.detail.kind()),
        name: named.map(|asset| asset.name.clone()).unwrap_or_default(),
        appeared: after.difference(&before).cloned().collect(),
        disappeared: before.difference(&after).cloned().collect(),
        altered,
    }
}
