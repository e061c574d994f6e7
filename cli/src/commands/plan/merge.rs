//! `symbolon plan merge`.

use anyhow::Result;
use symbolon_migration_planner::inventory::Inventory;

use super::{document, summary};
use crate::args::plan::Merge;

pub(super) fn run(options: &Merge) -> Result<()> {
    let moment = document::moment(&options.document)?;
    let mut whole = Inventory::new();
    for file in &options.files {
        whole.merge(document::read(file)?);
    }
    if moment.is_some() {
        whole.timestamp = moment;
    }
    document::tag(&mut whole, &options.tags);
    document::write(&whole, &options.document)?;
    if options.document.out.is_some() {
        summary::print(&whole, &[]);
    }
    Ok(())
}
