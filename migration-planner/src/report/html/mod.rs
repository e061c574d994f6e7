//! The page: one file, no scripts, nothing fetched.

mod assets;
mod charts;
mod coverage;
mod roadmap;
mod sections;

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::text::Html;
use super::view::{AlgorithmRow, View};
use crate::algorithm::Quantum;
use crate::risk::catalogue::Confidence;
use crate::risk::{Day, Use};

const STYLE: &str = include_str!("style.css");

/// How the figures came about, a paragraph each; Markdown says the same.
pub(super) const METHOD: [&str; 9] = [
    "Everything here was seen by a scanner in the places that are named, or was told by the profile. What could not be read is counted, and nothing is said of it.",
    "An asset is rated by what it uses algorithms for. A certificate stands for its key, a service for the protocols that it speaks, a signature for its hash; so nothing is counted twice.",
    "What is unknown is rated as the worst that it could be, and counted as unknown.",
    "Mosca's inequality: with X the time for which something must hold, Y the time that moving it takes and Z the time until a quantum computer is there, it is too late when X + Y > Z. It must have moved by Z − X, and somebody must start by Z − X − Y.",
    "X is told twice: for how long what is encrypted must stay secret, and for how long what is signed must be believed. A key that signs handshakes needs to hold only until the computer is there; a root needs to hold as long as it is valid.",
    "A scenario is a way to plan and not a forecast. A regime counts only if the profile says that it binds. No date here is the deadline; each belongs to a scenario or to a rule.",
    "The score is the sum of the parts that are shown with it: what can happen (to 40), time (to 30), exposure (to 15), importance (to 10), and how much depends on it (to 5). It sorts, and nothing else hangs on it.",
    "Steps take as long as the planning figures say; they are not measured, and can be replaced. A step starts when everything that it needs is done. Its wave is at least one after theirs.",
    "A step is done when a later scan saw it done. What was not looked at is not done, and what is gone is not counted as moved.",
];

/// Said above the rules of the profile that speak of nothing; Markdown says the same.
pub(super) const IDLE_RULES: &str = "What the profile says in these rules changes nothing here. A rule may be misspelt, or what it is about was not read.";

/// A source that something in the report rests on.
pub(super) struct SourceRow {
    pub(super) title: String,
    pub(super) url: String,
    pub(super) verified_on: Day,
    pub(super) confidence: Confidence,
}

/// Every source that the report rests on, by title.
pub(super) fn sources(view: &View<'_>) -> Vec<SourceRow> {
    let mut rows: BTreeMap<(String, String), SourceRow> = BTreeMap::new();
    let mut add = |source: &crate::risk::catalogue::Source, verified_on: Day, confidence: Confidence| {
        rows.entry((source.title.clone(), source.url.clone()))
            .or_insert_with(|| SourceRow {
                title: source.title.clone(),
                url: source.url.clone(),
                verified_on,
                confidence,
            });
    };
    let report = view.report;
    for scenario in &report.assessment.scenarios {
        add(&scenario.source, scenario.verified_on, scenario.confidence);
    }
    for regime in &report.assessment.regimes {
        regime
            .sources
            .iter()
            .for_each(|source| add(source, regime.verified_on, regime.confidence));
    }
    let uses = || report.assessment.ratings.values().flat_map(|rating| &rating.uses);
    for weakness in &report.catalogue.weaknesses {
        let told = |used: &Use| {
            [&used.weakness, &used.note]
                .iter()
                .any(|id| id.as_deref() == Some(&*weakness.id))
        };
        if uses().any(told) {
            add(&weakness.source, weakness.verified_on, weakness.confidence);
        }
    }
    for target in &report.catalogue.targets {
        let aimed = |step: &crate::roadmap::Step| {
            step.target
                .as_ref()
                .is_some_and(|to| to.algorithm == target.algorithm)
        };
        if report.roadmap.steps.iter().any(aimed) {
            add(&target.source, target.verified_on, target.confidence);
        }
    }
    rows.into_values().collect()
}

/// What a quantum computer does to an algorithm, in a word.
pub(super) const fn quantum_words(quantum: Quantum) -> &'static str {
    match quantum {
        Quantum::Broken => "broken by it",
        Quantum::Resistant => "resistant",
        Quantum::Symmetric => "weakened at most",
        Quantum::Unknown => "unknown",
    }
}

/// Whether an algorithm is weak today, in a word: of what is unknown nobody can tell.
pub(super) const fn weak_words(row: &AlgorithmRow) -> &'static str {
    match (row.weak_today, row.noted, row.quantum) {
        (true, ..) => "yes",
        (false, true, _) => "depends on its use",
        (false, false, Quantum::Unknown) => "unknown",
        (false, false, _) => "no",
    }
}

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let assessment = view.report.assessment;
    let of = match assessment.organisation.as_str() {
        "" => String::new(),
        name => format!(" of {}", Html(name)),
    };
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Cryptography{of}, {today}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#read\">Skip to the report</a>\n\
         <header>\n<h1>Cryptography{of}: what there is, what it risks, what to do</h1>\n",
        today = assessment.today,
    )?;
    sections::lead(view, out)?;
    out.write_all(b"</header>\n")?;
    sections::navigation(view, out)?;
    out.write_all(b"<main>\n")?;
    coverage::write(view, out)?;
    sections::summary(view, out)?;
    sections::groups(view, out)?;
    charts::years(view, out)?;
    sections::regimes(view, out)?;
    roadmap::write(view, out)?;
    roadmap::status(view, out)?;
    assets::write(view, out)?;
    coverage::details(view, out)?;
    sections::method(view, out)?;
    write!(
        out,
        "</main>\n<footer><p>Made by Symbolon from an inventory of {}, for {}. The same inputs make the same page.</p></footer>\n</body>\n</html>\n",
        super::text::count(view.summary.assets, "asset", "assets"),
        assessment.today,
    )
}
