//! The key ceremony.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use symbolon_host::HumanDuration;

/// `symbolon ceremony`.
#[derive(Debug, Subcommand)]
pub(crate) enum Ceremony {
    /// Print a file to start from
    #[command(after_help = "Example:\n  symbolon ceremony template > ceremony.toml")]
    Template,
    /// Make a root, from one file that says everything about it
    #[command(
        after_help = "Examples:\n  symbolon ceremony run --dry-run ceremony.toml\n  symbolon ceremony run \
                            ceremony.toml\n  symbolon ceremony run ceremony.toml --yes --custodian \
                            alice=file:alice.pass --custodian bob=file:bob.pass"
    )]
    Run(CeremonyRun),
    /// Sign intermediates with a root that was made before
    #[command(
        after_help = "Examples:\n  symbolon ceremony sign root-2026 site-b.csr\n  symbolon ceremony sign \
                            root-2026 site-b=request.pem --lifetime 90d --custodian alice --custodian carol"
    )]
    Sign(CeremonySign),
    /// Verify a ceremony's transcript with nothing but the root's certificate
    #[command(
        after_help = "Examples:\n  symbolon ceremony verify root-2026 --root root.pem\n  symbolon ceremony \
                            verify transcript.jsonl --root root.pem --output json"
    )]
    Verify {
        /// The ceremony's directory, or its transcript alone
        #[arg(value_name = "DIR|TRANSCRIPT")]
        path: PathBuf,
        /// The root's certificate, PEM or DER, from where you trust it to be the right one
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
    },
    /// Write certificates that are in the transcript and missing from the directory
    #[command(after_help = "Example:\n  symbolon ceremony export root-2026 --root root.pem")]
    Export {
        /// The ceremony's directory
        dir: PathBuf,
        /// The root's certificate, PEM or DER [default: the one in the transcript]
        #[arg(long, value_name = "FILE")]
        root: Option<PathBuf>,
    },
    /// Make a software key and a request for it, to rehearse with
    #[command(
        after_help = "Example:\n  symbolon ceremony request --trust-domain example.org --key site-a.key --csr \
                            site-a.csr"
    )]
    Request {
        /// The trust domain that the request is for
        #[arg(long, value_name = "NAME")]
        trust_domain: String,
        /// The suite of the key
        #[arg(long, value_name = "SUITE", default_value = "mldsa65-ecdsa-p256")]
        suite: String,
        /// Write the private key to this new file, unencrypted
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Write the request to this new file
        #[arg(long, value_name = "FILE")]
        csr: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CeremonyRun {
    /// The file that declares the ceremony
    pub file: PathBuf,
    /// Rehearse: everything on scratch keys in a temporary directory, and nothing is left. Stores are opened, and
    /// asked what they can do
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub people: People,
}

#[derive(Debug, Args)]
pub(crate) struct CeremonySign {
    /// The ceremony's directory
    pub dir: PathBuf,
    /// The requests, PEM or DER; the name of an intermediate's files is that of the request unless it is given
    #[arg(value_name = "[NAME=]CSR", required = true)]
    pub requests: Vec<String>,
    /// How long the intermediates are to live [default: as long as the ceremony's policy allows]
    #[arg(long, value_name = "DURATION")]
    pub lifetime: Option<HumanDuration>,
    /// Where a custodian's share is, if not where the ceremony's file says; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    pub share: Vec<String>,
    #[command(flatten)]
    pub people: People,
}

#[derive(Debug, Args)]
pub(crate) struct People {
    /// A custodian who is here, and where their passphrase or part of a PIN is: file:PATH, env:VARIABLE or prompt. Who
    /// has several secrets says which: NAME.share, or NAME. and the store whose PIN it is. May be repeated [default:
    /// the terminal asks who is here]
    #[arg(long, value_name = "NAME[.WHICH][=SOURCE]")]
    pub custodian: Vec<String>,
    /// Go on without asking
    #[arg(long)]
    pub yes: bool,
}
