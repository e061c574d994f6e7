//! `symbolon plan query`.

use anyhow::Result;
use serde::Serialize;
use symbolon_migration_planner::inventory::{Asset, Query, QueryError};

use super::diff::shown;
use super::document;
use crate::args::Common;
use crate::args::plan::Query as Options;
use crate::exit::Usage;
use crate::output::{Show, table};

pub(super) fn run(common: &Common, options: &Options) -> Result<()> {
    let query: Query = options
        .question
        .join(" ")
        .parse()
        .map_err(|error: QueryError| Usage(error.to_string()))?;
    let inventory = document::read(&options.file)?;
    let mut assets = Vec::new();
    let mut count = 0;
    for asset in query.run(&inventory) {
        count += 1;
        if assets.len() < options.limit {
            assets.push(asset);
        }
    }
    common.output.print(&Answer { count, assets })
}

#[derive(Serialize)]
struct Answer<'a> {
    /// How many assets answer the question, shown or not.
    count: usize,
    assets: Vec<&'a Asset>,
}

impl Show for Answer<'_> {
    fn text(&self) -> String {
        if self.count == 0 {
            return "nothing answers".to_owned();
        }
        let rows = self.assets.iter().map(|asset| {
            let places = asset.evidence.len() as u64 + asset.evidence.omitted();
            let first = asset.evidence.iter().next().map(shown).unwrap_or_default();
            [
                asset.detail.kind().to_owned(),
                short(&asset.name),
                places.to_string(),
                first,
            ]
        });
        let mut text = table(["kind", "name", "places", "first place"], rows);
        text.push_str(&format!("\n{} of {}\n", self.assets.len(), self.count));
        text
    }
}

/// The start of a long name: distinguished names may be any length.
fn short(name: &str) -> String {
    const WIDTH: usize = 40;
    if name.chars().count() <= WIDTH {
        return name.to_owned();
    }
    let start: String = name.chars().take(WIDTH - 1).collect();
    format!("{start}…")
}
