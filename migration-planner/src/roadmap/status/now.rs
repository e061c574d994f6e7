//! What the later scan saw in the places that a roadmap speaks of.

use std::collections::{BTreeMap, BTreeSet};

use super::{ItemState, Place, Planned};
use crate::inventory::{Asset, Inventory};
use crate::risk::graph::Graph;
use crate::risk::{Assessment, Posture, Threat};
use crate::roadmap::model::{Action, Expect, Item};

/// What the later scan saw.
pub(super) struct Now<'a> {
    inventory: &'a Inventory,
    assessment: &'a Assessment,
    here: BTreeMap<&'a str, Vec<&'a Asset>>,
    unread: BTreeSet<&'a str>,
    /// What is open, by place: the identifiers of the assets there.
    pub(super) open: BTreeMap<Place, BTreeSet<String>>,
    /// What was protected already when the roadmap was made, and where: it takes nobody's place.
    pub(super) stood_there: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Now<'a> {
    pub(super) fn of(graph: &Graph<'a>, assessment: &'a Assessment, inventory: &'a Inventory) -> Self {
        // A part of a file that could not be read leaves the rest of it read; a part may still be what is looked for.
        let unread = inventory.unread.iter().map(|unread| unread.location.as_str());
        Self {
            inventory,
            assessment,
            here: graph.by_location(),
            unread: unread.collect(),
            open: BTreeMap::new(),
            stood_there: BTreeSet::new(),
        }
    }

    /// Which of the planned items of a place are as they were: those whose asset is still open there, and as many of
    /// the others as there are assets in their places that are open too, as when something was renewed as it was.
    pub(super) fn still_open(&self, planned: &Planned) -> BTreeSet<(Place, String)> {
        let mut still = BTreeSet::new();
        for (place, assets) in planned {
            let Some(open) = self.open.get(place) else {
                continue;
            };
            let mut renewed = open.difference(assets).count();
            for asset in assets {
                if open.contains(asset) {
                    still.insert((place.clone(), asset.clone()));
                } else if renewed > 0 {
                    renewed -= 1;
                    still.insert((place.clone(), asset.clone()));
                }
            }
        }
        still
    }

    /// How an item stands that is not as it was.
    pub(super) fn state(&self, action: Action, item: &Item) -> ItemState {
        match self.successor(action, item) {
            true => ItemState::Moved,
            false if self.observed(&item.location) => ItemState::Gone,
            false => ItemState::NotObserved,
        }
    }

    /// Whether what stands in an item's place now is what the step wanted.
    fn successor(&self, action: Action, item: &Item) -> bool {
        let here = self.here.get(item.location.as_str()).into_iter().flatten();
        let kind = item.key.split(' ').next().unwrap_or_default();
        let new = |asset: &&&Asset| {
            !self
                .stood_there
                .contains(&(asset.id().as_str(), item.location.as_str()))
        };
        let mut of_its_kind = here.filter(|asset| asset.detail.kind() == kind).filter(new);
        match item.expect {
            Expect::Gone => false,
            Expect::Identified => of_its_kind.any(|asset| {
                self.assessment
                    .rating(asset.id())
                    .is_none_or(|rating| !rating.threats.contains(&Threat::Unknown))
            }),
            // Whoever believes or is built with something is not rated itself: that no work is left is the sign.
            Expect::Replaced if matches!(action, Action::DistributeTrust | Action::UpgradeLibrary) => {
                of_its_kind.next().is_some()
            }
            Expect::Replaced => of_its_kind.any(|asset| {
                let rating = self.assessment.rating(asset.id());
                let protects = |posture: Posture| match action {
                    Action::EnablePostQuantum => {
                        matches!(posture, Posture::Protected | Posture::Downgradable)
                    }
                    _ => posture == Posture::Protected,
                };
                rating.is_some_and(|rating| match action {
                    Action::Repair => !rating.threats.contains(&Threat::WeakToday),
                    Action::RaiseStrength => rating.verdicts.is_empty(),
                    _ => protects(rating.posture),
                })
            }),
        }
    }

    /// Whether the scan looked at a place: it saw something there, or it was to look there and nothing stood in its
    /// way. Of an endpoint only what was seen is known.
    fn observed(&self, location: &str) -> bool {
        if self.unread.contains(location) || ancestors(location).any(|above| self.unread.contains(above)) {
            return false;
        }
        if self.here.contains_key(location) {
            return true;
        }
        let is_path = !location.contains("://");
        let within = |target: &String| {
            let target = target.trim_end_matches('/');
            location == target
                || target.is_empty()
                || target == "." && !location.starts_with('/')
                || ancestors(location).any(|above| above == target)
        };
        // What is listed of what could not be read is bounded: beyond it nobody can tell.
        is_path && self.inventory.unread.omitted().is_empty() && self.inventory.targets.iter().any(within)
    }
}

/// The directories above a path, from the nearest.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(above, _)| above), |path| {
        path.rsplit_once('/').map(|(above, _)| above)
    })
}
