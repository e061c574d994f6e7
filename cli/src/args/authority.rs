//! `symbolon authority`.

use clap::{Args, Subcommand};
use symbolon_host::HumanDuration;
use symbolon_hsm::StoreName;
use symbolon_pki::suite::{Family, Suite};

use super::migration::Migrate;

const LIFE: &str = "An authority is prepared (published, for everybody to learn), then active (it signs), then old (what \
    it signed still\ncounts), and where it is not to be trusted any more tainted (what it signed is replaced at once) and \
    revoked (what it\nsigned counts no more). The server prepares and activates authorities by itself in good time. An ID \
    may be cut short\nas long as it is one authority's alone.";

#[derive(Debug, Subcommand)]
#[command(after_help = LIFE)]
pub(crate) enum Authority {
    /// List the authorities in every state, and what each family's next one will be
    #[command(
        after_help = "Examples:\n  symbolon authority list\n  symbolon authority list --family composite --output json"
    )]
    List {
        /// Only those of this family: classical, ml-dsa, composite, catalyst, jwt or wit
        #[arg(long, value_name = "FAMILY", value_parser = family)]
        family: Option<Family>,
    },
    /// Show one authority, and where its key is kept
    #[command(after_help = "Example:\n  symbolon authority show 3f0a91c2")]
    Show {
        /// Its id
        id: String,
    },
    /// Make the next authority of a family and publish it; one that waits already never signs
    #[command(after_help = "Example:\n  symbolon authority prepare classical")]
    Prepare {
        /// The family: classical, ml-dsa, composite, catalyst, jwt or wit
        #[arg(value_parser = family)]
        family: Family,
    },
    /// Let a prepared authority sign from now on
    #[command(after_help = "Example:\n  symbolon authority activate 3f0a91c2")]
    Activate {
        /// Its id
        id: String,
    },
    /// Distrust an old authority: whoever holds something that it signed replaces that at once
    #[command(after_help = "Example:\n  symbolon authority taint 3f0a91c2")]
    Taint {
        /// Its id, or that of one above the server's, or of a key that another server put into the bundle
        id: String,
    },
    /// Take a tainted authority out of the bundle and destroy its key: nothing that it signed counts any more
    #[command(after_help = "Example:\n  symbolon authority revoke 3f0a91c2")]
    Revoke {
        /// Its id, or that of one above the server's, or of a key that another server put into the bundle
        id: String,
    },
    /// List the authorities above the server's, whose they are, and what stands below them
    #[command(
        after_help = "`taint` and `revoke` take their ids, too, once nothing that signs stands below \
                            them.\n\nExample:\n  symbolon authority upstream --output json"
    )]
    Upstream {
        /// Only those of this family: classical, ml-dsa, composite or catalyst
        #[arg(long, value_name = "FAMILY", value_parser = family)]
        family: Option<Family>,
    },
    /// List the certificates that somebody is to bring, or print the request for one of them
    #[command(
        after_help = "Examples:\n  symbolon authority requests\n  symbolon authority requests composite > composite.csr.pem"
    )]
    Requests {
        /// Print this family's request, as PEM: classical, ml-dsa, composite or catalyst
        #[arg(value_parser = family)]
        family: Option<Family>,
    },
    /// Change for good what a family signs with, or where its keys are kept
    #[command(
        after_help = "The next authority is made like that now, and signs when it has been published for the notice. It \
                      stays so through\nevery rotation and restart, until the configuration of the family \
                      changes.\n\nExamples:\n  symbolon authority rotate classical --to ecdsa-p384\n  symbolon \
                      authority rotate composite --to mldsa87-ecdsa-p384 --notice 1h\n  symbolon authority rotate \
                      composite --store hsm1 --store software"
    )]
    Rotate(Rotate),
    /// Move entries from classical to other algorithms, one stage further or back
    #[command(
        after_help = "The stages: publish (roots in bundles), issue (SVIDs of the target's form beside the classical \
                      ones), accept\n(verifiers take them), prefer (they are presented to whoever takes them), require \
                      (verifiers demand them). A stage\nis set only when those in scope are ready; back it goes at any \
                      time.\n\nExamples:\n  symbolon authority migrate --to hybrid\n  symbolon authority migrate \
                      --dry-run\n  symbolon authority migrate --entries spiffe-id-prefix:/ns/prod --stage accept\n  \
                      symbolon authority migrate --stage off --reason 'not yet'"
    )]
    Migrate(Migrate),
    /// Show how far migrations are, and who is ready for the next stage
    #[command(after_help = "Example:\n  symbolon authority migration --output json")]
    Migration {
        /// For how long no verifier may have taken a classical peer before `require` [default: the server's
        /// `migration.quiet`]
        #[arg(long, value_name = "DURATION")]
        quiet: Option<HumanDuration>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// The family: classical, ml-dsa, composite, catalyst, jwt or wit
    #[arg(value_parser = family)]
    pub family: Family,
    /// The suite to sign with [default: the present one]
    #[arg(long, value_name = "SUITE", required_unless_present_any = ["store", "alternative"])]
    pub to: Option<Suite>,
    /// The suite of the alternative key, for catalyst [default: the present one]
    #[arg(long, value_name = "SUITE")]
    pub alternative: Option<Suite>,
    /// The key store, as the server's configuration names it; once for all components of the key, or once for each in
    /// their order, ML-DSA first in composites [default: where the keys are now]
    #[arg(long, value_name = "NAME", value_parser = store)]
    pub store: Vec<StoreName>,
    /// How long the next authority is published before it signs [default: 5m]
    #[arg(long, value_name = "DURATION")]
    pub notice: Option<HumanDuration>,
    /// Give up the request for a certificate that somebody is to bring: what is signed for it is of no use then
    #[arg(long)]
    pub give_up_request: bool,
}

fn family(name: &str) -> Result<Family, String> {
    let found = Family::ALL.into_iter().find(|family| family.name() == name);
    found.ok_or_else(|| "it is none of classical, ml-dsa, composite, catalyst, jwt and wit".to_owned())
}

fn store(name: &str) -> Result<StoreName, String> {
    StoreName::parse(name).map_err(|error| error.to_string())
}
