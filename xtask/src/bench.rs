//! `cargo xtask bench`: the benches, with what those on tokens need.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{needs, pq_token, process, suites};

/// The benches that need tokens. They are no part of a plain `cargo bench`.
const ON_TOKENS: [&str; 2] = ["tokens", "memory"];

/// `cargo xtask load`: requests to the optimised server whose token goes away and comes back.
pub(crate) fn load(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    needs::ensure(&[needs::TO_TEST_TOKENS])?;
    process::run(&mut workspace.cargo(&["build", "--release", "--package", "symbolon-cli"]))?;
    let mut command = workspace.cargo(&[
        "bench",
        "--package",
        "symbolon-benches",
        "--bench",
        "outage",
        "--",
    ]);
    command
        .args(arguments)
        .env(suites::PROGRAMS, workspace.release_programs());
    process::run(&mut command)
}

/// Runs the bench of [`ON_TOKENS`] that the first argument names, which gets the others; or hands all arguments to
/// `cargo bench`.
pub(crate) fn bench(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let mut command = workspace.cargo(&["bench", "--package", "symbolon-benches"]);
    match arguments.split_first() {
        Some((name, rest)) if ON_TOKENS.contains(&name.as_str()) => {
            needs::ensure(&[needs::TO_TEST_TOKENS, needs::TO_BUILD_TPM, needs::TO_TEST_TPM])?;
            command
                .args(["--features", "tpm", "--bench", name, "--"])
                .args(rest)
                .env(pq_token::VARIABLE, pq_token::module(workspace)?)
                .env("TSS2_LOG", "all+none");
        }
        _ => {
            command.args(arguments);
        }
    }
    process::run(&mut command)
}
