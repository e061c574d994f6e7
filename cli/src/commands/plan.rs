//! `symbolon plan`: one file a subcommand.

mod diff;
mod document;
mod issued;
mod merge;
mod progress;
mod query;
mod scan;
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
    }
}
