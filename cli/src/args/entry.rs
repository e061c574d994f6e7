//! `symbolon entry`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use symbolon_host::HumanDuration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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
    /// Change an entry: what is given replaces what it has, and the rest stays
    #[command(
        after_help = "Examples:\n  symbolon entry update ID --dns-name db.example.org --dns-name db\n  symbolon entry update ID \
                            --clear-dns-names --clear-federates-with --hint '' --not-after never --allowed-form any"
    )]
    Update {
        /// Its id
        id: String,
        #[command(flatten)]
        fields: EntryChange,
    },
    /// Delete entries, each by itself
    Delete {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Bring about what documents declare, and remove what they declared before
    #[command(
        after_help = "Examples:\n  symbolon entry apply -f entries/ --dry-run\n  symbolon entry apply -f payments.yaml\n\n\
                      Exit codes: 0 done, 2 a document is wrong, 3 with --check something would change, 4 unreachable, 5 \
                      refused: others keep an entry, or the server did not make a change"
    )]
    Apply(EntryApply),
}

#[derive(Debug, Args)]
pub(crate) struct EntryApply {
    /// A document, YAML or JSON, or a folder of them; - for standard input. May be repeated
    #[arg(short, long, value_name = "FILE|DIR", required = true)]
    pub file: Vec<PathBuf>,
    /// Whose the documents are that do not say it
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// As --dry-run, and fail if anything would change
    #[arg(long)]
    pub check: bool,
    /// Keep the owners' entries that are not declared any more
    #[arg(long)]
    pub no_prune: bool,
}

/// A moment as in 2027-01-31T00:00:00Z, or `never` for none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment(pub(crate) Option<SystemTime>);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self(None));
        }
        let seconds = OffsetDateTime::parse(text, &Rfc3339)
            .ok()
            .and_then(|moment| u64::try_from(moment.unix_timestamp()).ok());
        seconds
            .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
            .map(|moment| Self(Some(moment)))
            .ok_or_else(|| "write 2027-01-31T00:00:00Z, or never".to_owned())
    }
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
    /// Make its identity a server below this one, which may ask for an intermediate
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub downstream: Option<bool>,
    /// A foreign trust domain whose bundle the workload gets; may be repeated
    #[arg(long, value_name = "NAME")]
    pub federates_with: Vec<String>,
    /// When the entry ends and is removed, as in 2027-01-31T00:00:00Z, or never
    #[arg(long, value_name = "TIME")]
    pub expires_at: Option<Moment>,
    /// The forms in which its X.509-SVIDs may be issued, or any [default: any]
    #[arg(long, value_name = "FORM", value_delimiter = ',')]
    pub allowed_form: Vec<String>,
    /// The algorithms that keys in its X.509-SVIDs may have, as in ecdsa-p256 or mldsa65-ecdsa-p256, or any [default: any]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub key_algorithm: Vec<String>,
    /// When it begins to have effect, or never for no bound
    #[arg(long, value_name = "TIME")]
    pub not_before: Option<Moment>,
    /// When it stops having effect, and its SVIDs end at the latest, or never
    #[arg(long, value_name = "TIME")]
    pub not_after: Option<Moment>,
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
    /// Whose declarations keep it; '' for nobody's
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// Take all its DNS names away
    #[arg(long, conflicts_with = "dns_name")]
    pub clear_dns_names: bool,
    /// Take all foreign trust domains away
    #[arg(long, conflicts_with = "federates_with")]
    pub clear_federates_with: bool,
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
