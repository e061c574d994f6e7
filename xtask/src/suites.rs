//! `cargo xtask test`: everything that has to hold, with what it needs installed first.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::workspace::Workspace;
use crate::{book_test, needs, pq_token, process, python, tally};

/// The environment variable by which tests outside a program's own crate find it: the folder with `symbolon` and
/// `symbolon-agent`.
pub(crate) const PROGRAMS: &str = "SYMBOLON_BIN_DIR";

/// The environment variable by which tests find a `symbolon-agent` with the cargo feature `tpm`.
pub(crate) const AGENT_WITH_TPM: &str = "SYMBOLON_AGENT_WITH_TPM";

/// With `1`, tests of keys on tokens and TPMs fail, rather than say that they are skipped, when those are missing.
const REQUIRE_TOKENS: &str = "SYMBOLON_REQUIRE_TOKENS";

/// The cargo feature `tpm` of every crate that has it. It links libtss2, and so is no default.
///
/// They are chosen together, for the whole workspace: for each choice of its own cargo would compile what is below
/// once more.
const WITH_TPM: [&str; 3] = [
    "--workspace",
    "--features",
    "symbolon-agent/tpm,symbolon-attestation/tpm,symbolon-ca/tpm,symbolon-cli/tpm,symbolon-hsm/tpm",
];

/// What of the tests with that feature belongs to which part.
const TPM_UNIT: [&str; 5] = ["--package", "symbolon-hsm", "--features", "tpm", "--lib"];
const TPM_LIBRARIES: [&str; 2] = ["--test", "tpm"];
const TPM_CEREMONY: [&str; 3] = ["--test", "ceremony", "tpm"];
const TPM_E2E: [&str; 3] = ["--test", "hardware", "tpm"];

/// A part of the tests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// All of them
    #[default]
    All,
    /// The libraries' own tests
    Unit,
    /// The command's tests, on real processes
    E2e,
    /// The peers that need nothing but Python and a compiler; `cargo xtask interop` has the rest
    Interop,
    /// The commands that the book and the README show
    Book,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::All => "all",
            Self::Unit => "unit",
            Self::E2e => "e2e",
            Self::Interop => "interop",
            Self::Book => "book",
        })
    }
}

/// One row of the summary.
struct Row {
    name: &'static str,
    ok: bool,
    result: String,
    time: Duration,
    /// The tests that were left out, with their reasons.
    not_run: Vec<String>,
    /// What failed.
    details: Vec<String>,
}

/// Runs the tests of one part, or all; prints a summary; fails when anything did.
pub(crate) fn test(workspace: &Workspace, part: Part) -> Result<()> {
    let mut rows = Vec::new();
    if part != Part::Book {
        rows.push(cargo_test(workspace, part)?);
    }
    if matches!(part, Part::All | Part::Unit) {
        rows.push(tpm_test(workspace, "tpm units", &TPM_UNIT, None)?);
        rows.push(tpm_test(workspace, "tpm", &with_tpm(&TPM_LIBRARIES), None)?);
        rows.push(tpm_test(
            workspace,
            "tpm ceremony",
            &with_tpm(&TPM_CEREMONY),
            None,
        )?);
    }
    if matches!(part, Part::All | Part::E2e) {
        needs::ensure(&[needs::TO_BUILD_TPM])?;
        let agent = kept_agent(
            workspace,
            &with_tpm(&["--bin", "symbolon-agent", "--test", "hardware"]),
        )?;
        rows.push(tpm_test(workspace, "tpm e2e", &with_tpm(&TPM_E2E), Some(agent))?);
    }
    if matches!(part, Part::All | Part::Book) {
        if part == Part::Book {
            build_programs(workspace)?;
        }
        rows.push(book(workspace)?);
    }
    finish(&rows)
}

/// `cargo xtask book-test`.
pub(crate) fn book_test(workspace: &Workspace) -> Result<()> {
    test(workspace, Part::Book)
}

fn cargo_test(workspace: &Workspace, part: Part) -> Result<Row> {
    let mut wanted = vec![needs::TO_BUILD_TESTS];
    let uses_python = matches!(part, Part::All | Part::Interop);
    if uses_python {
        wanted.push(needs::TO_RUN_PYTHON);
    }
    let uses_tokens = matches!(part, Part::All | Part::Unit | Part::E2e);
    if uses_tokens {
        wanted.push(needs::TO_TEST_TOKENS);
    }
    if matches!(part, Part::All | Part::Unit) {
        wanted.push(needs::TO_TEST_PLANNER);
    }
    needs::ensure(&wanted)?;
    let python = uses_python.then(|| python::interpreter(workspace)).transpose()?;
    let pq_token = uses_tokens.then(|| pq_token::module(workspace)).transpose()?;

    let started = Instant::now();
    // Tests start the programs, and `cargo test` alone builds a program only for its own crate's tests. Building
    // both at once, tests included, has cargo choose the same features for both: everything is compiled once.
    process::run(&mut workspace.cargo(&["build", "--workspace", "--bins", "--tests"]))?;

    let mut command = workspace.cargo(&["test", "--no-fail-fast", "--workspace"]);
    command
        .args(selection(workspace, part))
        .env(PROGRAMS, workspace.debug_programs());
    if let Some(python) = python {
        command.env(python::VARIABLE, python);
    }
    if let Some(module) = pq_token {
        command.env(pq_token::VARIABLE, module);
    }
    counted("cargo test", &mut command, started)
}

/// Tests with the cargo feature `tpm`.
fn tpm_test(
    workspace: &Workspace,
    name: &'static str,
    selection: &[&str],
    agent: Option<PathBuf>,
) -> Result<Row> {
    needs::ensure(&[needs::TO_BUILD_TPM, needs::TO_TEST_TPM])?;
    let mut command = workspace.cargo(&["test", "--no-fail-fast"]);
    command
        .args(selection)
        .envs(agent.map(|agent| (AGENT_WITH_TPM, agent)))
        .env(REQUIRE_TOKENS, "1")
        // What libtss2 has to say about TPMs that are killed and cleared on purpose hides what matters.
        .env("TSS2_LOG", "all+none");
    counted(name, &mut command, Instant::now())
}

fn with_tpm(selection: &[&'static str]) -> Vec<&'static str> {
    [&WITH_TPM, selection].concat()
}

/// The agent with the cargo feature `tpm`.
pub(crate) fn agent_with_tpm(workspace: &Workspace) -> Result<PathBuf> {
    kept_agent(workspace, &["--package", "symbolon-agent", "--features", "tpm"])
}

/// The agent with the cargo feature `tpm`, kept apart from the one without it, which the next build puts into its place.
fn kept_agent(workspace: &Workspace, selection: &[&str]) -> Result<PathBuf> {
    process::run(workspace.cargo(&["build"]).args(selection))?;
    let built = workspace.debug_programs().join("symbolon-agent");
    let kept = built.with_file_name("symbolon-agent-with-tpm");
    std::fs::copy(&built, &kept).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(kept)
}

/// Runs tests, and makes a row of what they come to.
fn counted(name: &'static str, command: &mut Command, started: Instant) -> Result<Row> {
    let tally = tally::run(command)?;
    let mut details: Vec<String> = tally
        .failures
        .iter()
        .map(|name| format!("failed: {name}"))
        .collect();
    if !tally.success && tally.failed == 0 {
        details.push("cargo test failed beyond its tests; it said last:".to_owned());
        details.extend(tally.said_last.iter().map(|line| format!("  {line}")));
    }
    let not_run = tally.left_out.iter().map(|name| format!("not run: {name}"));
    Ok(Row {
        name,
        ok: tally.success && tally.failed == 0,
        result: format!(
            "{} passed, {} failed, {} not run",
            tally.passed, tally.failed, tally.ignored
        ),
        time: started.elapsed(),
        not_run: not_run.collect(),
        details,
    })
}

/// `--workspace` stays, with what is not wanted left out: naming packages instead would change the features that
/// cargo chooses, and so compile much of the workspace a second time.
fn selection(workspace: &Workspace, part: Part) -> Vec<String> {
    let is_wanted = |name: &str| match part {
        Part::All | Part::Book => true,
        Part::Unit => !matches!(name, "symbolon-cli" | "symbolon-interop"),
        Part::E2e => name == "symbolon-cli",
        Part::Interop => name == "symbolon-interop",
    };
    let names = workspace
        .members()
        .into_iter()
        .map(|package| package.name.as_str());
    names
        .filter(|name| !is_wanted(name))
        .map(|name| format!("--exclude={name}"))
        .collect()
}

fn build_programs(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&[
        "build",
        "--package",
        "symbolon-cli",
        "--package",
        "symbolon-agent",
    ]))
}

fn book(workspace: &Workspace) -> Result<Row> {
    // One chapter is about them.
    needs::ensure(&[needs::TO_TEST_TOKENS])?;
    let started = Instant::now();
    let programs = workspace.debug_programs();
    let outcome = book_test::run(workspace, Path::new(&programs))?;
    Ok(Row {
        name: "book",
        ok: outcome.failures.is_empty(),
        result: format!(
            "{} commands on {} pages, {} blocks not for testing, {} pages failed",
            outcome.commands,
            outcome.pages,
            outcome.untested,
            outcome.failures.len()
        ),
        time: started.elapsed(),
        not_run: Vec::new(),
        details: outcome.failures,
    })
}

/// Prints the summary: what was left out first, since what failed is looked for at the end of a log.
fn finish(rows: &[Row]) -> Result<()> {
    println!("\nSummary");
    for line in rows.iter().flat_map(|row| &row.not_run) {
        println!("  {line}");
    }
    for row in rows {
        let verdict = if row.ok { "ok" } else { "FAILED" };
        println!(
            "  {verdict:<6}  {:<10}  {} ({} s)",
            row.name,
            row.result,
            row.time.as_secs()
        );
        for detail in &row.details {
            println!("          {}", detail.replace('\n', "\n          "));
        }
    }
    match rows.iter().filter(|row| !row.ok).count() {
        0 => Ok(()),
        _ => bail!("the tests failed"),
    }
}
