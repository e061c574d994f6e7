//! `symbolon plan merge`.

use anyhow::Result;
use symbolon_migration_planner::inventory::{self, Inventory};
use symbolon_migration_planner::issued::mark_shared_keys;

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
    // One of them may hold who issued what another tells of. What configurations name, each scan has joined already.
    inventory::relate(&mut whole);
    mark_shared_keys(&mut whole);
    document::tag(&mut whole, &options.tags);
    document::write(&whole, &options.document, 0)?;
    if options.document.out.is_some() {
        summary::print(&whole, &[]);
    }
    Ok(())
}
