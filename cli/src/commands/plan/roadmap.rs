//! `symbolon plan roadmap`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use symbolon_migration_planner::roadmap::{Roadmap, plan};

use super::document;
use super::outlook::Outlook;
use crate::args::Common;
use crate::args::plan::Roadmap as Options;
use crate::commands::read_large;
use crate::exit::Usage;
use crate::output::{Show, table};

pub(super) fn run(common: &Common, options: &Options) -> Result<()> {
    let outlook = Outlook::of(&options.file, &options.assumptions)?;
    let roadmap = plan(
        &outlook.inventory,
        &outlook.assessment,
        &outlook.profile,
        &outlook.catalogue,
    );
    if let Some(path) = &options.out {
        write_json(path, &roadmap)?;
    }
    common.output.print(&Shown(&roadmap))
}

/// Writes a value as JSON for people who look into it.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    document::write_with(Some(path), |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// Reads a roadmap that was written before.
pub(super) fn read(path: &Path) -> Result<Roadmap> {
    Roadmap::from_json(&read_large(path)?)
        .map_err(|error| Usage(format!("{} cannot be read: {error}", path.display())).into())
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown<'a>(&'a Roadmap);

impl Show for Shown<'_> {
    fn text(&self) -> String {
        let roadmap = self.0;
        if roadmap.steps.is_empty() {
            return "nothing has to move".to_owned();
        }
        let rows = roadmap.steps.iter().map(|step| {
            let late = match step.late_days {
                0 => String::new(),
                days => format!("{days} d late"),
            };
            [
                step.wave.to_string(),
                step.start.to_string(),
                step.due.map(|day| day.to_string()).unwrap_or_default(),
                late,
                step.items.len().to_string(),
                step.title.clone(),
            ]
        });
        let mut text = table(["wave", "start", "due", "late", "places", "step"], rows);
        text.push_str(&format!(
            "\n{} steps, planned by the scenario {:?}\n",
            roadmap.steps.len(),
            roadmap.plan_by
        ));
        for other in &roadmap.what_if {
            text.push_str(&format!(
                "if it is {:?} ({}): {} steps and {} of {} assets too late\n",
                other.scenario, other.arrives, other.late_steps, other.late_assets, other.concerned_assets
            ));
        }
        text
    }
}
