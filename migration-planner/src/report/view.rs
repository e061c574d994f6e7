//! What every form of the report says: counted, sorted and cut once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Report;
use crate::algorithm::Quantum;
use crate::inventory::{Asset, Detail, Occurrence, Reason};
use crate::risk::graph::Graph;
use crate::risk::{Assessment, Bound, Day, Finding, Rating, Threat, Unrated};
use crate::roadmap::Step;

/// The word for what has no owner, or no exposure, that anybody told.
pub(super) const UNTOLD: &str = "not told";

/// The last year of charts.
const LAST_YEAR: i32 = 2045;

/// A report with everything counted.
pub(super) struct View<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) graph: Graph<'a>,
    pub(super) summary: Summary,
    /// Rated assets, the highest score first.
    pub(super) ranked: Vec<(&'a Asset, &'a Rating)>,
    pub(super) algorithms: Vec<AlgorithmRow>,
    pub(super) owners: Vec<GroupRow>,
    pub(super) exposures: Vec<GroupRow>,
    pub(super) regimes: Vec<RegimeRow>,
    pub(super) years: Vec<YearRow>,
}

/// What a reader has to know first.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// Assets found.
    pub(super) assets: usize,
    /// Assets that were rated.
    pub(super) rated: usize,
    /// Assets for which another one stands.
    pub(super) stood_for: usize,
    /// Assets without cryptography of their own.
    pub(super) without_cryptography: usize,
    /// Rated assets that somebody has to do something about.
    pub(super) open: usize,
    /// Rated assets by the worst that can happen, the worst first.
    pub(super) by_threat: Vec<(Threat, usize)>,
    /// Things that could not be read, by reason.
    pub(super) unread: BTreeMap<&'static str, u64>,
    /// The sum of them, without those that were to be left out.
    pub(super) unread_total: u64,
    /// The sum of those that were to be left out, or are not followed by design.
    pub(super) left_out_total: u64,
}

/// One algorithm that rated assets use.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AlgorithmRow {
    pub(super) name: String,
    pub(super) quantum: Quantum,
    /// Purposes, by name.
    pub(super) purposes: BTreeSet<&'static str>,
    pub(super) weak_today: bool,
    /// Assets that use it.
    pub(super) assets: usize,
    /// Places where these were seen.
    pub(super) places: u64,
    /// Assets by owner.
    pub(super) owners: BTreeMap<String, usize>,
    /// Assets by exposure.
    pub(super) exposure: BTreeMap<String, usize>,
}

/// The assets of an owner, or of an exposure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct GroupRow {
    pub(super) name: String,
    pub(super) assets: usize,
    pub(super) open: usize,
    pub(super) by_threat: BTreeMap<Threat, usize>,
}

/// How the assets stand to a regime.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RegimeRow {
    pub(super) id: String,
    pub(super) overdue: usize,
    pub(super) due: usize,
    pub(super) unknown: usize,
    /// Assets that it has nothing against.
    pub(super) met: usize,
    /// Assets of which nobody told the category that decides.
    pub(super) category_untold: usize,
    /// Its days, with how many assets hang on each.
    pub(super) days: BTreeMap<Option<Day>, usize>,
}

/// What is exposed on the first day of a year.
#[derive(Clone, Debug, Serialize)]
pub(super) struct YearRow {
    pub(super) year: i32,
    /// Assets that would not have moved by then, by the roadmap.
    pub(super) open_by_roadmap: usize,
    /// For each scenario, assets for which a start on that day is too late.
    pub(super) too_late: BTreeMap<String, usize>,
}

impl<'a> View<'a> {
    pub(super) fn of(report: &'a Report<'a>) -> Self {
        let (inventory, assessment) = (report.inventory, report.assessment);
        let mut ranked: Vec<(&Asset, &Rating)> = assessment
            .ratings
            .iter()
            .filter_map(|(id, rating)| Some((inventory.get(id)?, rating)))
            .collect();
        ranked.sort_by(|(a, x), (b, y)| {
            (y.score.total, x.threat, &a.name, a.id()).cmp(&(x.score.total, y.threat, &b.name, b.id()))
        });
        let graph = Graph::of(inventory);
        let exposure = |rating: &Rating| vec![rating.exposure.as_deref().unwrap_or(UNTOLD).to_owned()];
        Self {
            report,
            summary: summary(report, &ranked),
            algorithms: algorithms(&graph, &ranked),
            owners: groups(&ranked, owners_of),
            exposures: groups(&ranked, exposure),
            regimes: regimes(assessment),
            years: years(report),
            graph,
            ranked,
        }
    }

    /// The places of an asset, in order: of an algorithm only those where it is used by itself.
    pub(super) fn places(&self, asset: &'a Asset) -> Vec<&'a Occurrence> {
        match asset.detail {
            Detail::Algorithm(_) => self.graph.own_places(asset).into_iter().collect(),
            _ => asset.evidence.iter().collect(),
        }
    }

    /// The name of a regime.
    pub(super) fn regime_name<'b>(&'b self, id: &'b str) -> &'b str {
        let known = self
            .report
            .assessment
            .regimes
            .iter()
            .find(|regime| regime.id == id);
        known.map_or(id, |regime| regime.name.as_str())
    }

    /// What sets the first day for an asset, in words.
    pub(super) fn bound_words(&self, bound: &Bound) -> String {
        match bound {
            Bound::Weakness { weakness, .. } => format!("weak today: {weakness}"),
            Bound::Regime { regime, .. } => self.regime_name(regime).to_owned(),
            Bound::Scenario { scenario, .. } => format!("scenario {scenario}"),
        }
    }

    /// The first and the last day of the timeline.
    pub(super) fn span(&self) -> (Day, Day) {
        let today = self.report.assessment.today;
        let steps = self.report.roadmap.steps.iter();
        let last = steps
            .flat_map(|step| [Some(step.finish), step.due])
            .flatten()
            .max()
            .unwrap_or(today);
        let end = Day::new(last.year().min(LAST_YEAR).saturating_add(1), 1, 1).unwrap_or(last);
        (today, end.max(today.plus_months(12)))
    }
}

/// Whether something was not read because it was not wanted, or is not followed by design.
pub(super) const fn left_out(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotAskedFor | Reason::SymbolicLink | Reason::PseudoFileSystem | Reason::SpecialFile
    )
}

/// What a reason for not reading means.
pub(super) const fn reason_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Encrypted => "encrypted, and nobody gave a passphrase",
        Reason::Io => "the operating system reported an error",
        Reason::Malformed => "damaged, or not what it says it is",
        Reason::NotAskedFor => "left out because it was asked for",
        Reason::PseudoFileSystem => "a pseudo file system such as /proc",
        Reason::PermissionDenied => "no permission",
        Reason::Refused => "the other side refused",
        Reason::SpecialFile => "a device, socket or pipe",
        Reason::SymbolicLink => "a symbolic link; what it leads to is scanned where it is",
        Reason::TimedOut => "took longer than allowed",
        Reason::TooLarge => "larger than what is read",
        Reason::TooDeep => "nested deeper than what is followed",
        Reason::Unreachable => "nobody answered",
        Reason::Unsupported => "a format, version or language that no scanner knows",
        Reason::Vanished => "gone, or changed, when it was to be read",
    }
}

/// Sorted by how soon it has to begin.
pub(super) fn is_late(step: &Step) -> bool {
    step.is_work() && step.late_days > 0
}

fn owners_of(rating: &Rating) -> Vec<String> {
    match rating.owners.is_empty() {
        true => vec![UNTOLD.to_owned()],
        false => rating.owners.iter().map(|owner| owner.to_string()).collect(),
    }
}

fn summary(report: &Report<'_>, ranked: &[(&Asset, &Rating)]) -> Summary {
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

fn algorithms(graph: &Graph<'_>, ranked: &[(&Asset, &Rating)]) -> Vec<AlgorithmRow> {
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
                assets: 0,
                places: 0,
                owners: BTreeMap::new(),
                exposure: BTreeMap::new(),
            });
            row.purposes.insert(used.purpose.name());
            row.weak_today |= used.weakness.is_some();
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

fn groups(ranked: &[(&Asset, &Rating)], names: impl Fn(&Rating) -> Vec<String>) -> Vec<GroupRow> {
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

fn regimes(assessment: &Assessment) -> Vec<RegimeRow> {
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
                    *row.days.entry(first).or_default() += 1;
                }
            }
            row
        })
        .collect()
}

/// Every year from this one: what the roadmap leaves open, and what it would be too late for.
fn years(report: &Report<'_>) -> Vec<YearRow> {
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
