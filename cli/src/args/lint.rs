//! Arguments of `symbolon lint`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use symbolon_issuance::lint::Scope;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no errors, 3 errors were found, 1 a file could not be read, 2 wrong \
                            usage.\n\nExamples:\n  symbolon lint svid.0.pem\n  symbolon lint --profile symbolon \
                            --output json chain.pem request.csr list.crl\n  symbolon lint --list-rules"
)]
pub(crate) struct Lint {
    /// Certificates, certificate requests and revocation lists: PEM with any number of blocks, DER, or SPIFFE bundle
    /// documents; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "list_rules")]
    pub files: Vec<PathBuf>,

    /// What they are held against
    #[arg(long, value_enum, default_value_t, value_name = "PROFILE")]
    pub profile: Profile,

    /// Errors are what exit code 3 is for; with this, warnings are too
    #[arg(long)]
    pub strict: bool,

    /// Print every rule with its source instead
    #[arg(long, conflicts_with_all = ["files", "strict"])]
    pub list_rules: bool,
}

/// What documents are held against.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Profile {
    /// The standards of X.509, and those of SPIFFE for what has a SPIFFE ID
    #[default]
    Auto,
    /// The standards of X.509 alone
    Any,
    /// Those, and what SPIFFE wants of a leaf
    Svid,
    /// Those, and what SPIFFE wants of an authority
    Authority,
    /// All of them, and Symbolon's own profiles
    Symbolon,
}

impl From<Profile> for Scope {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Auto => Self::Auto,
            Profile::Any => Self::Any,
            Profile::Svid => Self::Svid,
            Profile::Authority => Self::Authority,
            Profile::Symbolon => Self::Symbolon,
        }
    }
}
