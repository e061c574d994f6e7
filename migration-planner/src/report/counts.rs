//! Counting what a report says.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use super::view::{AlgorithmRow, GroupRow, LAST_YEAR, RegimeRow, Summary, UNTOLD, YearRow, left_out};
use crate::algorithm::Quantum;
use crate::inventory::{Asset, Detail};
use crate::risk::graph::Graph;
use crate::risk::{Assessment, Day, Finding, Rating, Threat, Unrated};

pub(super) fn owners_of(rating: &Rating) -> Vec<String> {
    match rating.owners.is_empty() {
        true => vec![UNTOLD.to_owned()],
        false => rating.owners.iter().map(|owner| owner.to_string()).collect(),
    }
}

pub(super) fn summary(report: &Report<'_>, ranked: &[(&Asset, &Rating)]) -> Summary {
    let assessment = report.assessment;
    let stood_for = |unrated: &&Unrated| matches!(unrated, Unrated::StoodFor { .. });
    let counts = report.inventory.unread.counts();
    let sum = |out: bool| {
        counts
            .iter()
            .filter(|(reason, _)| left_out(**reason) == out)
            .map(|(_, count)| count)
            .sum()
    };
    let by_threat = assessment.by_threat();
    Summary {
        assets: report.inventory.len(),
        rated: assessment.ratings.len(),
        stood_for: assessment.unrated.values().filter(stood_for).count(),
        without_cryptography: assessment
            .unrated
            .values()
            .filter(|unrated| !stood_for(unrated))
            .count(),
        open: ranked.iter().filter(|(_, rating)| rating.is_open()).count(),
        by_threat: Threat::ALL
            .into_iter()
            .map(|threat| (threat, by_threat.get(&threat).copied().unwrap_or(0)))
            .collect(),
        unread: counts
            .iter()
            .map(|(reason, count)| (reason.name(), *count))
            .collect(),
        unread_total: sum(false),
        left_out_total: sum(true),
    }
}

pub(super) fn algorithms(graph: &Graph<'_>, ranked: &[(&Asset, &Rating)]) -> Vec<AlgorithmRow> {
    let mut rows: BTreeMap<&str, AlgorithmRow> = BTreeMap::new();
    for (asset, rating) in ranked {
        let places = match asset.detail {
            Detail::Algorithm(_) => graph.own_places(asset).len() as u64,
            _ => asset.evidence.len() as u64,
        } + asset.evidence.omitted();
        let mut seen = BTreeSet::new();
        for used in &rating.uses {
            let row = rows.entry(&used.algorithm).or_insert_with(|| AlgorithmRow {
                name: used.algorithm.to_string(),
                quantum: used.quantum,
                purposes: BTreeSet::new(),
                weak_today: false,
                noted: false,
                assets: 0,
                places: 0,
                owners: BTreeMap::new(),
                exposure: BTreeMap::new(),
            });
            row.purposes.insert(used.purpose.name());
            row.weak_today |= used.weakness.is_some();
            row.noted |= used.note.is_some();
            if seen.insert(&used.algorithm) {
                row.assets += 1;
                row.places += places;
                for owner in owners_of(rating) {
                    *row.owners.entry(owner).or_default() += 1;
                }
                let exposure = rating.exposure.as_deref().unwrap_or(UNTOLD);
                *row.exposure.entry(exposure.to_owned()).or_default() += 1;
            }
        }
    }
    let mut rows: Vec<AlgorithmRow> = rows.into_values().collect();
    let urgency = |row: &AlgorithmRow| match (row.weak_today, row.quantum) {
        (true, _) => 0,
        (false, Quantum::Unknown) => 1,
        (false, Quantum::Broken) => 2,
        (false, Quantum::Symmetric) => 3,
        (false, Quantum::Resistant) => 4,
    };
    rows.sort_by(|a, b| (urgency(a), b.assets, &a.name).cmp(&(urgency(b), a.assets, &b.name)));
    rows
}

pub(super) fn groups(ranked: &[(&Asset, &Rating)], names: impl Fn(&Rating) -> Vec<String>) -> Vec<GroupRow> {
    let mut rows: BTreeMap<String, GroupRow> = BTreeMap::new();
    for (_, rating) in ranked {
        for name in names(rating) {
            let row = rows.entry(name).or_insert_with_key(|name| GroupRow {
                name: name.clone(),
                assets: 0,
                open: 0,
                by_threat: BTreeMap::new(),
            });
            row.assets += 1;
            row.open += usize::from(rating.is_open());
            *row.by_threat.entry(rating.threat).or_default() += 1;
        }
    }
    let mut rows: Vec<GroupRow> = rows.into_values().collect();
    rows.sort_by(|a, b| (b.open, b.assets, &a.name).cmp(&(a.open, a.assets, &b.name)));
    rows
}

pub(super) fn regimes(assessment: &Assessment) -> Vec<RegimeRow> {
    assessment
        .regimes
        .iter()
        .map(|regime| {
            let mut row = RegimeRow {
                id: regime.id.clone(),
                overdue: 0,
                due: 0,
                unknown: 0,
                met: 0,
                category_untold: 0,
                days: BTreeMap::new(),
            };
            for rating in assessment.ratings.values() {
                let said: Vec<_> = rating
                    .verdicts
                    .iter()
                    .filter(|verdict| *verdict.regime == *regime.id)
                    .collect();
                match said.iter().map(|verdict| verdict.finding).min() {
                    None => row.met += 1,
                    Some(Finding::Overdue) => row.overdue += 1,
                    Some(Finding::Due) => row.due += 1,
                    Some(Finding::Unknown) => row.unknown += 1,
                }
                row.category_untold += usize::from(said.iter().any(|verdict| verdict.category_assumed));
                if let Some(first) = said.iter().map(|verdict| verdict.until).min() {
                    let day = first.map_or_else(|| "today".to_owned(), |day| day.to_string());
                    *row.days.entry(day).or_default() += 1;
                }
            }
            row
        })
        .collect()
}

/// Every year from this one: what the roadmap leaves open, and what it would be too late for.
pub(super) fn years(report: &Report<'_>) -> Vec<YearRow> {
    let (assessment, roadmap) = (report.assessment, report.roadmap);
    let mut done: BTreeMap<&str, Day> = BTreeMap::new();
    for step in &roadmap.steps {
        let finish = if step.is_work() { step.finish } else { Day::LAST };
        for item in &step.items {
            let day = done.entry(item.asset.as_str()).or_insert(finish);
            *day = (*day).max(finish);
        }
    }
    let quantum: Vec<(&str, &Rating)> = assessment
        .ratings
        .iter()
        .filter(|(_, rating)| !rating.mosca.is_empty())
        .map(|(id, rating)| (id.as_str(), rating))
        .collect();
    let first = assessment.today.year();
    let last = assessment
        .scenarios
        .iter()
        .map(|scenario| scenario.arrives.year())
        .max()
        .unwrap_or(first)
        .clamp(first + 5, LAST_YEAR.max(first + 5));
    (first..=last)
        .map(|year| {
            let day = if year == first {
                assessment.today
            } else {
                Day::new(year, 1, 1).unwrap_or(Day::LAST)
            };
            let open = quantum
                .iter()
                .filter(|(id, _)| done.get(id).is_none_or(|done| *done > day));
            let too_late = assessment.scenarios.iter().map(|scenario| {
                let late = quantum.iter().filter(|(_, rating)| {
                    rating
                        .mosca_for(&scenario.id)
                        .is_some_and(|mosca| mosca.start_by < day)
                });
                (scenario.id.clone(), late.count())
            });
            YearRow {
                year,
                open_by_roadmap: open.count(),
                too_late: too_late.collect(),
            }
        })
        .collect()
}
