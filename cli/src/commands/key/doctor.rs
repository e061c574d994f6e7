//! `symbolon key doctor`: whether a store does what Symbolon needs.

mod report;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use symbolon_hsm::KeyStore;
use symbolon_hsm::conformance::{self, Check};
use tokio::signal::unix::{SignalKind, signal};

use self::report::{Around, Diagnosis};
use super::blocking;
use super::place::Place;
use crate::exit::Failed;
use crate::output::Format;

pub(super) async fn run(output: Format, place: Place, remove_leftovers: bool) -> Result<()> {
    // A TPM cannot be tried without a directory for blobs. Files say nothing before there are any, and a store that
    // is made for a slip of the pen is in somebody's way.
    let place = match place.is_software() {
        true => place,
        false => place.for_making(),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    // From here on, before there is any scratch key.
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut ends = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let watching = tokio::spawn(async move {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = ends.recv() => {}
        }
        anstream::eprintln!("stopping: scratch keys are removed first");
        stopping.store(true, Ordering::Relaxed);
    });
    let examined = blocking(move || examine(&place, remove_leftovers, &stop)).await;
    watching.abort();
    let diagnosis = examined?;
    output.print(&diagnosis)?;
    match diagnosis.verdict() {
        Ok(()) => Ok(()),
        Err(words) => Err(Failed(words).into()),
    }
}

fn examine(place: &Place, remove_leftovers: bool, stop: &AtomicBool) -> Result<Diagnosis> {
    let made = place.is_new()?;
    let store = place.open()?;
    let removed = match remove_leftovers {
        true => remove(&*store)?,
        false => 0,
    };
    let left = conformance::leftovers(&*store)?;
    let progress = progress(conformance::most_checks(&*store));
    let mut watch = |check: &Check| {
        let component = check.component.map_or("the store", |component| component.name());
        progress.set_message(format!("{component}: {}", check.name));
        progress.inc(1);
        match stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let reopen = || place.reopen();
    let report = conformance::run_watched(&*store, Some(&reopen), &mut watch);
    progress.finish_and_clear();
    Ok(Diagnosis::new(
        place.to_string(),
        store.holder()?,
        &report,
        Around {
            made,
            leftovers_removed: removed,
            leftovers: left.len(),
        },
    ))
}

fn remove(store: &dyn KeyStore) -> Result<usize> {
    let left = conformance::leftovers(store)?;
    for key in &left {
        let words = || format!("cannot remove the scratch key {} of an earlier run", key.id);
        store.destroy(&key.id).with_context(words)?;
    }
    Ok(left.len())
}

fn progress(most: usize) -> ProgressBar {
    let progress = ProgressBar::new(most.try_into().unwrap_or(u64::MAX));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg}") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(120));
    progress
}
