//! Vault's server for the interop tests: its released module, built by Go from its module proxy with the one file that
//! starts it, `interop/vault/main.go`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::go::Built;
use crate::process;
use crate::workspace::Workspace;

/// The environment variable by which tests learn where the program is.
pub(crate) const VARIABLE: &str = "SYMBOLON_VAULT";

/// Everything that decides what is built.
const SOURCES: [&str; 3] = ["go.mod", "go.sum", "main.go"];

/// What is built from these sources.
pub(crate) fn built(source: &Path) -> Built<'_> {
    Built {
        area: "vault",
        source,
        sources: &SOURCES,
        module: "github.com/hashicorp/vault",
        says: "the server, in ten minutes of two processors,",
    }
}

/// The program, after building it with this Go toolchain if it has not been built here.
pub(crate) fn program(workspace: &Workspace, go: &OsStr) -> Result<PathBuf> {
    let source = workspace.root().join("interop/vault");
    let folder = built(&source).folder(|folder, _| {
        let mut build = Command::new(go);
        build
            .current_dir(&source)
            .env("CGO_ENABLED", "0")
            // The versions and hashes in go.mod and go.sum, and no others.
            .args([
                "build",
                "-mod=readonly",
                "-buildvcs=false",
                "-ldflags=-s -w",
                "-o",
            ])
            .arg(folder.join("vault"))
            .arg(".");
        process::run(&mut build)
    })?;
    Ok(folder.join("vault"))
}
