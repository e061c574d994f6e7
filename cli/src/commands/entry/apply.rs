//! `symbolon entry apply`.

use std::time::SystemTime;

use anyhow::Result;
use symbolon_ca::apply;

use super::plan::Report;
use crate::args::{Common, EntryApply};
use crate::commands::server::connect;
use crate::exit::{NotVerified, Refused};

pub(super) async fn run(common: &Common, options: EntryApply) -> Result<()> {
    // Documents are read before anybody is asked: what is wrong with them does not depend on a server.
    let declared = apply::read(&options.file, options.owner.as_deref(), std::io::stdin().lock())?;
    let warnings = declared.warnings(SystemTime::now());
    let client = connect(common).await?;
    let plan = apply::plan(&client, &declared, !options.no_prune).await?;
    if options.dry_run || options.check {
        common.output.print(&Report::planned(&plan, warnings))?;
        if options.check && !plan.is_empty() {
            let count = plan.changes().len();
            return Err(NotVerified(format!("the server is not as declared: {count} entries differ")).into());
        }
        return Ok(());
    }
    let report = Report::done(&plan, plan.run(&client).await?, warnings);
    common.output.print(&report)?;
    match report.failed() {
        0 => Ok(()),
        failed => Err(Refused(format!("{failed} changes were not made")).into()),
    }
}
