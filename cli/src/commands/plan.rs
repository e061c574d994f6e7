//! `symbolon plan`: one file a subcommand.

mod diff;
mod document;
mod issued;
mod merge;
mod outlook;
mod progress;
mod query;
mod report;
mod roadmap;
mod scan;
mod status;
mod summary;

use anyhow::Result;

use crate::args::Common;
use crate::args::plan::Plan;

pub(crate) async fn run(common: &Common, command: Plan) -> Result<()> {
    match command {
        Plan::Scan(options) => scan::run(common, *options).await,
        Plan::Merge(options) => merge::run(&options),
        Plan::Diff(options) => diff::run(common, &options),
        Plan::Query(options) => query::run(common, &options),
        Plan::Roadmap(options) => roadmap::run(common, &options),
        Plan::Report(options) => report::run(&options),
        Plan::Status(options) => status::run(common, &options),
    }
}
