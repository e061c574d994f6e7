//! Whether what was planned was done, as far as a later scan saw.

mod now;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::now::Now;
use super::model::{Action, Expect, Item, Outcome, Roadmap, StepId};
use super::{draft, issuers};
use crate::inventory::Inventory;
use crate::risk::graph::Graph;
use crate::risk::{Assessment, Catalogue, Day};

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
    /// The asset's identifier: of what was planned when the roadmap was made, of what was not now. Two assets of one
    /// place can be recognised by the same.
    #[serde(default)]
    pub asset: String,
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
            let here = now.open.entry(place(key.action, item)).or_default();
            here.insert(item.asset.clone());
        }
    }
    let by_id: BTreeMap<StepId, _> = drafts
        .iter()
        .map(|(key, draft)| (key.id(), (key, draft)))
        .collect();
    let open_now: BTreeSet<(&str, &str)> = now
        .open
        .keys()
        .map(|(_, key, location)| (key.as_str(), location.as_str()))
        .collect();
    let earlier = before.map(done_before).unwrap_or_default();
    let planned = planned(roadmap.steps.iter().flat_map(|step| {
        let items = step.items.iter();
        items.map(|item| (step.action, item))
    }));
    let as_before = now.still_open(&planned);
    let mut all = Tally::default();
    let mut steps = Vec::with_capacity(roadmap.steps.len());
    for step in &roadmap.steps {
        let mut tally = Tally::default();
        let mut details = Vec::with_capacity(step.items.len());
        for item in &step.items {
            let state = if !as_before.contains(&(place(step.action, item), item.asset.clone())) {
                now.state(step.action, item)
            } else if was_done(&earlier, &step.id, item) {
                ItemState::Regressed
            } else {
                ItemState::Open
            };
            tally.count(state);
            details.push(ItemStatus {
                key: item.key.clone(),
                location: item.location.clone(),
                asset: item.asset.clone(),
                state,
            });
        }
        all.add(tally);
        let appeared = by_id.get(&step.id).map_or(0, |(key, draft)| {
            let known = self::planned(step.items.iter().map(|item| (key.action, item)));
            let seen = self::planned(draft.items.iter().map(|item| (key.action, item)));
            more(&seen, &known).count()
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
    Status {
        format: STATUS_FORMAT.to_owned(),
        planned_on: roadmap.made_on,
        made_on: assessment.today,
        items: all,
        steps,
        regressed: roadmap
            .guards
            .iter()
            .filter(|guard| open_now.contains(&(guard.key.as_str(), guard.location.as_str())))
            // What is called the same and was open beside it from the beginning says nothing of it.
            .filter(|guard| !open_then.contains(&(guard.key.as_str(), guard.location.as_str())))
            .cloned()
            .collect(),
        unplanned: more(&now.open, &planned)
            .map(|((_, key, location), asset)| ItemStatus {
                key: key.clone(),
                location: location.clone(),
                asset: asset.clone(),
                state: ItemState::Open,
            })
            .collect(),
    }
}

/// What is recognised as the same work later: an action, a key and a location.
type Place = (Action, String, String);

/// The assets of each place.
type Planned = BTreeMap<Place, BTreeSet<String>>;

fn place(action: Action, item: &Item) -> Place {
    (action, item.key.clone(), item.location.clone())
}

fn planned<'a>(items: impl Iterator<Item = (Action, &'a Item)>) -> Planned {
    let mut planned = Planned::new();
    for (action, item) in items {
        let here = planned.entry(place(action, item)).or_default();
        here.insert(item.asset.clone());
    }
    planned
}

/// What a place has more of than it had. What took the place of something is not more.
fn more<'a>(now: &'a Planned, then: &'a Planned) -> impl Iterator<Item = (&'a Place, &'a String)> {
    now.iter().flat_map(move |(place, assets)| {
        let known = then.get(place);
        let before = known.map_or(0, BTreeSet::len);
        let new = assets
            .iter()
            .filter(move |asset| known.is_none_or(|known| !known.contains(*asset)));
        let more = new.take(assets.len().saturating_sub(before));
        more.map(move |asset| (place, asset))
    })
}

type Done<'a> = BTreeSet<(&'a str, &'a str, &'a str, &'a str)>;

fn done_before(status: &Status) -> Done<'_> {
    let steps = status.steps.iter();
    let items = steps.flat_map(|step| step.details.iter().map(move |item| (step.id.as_str(), item)));
    items
        // What regressed stays regressed until it is done again.
        .filter(|(_, item)| {
            matches!(
                item.state,
                ItemState::Moved | ItemState::Gone | ItemState::Regressed
            )
        })
        .map(|(step, item)| {
            (
                step,
                item.key.as_str(),
                item.location.as_str(),
                item.asset.as_str(),
            )
        })
        .collect()
}

/// Whether an item was done then. A status without assets is taken to be about all of its key and place.
fn was_done(earlier: &Done<'_>, step: &StepId, item: &Item) -> bool {
    let about = |asset| (step.as_str(), item.key.as_str(), item.location.as_str(), asset);
    earlier.contains(&about(item.asset.as_str())) || earlier.contains(&about(""))
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
