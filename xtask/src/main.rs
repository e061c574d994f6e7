//! Developer commands: `cargo xtask <command>`.
//!
//! One place for everything a contributor or the CI runs, so that both run the same thing: `test`, `lint`,
//! `docs`, `book-test`, `interop`, `pq-token`, `bench`, `load`, `corpus`, `footprint`, `fuzz`, `tree`, `plan-speed` and `deny`. It knows how to drive cargo, the system's package
//! manager and a few outside tools; it must not link any crate of the project, so that it still builds when
//! they do not.

mod api_reference;
mod bench;
mod book;
mod book_test;
mod corpus;
mod footprint;
mod fuzz;
mod go;
mod interop;
mod lint;
mod maven;
mod needs;
mod node;
mod outside;
mod plan_speed;
mod pq_token;
mod process;
mod python;
mod spire;
mod suites;
mod tally;
mod tools;
mod tree;
mod trixie;
mod vault;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Developer commands of Symbolon.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need, then run them
    Test {
        /// Run one part only
        #[arg(value_enum, default_value_t)]
        part: suites::Part,
    },
    /// Format, clippy with warnings as errors, and the rules of the map
    Lint,
    /// Write the API reference and build the book into docs/book
    Docs {
        /// Serve it on localhost and rebuild when a chapter changes
        #[arg(long)]
        serve: bool,
    },
    /// Run the commands that the book and the README show
    BookTest,
    /// Prove the wire against other people's software
    Interop {
        /// Which peers; all of them when none is named
        peers: Vec<String>,
        /// Show the peers and stop
        #[arg(long)]
        list: bool,
    },
    /// Build the PKCS#11 token with ML-DSA that tests use, once, and print the module's path
    PqToken,
    /// Unpack the programs of Debian 13 that interop tests run, once, and print the folder
    Trixie,
    /// Run the benches: `bench tokens` and `bench memory` for keys on tokens and TPMs, `bench spire` beside SPIRE's
    /// server, else those of criterion
    Bench {
        /// Passed on to the bench that is named first, or else to `cargo bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// A load on the optimised programs: 1,000 requests while the token with the server's keys goes away and comes back, or
    /// 200 workloads through an algorithm migration and 20 rotations
    Load {
        /// Which
        #[arg(value_enum)]
        load: bench::Load,
        /// Passed on: `--requests N` to the first, `--workloads N`, `--rotations N` and others to the second
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Fuzz every parser of untrusted bytes for a fixed time; fails on what it finds
    Fuzz(fuzz::Options),
    /// Measure the optimised `symbolon up`: time to the first SVID, and memory
    Footprint,
    /// Measure the source scanners against corpora that others labelled; fetches nothing
    Corpus {
        /// A folder with check-outs of sonar-cryptography and cipherscope
        directory: std::path::PathBuf,
    },
    /// Make a tree of files to measure scans on, the same everywhere
    Tree {
        /// Where; it must be empty or not there
        directory: std::path::PathBuf,
        /// How many files
        #[arg(long, default_value_t = 1_000_000)]
        files: u64,
    },
    /// Measure scans of a million files, beside ripgrep
    PlanSpeed {
        /// A tree that `tree` made, or where to make one that stays [default: one that goes again]
        #[arg(long)]
        tree: Option<std::path::PathBuf>,
        /// How many files a new tree has
        #[arg(long, default_value_t = 1_000_000)]
        files: u64,
    },
    /// Check licences, advisories, banned crates and sources with cargo-deny
    Deny {
        /// Which checks: advisories, bans, licenses, sources; all when none is named
        checks: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let workspace = Workspace::load()?;
    match task {
        Task::Test { part } => suites::test(&workspace, part),
        Task::Lint => lint::lint(&workspace),
        Task::Docs { serve } => docs(&workspace, serve),
        Task::BookTest => suites::book_test(&workspace),
        Task::Interop { list: true, .. } => {
            interop::list();
            Ok(())
        }
        Task::Interop { peers, .. } => interop::interop(&workspace, &peers),
        Task::PqToken => {
            println!("{}", pq_token::module(&workspace)?.display());
            Ok(())
        }
        Task::Trixie => {
            println!("{}", trixie::folder()?.display());
            Ok(())
        }
        Task::Bench { arguments } => bench::bench(&workspace, &arguments),
        Task::Load { load, arguments } => bench::load(&workspace, load, &arguments),
        Task::Fuzz(options) => fuzz::fuzz(&workspace, &options),
        Task::Footprint => footprint::footprint(&workspace),
        Task::Corpus { directory } => corpus::corpus(&workspace, &directory),
        Task::Tree { directory, files } => tree::tree(&directory, files),
        Task::PlanSpeed { tree, files } => plan_speed::plan_speed(&workspace, tree.as_deref(), files),
        Task::Deny { checks } => deny(&workspace, &checks),
    }
}

fn docs(workspace: &Workspace, serve: bool) -> Result<()> {
    api_reference::write(workspace)?;
    let mut command = tools::MDBOOK.command(workspace)?;
    command.arg(if serve { "serve" } else { "build" }).arg("docs");
    process::run(&mut command)
}

fn deny(workspace: &Workspace, checks: &[String]) -> Result<()> {
    let mut command = tools::CARGO_DENY.command(workspace)?;
    command.args(["--workspace", "check"]).args(checks);
    process::run(&mut command)
}
