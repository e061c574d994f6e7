//! `cargo xtask interop`: proof against other people's software, one peer at a time.
//!
//! A peer is a test target `peer_<name>` of the crate `interop/`, with what is not Rust in `interop/<name>/`. The
//! tests of peers that need more than Python and a compiler are marked `#[ignore = "…"]`, so that plain
//! `cargo test` shows and skips them; here they run. A peer that cannot run is a failure, not a skip.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::suites::PROGRAMS;
use crate::workspace::Workspace;
use crate::{needs, process, python, tally, trixie};

/// The environment variable by which tests learn of the Go toolchain.
const GO: &str = "SYMBOLON_GO";

/// The oldest Go whose standard library offers the groups that our listeners insist on.
const OLDEST_GO: (u32, u32) = (1, 26);

/// What a peer needs beyond what the build needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Needs {
    Nothing,
    Python,
    Go,
    Debian,
}

struct Peer {
    name: &'static str,
    proves: &'static str,
    needs: Needs,
}

const PEERS: &[Peer] = &[
    Peer {
        name: "rust-spiffe",
        proves: "crates `spiffe` and `spiffe-rustls` fetch the classical SVID and connect to our listeners",
        needs: Needs::Nothing,
    },
    Peer {
        name: "python",
        proves: "PyPI `spiffe` fetches the classical SVID; `cryptography` verifies classical and ML-DSA chains",
        needs: Needs::Python,
    },
    Peer {
        name: "cyclonedx",
        proves: "cyclonedx-python-lib's strict validator accepts the planner's CBOMs of 1.6 and 1.7",
        needs: Needs::Python,
    },
    Peer {
        name: "openssl",
        proves: "OpenSSL verifies classical and ML-DSA chains",
        needs: Needs::Nothing,
    },
    Peer {
        name: "go",
        proves: "go-spiffe's `tlsconfig` connects to our listeners with the classical bundle",
        needs: Needs::Go,
    },
    Peer {
        name: "endpoints",
        proves: "the planner reports OpenSSL 3.5, nginx, OpenSSH, GnuTLS, OpenLDAP and our servers as configured",
        needs: Needs::Debian,
    },
    Peer {
        name: "descriptors",
        proves: "our messages and services are those of the published spire-api-sdk",
        needs: Needs::Go,
    },
];

impl Peer {
    fn target(&self) -> String {
        format!("peer_{}", self.name.replace('-', "_"))
    }
}

/// Prints the peers.
pub(crate) fn list() {
    for peer in PEERS {
        println!("{:<12}  {}", peer.name, peer.proves);
    }
}

/// Runs the named peers, or all; each runs even when another failed.
pub(crate) fn interop(workspace: &Workspace, names: &[String]) -> Result<()> {
    let peers = named(names)?;
    needs::ensure(&[needs::TO_BUILD_TESTS])?;
    let outcomes: Vec<(&Peer, Result<String>)> = peers
        .into_iter()
        .map(|peer| (peer, run(workspace, peer)))
        .collect();

    println!("\nSummary");
    for (peer, outcome) in &outcomes {
        match outcome {
            Ok(result) => println!("  ok      {:<12}  {result}", peer.name),
            Err(error) => println!("  FAILED  {:<12}  {error:#}", peer.name),
        }
    }
    match outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} peers failed", outcomes.len()),
    }
}

fn named(names: &[String]) -> Result<Vec<&'static Peer>> {
    if names.is_empty() {
        return Ok(PEERS.iter().collect());
    }
    names
        .iter()
        .map(|name| {
            PEERS.iter().find(|peer| peer.name == name).with_context(|| {
                let known: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
                format!("no peer is called `{name}`; there are {}", known.join(", "))
            })
        })
        .collect()
}

fn run(workspace: &Workspace, peer: &Peer) -> Result<String> {
    let target = peer.target();
    ensure!(
        has_target(workspace, &target),
        "interop/tests/{target}.rs is not there"
    );
    let environment: Option<(&str, OsString)> = match peer.needs {
        Needs::Nothing => None,
        Needs::Python => Some((python::VARIABLE, python::interpreter(workspace)?.into())),
        Needs::Go => Some((GO, go()?)),
        Needs::Debian => Some((trixie::VARIABLE, trixie::folder()?.into())),
    };
    // As in `cargo xtask test`: over the whole workspace, so that nothing is compiled with two sets of features.
    process::run(&mut workspace.cargo(&["build", "--workspace", "--bins", "--test", &target]))?;
    let mut command = workspace.cargo(&[
        "test",
        "--workspace",
        "--test",
        &target,
        "--",
        "--include-ignored",
    ]);
    command
        .env(PROGRAMS, workspace.debug_programs())
        .envs(environment);
    let tally = tally::run(&mut command)?;
    ensure!(
        tally.success,
        "{} of {} tests failed",
        tally.failed,
        tally.passed + tally.failed
    );
    ensure!(tally.passed > 0, "{target} has no tests, so it proves nothing");
    Ok(format!("{} tests: {}", tally.passed, peer.proves))
}

fn has_target(workspace: &Workspace, target: &str) -> bool {
    workspace
        .members()
        .into_iter()
        .filter(|package| package.name.as_str() == "symbolon-interop")
        .any(|package| {
            package
                .targets
                .iter()
                .any(|known| known.is_test() && known.name == target)
        })
}

/// The Go toolchain: `SYMBOLON_GO`, else `go` on `PATH`, when it is new enough.
fn go() -> Result<OsString> {
    let program = std::env::var_os(GO).unwrap_or_else(|| "go".into());
    let (major, minor) = OLDEST_GO;
    let version = process::output(Command::new(&program).args(["env", "GOVERSION"]))
        .with_context(|| format!("this peer needs Go {major}.{minor} or later, on PATH or named by {GO}"))?;
    ensure!(
        go_version(&version).is_some_and(|version| version >= OLDEST_GO),
        "this peer needs Go {major}.{minor} or later, and `{}` is {version}; name another by {GO}",
        program.display()
    );
    Ok(program)
}

/// The release in what `go env GOVERSION` says, such as `go1.26.8` or `go1.27rc1`.
fn go_version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.strip_prefix("go")?.split_once('.')?;
    let minor = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_go_are_compared_as_numbers() {
        assert_eq!(go_version("go1.26.8"), Some((1, 26)));
        assert_eq!(go_version("go1.27rc1"), Some((1, 27)));
        assert!(go_version("go1.9.7") < Some(OLDEST_GO));
        assert_eq!(go_version("devel +abc"), None);
    }

    #[test]
    fn an_unknown_peer_is_refused_by_name() {
        let error = named(&["python".to_owned(), "perl".to_owned()]).err().unwrap();
        assert!(error.to_string().contains("`perl`"), "{error}");
        assert_eq!(named(&[]).unwrap().len(), PEERS.len());
    }
}
