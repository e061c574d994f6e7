//! SPIRE's own programs, as released, against a server of ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::programs;
use crate::server::{Server, bare};
pub use crate::spire_agent::{Agent, Evidence, Place, fetch};

/// The environment variable that names the folder with the programs.
const VARIABLE: &str = "SYMBOLON_SPIRE";

/// One of SPIRE's programs, such as `spire-server`, with nothing of the user's in its environment.
///
/// # Errors
/// If the variable does not name a folder with the program.
pub fn program(name: &str, home: &Path) -> Result<Command> {
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from).with_context(|| {
        format!("{VARIABLE} names no folder; `cargo xtask interop spire` builds SPIRE's programs")
    })?;
    let program = folder.join(name);
    ensure!(program.exists(), "{} is not there", program.display());
    Ok(bare(&program, home))
}

/// What a program says about its version, without what its build adds: `1.15.3`.
///
/// # Errors
/// If it does not run.
pub fn version() -> Result<String> {
    let home = std::env::temp_dir();
    let output = program("spire-server", &home)?.arg("--version").output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let version = said.split(['-', '+', ' ']).next().unwrap_or_default();
    ensure!(!version.is_empty(), "spire-server says no version: {said:?}");
    Ok(version.to_owned())
}

/// `spire-server` with the arguments of a command, for the private socket of a server of ours.
///
/// # Errors
/// If the program is not there.
pub fn command(server: &Server, arguments: &[&str]) -> Result<Command> {
    let mut command = program("spire-server", server.home())?;
    // Flags come after the words of the command.
    let words = arguments
        .iter()
        .take_while(|argument| !argument.starts_with('-'))
        .count();
    let (words, flags) = arguments.split_at(words);
    command
        .args(words)
        .arg("-socketPath")
        .arg(server.socket())
        .args(flags);
    Ok(command)
}

/// Runs a command of the stock `spire-server` and gives what it prints for people.
///
/// # Errors
/// If it fails; with what it said.
pub fn says(server: &Server, arguments: &[&str]) -> Result<String> {
    let printed = programs::run(&mut command(server, arguments)?)?;
    Ok(String::from_utf8(printed)?)
}

/// Runs a command of the stock `spire-server` with `-output json`.
///
/// # Errors
/// If it fails, or prints anything else.
pub fn json(server: &Server, arguments: &[&str]) -> Result<Value> {
    programs::json(command(server, arguments)?.args(["-output", "json"]))
}

/// Runs a command of the stock `spire-server` that is to fail, and gives what it says on standard error.
///
/// # Errors
/// If it succeeds.
pub fn refused(server: &Server, arguments: &[&str]) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command(server, arguments)?.output()?;
    if status.success() {
        bail!(
            "{arguments:?} succeeds: {}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        );
    }
    Ok(String::from_utf8_lossy(&stderr).into_owned())
}
