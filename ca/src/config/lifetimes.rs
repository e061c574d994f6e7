//! How long things live.

use std::time::Duration;

use serde::Deserialize;
use symbolon_host::duration::HumanDuration;

/// How long things live.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// Authorities. Default: 24 hours.
    pub authority: HumanDuration,
    /// X.509-SVIDs of workloads and of the server. Default: 1 hour.
    pub svid: HumanDuration,
    /// X.509-SVIDs of agents. Default: 1 hour.
    pub agent: HumanDuration,
    /// JWT-SVIDs. Default: 5 minutes.
    pub jwt: HumanDuration,
    /// WIT-SVIDs. Default: 1 hour.
    pub wit: HumanDuration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            authority: HumanDuration(Duration::from_secs(24 * 60 * 60)),
            svid: HumanDuration(Duration::from_secs(60 * 60)),
            agent: HumanDuration(Duration::from_secs(60 * 60)),
            jwt: HumanDuration(Duration::from_secs(5 * 60)),
            wit: HumanDuration(Duration::from_secs(60 * 60)),
        }
    }
}
