//! Prints what the source scanners find below a directory, one finding a line: path, line, name and symbol with
//! tabs between them; what they could not tell has `?` for its name. `cargo xtask corpus` measures it against labels
//! that others made.

use std::error::Error;
use std::path::PathBuf;

use symbolon_migration_planner::inventory::Detail;
use symbolon_migration_planner::scan::{self, ScanRequest, Target};
use symbolon_migration_planner::source;

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args_os()
        .nth(1)
        .ok_or("usage: source_findings DIRECTORY")?;
    let mut request = ScanRequest::new(vec![Target::Path(PathBuf::from(root))]);
    request.scanners = source::scanners();
    let inventory = scan::scan(&request)?;
    let mut lines = Vec::new();
    for asset in inventory.assets() {
        let name = match &asset.detail {
            Detail::Algorithm(algorithm) => algorithm.name.clone(),
            Detail::Protocol(_) => asset.name.clone(),
            _ => continue,
        };
        for place in asset.evidence.iter() {
            let line = place.line.unwrap_or(0);
            let symbol = place.symbol.as_deref().unwrap_or_default();
            lines.push(format!("{}\t{line}\t{name}\t{symbol}", place.location));
        }
    }
    for unread in inventory.unread.iter() {
        let line = unread.line.unwrap_or(0);
        lines.push(format!("{}\t{line}\t?\t{}", unread.location, unread.detail));
    }
    lines.sort();
    for line in lines {
        println!("{line}");
    }
    Ok(())
}
