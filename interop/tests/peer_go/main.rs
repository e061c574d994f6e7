//! Two releases of Go: the standard library, and go-spiffe as a workload of ours.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod handshakes;
mod spiffe;
mod standard;

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use symbolon_interop::cells::Peer;
use symbolon_interop::programs::{self, GoProgram};

/// A release, and the program compiled by it.
struct Release {
    peer: Peer,
    program: GoProgram,
    /// Whether its library has ML-DSA.
    knows_ml_dsa: bool,
}

/// The latest of the two that are supported upstream, as the toolchain calls them.
const RELEASES: [&str; 2] = ["go1.26.8", "go1.27.3"];

static BUILT: LazyLock<Vec<Release>> = LazyLock::new(|| {
    RELEASES
        .into_iter()
        .map(|name| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let program = GoProgram::build_with(name, "go", folder).unwrap();
            let version = programs::json(program.command().arg("version")).unwrap();
            let version = version.as_str().unwrap().strip_prefix("go").unwrap();
            Release {
                peer: Peer::new("go", version),
                program,
                knows_ml_dsa: !version.starts_with("1.26."),
            }
        })
        .collect()
});

fn releases() -> &'static [Release] {
    &BUILT
}

fn go(release: &Release, subcommand: &str) -> Command {
    let mut command = release.program.command();
    command.arg(subcommand);
    command
}

fn outcome(command: &mut Command) -> Result<Value, String> {
    programs::json(command).map_err(|error| format!("{error:#}"))
}
