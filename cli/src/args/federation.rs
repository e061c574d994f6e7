//! `symbolon federation` and `symbolon bundle`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use spiffe::{SpiffeId, TrustDomain};
use symbolon_pki::suite::Form;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum BundleFormat {
    /// A table, or with --output json the same as JSON
    #[default]
    Summary,
    /// The X.509 authorities as PEM
    Pem,
    /// The SPIFFE bundle document, post-quantum authorities under pq_keys
    Spiffe,
}

/// How a bundle is written in a file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum BundleInput {
    /// The SPIFFE bundle document
    #[default]
    Spiffe,
    /// X.509 authorities as PEM; JWT and WIT authorities on record stay
    Pem,
}

/// What becomes of entries that federate with a trust domain whose bundle is deleted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum DeleteBundleMode {
    /// While there is one, the bundle stays
    #[default]
    Restrict,
    /// They are deleted too
    Delete,
    /// They stay, and no longer federate with it
    Dissociate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Show the trust bundle of this server's trust domain, or of one that it federates with
    #[command(
        after_help = "Examples:\n  symbolon bundle show\n  symbolon bundle show --format spiffe > bundle.json\n  \
                            symbolon bundle show --trust-domain example.com"
    )]
    Show {
        /// What to print
        #[arg(long, value_enum, default_value_t)]
        format: BundleFormat,
        /// Only authorities of these forms [default: all]
        #[arg(long, value_name = "FORM", value_delimiter = ',')]
        form: Vec<Form>,
        /// Another trust domain
        #[arg(long, value_name = "NAME", value_parser = trust_domain)]
        trust_domain: Option<TrustDomain>,
    },
    /// List the bundles of other trust domains
    #[command(after_help = "Example:\n  symbolon bundle list --output json")]
    List,
    /// Set the bundle of another trust domain, in place of the one that there is
    #[command(
        after_help = "A bundle document takes the place of everything on record. PEM speaks of X.509 authorities alone: what \
                      signs tokens stays.\n\nExamples:\n  symbolon bundle set --trust-domain example.com \
                      bundle.json\n  curl -s https://example.com/bundle | symbolon bundle set --trust-domain \
                      example.com -"
    )]
    Set {
        /// The file; - for standard input
        file: PathBuf,
        /// Whose bundle it is: the file does not say
        #[arg(long, value_name = "NAME", value_parser = trust_domain)]
        trust_domain: TrustDomain,
        /// How the file is written
        #[arg(long, value_enum, default_value_t)]
        format: BundleInput,
    },
    /// Delete the bundle of another trust domain
    #[command(after_help = "Example:\n  symbolon bundle delete --trust-domain example.com --mode dissociate")]
    Delete {
        /// Whose
        #[arg(long, value_name = "NAME", value_parser = trust_domain)]
        trust_domain: TrustDomain,
        /// What becomes of entries that federate with it
        #[arg(long, value_enum, default_value_t)]
        mode: DeleteBundleMode,
    },
    /// Count the bundles, the server's own among them
    #[command(after_help = "Example:\n  symbolon bundle count")]
    Count,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Federation {
    /// Federate with another trust domain: have its bundle fetched from where it is published
    #[command(
        after_help = "Examples:\n  symbolon federation create --trust-domain example.com --url \
                            https://example.com/bundle\n  symbolon federation create --trust-domain example.com --url \
                            https://spire.example.com:8443 --endpoint-id spiffe://example.com/spire/server --bundle \
                            bundle.json"
    )]
    Create(FederationFields),
    /// Change where a bundle is fetched from: what is given replaces what there is
    #[command(
        after_help = "Example:\n  symbolon federation update --trust-domain example.com --url \
                            https://example.com/new --web"
    )]
    Update(FederationChange),
    /// End a relationship; the bundle stays until it is deleted
    #[command(after_help = "Example:\n  symbolon federation delete --trust-domain example.com")]
    Delete {
        /// The other trust domain
        #[arg(long, value_name = "NAME", value_parser = trust_domain)]
        trust_domain: TrustDomain,
    },
    /// List the relationships
    #[command(after_help = "Example:\n  symbolon federation list --output json")]
    List,
    /// Show one relationship
    #[command(after_help = "Example:\n  symbolon federation show --trust-domain example.com")]
    Show {
        /// The other trust domain
        #[arg(long, value_name = "NAME", value_parser = trust_domain)]
        trust_domain: TrustDomain,
    },
    /// Fetch a bundle now, and say why if it cannot be had
    #[command(after_help = "Example:\n  symbolon federation refresh --trust-domain example.com")]
    Refresh {
        /// The other trust domain
        #[arg(long, value_name = "NAME", value_parser = trust_domain)]
        trust_domain: TrustDomain,
    },
}

#[derive(Debug, Args)]
pub(crate) struct FederationFields {
    /// The other trust domain
    #[arg(long, value_name = "NAME", value_parser = trust_domain)]
    pub trust_domain: TrustDomain,
    /// Where its bundle is, https://…
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// The SPIFFE ID of the SVID that the endpoint shows (https_spiffe) [default: the endpoint shows a certificate of the
    /// web's authorities, https_web]
    #[arg(long, value_name = "ID")]
    pub endpoint_id: Option<SpiffeId>,
    /// A file with its bundle to begin with, which https_spiffe needs; - for standard input
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// How that file is written
    #[arg(long, value_enum, default_value_t, requires = "bundle")]
    pub bundle_format: BundleInput,
}

#[derive(Debug, Args)]
pub(crate) struct FederationChange {
    /// The other trust domain
    #[arg(long, value_name = "NAME", value_parser = trust_domain)]
    pub trust_domain: TrustDomain,
    /// Where its bundle is, https://…
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The SPIFFE ID of the SVID that the endpoint shows (https_spiffe)
    #[arg(long, value_name = "ID", conflicts_with = "web")]
    pub endpoint_id: Option<SpiffeId>,
    /// The endpoint shows a certificate of the web's authorities (https_web)
    #[arg(long)]
    pub web: bool,
    /// A file with its bundle, to take the place of the one that there is; - for standard input
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// How that file is written
    #[arg(long, value_enum, default_value_t, requires = "bundle")]
    pub bundle_format: BundleInput,
}

/// The name of a trust domain, or a SPIFFE ID without a path.
fn trust_domain(text: &str) -> Result<TrustDomain, String> {
    if text.contains(|c: char| c.is_ascii_uppercase()) {
        return Err("names of trust domains are in lower case".to_owned());
    }
    TrustDomain::new(text).map_err(|error| error.to_string())
}
