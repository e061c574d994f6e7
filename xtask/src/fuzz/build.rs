//! Building the program that fuzzes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;
use crate::workspace::Workspace;

/// The compiler that has sanitizers.
const TOOLCHAIN: &str = "nightly";

/// Counters at every edge and at comparisons, by which libFuzzer sees what an input reached, and AddressSanitizer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address";

/// Builds the program, with the compiler for it if that is not there yet, and gives its path; without building it if it is
/// there and to be taken `as_it_is`.
pub(super) fn program(workspace: &Workspace, as_it_is: bool) -> Result<PathBuf> {
    ensure_toolchain()?;
    let host = host()?;
    let target_dir = workspace.release_programs().with_file_name("fuzz");
    let program = target_dir.join(&host).join("release/symbolon-libfuzzer");
    if as_it_is && program.exists() {
        return Ok(program);
    }
    let mut build = rustup(&["run", TOOLCHAIN, "cargo", "build", "--release", "--locked"]);
    // With a target named, build scripts and macros are built without the flags.
    build
        .args(["--target", &host, "--manifest-path"])
        .arg(workspace.root().join("fuzz/libfuzzer/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTFLAGS", FLAGS);
    process::run(&mut build)?;
    Ok(program)
}

fn ensure_toolchain() -> Result<()> {
    if process::succeeds("rustup", &["run", TOOLCHAIN, "cargo", "--version"]) {
        return Ok(());
    }
    eprintln!("Installing Rust's {TOOLCHAIN} toolchain: AddressSanitizer is only there");
    process::run(&mut rustup(&[
        "toolchain",
        "install",
        TOOLCHAIN,
        "--profile",
        "minimal",
    ]))
    .context("fuzzing needs rustup and Rust's nightly toolchain")
}

/// The triple of this machine.
fn host() -> Result<String> {
    let text = process::output(&mut rustup(&["run", TOOLCHAIN, "rustc", "-vV"]))?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc does not say what machine this is")
}

/// rustup, without the choice of toolchain by which we were started.
fn rustup(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(arguments)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC");
    command
}
