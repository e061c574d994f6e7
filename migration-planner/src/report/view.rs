//! What every form of the report says: counted, sorted and cut once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Report;
use super::counts::{algorithms, groups, owners_of, regimes, summary, years};
use crate::algorithm::Quantum;
use crate::inventory::{Asset, Occurrence, Reason};
use crate::risk::graph::Graph;
use crate::risk::{Bound, Day, Rating, Threat};
use crate::roadmap::Step;

/// The word for what has no owner, or no exposure, that anybody told.
pub(super) const UNTOLD: &str = "not told";

/// The last year of charts.
pub(super) const LAST_YEAR: i32 = 2045;

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
    pub(super) noted: bool,
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
    /// Its days, or `today`, with how many assets each is the first for.
    pub(super) days: BTreeMap<String, usize>,
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

    /// The places of an asset, in order: of an algorithm and of a protocol only those where nothing stands for it.
    pub(super) fn places(&self, asset: &'a Asset) -> Vec<&'a Occurrence> {
        self.graph.rated_places(asset)
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
            Bound::Regime {
                regime,
                category_assumed: true,
                ..
            } => format!("{}, if it is of that category", self.regime_name(regime)),
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
        Reason::SymbolicLink => {
            "a symbolic link; what it leads to is read only if it lies within what was named"
        }
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
