//! One number for sorting, with everything that went into it. It is a view and nothing else hangs on it: dates
//! come from the scenarios and the regimes.

use serde::Serialize;

use super::mosca::Mosca;
use super::threat::Threat;

/// A number from 0 (nothing to do) to 100, the sum of its parts.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Score {
    /// The sum.
    pub total: u8,
    /// What it is the sum of.
    pub parts: Vec<Part>,
}

/// One part of a score.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Part {
    /// What it is about.
    pub what: &'static str,
    /// The points.
    pub points: u8,
    /// The most points that it can have.
    pub of: u8,
    /// Why it has them.
    pub because: String,
}

/// What goes into a score.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inputs<'a> {
    pub(crate) threat: Threat,
    pub(crate) mosca: Option<&'a Mosca>,
    pub(crate) exposure: Option<&'a str>,
    pub(crate) importance: u8,
    pub(crate) importance_told: bool,
    pub(crate) dependants: usize,
}

/// More dependants than this count as this many.
pub(crate) const DEPENDANTS_COUNTED: usize = 100;

pub(crate) fn score(inputs: Inputs<'_>) -> Score {
    if inputs.threat == Threat::Resistant {
        return Score::default();
    }
    let mut parts = vec![threat(inputs.threat)];
    if inputs.threat.is_open() {
        parts.push(time(inputs.threat, inputs.mosca));
        parts.push(exposure(inputs.exposure));
        parts.push(importance(inputs.importance, inputs.importance_told));
        parts.push(reach(inputs.dependants));
    }
    let total = parts
        .iter()
        .fold(0_u8, |sum, part| sum.saturating_add(part.points));
    Score { total, parts }
}

fn threat(threat: Threat) -> Part {
    let points = match threat {
        Threat::WeakToday | Threat::Unknown => 40,
        Threat::HarvestNow => 35,
        Threat::ForgeLater => 28,
        Threat::Impersonate => 15,
        Threat::Symmetric => 5,
        Threat::Resistant => 0,
    };
    part("threat", points, 40, threat.words().to_owned())
}

/// From ten years to spare to five years too late, evenly. What is weak today is as late as can be.
fn time(threat: Threat, mosca: Option<&Mosca>) -> Part {
    if threat == Threat::WeakToday {
        return part(
            "time",
            30,
            30,
            "it does not wait for a quantum computer".to_owned(),
        );
    }
    let Some(mosca) = mosca else {
        return part("time", 0, 30, "no scenario is planned by".to_owned());
    };
    const SPARE: i64 = 3_652;
    const LATE: i64 = 1_826;
    let days = mosca.late_days.clamp(-SPARE, LATE) + SPARE;
    let points = u8::try_from(days * 30 / (SPARE + LATE)).unwrap_or(30);
    let because = match mosca.is_late() {
        true => format!(
            "a start was due on {}, by the scenario {}",
            mosca.start_by, mosca.scenario
        ),
        false => format!(
            "a start is due by {}, by the scenario {}",
            mosca.start_by, mosca.scenario
        ),
    };
    part("time", points, 30, because)
}

fn exposure(exposure: Option<&str>) -> Part {
    let (points, because) = match exposure {
        Some("local") => (4, "reached on the machine only".to_owned()),
        Some("internal") => (8, "reached from within".to_owned()),
        Some("internet") => (15, "reached from the internet".to_owned()),
        Some(other) => (15, format!("reached by {other}")),
        None => (
            15,
            "nobody told who can reach it; the worst is assumed".to_owned(),
        ),
    };
    part("exposure", points, 15, because)
}

fn importance(importance: u8, told: bool) -> Part {
    let because = match told {
        true => format!("importance {importance} of 5, by the profile"),
        false => format!("importance {importance} of 5, by default"),
    };
    part("importance", importance.min(5) * 2, 10, because)
}

fn reach(dependants: usize) -> Part {
    let points = match dependants {
        0 => 0,
        1 => 1,
        2..=4 => 2,
        5..=19 => 3,
        20..=99 => 4,
        _ => 5,
    };
    let because = match dependants {
        0 => "nothing that was found depends on it".to_owned(),
        1 => "1 asset depends on it".to_owned(),
        DEPENDANTS_COUNTED.. => format!("{DEPENDANTS_COUNTED} assets or more depend on it"),
        many => format!("{many} assets depend on it"),
    };
    part("reach", points, 5, because)
}

fn part(what: &'static str, points: u8, of: u8, because: String) -> Part {
    Part {
        what,
        points,
        of,
        because,
    }
}
