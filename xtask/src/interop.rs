//! `cargo xtask interop`: proof against other people's software, one peer at a time.
//!
//! A peer is a test target `peer_<name>` of the crate `interop/`, with what is not Rust in `interop/<name>/`. The
//! tests of peers that need more than Python and a compiler are marked `#[ignore = "…"]`, so that plain
//! `cargo test` shows and skips them; here they run. A peer that cannot run is a failure, not a skip.
//!
//! Tests record what they have shown, cell by cell (`interop/src/cells.rs`). The cells of a peer have to be those of
//! `interop/<name>/matrix.toml`; what they say goes into `docs/src/interop.md`.

mod matrix;
mod page;

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use self::matrix::{Cell, Directions, Matrix};
use self::page::Section;
use crate::outside::Outside;
use crate::suites::{self, PROGRAMS};
use crate::workspace::Workspace;
use crate::{maven, needs, node, process, python, spire, tally, trixie, vault};

/// The environment variable by which tests learn where to record what they have shown.
const CELLS: &str = "SYMBOLON_INTEROP_CELLS";

/// The environment variable by which tests learn of the Go toolchain.
const GO: &str = "SYMBOLON_GO";

/// The environment variable by which tests learn where noble's packages are.
const NOBLE: &str = "SYMBOLON_NOBLE";

/// The environment variables by which tests learn of the programs that are built outside the workspace.
const LIBOQS: &str = "SYMBOLON_LIBOQS";
const PQCRYPTO: &str = "SYMBOLON_PQCRYPTO";

/// The environment variable by which tests learn where liboqs' package of npm is.
const LIBOQS_MODULES: &str = "SYMBOLON_LIBOQS_MODULES";

const LIBOQS_PROGRAM: Outside = Outside {
    folder: "liboqs",
    source: "src/main.rs",
    artefact: "symbolon-liboqs",
    needs: needs::TO_BUILD_LIBOQS,
    builds: "liboqs from source",
};

const PQCRYPTO_PROGRAM: Outside = Outside {
    folder: "pqcrypto",
    source: "src/main.rs",
    artefact: "symbolon-pqcrypto",
    needs: &[],
    builds: "PQClean from source",
};

/// The oldest Go whose standard library offers the groups that our listeners insist on.
const OLDEST_GO: (u32, u32) = (1, 26);

/// What a peer needs beyond what the build needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Needs {
    Python,
    Go,
    Debian,
    Java,
    Node,
    Noble,
    Liboqs,
    Pqcrypto,
    Spire,
    Tpm,
    Vault,
}

struct Peer {
    name: &'static str,
    proves: &'static str,
    needs: &'static [Needs],
    /// Whether it says something about forms, and so has a matrix and a part in the table.
    in_table: bool,
}

const PEERS: &[Peer] = &[
    Peer {
        name: "rust-spiffe",
        proves: "crates `spiffe` and `spiffe-rustls` fetch the classical SVID and connect to our listeners",
        needs: &[],
        in_table: false,
    },
    Peer {
        name: "python",
        proves: "PyPI `spiffe` fetches the classical SVID; `cryptography` verifies chains, lists and the halves of composites",
        needs: &[Needs::Python],
        in_table: true,
    },
    Peer {
        name: "cyclonedx",
        proves: "cyclonedx-python-lib's strict validator accepts the planner's CBOMs of 1.6 and 1.7",
        needs: &[Needs::Python],
        in_table: false,
    },
    Peer {
        name: "openssl",
        proves: "OpenSSL 3.5 and 3.6 verify chains, read keys, make requests, and are both ends of mutual TLS",
        needs: &[Needs::Debian],
        in_table: true,
    },
    Peer {
        name: "go",
        proves: "Go 1.26 and 1.27 and go-spiffe: certificates both ways, TLS with every group and form",
        needs: &[Needs::Go],
        in_table: true,
    },
    Peer {
        name: "spire",
        proves: "SPIRE's agent, commands, OIDC discovery provider and controller manager, unmodified, on our server; our agent \
                 on its server",
        needs: &[Needs::Spire, Needs::Tpm],
        in_table: true,
    },
    Peer {
        name: "vault",
        proves: "Vault's PKI secrets engine certifies our authorities, by every way in but Kubernetes'",
        needs: &[Needs::Vault],
        in_table: false,
    },
    Peer {
        name: "bouncycastle",
        proves: "BouncyCastle reads all that we issue, and we read what it issues",
        needs: &[Needs::Java],
        in_table: true,
    },
    Peer {
        name: "nginx",
        proves: "nginx on OpenSSL 3.5 asks for client certificates on our SVIDs, of our client and of curl",
        needs: &[Needs::Debian],
        in_table: true,
    },
    Peer {
        name: "node",
        proves: "Node.js verifies chains and the halves of composites, and is both ends of mutual HTTPS",
        needs: &[Needs::Node],
        in_table: true,
    },
    Peer {
        name: "noble",
        proves: "@noble/post-quantum: ML-DSA and SLH-DSA signatures both ways, and the halves of composites",
        needs: &[Needs::Node, Needs::Noble],
        in_table: true,
    },
    Peer {
        name: "liboqs",
        proves: "liboqs: ML-DSA and SLH-DSA signatures, both ways",
        needs: &[Needs::Liboqs, Needs::Node],
        in_table: true,
    },
    Peer {
        name: "pqcrypto",
        proves: "PQClean: ML-DSA signatures with contexts, both ways",
        needs: &[Needs::Pqcrypto],
        in_table: true,
    },
    Peer {
        name: "pkilint",
        proves: "pkilint finds nothing in what we issue but what has its reason in exceptions.tsv",
        needs: &[Needs::Python],
        in_table: true,
    },
    Peer {
        name: "endpoints",
        proves: "the planner reports OpenSSL 3.5, nginx, OpenSSH, GnuTLS, OpenLDAP and our servers as configured",
        needs: &[Needs::Debian],
        in_table: false,
    },
    Peer {
        name: "descriptors",
        proves: "our messages and services are those of the published spire-api-sdk",
        needs: &[Needs::Go],
        in_table: false,
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

/// The names of the peers that have a part in the table.
#[cfg(test)]
fn tabled() -> impl Iterator<Item = &'static str> {
    PEERS.iter().filter(|peer| peer.in_table).map(|peer| peer.name)
}

/// What a peer's run came to.
struct Shown {
    peer: &'static Peer,
    result: String,
    table: Option<(Matrix, Vec<Cell>)>,
}

/// Runs the named peers, or all; each runs even when another failed. When none has, the page is written: all of it
/// after a run of all, else the named peers' parts.
pub(crate) fn interop(workspace: &Workspace, names: &[String]) -> Result<()> {
    let peers = named(names)?;
    needs::ensure(&[needs::TO_BUILD_TESTS])?;
    let directions = matrix::directions(workspace.root())?;
    let outcomes: Vec<(&Peer, Result<Shown>)> = peers
        .into_iter()
        .map(|peer| (peer, run(workspace, &directions, peer)))
        .collect();

    println!("\nSummary");
    for (peer, outcome) in &outcomes {
        match outcome {
            Ok(shown) => println!("  ok      {:<12}  {}", peer.name, shown.result),
            Err(error) => println!("  FAILED  {:<12}  {error:#}", peer.name),
        }
    }
    let ran = outcomes.len();
    let shown: Vec<Shown> = outcomes
        .into_iter()
        .filter_map(|(_, outcome)| outcome.ok())
        .collect();
    ensure!(
        shown.len() == ran,
        "{} of {ran} peers failed; the page stays as it was",
        ran - shown.len()
    );
    let sections: Vec<Section<'_>> = shown
        .iter()
        .filter_map(|shown| {
            let (matrix, cells) = shown.table.as_ref()?;
            Some(Section {
                peer: shown.peer.name,
                matrix,
                cells,
            })
        })
        .collect();
    match names.is_empty() {
        true => page::write(workspace.root(), &directions, &sections),
        false => page::update(workspace.root(), &directions, &sections),
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

fn run(workspace: &Workspace, directions: &Directions, peer: &'static Peer) -> Result<Shown> {
    let target = peer.target();
    ensure!(
        has_target(workspace, &target),
        "interop/tests/{target}.rs is not there"
    );
    let environment = peer
        .needs
        .iter()
        .map(|need| provide(workspace, *need))
        .collect::<Result<Vec<_>>>()?;
    let cells = tempfile::tempdir().context("cannot make a folder for cells")?;
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
        .env(CELLS, cells.path())
        .envs(environment.into_iter().flatten());
    let tally = tally::run(&mut command)?;
    ensure!(
        tally.success,
        "{} of {} tests failed",
        tally.failed,
        tally.passed + tally.failed
    );
    ensure!(tally.passed > 0, "{target} has no tests, so it proves nothing");

    let recorded = matrix::recorded(cells.path())?;
    let table = match peer.in_table {
        true => {
            let matrix = Matrix::read(workspace.root(), peer.name)?;
            matrix::check(peer.name, &matrix, directions, &recorded)?;
            Some((matrix, recorded))
        }
        false => {
            ensure!(
                recorded.is_empty(),
                "it records cells, but has no part in the table"
            );
            None
        }
    };
    let cells = table.as_ref().map_or(0, |(_, cells)| cells.len());
    let result = match cells {
        0 => format!("{} tests: {}", tally.passed, peer.proves),
        cells => format!("{} tests, {cells} cells: {}", tally.passed, peer.proves),
    };
    Ok(Shown { peer, result, table })
}

/// Gets what a peer needs, and says by which variables its tests find it.
fn provide(workspace: &Workspace, need: Needs) -> Result<Vec<(&'static str, OsString)>> {
    Ok(match need {
        Needs::Python => vec![(python::VARIABLE, python::interpreter(workspace)?.into())],
        Needs::Go => vec![(GO, go()?)],
        Needs::Debian => vec![(trixie::VARIABLE, trixie::folder()?.into())],
        Needs::Java => vec![(
            maven::VARIABLE,
            maven::libraries(workspace, "bouncycastle")?.into(),
        )],
        Needs::Liboqs => vec![
            (LIBOQS, LIBOQS_PROGRAM.built(workspace)?.into()),
            (LIBOQS_MODULES, node::modules(workspace, "liboqs")?.into()),
        ],
        Needs::Pqcrypto => vec![(PQCRYPTO, PQCRYPTO_PROGRAM.built(workspace)?.into())],
        Needs::Spire => {
            needs::ensure(&[needs::TO_BUILD_SPIRE])?;
            vec![(spire::VARIABLE, spire::programs(workspace, &go()?)?.into())]
        }
        Needs::Vault => vec![(vault::VARIABLE, vault::program(workspace, &go()?)?.into())],
        Needs::Tpm => {
            needs::ensure(&[needs::TO_BUILD_TPM, needs::TO_TEST_TPM])?;
            vec![(suites::AGENT_WITH_TPM, suites::agent_with_tpm(workspace)?.into())]
        }
        Needs::Noble => vec![(NOBLE, node::modules(workspace, "noble")?.into())],
        Needs::Node => vec![(node::VARIABLE, node::program(workspace)?.into())],
    })
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
pub(crate) fn go() -> Result<OsString> {
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
