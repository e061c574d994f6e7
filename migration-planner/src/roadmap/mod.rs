//! What to do in which order, and whether it was done.
//!
//! [`plan`] makes steps of what [`crate::risk::assess`] found open, puts what must move first before what needs it
//! (an authority before what it issues, a verifier before a signer, a library before its callers, both ends before
//! the old way is closed), and lays the steps out in waves and in time. [`status`] compares a later scan with the
//! roadmap: a thing has moved when it was *observed* to have moved, and what was not looked at is not done.

mod draft;
mod issuers;
mod libraries;
mod model;
mod needs;
mod order;
mod schedule;
mod status;
mod step;
mod target;
mod whatif;
mod words;

use std::collections::BTreeMap;

pub use self::model::{
    Action, Deadline, Expect, FORMAT, Item, Need, Outcome, Roadmap, RoadmapError, Step, StepId, StepTarget,
    WhatIf,
};
pub use self::status::{ItemState, ItemStatus, STATUS_FORMAT, Status, StepState, StepStatus, Tally, status};
use crate::inventory::Inventory;
use crate::risk::graph::Graph;
use crate::risk::{Assessment, Catalogue, Profile};

/// Makes the roadmap for what an assessment found. Profile and catalogue are to be the ones of the assessment.
#[must_use]
pub fn plan(
    inventory: &Inventory,
    assessment: &Assessment,
    profile: &Profile,
    catalogue: &Catalogue,
) -> Roadmap {
    let graph = Graph::of(inventory);
    let issuers = issuers::Issuers::of(&graph, assessment);
    let drafts = draft::drafts(&graph, &issuers, assessment, catalogue);
    let guards = draft::guards(&graph, assessment);
    let needs = needs::needs(&graph, &issuers, &drafts);
    let ids: Vec<StepId> = drafts.keys().map(draft::Key::id).collect();
    let numbers: BTreeMap<&draft::Key, usize> = drafts
        .keys()
        .enumerate()
        .map(|(number, key)| (key, number))
        .collect();
    let needed = |key: &draft::Key| needs.get(key).into_iter().flatten();
    let edges: Vec<Vec<usize>> = drafts
        .keys()
        .map(|key| {
            needed(key)
                .filter_map(|(need, _)| numbers.get(need).copied())
                .collect()
        })
        .collect();
    let order = order::Order::of(&edges);
    let mut steps: Vec<Step> = Vec::with_capacity(drafts.len());
    for (key, draft) in &drafts {
        let mut step = step::step(key, draft, assessment, profile, catalogue);
        step.needs = needed(key)
            .map(|(need, why)| Need {
                step: need.id(),
                because: (*why).to_owned(),
            })
            .collect();
        steps.push(step);
    }
    for (index, step) in steps.iter_mut().enumerate() {
        step.together_with = order
            .together_with(index)
            .filter_map(|other| ids.get(other).cloned())
            .collect();
    }
    held_up(&mut steps);
    schedule::schedule(&mut steps, &order, assessment.today);
    let what_if = whatif::what_if(&steps, assessment, &order);
    steps.sort_by(|a, b| (a.wave, b.score, &a.id).cmp(&(b.wave, a.score, &b.id)));
    Roadmap {
        format: FORMAT.to_owned(),
        made_on: assessment.today,
        organisation: assessment.organisation.clone(),
        plan_by: assessment.plan_by.clone(),
        scanned: inventory.targets.iter().cloned().collect(),
        regimes: assessment
            .regimes
            .iter()
            .map(|regime| regime.id.clone())
            .collect(),
        notes: assessment.idle_rules.iter().map(ToString::to_string).collect(),
        steps,
        guards,
        what_if,
    }
}

/// What needs a step that was decided not to be work cannot be done as planned, and says so.
fn held_up(steps: &mut [Step]) {
    let left: BTreeMap<StepId, String> = steps
        .iter()
        .filter(|step| {
            !step.is_work() || step.action != Action::RetireTrust && step.outcome == Outcome::PhaseOut
        })
        .map(|step| {
            (
                step.id.clone(),
                format!("{} ({})", step.title, step.outcome.words()),
            )
        })
        .collect();
    for step in steps.iter_mut().filter(|step| step.is_work()) {
        let needs = step.needs.iter().filter_map(|need| left.get(&need.step));
        let blockers: Vec<String> = needs
            .map(|what| format!("it needs what is not going to be done as things are decided: {what}"))
            .collect();
        step.blockers.extend(blockers);
    }
}
