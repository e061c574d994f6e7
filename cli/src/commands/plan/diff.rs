//! `symbolon plan diff`.

use anyhow::Result;
use serde::Serialize;
use symbolon_migration_planner::inventory::{Change, Diff, Occurrence};

use super::document;
use crate::args::Common;
use crate::args::plan::Diff as Options;
use crate::exit::NotVerified;
use crate::output::Show;

/// Most places shown for one asset in the table; JSON has them all.
const PLACES: usize = 5;

pub(super) fn run(common: &Common, options: &Options) -> Result<()> {
    let old = document::read(&options.old)?;
    let new = document::read(&options.new)?;
    let diff = Diff::between(&old, &new);
    let count = diff.added.len() + diff.removed.len() + diff.changed.len();
    common.output.print(&Shown(diff))?;
    if options.exit_code && count > 0 {
        let words = format!("{count} assets differ");
        return Err(NotVerified(words).into());
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(transparent)]
struct Shown(Diff);

impl Show for Shown {
    fn text(&self) -> String {
        let diff = &self.0;
        if diff.is_empty() {
            return "nothing changed".to_owned();
        }
        let mut text = String::new();
        for (sign, changes) in [('+', &diff.added), ('-', &diff.removed), ('~', &diff.changed)] {
            for change in changes {
                describe(&mut text, sign, change);
            }
        }
        text.push_str(&format!(
            "\n{} new, {} gone, {} changed\n",
            diff.added.len(),
            diff.removed.len(),
            diff.changed.len()
        ));
        text
    }
}

fn describe(text: &mut String, sign: char, change: &Change) {
    let altered = if change.altered { " (otherwise known)" } else { "" };
    text.push_str(&format!("{sign} {:<13} {}{altered}\n", change.kind, change.name));
    for (sign, places) in [('+', &change.appeared), ('-', &change.disappeared)] {
        for place in places.iter().take(PLACES) {
            text.push_str(&format!("    {sign} {}\n", shown(place)));
        }
        if places.len() > PLACES {
            text.push_str(&format!("    {sign} and {} more places\n", places.len() - PLACES));
        }
    }
}

/// A place as people and editors write it.
pub(super) fn shown(place: &Occurrence) -> String {
    match place.line {
        Some(line) => format!("{}:{line}", place.location),
        None => place.location.clone(),
    }
}
