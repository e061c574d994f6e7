//! The command line: every option with its default, every command with an example.

pub(crate) mod authority;
pub(crate) mod ceremony;
mod entry;
mod federation;
mod import;
pub(crate) mod key;
pub(crate) mod lint;
pub(crate) mod migration;
pub(crate) mod plan;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use symbolon_host::HumanDuration;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::RevocationMode;

pub(crate) use self::entry::{Entry, EntryApply, EntryChange, EntryFields};
pub(crate) use self::federation::{
    Bundle, BundleFormat, BundleInput, DeleteBundleMode, Federation, FederationChange, FederationFields,
};
pub(crate) use self::import::{Import, ImportSpire};
use crate::output::Format;

/// A certificate authority for workloads whose identities have two halves, classical and post-quantum.
#[derive(Debug, Parser)]
#[command(
    name = "symbolon",
    version,
    propagate_version = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not verified, 4 unreachable, \
                  5 refused.\n\nStart with: symbolon up"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// How to answer: a table for people, JSON for scripts
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,

    /// The data directory of server and agent [default: $XDG_DATA_HOME/symbolon]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// The server: its private socket, or https://HOST:PORT to call it with this process's own SVID [default: the
    /// socket in the data directory]
    #[arg(long, global = true, value_name = "SOCKET|URL")]
    pub server: Option<String>,

    /// The agent's Workload API [default: $SPIFFE_ENDPOINT_SOCKET, else the socket in the data directory]
    #[arg(long, global = true, value_name = "SOCKET")]
    pub socket: Option<String>,

    /// What to log to standard error: a level, or target=level,… [default: warn; info for servers]
    #[arg(long, global = true, value_name = "FILTER", env = "SYMBOLON_LOG")]
    pub log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a server and an agent here, get a hybrid identity and use it: everything in one command
    Up(Up),
    /// The certificate authority
    #[command(subcommand)]
    Server(Server),
    /// The server's authorities: how they stand, the steps of their lives, and what they are to become
    #[command(subcommand)]
    Authority(authority::Authority),
    /// Identities: fetch, watch and verify SVIDs
    #[command(subcommand)]
    Svid(Svid),
    /// Registration entries: which workloads may have which identity
    #[command(subcommand)]
    Entry(Entry),
    /// Bring here what another server has
    #[command(subcommand)]
    Import(Import),
    /// Node agents that have attested
    #[command(subcommand)]
    Agent(Agent),
    /// Every certificate that was ever issued
    #[command(subcommand)]
    Cert(Cert),
    /// Join tokens for new agents
    #[command(subcommand)]
    Token(Token),
    /// Trust bundles: this trust domain's, and those of others
    #[command(subcommand)]
    Bundle(Bundle),
    /// Federation: where other trust domains' bundles are fetched from
    #[command(subcommand)]
    Federation(Federation),
    /// Keys where they are held: make, list, attest and destroy them, and try a token before relying on it
    #[command(subcommand)]
    Key(key::Key),
    /// The cryptography there is, what must move when, and whether it moved
    #[command(subcommand)]
    Plan(plan::Plan),
    /// Make a root offline, by several people, and verify how it was made
    #[command(subcommand)]
    Ceremony(ceremony::Ceremony),
    /// Tell whether server and agent answer and can do their work
    #[command(after_help = "Example:\n  symbolon healthcheck && echo well")]
    Healthcheck,
    /// Say in words what a certificate, CSR, key, SVID, bundle or token is
    #[command(after_help = "Examples:\n  symbolon inspect svid.0.pem\n  symbolon inspect - < request.csr")]
    Inspect {
        /// The file, PEM or DER or JSON; - for standard input
        file: PathBuf,
    },
    /// Hold certificates, requests and revocation lists of any issuer against the standards
    Lint(lint::Lint),
    /// One end of the exchange that `up` shows
    #[command(hide = true, subcommand)]
    Workload(Workload),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  symbolon up\n  symbolon up --once --output json --data-dir /tmp/trial\n  symbolon up --keys \
                  'pkcs11:token=ca?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=prompt' --keys software"
)]
pub(crate) struct Up {
    /// The trust domain to make, or the one that the data directory has
    #[arg(long, default_value = "example.org", value_name = "NAME")]
    pub trust_domain: String,
    /// Do everything once on a free port and exit
    #[arg(long)]
    pub once: bool,
    /// Where the server listens [default: 127.0.0.1:8081; with --once a free port]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// The file with the key that encrypts the software keys, made if need be [default: one in
    /// $XDG_CONFIG_HOME/symbolon]
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase")]
    pub key_file: Option<PathBuf>,
    /// Encrypt the software keys under a passphrase instead: env:NAME, file:PATH, or prompt to be asked
    #[arg(long, value_name = "SOURCE")]
    pub passphrase: Option<String>,
    /// Where the authorities' keys go: a pkcs11:, tpm: or software: URI, a directory, or `software` for the encrypted
    /// files in the data directory. May be repeated: each component of a key goes to the first store that offers it.
    /// Each run needs every store that has a key [default: software]
    #[arg(long, value_name = "[NAME=]STORE")]
    pub keys: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Server {
    /// Run the server until SIGINT or SIGTERM; SIGHUP has it read its configuration again
    #[command(after_help = "Example:\n  symbolon server run --config /etc/symbolon/server.toml")]
    Run {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration file, list everything that is wrong with it or say what it means; nothing is changed
    #[command(after_help = "Example:\n  symbolon server validate --config /etc/symbolon/server.toml")]
    Validate {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Show how the server stands: authorities, agents, entries, limits, health
    #[command(after_help = "Examples:\n  symbolon server status\n  symbolon server status --output json")]
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Svid {
    /// Fetch this process's SVIDs from the agent, and verify them
    #[command(
        after_help = "Examples:\n  symbolon svid fetch\n  symbolon svid fetch x509 --form classical,composite \
                            --write ./id\n  symbolon svid fetch jwt --audience https://db.example.org"
    )]
    Fetch(SvidFetch),
    /// Follow this process's X.509-SVIDs as they are renewed, until Ctrl-C
    Watch {
        /// The forms to ask for: classical, ml-dsa, composite, paired, catalyst
        #[arg(long, value_name = "FORM", value_delimiter = ',', default_value = "classical")]
        form: Vec<Form>,
    },
    /// Verify an SVID, X.509, a pair of them, or JWT, and say what it is worth or which half of which signature is wrong
    #[command(
        after_help = "Examples:\n  symbolon svid verify svid.0.pem --bundle bundle.0.pem\n  symbolon svid verify \
                            paired.classical.svid.0.pem paired.ml-dsa.svid.0.pem --bundle bundle.json\n  symbolon svid \
                            verify catalyst.svid.0.pem --policy hybrid-required\n  symbolon svid verify token.jwt \
                            --audience db --bundle bundle.json"
    )]
    Verify(SvidVerify),
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum SvidKind {
    #[default]
    X509,
    Jwt,
}

#[derive(Debug, Args)]
pub(crate) struct SvidFetch {
    /// Which kind of SVID
    #[arg(value_enum, default_value_t)]
    pub kind: SvidKind,
    /// The forms to ask for: classical, ml-dsa, composite, paired, catalyst
    #[arg(long, value_name = "FORM", value_delimiter = ',', default_value = "classical")]
    pub form: Vec<Form>,
    /// Write SVIDs, keys and bundles to this directory, keys readable by their owner alone
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
    /// Who a JWT-SVID is for; may be repeated
    #[arg(long, value_name = "NAME", required_if_eq("kind", "jwt"))]
    pub audience: Vec<String>,
    /// The identity to ask a JWT-SVID for, when there are several
    #[arg(long, value_name = "ID")]
    pub spiffe_id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SvidVerify {
    /// The chain (PEM or DER, leaf first) or the token; - for standard input
    pub file: PathBuf,
    /// The second chain of a pair, which names the first
    pub second: Option<PathBuf>,
    /// The trust bundle: PEM, or a SPIFFE bundle document [default: the agent's]
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Who the token must be for
    #[arg(long, value_name = "NAME")]
    pub audience: Option<String>,
    /// The moment to verify at, as in 2026-11-22T03:25:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// What the chain must be worth, or be made of: classical-ok, pq-required, hybrid-required,
    /// cnsa-2.0, bsi, anssi, or a file with a profile
    #[arg(long, value_name = "NAME|FILE", default_value = "classical-ok")]
    pub policy: String,
    /// Revocation lists (PEM or DER); may be repeated
    #[arg(long, value_name = "FILE")]
    pub crl: Vec<PathBuf>,
    /// What lists are for: off, if-present, require [default: require if there are any]
    #[arg(long, value_name = "MODE")]
    pub revocation: Option<RevocationMode>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// List agents
    List,
    /// Show one agent
    Show {
        /// Its SPIFFE ID
        spiffe_id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// List certificates, newest first
    #[command(after_help = "Example:\n  symbolon cert list --form composite --limit 20")]
    List(CertFilter),
    /// Show one certificate
    Show {
        /// Its serial number, hexadecimal
        serial: String,
    },
    /// Write certificates as PEM, or with --output json as one JSON object a line, which says more of each
    #[command(
        after_help = "Examples:\n  symbolon cert export --all > issued.pem\n  symbolon cert export --all \
                            --output json > issued.jsonl   # for symbolon plan scan --issued"
    )]
    Export {
        /// Serial numbers, hexadecimal
        #[arg(required_unless_present = "all")]
        serials: Vec<String>,
        /// Every certificate on record
        #[arg(long, conflicts_with = "serials")]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CertFilter {
    /// Only certificates of this identity
    #[arg(long, value_name = "ID")]
    pub spiffe_id: Option<String>,
    /// Only certificates of this form
    #[arg(long, value_name = "FORM")]
    pub form: Option<Form>,
    /// At most this many
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub limit: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token with which one agent can attest once
    #[command(
        after_help = "Example:\n  symbolon token create --spiffe-id spiffe://example.org/node/a --ttl 10m"
    )]
    Create {
        /// How long it may wait to be used
        #[arg(long, value_name = "DURATION", default_value = "10m")]
        ttl: HumanDuration,
        /// A second name for the agent, for entries to have as their parent
        #[arg(long, value_name = "ID")]
        spiffe_id: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Workload {
    /// Accept one connection and answer it
    Serve,
    /// Connect, ask, and say what was negotiated
    Call {
        /// Where the other end listens
        address: SocketAddr,
    },
}
