//! A Python of our own for the interop tests: a virtual environment outside the checkout, one for each content
//! of `interop/python/requirements.txt`, so that it survives `cargo clean` and is made again when that changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace::{Workspace, cache};
use crate::{needs, process};

const REQUIREMENTS: &str = "interop/python/requirements.txt";

/// The environment variable by which tests learn of the interpreter.
pub(crate) const VARIABLE: &str = "SYMBOLON_PYTHON";

/// The environment's interpreter; makes the environment when it is not there yet.
pub(crate) fn interpreter(workspace: &Workspace) -> Result<PathBuf> {
    needs::ensure(&[needs::TO_RUN_PYTHON])?;
    let requirements = workspace.root().join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let version = process::output(Command::new("python3").args(["-c", "import sys; print(sys.version)"]))?;

    let environments = cache("python")?;
    // Two runs side by side must not make the same environment at once.
    let lock =
        File::create(environments.join("lock")).context("cannot create the lock of the environments")?;
    lock.lock().context("cannot lock the environments")?;
    let folder = environments.join(format!("{:016x}", fingerprint(&[&wanted, &version])));
    let interpreter = folder.join("bin/python");
    if !is_complete(&folder) {
        eprintln!(
            "Making a Python environment with {REQUIREMENTS} in {}",
            folder.display()
        );
        make(&folder, &interpreter, &requirements)?;
    }
    Ok(interpreter)
}

fn make(folder: &Path, interpreter: &Path, requirements: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    process::run(
        Command::new(interpreter)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(requirements),
    )?;
    File::create(marker(folder)).context("cannot mark the environment as complete")?;
    Ok(())
}

/// An environment without its marker was interrupted on the way.
fn is_complete(folder: &Path) -> bool {
    marker(folder).exists()
}

fn marker(folder: &Path) -> PathBuf {
    folder.join("complete")
}

/// FNV-1a, 64 bits: it names a cache folder, nothing hangs on it being hard to collide.
pub(crate) fn fingerprint(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_follows_every_part() {
        assert_eq!(fingerprint(&["a", "b"]), fingerprint(&["a", "b"]));
        assert_ne!(fingerprint(&["a", "b"]), fingerprint(&["a", "c"]));
        assert_ne!(fingerprint(&["a", "b"]), fingerprint(&["ab", ""]));
    }
}
