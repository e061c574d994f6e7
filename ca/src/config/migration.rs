//! When entries are ready to migrate from one family of algorithms to another.

use std::time::Duration;

use serde::Deserialize;
use symbolon_host::duration::HumanDuration;

use super::check::{Problem, problem};

/// Agents say every few seconds what their workloads have seen: in less than this not even one could.
const SHORTEST_QUIET: Duration = Duration::from_secs(1);
/// A month.
const LONGEST_QUIET: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// When entries are ready to migrate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct MigrationConfig {
    /// For how long no peer may have been seen that the last stage refuses. Default: 10 minutes.
    pub quiet: HumanDuration,
}

impl Default for MigrationConfig {
    fn default() -> Self {
        Self {
            quiet: HumanDuration(Duration::from_secs(10 * 60)),
        }
    }
}

impl MigrationConfig {
    /// Whether this makes sense.
    pub(super) fn check(self) -> Result<(), Problem> {
        if (SHORTEST_QUIET..=LONGEST_QUIET).contains(&self.quiet.0) {
            return Ok(());
        }
        let (shortest, longest) = (HumanDuration(SHORTEST_QUIET), HumanDuration(LONGEST_QUIET));
        let reason = format!("is {}; give {shortest} to {longest}", self.quiet);
        Err(problem("migration.quiet", reason))
    }
}
