//! The report for programs: everything, in one document whose members stay.

use std::cell::Cell;
use std::io::{self, Write};

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::view::{AlgorithmRow, GroupRow, RegimeRow, Summary, View, YearRow};
use crate::inventory::{Asset, AssetId, Coverage, Occurrence, Unread};
use crate::risk::catalogue::{Regime, Scenario, Weakness};
use crate::risk::{Day, IdleRule, Profile, Rating, Unrated};
use crate::roadmap::{Roadmap, Status};

/// What a report's `format` member says.
pub const FORMAT: &str = "symbolon-report/1";

#[derive(Serialize)]
struct Document<'a, A: Serialize, U: Serialize> {
    format: &'static str,
    made_on: Day,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned_at: Option<&'a str>,
    organisation: &'a str,
    coverage: Covered<'a, U>,
    summary: &'a Summary,
    by_algorithm: &'a [AlgorithmRow],
    by_owner: &'a [GroupRow],
    by_exposure: &'a [GroupRow],
    by_year: &'a [YearRow],
    plan_by: &'a str,
    scenarios: &'a [Scenario],
    regimes: Vec<RegimeOut<'a>>,
    weaknesses: &'a [Weakness],
    assets: A,
    unrated: Vec<UnratedOut<'a>>,
    roadmap: &'a Roadmap,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Status>,
    profile: &'a Profile,
    #[serde(skip_serializing_if = "<[IdleRule]>::is_empty")]
    idle_rules: &'a [IdleRule],
}

#[derive(Serialize)]
struct Covered<'a, U: Serialize> {
    targets: Vec<&'a str>,
    counted: &'a Coverage,
    unread: U,
}

#[derive(Serialize)]
struct RegimeOut<'a> {
    #[serde(flatten)]
    regime: &'a Regime,
    stands: Option<&'a RegimeRow>,
}

#[derive(Serialize)]
struct AssetOut<'a> {
    id: &'a AssetId,
    kind: &'static str,
    name: &'a str,
    #[serde(flatten)]
    rating: &'a Rating,
    places: Vec<&'a Occurrence>,
    places_omitted: u64,
}

#[derive(Serialize)]
struct UnratedOut<'a> {
    id: &'a AssetId,
    #[serde(flatten)]
    why: &'a Unrated,
}

/// A sequence that is made while it is written, so that no second copy of a large estate is in memory.
struct Each<I>(Cell<Option<I>>);

impl<T: Serialize, I: Iterator<Item = T>> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        for element in self.0.take().into_iter().flatten() {
            sequence.serialize_element(&element)?;
        }
        sequence.end()
    }
}

fn each<T: Serialize, I: Iterator<Item = T>>(elements: I) -> Each<I> {
    Each(Cell::new(Some(elements)))
}

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let report = view.report;
    let assets = view
        .ranked
        .iter()
        .map(|(asset, rating)| asset_out(view, asset, rating));
    let unread = report.inventory.unread.iter().map(|unread: &Unread| unread);
    let document = Document {
        format: FORMAT,
        made_on: report.assessment.today,
        scanned_at: report.inventory.timestamp.as_deref(),
        organisation: &report.assessment.organisation,
        coverage: Covered {
            targets: report.inventory.targets.iter().map(String::as_str).collect(),
            counted: &report.inventory.coverage,
            unread: each(unread),
        },
        summary: &view.summary,
        by_algorithm: &view.algorithms,
        by_owner: &view.owners,
        by_exposure: &view.exposures,
        by_year: &view.years,
        plan_by: &report.assessment.plan_by,
        scenarios: &report.assessment.scenarios,
        regimes: report
            .assessment
            .regimes
            .iter()
            .map(|regime| RegimeOut {
                regime,
                stands: view.regimes.iter().find(|row| row.id == regime.id),
            })
            .collect(),
        weaknesses: &report.catalogue.weaknesses,
        assets: each(assets),
        unrated: report
            .assessment
            .unrated
            .iter()
            .map(|(id, why)| UnratedOut { id, why })
            .collect(),
        roadmap: report.roadmap,
        status: report.status,
        profile: report.profile,
        idle_rules: &report.assessment.idle_rules,
    };
    // Without spaces: a large estate has a large report.
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn asset_out<'a>(view: &View<'a>, asset: &'a Asset, rating: &'a Rating) -> AssetOut<'a> {
    AssetOut {
        id: asset.id(),
        kind: asset.detail.kind(),
        name: &asset.name,
        rating,
        places: view.places(asset),
        places_omitted: asset.evidence.omitted(),
    }
}
