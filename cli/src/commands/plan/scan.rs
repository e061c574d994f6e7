//! `symbolon plan scan`.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use symbolon_migration_planner::endpoints;
use symbolon_migration_planner::inventory::Inventory;
use symbolon_migration_planner::issued::mark_shared_keys;
use symbolon_migration_planner::scan::{self, Limits, Options, ScanError, ScanRequest, Target};

use super::progress::Bar;
use super::{document, issued, summary};
use crate::args::Common;
use crate::args::plan::Scan;
use crate::exit::Usage;

pub(super) async fn run(common: &Common, options: Scan) -> Result<()> {
    let moment = document::moment(&options.document)?;
    let (targets, not_found) = targets(&options.targets)?;
    // Before the scan, which may be long: a server that is not there is told at once.
    let issued = issued::read(common, &options.issued).await?;
    let bar = Arc::new(Bar::new(options.quiet));
    let mut inventory = if targets.is_empty() {
        Inventory::new()
    } else {
        let request = request(&options, targets, bar.clone());
        let scanned = tokio::task::spawn_blocking(move || scan::scan(&request)).await;
        bar.clear();
        scanned.context("the scan was broken off")?.map_err(usage)?
    };
    inventory.timestamp = moment;
    let joined = (!issued.is_empty()).then(|| issued::join(&mut inventory, &issued));
    mark_shared_keys(&mut inventory);
    document::tag(&mut inventory, &options.tags);
    document::write(&inventory, &options.document, threads(&options))?;
    if !options.quiet {
        summary::print(&inventory, &not_found);
        if let Some(joined) = joined {
            anstream::eprint!("{}", issued::words(&joined));
        }
    }
    // The program ends: taking a large inventory apart first would take longer than joining it did.
    std::mem::forget(inventory);
    Ok(())
}

/// The targets, and which of them are paths where nothing is. When nothing is anywhere, somebody mistyped. A target
/// that would have to be searched for ends it before anyone is contacted, and is not repeated: it may hold a password.
fn targets(named: &[String]) -> Result<(Vec<Target>, Vec<String>)> {
    let schemes = scan::schemes();
    let targets: Vec<Target> = named.iter().map(|text| Target::parse(text, &schemes)).collect();
    for (place, target) in targets.iter().enumerate() {
        let place = place + 1;
        endpoints::check(target).map_err(|error| Usage(format!("target {place}: {error}")))?;
        // The target stands in the document, and everyone on this machine sees the command line.
        if matches!(target, Target::Uri { uri, .. } if uri.to_ascii_lowercase().contains("pin-value")) {
            let advice = "a PIN has no place on a command line or in a document; name a file with pin-source";
            return Err(Usage(format!("target {place}: {advice}")).into());
        }
    }
    let is_gone = |target: &Target| match target {
        Target::Path(path) => path
            .symlink_metadata()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound),
        Target::Uri { .. } => false,
    };
    let not_found: Vec<String> = targets
        .iter()
        .filter(|target| is_gone(target))
        .map(ToString::to_string)
        .collect();
    if !targets.is_empty() && not_found.len() == targets.len() {
        return Err(Usage(format!("nothing is called {}", not_found.join(", or "))).into());
    }
    Ok((targets, not_found))
}

fn request(options: &Scan, targets: Vec<Target>, bar: Arc<Bar>) -> ScanRequest {
    let bounds = &options.bounds;
    let mut request = ScanRequest::new(targets);
    request.limits = Limits {
        file_size: bounds.max_file_size,
        file_time: bounds.file_time.0,
        endpoint_time: bounds.contact_time.0,
        total_time: bounds.time.map(|time| time.0),
        ..Limits::default()
    };
    request.options = Options {
        skip_hidden: options.skip_hidden,
        skip_ignored: options.skip_ignored,
        exclude: options.exclude.clone(),
        own: options
            .document
            .out
            .iter()
            .chain(&options.cache)
            .cloned()
            .collect(),
    };
    request.cache = options.cache.clone();
    request.verify = options.verify;
    request.threads = threads(options);
    request.progress = bar;
    request
}

/// How many threads there are to be; 0 means as many as there are processors.
fn threads(options: &Scan) -> usize {
    options.bounds.threads.map_or(0, usize::from)
}

fn usage(error: ScanError) -> anyhow::Error {
    match error {
        ScanError::Exclude { .. } | ScanError::NoTarget => Usage(error.to_string()).into(),
        other => other.into(),
    }
}
