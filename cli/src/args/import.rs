//! `symbolon import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Bring the entries, federation and bundles of a SPIRE server here, which is asked over its API socket and not changed
    #[command(
        after_help = "Examples:\n  symbolon import spire --from /tmp/spire-server/private/api.sock --dry-run\n  symbolon \
                      import spire --from /tmp/spire-server/private/api.sock --own-authorities\n\nIt can be repeated: what \
                      is here already is left alone, and nothing is removed."
    )]
    Spire(ImportSpire),
}

#[derive(Debug, Args)]
pub(crate) struct ImportSpire {
    /// The SPIRE server's API socket
    #[arg(
        long,
        value_name = "SOCKET",
        default_value = "/tmp/spire-server/private/api.sock"
    )]
    pub from: PathBuf,
    /// Put the SPIRE server's own authorities into the bundle here too, so that what it issued is believed while workloads
    /// move
    #[arg(long)]
    pub own_authorities: bool,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
