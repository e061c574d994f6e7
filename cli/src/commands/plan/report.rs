//! `symbolon plan report`.

use anyhow::Result;
use symbolon_migration_planner::report::{self, Limits, Report};
use symbolon_migration_planner::roadmap::{plan, status};

use super::outlook::Outlook;
use super::{document, roadmap};
use crate::args::plan::{Report as Options, ReportFormat};
use crate::exit::NotVerified;

pub(super) fn run(options: &Options) -> Result<()> {
    let outlook = Outlook::of(&options.file, &options.assumptions)?;
    let earlier = options.roadmap.as_deref().map(roadmap::read).transpose()?;
    let stands = earlier.as_ref().map(|earlier| {
        status(
            earlier,
            &outlook.inventory,
            &outlook.assessment,
            &outlook.catalogue,
            None,
        )
    });
    let fresh = plan(
        &outlook.inventory,
        &outlook.assessment,
        &outlook.profile,
        &outlook.catalogue,
    );
    let report = Report {
        inventory: &outlook.inventory,
        assessment: &outlook.assessment,
        roadmap: &fresh,
        status: stands.as_ref(),
        profile: &outlook.profile,
        catalogue: &outlook.catalogue,
        limits: Limits::default(),
    };
    document::write_with(options.out.as_deref(), |out| match options.format {
        ReportFormat::Html => report::html(&report, out),
        ReportFormat::Markdown => report::markdown(&report, out),
        ReportFormat::Json => report::json(&report, out),
    })?;
    let mut hits = Vec::new();
    for condition in &options.fail_on {
        let count = condition.hits(&outlook.inventory, &outlook.assessment, stands.as_ref());
        if count > 0 {
            hits.push(format!("{condition}: {count}"));
        }
    }
    if hits.is_empty() {
        return Ok(());
    }
    Err(NotVerified(format!("--fail-on is met: {}", hits.join(", "))).into())
}
