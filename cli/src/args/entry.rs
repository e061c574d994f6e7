//! `symbolon entry`.

use clap::{Args, Subcommand};
use symbolon_host::HumanDuration;

#[derive(Debug, Subcommand)]
pub(crate) enum Entry {
    /// Register a workload
    #[command(
        after_help = "Example:\n  symbolon entry create --spiffe-id spiffe://example.org/db --parent-id \
                            spiffe://example.org/node/a --selector unix:uid:1000"
    )]
    Create(EntryFields),
    /// Show one entry
    Show {
        /// Its id
        id: String,
    },
    /// List entries
    List(EntryFilter),
    /// Change an entry: what is given replaces what it has
    Update {
        /// Its id
        id: String,
        #[command(flatten)]
        fields: EntryChange,
    },
    /// Delete entries
    Delete {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct EntryFields {
    /// The identity the workload gets
    #[arg(long, value_name = "ID")]
    pub spiffe_id: String,
    /// The agent, or the group of agents, that may give it
    #[arg(long, value_name = "ID")]
    pub parent_id: String,
    /// What the workload must be, as in unix:uid:1000; all that are given must hold
    #[arg(long, value_name = "TYPE:VALUE", required = true)]
    pub selector: Vec<String>,
    #[command(flatten)]
    pub more: EntryMore,
}

#[derive(Debug, Args)]
pub(crate) struct EntryMore {
    /// How long its X.509-SVIDs live, as in 30m [default: the server's]
    #[arg(long, value_name = "DURATION")]
    pub x509_ttl: Option<HumanDuration>,
    /// How long its JWT-SVIDs live, as in 5m [default: the server's]
    #[arg(long, value_name = "DURATION")]
    pub jwt_ttl: Option<HumanDuration>,
    /// A DNS name to put into its X.509-SVIDs; may be repeated
    #[arg(long, value_name = "NAME")]
    pub dns_name: Vec<String>,
    /// Told to the workload beside the SVID, so that it can tell several apart
    #[arg(long, value_name = "TEXT")]
    pub hint: Option<String>,
    /// Let its identity administer the server over TCP
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub admin: Option<bool>,
}

#[derive(Debug, Args)]
pub(crate) struct EntryChange {
    /// The identity the workload gets
    #[arg(long, value_name = "ID")]
    pub spiffe_id: Option<String>,
    /// The agent, or the group of agents, that may give it
    #[arg(long, value_name = "ID")]
    pub parent_id: Option<String>,
    /// What the workload must be; replaces all it has
    #[arg(long, value_name = "TYPE:VALUE")]
    pub selector: Vec<String>,
    #[command(flatten)]
    pub more: EntryMore,
}

#[derive(Debug, Args)]
pub(crate) struct EntryFilter {
    /// Only entries of this identity
    #[arg(long, value_name = "ID")]
    pub spiffe_id: Option<String>,
    /// Only entries below this parent
    #[arg(long, value_name = "ID")]
    pub parent_id: Option<String>,
}
