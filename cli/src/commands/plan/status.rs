//! `symbolon plan status`.

use anyhow::Result;
use serde::Serialize;
use symbolon_migration_planner::roadmap::{Status, status};

use super::outlook::Outlook;
use super::roadmap;
use crate::args::Common;
use crate::args::plan::Status as Options;
use crate::commands::read_large;
use crate::exit::Usage;
use crate::output::{Show, table};

pub(super) fn run(common: &Common, options: &Options) -> Result<()> {
    let planned = roadmap::read(&options.roadmap)?;
    let before: Option<Status> = match &options.before {
        Some(path) => Some(serde_json::from_slice(&read_large(path)?).map_err(|error| {
            Usage(format!(
                "{} is no status that can be read: {error}",
                path.display()
            ))
        })?),
        None => None,
    };
    let outlook = Outlook::of(&options.file, &options.assumptions)?;
    let stands = status(
        &planned,
        &outlook.inventory,
        &outlook.assessment,
        &outlook.catalogue,
        before.as_ref(),
    );
    if let Some(path) = &options.out {
        roadmap::write_json(path, &stands)?;
    }
    common.output.print(&Shown(&stands))
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown<'a>(&'a Status);

impl Show for Shown<'_> {
    fn text(&self) -> String {
        let stands = self.0;
        let rows = stands.steps.iter().map(|step| {
            let items = step.items;
            let all = items.moved + items.gone + items.open + items.not_observed + items.regressed;
            [
                step.state.words().to_owned(),
                format!("{} of {all}", items.moved + items.gone),
                step.title.clone(),
            ]
        });
        let mut text = table(["state", "done", "step"], rows);
        let items = stands.items;
        text.push_str(&format!(
            "\n{} moved, {} gone, {} open, {} not observed, {} as before again\n",
            items.moved, items.gone, items.open, items.not_observed, items.regressed
        ));
        for (count, what) in [
            (stands.regressed.len(), "were protected and are no longer"),
            (stands.unplanned.len(), "are not in the roadmap"),
        ] {
            if count > 0 {
                text.push_str(&format!("{count} {what}\n"));
            }
        }
        text
    }
}
