//! One module a command.

mod agent;
mod authority;
mod bundle;
pub(crate) mod ceremony;
mod cert;
mod entry;
mod federation;
mod healthcheck;
mod import;
mod inspect;
pub(crate) mod key;
mod lint;
mod migration;
mod plan;
mod server;
pub(crate) mod svid;
mod token;

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::args::{Cli, Command};
use crate::exit::Usage;
use crate::up;

/// Largest input that a command reads from a file or standard input, in bytes.
const MAX_INPUT: u64 = 4 * 1024 * 1024;

/// Runs the command.
///
/// # Errors
/// Whatever kept it from doing what it was asked.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    let Cli { common, command } = cli;
    // A server sets its log up by its configuration file, which it has yet to read.
    if !matches!(command, Command::Server(crate::args::Server::Run { .. })) {
        symbolon_host::logging::init(common.log.as_deref().unwrap_or("warn"), Default::default())?;
    }
    match command {
        Command::Up(options) => up::run(&common, &options).await,
        Command::Server(command) => server::run(&common, &command).await,
        Command::Authority(command) => authority::run(&common, command).await,
        Command::Svid(command) => svid::run(&common, &command).await,
        Command::Entry(command) => entry::run(&common, command).await,
        Command::Import(command) => import::run(&common, command).await,
        Command::Agent(command) => agent::run(&common, command).await,
        Command::Cert(command) => cert::run(&common, command).await,
        Command::Token(command) => token::run(&common, command).await,
        Command::Bundle(command) => bundle::run(&common, command).await,
        Command::Federation(command) => federation::run(&common, command).await,
        Command::Key(command) => key::run(&common, command).await,
        Command::Plan(command) => plan::run(&common, command).await,
        Command::Ceremony(command) => ceremony::run(&common, command),
        Command::Healthcheck => healthcheck::run(&common).await,
        Command::Inspect { file } => inspect::run(&common, &file),
        Command::Lint(options) => lint::run(&common, &options),
        Command::Workload(command) => up::workload::run(&common, &command).await,
    }
}

/// Reads a file, or standard input for `-`, up to a bound that no honest input comes near.
fn read_input(path: &Path) -> Result<Vec<u8>> {
    let mut input = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_INPUT + 1)
            .read_to_end(&mut input)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_INPUT + 1).read_to_end(&mut input))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if input.len() as u64 > MAX_INPUT {
        return Err(Usage(format!("{} is larger than {MAX_INPUT} bytes", path.display())).into());
    }
    Ok(input)
}

/// As [`read_input`], for files that a command of ours wrote about a whole estate.
fn read_large(path: &Path) -> Result<Vec<u8>> {
    let limit = symbolon_migration_planner::cbom::MAX_LEN as u64;
    let mut input = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut input))
        .with_context(|| format!("cannot read {}", path.display()))?;
    if input.len() as u64 > limit {
        return Err(Usage(format!("{} is larger than {limit} bytes", path.display())).into());
    }
    Ok(input)
}

/// A SPIFFE ID from the command line.
fn spiffe_id(text: &str) -> Result<spiffe::SpiffeId> {
    text.parse()
        .map_err(|error| Usage(format!("{text:?} is no SPIFFE ID: {error}")).into())
}
