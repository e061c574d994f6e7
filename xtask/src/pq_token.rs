//! `cargo xtask pq-token`: the PKCS#11 token with ML-DSA that tests use, built once and kept in our cache.
//!
//! It is a workspace of its own with an OpenSSL of its own, which takes minutes to compile; so it is built outside
//! `target/`, once for each version of `interop/pq-token/`, and every checkout shares it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::workspace::{Workspace, cache};
use crate::{needs, process};

/// The environment variable by which tests find the module.
pub(crate) const VARIABLE: &str = "SYMBOLON_PQ_TOKEN";

/// What cargo calls the module, and what we go on calling it.
const MODULE: &str = "libsymbolon_pq_token.so";

/// Everything that decides what is built.
const SOURCES: [&str; 3] = ["Cargo.toml", "Cargo.lock", "src/lib.rs"];

/// The module's path, after building it if this version has not been built here.
pub(crate) fn module(workspace: &Workspace) -> Result<PathBuf> {
    let source = workspace.root().join("interop/pq-token");
    let kept = cache("pq-token")?;
    let folder = kept.join(version(&source)?);
    let module = folder.join(MODULE);
    if module.exists() {
        return Ok(module);
    }
    needs::ensure(&[needs::TO_BUILD_PQ_TOKEN])?;
    eprintln!(
        "Building the PQ token in {}: OpenSSL and SQLite from source, several minutes, once",
        kept.display()
    );
    let build = kept.join("build");
    let mut command = workspace.cargo(&["build", "--release", "--locked", "--manifest-path"]);
    command
        .arg(source.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&build);
    process::run(&mut command)?;

    keep(&build.join("release").join(MODULE), &folder)?;
    // Some hundred megabytes that nothing needs any more. Another build may be using them: then they stay.
    if let Err(error) = fs::remove_dir_all(&build) {
        eprintln!("note: {} is left behind: {error}", build.display());
    }
    Ok(module)
}

/// Copies the module into `folder`, in whole or not at all.
fn keep(built: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let partial = folder.join(format!("{MODULE}.{}", std::process::id()));
    fs::copy(built, &partial).with_context(|| format!("cannot copy {}", built.display()))?;
    fs::rename(&partial, folder.join(MODULE))
        .with_context(|| format!("cannot place {MODULE} in {}", folder.display()))
}

/// A name for what is built from these sources: 16 hex digits. Against mix-ups, not against attackers.
fn version(source: &Path) -> Result<String> {
    let mut hash = Fnv::new();
    for name in SOURCES {
        let path = source.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(!bytes.is_empty(), "{} is empty", path.display());
        hash.add(&bytes);
    }
    Ok(format!("{:016x}", hash.0))
}

/// FNV-1a, because the standard library's hash may differ between Rust releases.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds bytes, and their number, so that bytes cannot move from one file to the next unnoticed.
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().copied().chain(bytes.len().to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_with_lengths() {
        // The published vector of "a", continued with the length 1 as eight bytes.
        let mut hash = Fnv::new();
        hash.add(b"a");
        let published: u64 = 0xaf63_dc4c_8601_ec8c;
        let expected = 1_usize.to_le_bytes().iter().fold(published, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!(hash.0, expected);
    }

    #[test]
    fn any_change_of_the_sources_is_another_version() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("src")).unwrap();
        for name in SOURCES {
            fs::write(scratch.path().join(name), name).unwrap();
        }
        let first = version(scratch.path()).unwrap();
        assert_eq!(first.len(), 16);
        fs::write(scratch.path().join("Cargo.lock"), "another").unwrap();
        assert_ne!(version(scratch.path()).unwrap(), first);
        fs::remove_file(scratch.path().join("src/lib.rs")).unwrap();
        version(scratch.path()).unwrap_err();
    }
}
