//! SPIRE's programs for the interop tests and the side-by-side bench: built by Go from its module proxy, once for each
//! content of `interop/spire/`, and kept in our cache.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;
use crate::python::fingerprint;
use crate::workspace::{Workspace, cache};

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

/// The folder with the programs, after building them with this Go toolchain if these have not been built here.
pub(crate) fn programs(workspace: &Workspace, go: &OsStr) -> Result<PathBuf> {
    let source = workspace.root().join("interop/spire");
    let version = version(&source)?;
    let kept = cache("spire")?;
    // Two runs side by side must not fill the same folder at once.
    let lock = File::create(kept.join("lock")).context("cannot create the lock of SPIRE's programs")?;
    lock.lock().context("cannot lock SPIRE's programs")?;
    let folder = kept.join(folder_name(&source, &version)?);
    let marker = folder.join("complete");
    if marker.exists() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    eprintln!(
        "Building SPIRE {version} in {}: a quarter of an hour of one processor, once",
        folder.display()
    );
    build(go, &source, &version, &folder)
        .with_context(|| format!("SPIRE {version} cannot be had, so nothing is proven about it"))?;
    File::create(&marker).context("cannot mark SPIRE's programs as complete")?;
    Ok(folder)
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

/// One folder for each content of the sources.
fn folder_name(source: &Path, version: &str) -> Result<String> {
    let contents = SOURCES
        .iter()
        .map(|name| {
            let path = source.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        })
        .collect::<Result<Vec<_>>>()?;
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    Ok(format!("{version}-{:016x}", fingerprint(&contents)))
}

/// The version of SPIRE that `go.mod` requires, without the `v`.
fn version(source: &Path) -> Result<String> {
    let path = source.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    required(&text).with_context(|| format!("{} does not require SPIRE", path.display()))
}

fn required(go_mod: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("require").map_or(line, str::trim_start);
        let version = line.strip_prefix("github.com/spiffe/spire v")?;
        version.split_whitespace().next().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_go_mod() {
        let block = "require (\n\tgithub.com/spiffe/spire v1.15.3\n\tother v2\n)\n";
        assert_eq!(required(block).as_deref(), Some("1.15.3"));
        let line = "require github.com/spiffe/spire v1.16.0 // indirect\n";
        assert_eq!(required(line).as_deref(), Some("1.16.0"));
        assert_eq!(
            required("require github.com/spiffe/spire-api-sdk v1.15.3\n"),
            None
        );
    }

    #[test]
    fn our_sources_name_a_folder() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("interop/spire");
        let version = version(&source).unwrap();
        let name = folder_name(&source, &version).unwrap();
        assert!(name.starts_with(&format!("{version}-")), "{name}");
    }
}
