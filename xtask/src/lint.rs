//! `cargo xtask lint`: what rustfmt and clippy see, and the rules of the map that they cannot.

mod floors;
mod links;
mod manifests;
mod messages;
mod rust_code;
mod sources;

use std::process::Stdio;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{api_reference, needs, process};

/// A check gives what it finds wrong, one sentence each.
type Check = fn(&Workspace) -> Result<Vec<String>>;

/// Runs every check, so that one run shows everything there is to mend.
pub(crate) fn lint(workspace: &Workspace) -> Result<()> {
    needs::ensure(&[needs::TO_BUILD_TESTS, needs::TO_BUILD_TPM])?;
    let checks: [(&str, Check); 8] = [
        ("lock file is up to date", lock_file),
        ("format", format),
        ("floors of the map", |workspace| {
            Ok(floors::violations(&workspace.members()))
        }),
        ("manifests", manifests::violations),
        ("sources", sources::violations),
        ("links between pages", links::violations),
        ("API reference", api_reference::violations),
        ("messages in the book", messages::violations),
    ];
    let mut outcomes = Vec::new();
    for (name, check) in checks {
        outcomes.push((name, check(workspace)?));
    }
    outcomes.push(("clippy", clippy(workspace)?));

    eprintln!();
    for (name, violations) in &outcomes {
        eprintln!(
            "{:<6} {name}",
            if violations.is_empty() { "ok" } else { "FAILED" }
        );
        for violation in violations {
            eprintln!("         {violation}");
        }
    }
    for note in sources::long_files(workspace)? {
        eprintln!("note   {note}");
    }
    match outcomes
        .iter()
        .filter(|(_, violations)| !violations.is_empty())
        .count()
    {
        0 => Ok(()),
        failed => bail!("{failed} of {} checks failed", outcomes.len()),
    }
}

fn lock_file(workspace: &Workspace) -> Result<Vec<String>> {
    let mut metadata = workspace.cargo(&["metadata", "--locked", "--format-version", "1"]);
    metadata.stdout(Stdio::null());
    Ok(complaint(process::run(&mut metadata)))
}

fn format(workspace: &Workspace) -> Result<Vec<String>> {
    if !process::succeeds("cargo", &["fmt", "--version"]) {
        return Ok(vec![
            "rustfmt is not installed: rustup component add rustfmt".to_owned(),
        ]);
    }
    Ok(complaint(process::run(
        &mut workspace.cargo(&["fmt", "--all", "--check"]),
    )))
}

fn clippy(workspace: &Workspace) -> Result<Vec<String>> {
    if !process::succeeds("cargo", &["clippy", "--version"]) {
        return Ok(vec![
            "clippy is not installed: rustup component add clippy".to_owned(),
        ]);
    }
    // What is compiled only with the feature `tpm` is seen only with it.
    let selections: [&[&str]; 2] = [
        &["--workspace"],
        &["--package", "symbolon-hsm", "--features", "tpm"],
    ];
    let mut complaints = Vec::new();
    for selection in selections {
        let mut command = workspace.cargo(&["clippy"]);
        command
            .args(selection)
            .args(["--all-targets", "--", "-D", "warnings"]);
        complaints.extend(complaint(process::run(&mut command)));
    }
    Ok(complaints)
}

/// A program has shown what is wrong by itself; the summary only has to say that it did.
fn complaint(outcome: Result<()>) -> Vec<String> {
    outcome.err().map(|error| error.to_string()).into_iter().collect()
}
