//! Steps in time: when each can begin and be done, when it must, and in which wave it is.

use super::model::Step;
use super::order::Order;
use crate::risk::Day;

/// Steps that must begin within so many months are in the first wave at the earliest, and so on.
const HORIZONS: [i64; 3] = [12, 36, 72];

/// Fills in start, finish, latest start, lateness and wave. Steps that need each other begin together and are done
/// together.
pub(super) fn schedule(steps: &mut [Step], order: &Order, today: Day) {
    forward(steps, order, today);
    backward(steps, order);
    waves(steps, order, today);
}

fn needs_of<'a>(order: &'a Order, group: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    group
        .iter()
        .filter_map(|thing| order.needs.get(*thing))
        .flatten()
        .copied()
}

fn forward(steps: &mut [Step], order: &Order, today: Day) {
    for group in order.groups() {
        let finishes = needs_of(order, group)
            .filter_map(|need| steps.get(need))
            .map(|step| step.finish);
        let start = finishes.max().unwrap_or(today).max(today);
        let months = months(steps, group);
        for thing in group {
            let Some(step) = steps.get_mut(*thing) else {
                continue;
            };
            step.start = start;
            step.finish = start.plus_months(months);
            step.late_days = step.due.map_or(0, |due| due.days_until(step.finish).max(0));
        }
    }
}

/// What a group that is done together takes: as long as the longest of its work. What is left as it is takes no time.
fn months(steps: &[Step], group: &[usize]) -> i64 {
    let steps = group.iter().filter_map(|thing| steps.get(*thing));
    steps
        .filter(|step| step.is_work())
        .map(|step| i64::from(step.months))
        .max()
        .unwrap_or(0)
}

/// A step must be done when it is due itself, and early enough for everything that needs it.
fn backward(steps: &mut [Step], order: &Order) {
    let mut done_by: Vec<Option<Day>> = steps.iter().map(|step| step.due).collect();
    for group in order.groups().rev() {
        let due = group
            .iter()
            .filter_map(|thing| done_by.get(*thing).copied().flatten())
            .min();
        let months = months(steps, group);
        let latest_start = due.map(|due| due.plus_months(-months));
        for thing in group {
            if let Some(step) = steps.get_mut(*thing) {
                step.latest_start = latest_start;
            }
        }
        let Some(latest_start) = latest_start else {
            continue;
        };
        for need in needs_of(order, group) {
            if let Some(day) = done_by.get_mut(need) {
                *day = Some(day.map_or(latest_start, |day| day.min(latest_start)));
            }
        }
    }
}

fn waves(steps: &mut [Step], order: &Order, today: Day) {
    for group in order.groups() {
        let after = needs_of(order, group)
            .filter_map(|need| steps.get(need))
            .map(|step| step.wave + 1)
            .max()
            .unwrap_or(1);
        let urgent = group
            .iter()
            .filter_map(|thing| steps.get(*thing))
            .map(|step| horizon(step, today))
            .min();
        let wave = after.max(urgent.unwrap_or(1));
        for thing in group {
            if let Some(step) = steps.get_mut(*thing) {
                step.wave = wave;
            }
        }
    }
}

fn horizon(step: &Step, today: Day) -> u32 {
    let Some(latest) = step.latest_start else {
        return HORIZONS.len() as u32 + 1;
    };
    let within = HORIZONS
        .iter()
        .take_while(|months| today.plus_months(**months) < latest);
    within.count() as u32 + 1
}
