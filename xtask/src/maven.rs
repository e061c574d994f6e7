//! Java libraries for the interop tests: what a peer's `pom.xml` names, fetched by Maven into our cache, once for each
//! content of that file and of `jars.sha256` beside it, which says byte for byte what has to come.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::python::fingerprint;
use crate::workspace::{Workspace, cache};
use crate::{needs, process};

/// The environment variable by which tests learn of the folder with BouncyCastle's libraries.
pub(crate) const VARIABLE: &str = "SYMBOLON_BOUNCYCASTLE";

/// The plugin that copies what a `pom.xml` names. Its version is said, because Maven would take the latest.
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

const POM: &str = "pom.xml";
const HASHES: &str = "jars.sha256";

/// The folder with the libraries of `interop/<peer>/pom.xml` and nothing else.
pub(crate) fn libraries(workspace: &Workspace, peer: &str) -> Result<PathBuf> {
    needs::ensure(&[needs::TO_RUN_JAVA])?;
    let source = workspace.root().join("interop").join(peer);
    let read = |name: &str| {
        let path = source.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (pom, hashes) = (read(POM)?, read(HASHES)?);

    let kept = cache("maven")?;
    // Two runs side by side must not fill the same folder at once.
    let lock = File::create(kept.join("lock")).context("cannot create the lock of the Maven folders")?;
    lock.lock().context("cannot lock the Maven folders")?;
    let folder = kept.join(format!("{:016x}", fingerprint(&[peer, &pom, &hashes])));
    let (marker, jars) = (folder.join("complete"), folder.join("jars"));
    if !marker.exists() {
        eprintln!(
            "Fetching the Java libraries of interop/{peer} into {}",
            folder.display()
        );
        fetch(&source, &folder, &jars, &kept.join("repository"))?;
        File::create(&marker).context("cannot mark the Maven folder as complete")?;
    }
    Ok(jars)
}

fn fetch(source: &Path, folder: &Path, jars: &Path, repository: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // In a folder of its own, so that Maven leaves nothing in the checkout.
    fs::copy(source.join(POM), folder.join(POM)).context("cannot copy pom.xml")?;
    let setting = |name: &str, path: &Path| format!("-D{name}={}", path.display());
    process::run(
        Command::new("mvn")
            .current_dir(folder)
            .args(["--batch-mode", "--quiet", "--strict-checksums"])
            .arg(setting("maven.repo.local", repository))
            .arg(COPY)
            .arg(setting("outputDirectory", jars)),
    )?;
    process::run(
        Command::new("sha256sum")
            .current_dir(jars)
            .args(["--check", "--strict", "--quiet"])
            .arg(source.join(HASHES)),
    )
}
