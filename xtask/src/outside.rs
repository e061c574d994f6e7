//! Crates outside the workspace: what they build is made once for each version of their sources, and kept in our
//! cache, where every checkout finds it. They stand apart because of C code that takes minutes to compile, or of
//! dependencies that no program of ours may have.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::needs::{self, Need};
use crate::process;
use crate::workspace::{Workspace, cache};

/// Everything that decides what is built, beside the file of the code itself.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "Cargo.lock"];

/// A crate in `interop/` that is a workspace of its own.
pub(crate) struct Outside {
    /// Its folder in `interop/`, and its folder in our cache.
    pub(crate) folder: &'static str,
    /// Its only file of code.
    pub(crate) source: &'static str,
    /// What cargo calls what it builds, and what we go on calling it.
    pub(crate) artefact: &'static str,
    /// What the machine must have.
    pub(crate) needs: &'static [Need],
    /// What takes so long, for the message.
    pub(crate) builds: &'static str,
}

impl Outside {
    /// The path of what it builds, after building it if this version has not been built here.
    pub(crate) fn built(&self, workspace: &Workspace) -> Result<PathBuf> {
        let source = workspace.root().join("interop").join(self.folder);
        let kept = cache(self.folder)?;
        let folder = kept.join(self.version(&source)?);
        let artefact = folder.join(self.artefact);
        if artefact.exists() {
            return Ok(artefact);
        }
        needs::ensure(&[self.needs])?;
        eprintln!(
            "Building interop/{} in {}: {}, once",
            self.folder,
            kept.display(),
            self.builds
        );
        let build = kept.join("build");
        let mut command = workspace.cargo(&["build", "--release", "--locked", "--manifest-path"]);
        command
            .arg(source.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&build);
        process::run(&mut command)?;

        keep(&build.join("release").join(self.artefact), &folder, self.artefact)?;
        // Some hundred megabytes that nothing needs any more. Another build may be using them: then they stay.
        if let Err(error) = fs::remove_dir_all(&build) {
            eprintln!("note: {} is left behind: {error}", build.display());
        }
        Ok(artefact)
    }

    /// A name for what is built from these sources: 16 hex digits. Against mix-ups, not against attackers.
    fn version(&self, source: &Path) -> Result<String> {
        let mut hash = Fnv::new();
        for name in MANIFESTS.into_iter().chain([self.source]) {
            let path = source.join(name);
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(!bytes.is_empty(), "{} is empty", path.display());
            hash.add(&bytes);
        }
        Ok(format!("{:016x}", hash.0))
    }
}

/// Copies what was built into `folder`, in whole or not at all.
fn keep(built: &Path, folder: &Path, name: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let partial = folder.join(format!("{name}.{}", std::process::id()));
    fs::copy(built, &partial).with_context(|| format!("cannot copy {}", built.display()))?;
    fs::rename(&partial, folder.join(name))
        .with_context(|| format!("cannot place {name} in {}", folder.display()))
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
        let outside = Outside {
            folder: "none",
            source: "src/lib.rs",
            artefact: "libnone.so",
            needs: &[],
            builds: "nothing",
        };
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("src")).unwrap();
        for name in MANIFESTS.into_iter().chain([outside.source]) {
            fs::write(scratch.path().join(name), name).unwrap();
        }
        let first = outside.version(scratch.path()).unwrap();
        assert_eq!(first.len(), 16);
        for name in MANIFESTS.into_iter().chain([outside.source]) {
            fs::write(scratch.path().join(name), "another").unwrap();
            assert_ne!(outside.version(scratch.path()).unwrap(), first, "{name}");
            fs::write(scratch.path().join(name), name).unwrap();
        }
        fs::remove_file(scratch.path().join("src/lib.rs")).unwrap();
        outside.version(scratch.path()).unwrap_err();
    }
}
