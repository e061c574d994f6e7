//! Migration as the agent knows it: how far its entries are, which the server says, and what its workloads report, which
//! the server is told.

mod holders;
mod reports;
mod stages;

pub(crate) use self::holders::Holders;
pub(crate) use self::reports::{Reports, WorkloadReport};
pub(crate) use self::stages::Stages;
