//! SPIRE's programs for the interop tests and the side-by-side bench: built by Go from its module proxy, once for each
//! content of `interop/spire/`, and kept in our cache.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::go::Built;
use crate::process;
use crate::workspace::Workspace;

/// The environment variable by which tests learn where the programs are.
pub(crate) const VARIABLE: &str = "SYMBOLON_SPIRE";

const PROGRAMS: [&str; 3] = [
    "github.com/spiffe/spire/cmd/spire-server",
    "github.com/spiffe/spire/cmd/spire-agent",
    "github.com/spiffe/spire/support/oidc-discovery-provider",
];

/// A module of its own, so that it brings no other versions of what SPIRE is built from; and its name, which Go would take
/// from the package's folder.
const CONTROLLER: [&str; 3] = [
    "controller",
    "github.com/spiffe/spire-controller-manager/cmd",
    "spire-controller-manager",
];

/// Everything that decides what is built.
const SOURCES: [&str; 6] = [
    "go.mod",
    "go.sum",
    "ejbca/go.mod",
    "ejbca/api/ejbca/standin.go",
    "controller/go.mod",
    "controller/go.sum",
];

/// What is built from these sources.
pub(crate) fn built(source: &Path) -> Built<'_> {
    Built {
        area: "spire",
        source,
        sources: &SOURCES,
        module: "github.com/spiffe/spire",
        says: "the programs, in a quarter of an hour of one processor,",
    }
}

/// The folder with the programs, after building them with this Go toolchain if these have not been built here.
pub(crate) fn programs(workspace: &Workspace, go: &OsStr) -> Result<PathBuf> {
    let source = workspace.root().join("interop/spire");
    built(&source).folder(|folder, version| build(go, &source, version, folder))
}

fn build(go: &OsStr, source: &Path, version: &str, folder: &Path) -> Result<()> {
    let in_module = |module: &Path| {
        let mut build = Command::new(go);
        build
            .current_dir(module)
            // The server's SQLite is written in C.
            .env("CGO_ENABLED", "1")
            // The versions and hashes in go.mod and go.sum, and no others.
            .args(["build", "-mod=readonly", "-buildvcs=false"]);
        build
    };
    process::run(
        in_module(source)
            // As SPIRE's own release does, so that the programs say which they are.
            .arg(format!(
                "-ldflags=-s -w -X github.com/spiffe/spire/pkg/common/version.gittag={version}"
            ))
            .arg("-o")
            // A folder, so that each program gets a file with its own name.
            .arg(folder)
            .args(PROGRAMS),
    )?;
    let [module, package, name] = CONTROLLER;
    process::run(
        in_module(&source.join(module))
            .args(["-ldflags=-s -w", "-o"])
            .arg(folder.join(name))
            .arg(package),
    )
}
