//! The `symbolon` command: arguments in, tables or JSON out, an exit code for scripts.
//!
//! Thin on purpose. What a library user would want lives below; here are only names of options, how things look on
//! a terminal, and which exit code a failure has. It must not know how anything is encoded, stored or decided.

mod args;
mod commands;
mod exit;
mod output;
mod paths;
mod prompt;
mod up;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use args::Cli;

/// How long threads that wait for a token, a disk or a terminal may hold up the end of the program.
const PARTING: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let outcome = runtime.block_on(commands::run(cli));
            // Dropped, it would wait for a token that hangs, without end or until its deadline.
            runtime.shutdown_timeout(PARTING);
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
