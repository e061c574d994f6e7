//! Whether what was planned was done, as far as a later scan saw.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::model::{Action, Expect, Item, Outcome, Roadmap, StepId};
use super::{draft, issuers};
use crate::inventory::{Asset, Inventory};
use crate::risk::graph::Graph;
use crate::risk::{Assessment, Catalogue, Day, Posture, Threat};

/// What a status' `format` member says.
pub const STATUS_FORMAT: &str = "symbolon-roadmap-status/1";

/// How a roadmap stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// [`STATUS_FORMAT`].
    pub format: String,
    /// The day of the roadmap.
    pub planned_on: Day,
    /// The day that this is for.
    pub made_on: Day,
    /// Its items by state.
    pub items: Tally,
    /// Its steps, in the roadmap's order.
    pub steps: Vec<StepStatus>,
    /// What was protected when the roadmap was made, and is not any more.
    pub regressed: Vec<Item>,
    /// Work that the roadmap does not have: things that were not there, or not seen, when it was made.
    pub unplanned: Vec<ItemStatus>,
}

/// How many items are in which state.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Tally {
    /// Seen to have moved.
    pub moved: usize,
    /// Seen to be gone, with nothing in its place.
    pub gone: usize,
    /// Still as it was.
    pub open: usize,
    /// Not looked at, or not readable.
    pub not_observed: usize,
    /// Done in an earlier status, and as it was before.
    pub regressed: usize,
}

/// How a step stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct StepStatus {
    /// The step.
    pub id: StepId,
    /// What it is called.
    pub title: String,
    /// How it stands.
    pub state: StepState,
    /// Its items by state.
    pub items: Tally,
    /// Each of its items.
    pub details: Vec<ItemStatus>,
    /// Things of the same kind that it did not have when the roadmap was made.
    pub appeared: usize,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Something that was done is as it was before.
    Regressed,
    /// Nothing was done.
    Open,
    /// Some of it was.
    InProgress,
    /// What was looked at is done, but not everything was looked at.
    NotObserved,
    /// It was left as it is, as decided.
    Accepted,
    /// Everything is gone, and nothing was seen in its place.
    Gone,
    /// Everything was seen to have moved or, where that was the aim, to be gone.
    Done,
}

impl StepState {
    /// It in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Open => "open",
            Self::InProgress => "in progress",
            Self::NotObserved => "not observed",
            Self::Accepted => "accepted",
            Self::Gone => "gone",
            Self::Done => "done",
        }
    }
}

/// How an item stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ItemStatus {
    /// What it is recognised by.
    pub key: String,
    /// Where it is.
    pub location: String,
    /// How it stands.
    pub state: ItemState,
}

/// How an item stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemState {
    /// It was seen to have moved.
    Moved,
    /// The place was looked at, and nothing is there.
    Gone,
    /// It is as it was.
    Open,
    /// The place was not looked at, or could not be read.
    NotObserved,
    /// It was done in an earlier status.
    Regressed,
}

/// Compares a roadmap with a later scan of the same things. The assessment is the later scan's; `before` is the last
/// status of the same roadmap, if there is one, without which nothing can be told to have regressed but what was
/// protected already when the roadmap was made.
#[must_use]
pub fn status(
    roadmap: &Roadmap,
    inventory: &Inventory,
    assessment: &Assessment,
    catalogue: &Catalogue,
    before: Option<&Status>,
) -> Status {
    let graph = Graph::of(inventory);
    let issuers = issuers::Issuers::of(&graph, assessment);
    let drafts = draft::drafts(&graph, &issuers, assessment, catalogue);
    let mut now = Now::of(&graph, assessment, inventory);
    for guard in &roadmap.guards {
        now.stood_there
            .insert((guard.asset.as_str(), guard.location.as_str()));
    }
    for (key, draft) in &drafts {
        for item in &draft.items {
            now.open
                .insert((key.action, item.key.clone(), item.location.clone()));
        }
    }
    let by_id: BTreeMap<StepId, _> = drafts
        .iter()
        .map(|(key, draft)| (key.id(), (key, draft)))
        .collect();
    let still_open: BTreeSet<(&str, &str)> = now
        .open
        .iter()
        .map(|(_, key, location)| (key.as_str(), location.as_str()))
        .collect();
    let earlier = before.map(done_before).unwrap_or_default();
    let mut planned: BTreeSet<Place> = BTreeSet::new();
    let mut all = Tally::default();
    let mut steps = Vec::with_capacity(roadmap.steps.len());
    for step in &roadmap.steps {
        let mut tally = Tally::default();
        let mut details = Vec::with_capacity(step.items.len());
        for item in &step.items {
            planned.insert(place(step.action, item));
            let was_done = earlier.contains(&(step.id.as_str(), item.key.as_str(), item.location.as_str()));
            let state = now.state(step.action, item, was_done);
            tally.count(state);
            details.push(ItemStatus {
                key: item.key.clone(),
                location: item.location.clone(),
                state,
            });
        }
        all.add(tally);
        let appeared = by_id.get(&step.id).map_or(0, |(key, draft)| {
            let known: BTreeSet<Place> = step.items.iter().map(|item| place(key.action, item)).collect();
            draft
                .items
                .iter()
                .filter(|item| !known.contains(&place(key.action, item)))
                .count()
        });
        steps.push(StepStatus {
            id: step.id.clone(),
            title: step.title.clone(),
            state: state_of(&step.outcome, &step.items, tally, appeared),
            items: tally,
            details,
            appeared,
        });
    }
    let items = roadmap.steps.iter().flat_map(|step| &step.items);
    let open_then: BTreeSet<(&str, &str)> = items
        .map(|item| (item.key.as_str(), item.location.as_str()))
        .collect();
    let unplanned = now.open.iter().filter(|open| !planned.contains(*open));
    Status {
        format: STATUS_FORMAT.to_owned(),
        planned_on: roadmap.made_on,
        made_on: assessment.today,
        items: all,
        steps,
        regressed: roadmap
            .guards
            .iter()
            .filter(|guard| still_open.contains(&(guard.key.as_str(), guard.location.as_str())))
            // What is called the same and was open beside it from the beginning says nothing of it.
            .filter(|guard| !open_then.contains(&(guard.key.as_str(), guard.location.as_str())))
            .cloned()
            .collect(),
        unplanned: unplanned
            .map(|(_, key, location)| ItemStatus {
                key: key.clone(),
                location: location.clone(),
                state: ItemState::Open,
            })
            .collect(),
    }
}

type Place = (Action, String, String);

fn place(action: Action, item: &Item) -> Place {
    (action, item.key.clone(), item.location.clone())
}

fn done_before(status: &Status) -> BTreeSet<(&str, &str, &str)> {
    let steps = status.steps.iter();
    let items = steps.flat_map(|step| step.details.iter().map(move |item| (step, item)));
    items
        // What regressed stays regressed until it is done again.
        .filter(|(_, item)| {
            matches!(
                item.state,
                ItemState::Moved | ItemState::Gone | ItemState::Regressed
            )
        })
        .map(|(step, item)| (step.id.as_str(), item.key.as_str(), item.location.as_str()))
        .collect()
}

fn state_of(outcome: &Outcome, items: &[Item], tally: Tally, appeared: usize) -> StepState {
    let left = tally.open + appeared;
    let done = tally.moved + tally.gone;
    let to_go = items.iter().all(|item| item.expect == Expect::Gone);
    match () {
        () if tally.regressed > 0 => StepState::Regressed,
        () if matches!(outcome, Outcome::AcceptUntil { .. }) && left > 0 => StepState::Accepted,
        () if left > 0 && done > 0 => StepState::InProgress,
        () if left > 0 => StepState::Open,
        () if tally.not_observed > 0 => StepState::NotObserved,
        () if tally.moved == 0 && !to_go => StepState::Gone,
        () => StepState::Done,
    }
}

impl Tally {
    fn count(&mut self, state: ItemState) {
        match state {
            ItemState::Moved => self.moved += 1,
            ItemState::Gone => self.gone += 1,
            ItemState::Open => self.open += 1,
            ItemState::NotObserved => self.not_observed += 1,
            ItemState::Regressed => self.regressed += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.moved += other.moved;
        self.gone += other.gone;
        self.open += other.open;
        self.not_observed += other.not_observed;
        self.regressed += other.regressed;
    }

    /// How many there are.
    #[must_use]
    pub const fn all(&self) -> usize {
        self.moved + self.gone + self.open + self.not_observed + self.regressed
    }
}

/// What the later scan saw.
struct Now<'a> {
    inventory: &'a Inventory,
    assessment: &'a Assessment,
    here: BTreeMap<&'a str, Vec<&'a Asset>>,
    unread: BTreeSet<&'a str>,
    open: BTreeSet<Place>,
    /// What was protected already when the roadmap was made, and where: it takes nobody's place.
    stood_there: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Now<'a> {
    fn of(graph: &Graph<'a>, assessment: &'a Assessment, inventory: &'a Inventory) -> Self {
        // A part of a file that could not be read leaves the rest of it read; a part may still be what is looked for.
        let unread = inventory.unread.iter().map(|unread| unread.location.as_str());
        Self {
            inventory,
            assessment,
            here: graph.by_location(),
            unread: unread.collect(),
            open: BTreeSet::new(),
            stood_there: BTreeSet::new(),
        }
    }

    fn state(&self, action: Action, item: &Item, was_done: bool) -> ItemState {
        if self.open.contains(&place(action, item)) {
            return if was_done {
                ItemState::Regressed
            } else {
                ItemState::Open
            };
        }
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
