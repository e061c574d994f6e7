//! How long what has ended is kept.

use serde::Deserialize;
use symbolon_host::duration::HumanDuration;

/// How long what has ended is kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// The record of a certificate, after it has expired. Default: for ever.
    pub certificates: Option<HumanDuration>,
}
