//! `symbolon import`.

use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_ca::client::Client;
use symbolon_ca::import::{self, Item, ItemOutcome, Skipped, Source};

use super::entry::plan::Report;
use super::server::connect;
use crate::args::{Common, Import, ImportSpire};
use crate::exit::Refused;
use crate::output::{Show, printable};

pub(crate) async fn run(common: &Common, command: Import) -> Result<()> {
    match command {
        Import::Spire(options) => spire(common, options).await,
    }
}

async fn spire(common: &Common, options: ImportSpire) -> Result<()> {
    let from = Client::over_socket(&options.from)
        .await
        .with_context(|| format!("the SPIRE server on {} cannot be called", options.from.display()))?;
    let source = Source::read(&from).await?;
    let target = connect(common).await?;
    let plan = import::Import::plan(&source, &target, options.own_authorities, SystemTime::now()).await?;
    let report = if options.dry_run {
        Imported::planned(&plan)
    } else {
        Imported::done(&plan, plan.run(&target).await?)
    };
    common.output.print(&report)?;
    match report.failed() {
        0 => Ok(()),
        failed => Err(Refused(format!("{failed} changes were not made")).into()),
    }
}

/// What an import is, or what came of it.
#[derive(Serialize)]
struct Imported {
    trust_domain: String,
    dry_run: bool,
    foreign: Vec<Line>,
    entries: Report,
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    item: Item,
    /// `planned`, `done` or `failed`.
    outcome: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Imported {
    fn of(plan: &import::Import, dry_run: bool, foreign: Vec<Line>, entries: Report) -> Self {
        Self {
            trust_domain: plan.trust_domain().to_owned(),
            dry_run,
            foreign,
            entries,
            skipped: plan.skipped().to_vec(),
        }
    }

    fn planned(plan: &import::Import) -> Self {
        let line = |item: &Item| Line {
            item: item.clone(),
            outcome: "planned",
            error: None,
        };
        let foreign = plan.items().map(line).collect();
        Self::of(plan, true, foreign, Report::planned(plan.entries(), Vec::new()))
    }

    fn done(plan: &import::Import, done: import::Done) -> Self {
        let line = |(item, outcome): (&Item, ItemOutcome)| Line {
            item: item.clone(),
            outcome: if outcome.is_ok() { "done" } else { "failed" },
            error: outcome.err().map(|error| error.to_string()),
        };
        let foreign = plan.items().zip(done.items).map(line).collect();
        let entries = Report::done(plan.entries(), done.entries, Vec::new());
        Self::of(plan, false, foreign, entries)
    }

    fn failed(&self) -> usize {
        let foreign = self.foreign.iter().filter(|line| line.error.is_some()).count();
        foreign + self.entries.failed()
    }
}

impl Show for Imported {
    fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.foreign {
            let Item {
                kind,
                action,
                trust_domain,
                detail,
            } = &line.item;
            text += &format!("~ {action} {kind} of {trust_domain}: {detail}\n");
            if let Some(error) = &line.error {
                text += &format!("    failed: {error}\n");
            }
        }
        for skipped in &self.skipped {
            text += &format!("! entry {} is not imported: {}\n", skipped.id, skipped.reason);
        }
        printable(&(text + &self.entries.text()))
    }
}
