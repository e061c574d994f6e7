//! What other scenarios would change.

use super::model::{Step, WhatIf};
use super::order::Order;
use crate::risk::{Assessment, Day, Mosca};

/// For every scenario: how many assets and steps would be too late, and whether the order of urgency is another.
/// `steps` are in the order of `order`, and have their own due days replaced by the scenario's.
pub(super) fn what_if(steps: &[Step], assessment: &Assessment, order: &Order) -> Vec<WhatIf> {
    let planned = urgency(steps, assessment, order, &assessment.plan_by);
    assessment
        .scenarios
        .iter()
        .map(|scenario| {
            let of = |mosca: &&Mosca| *mosca.scenario == *scenario.id;
            let moscas = assessment
                .ratings
                .values()
                .flat_map(|rating| &rating.mosca)
                .filter(of);
            let (concerned, late) = moscas.fold((0, 0), |(all, late), mosca| {
                (all + 1, late + usize::from(mosca.is_late()))
            });
            let due = dues(steps, assessment, &scenario.id);
            let late_steps = steps
                .iter()
                .zip(&due)
                .filter(|(step, due)| due.is_some_and(|due| due < step.finish))
                .count();
            WhatIf {
                scenario: scenario.id.clone(),
                arrives: scenario.arrives,
                late_steps,
                late_assets: late,
                concerned_assets: concerned,
                reorders: urgency(steps, assessment, order, &scenario.id) != planned,
            }
        })
        .collect()
}

/// The days by which the scenario wants each step done.
fn dues(steps: &[Step], assessment: &Assessment, scenario: &str) -> Vec<Option<Day>> {
    steps
        .iter()
        .map(|step| {
            let ratings = step.items.iter().filter_map(|item| {
                assessment.rating(&crate::inventory::AssetId::from_text(item.asset.as_str()))
            });
            let days = ratings
                .filter_map(|rating| rating.mosca_for(scenario))
                .map(|mosca| mosca.done_by);
            days.min()
        })
        .collect()
}

/// The steps by their last day to start under a scenario; those that it does not concern are left out.
fn urgency(steps: &[Step], assessment: &Assessment, order: &Order, scenario: &str) -> Vec<usize> {
    let due = dues(steps, assessment, scenario);
    let starts = |index: &usize| {
        let due = due.get(*index).copied().flatten()?;
        let step = steps.get(*index)?;
        Some((due.plus_months(-i64::from(step.months)), *index))
    };
    let mut all: Vec<(Day, usize)> = order.sequence.iter().filter_map(starts).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, index)| index).collect()
}
