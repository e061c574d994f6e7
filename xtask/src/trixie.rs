//! `cargo xtask trixie`: programs of Debian 13 that interop tests run, unpacked once and kept in our cache.
//!
//! They are newer than what most machines have (OpenSSL 3.5, OpenSSH 10), and they are the packages that people
//! really run. apt finds and fetches them, with everything that they need down to the C library, by a configuration
//! of its own: nothing of the machine's own packages is read or changed, and no root is needed. Nothing is installed
//! either: packages are unpacked without running their scripts, and programs are started by the C library's own
//! loader (`interop/src/trixie.rs`).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace::cache;
use crate::{needs, process};

/// The environment variable by which tests find the folder.
pub(crate) const VARIABLE: &str = "SYMBOLON_TRIXIE";

const SUITE: &str = "trixie";

/// What is unpacked, apart from what it needs.
const PACKAGES: &[&str] = &[
    "curl",
    "gnutls-bin",
    "libnginx-mod-mail",
    "nginx",
    "openssh-server",
    "openssl",
    "slapd",
];

/// Where packages come from when the machine itself is no Debian.
const MIRROR: &str = "http://deb.debian.org/debian";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The folder, after filling it if that was not done yet.
pub(crate) fn folder() -> Result<PathBuf> {
    needs::ensure(&[needs::TO_UNPACK_DEBIAN])?;
    let architecture = process::output(Command::new("dpkg").arg("--print-architecture"))?;
    let kept = cache("trixie")?;
    // Two runs side by side must not fill the same folder at once.
    let lock = File::create(kept.join("lock")).context("cannot create the lock of the Debian folders")?;
    lock.lock().context("cannot lock the Debian folders")?;

    let folder = kept.join(name(&architecture));
    if !marker(&folder).exists() {
        eprintln!(
            "Unpacking {} of Debian 13 in {}",
            PACKAGES.join(", "),
            folder.display()
        );
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fill(&folder, &architecture)?;
    }
    Ok(folder)
}

/// One folder for each choice of packages, so that a change of the list unpacks anew.
fn name(architecture: &str) -> String {
    let words = PACKAGES.iter().copied().chain([SUITE, architecture]);
    // FNV-1a, 64 bits: it names a cache folder, nothing hangs on it being hard to collide.
    let bytes = words.flat_map(|word| word.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// A folder without its marker was interrupted on the way.
fn marker(folder: &Path) -> PathBuf {
    folder.join("complete")
}

fn fill(folder: &Path, architecture: &str) -> Result<()> {
    let scratch = folder.join("apt");
    for part in ["lists/partial", "cache/archives/partial"] {
        let part = scratch.join(part);
        fs::create_dir_all(&part).with_context(|| format!("cannot create {}", part.display()))?;
    }
    let configuration = scratch.join("apt.conf");
    let sources = format!("deb [signed-by={KEYRING}] {} {SUITE} main\n", mirror()?);
    write(&scratch.join("sources.list"), &sources)?;
    // No package is there yet, so that apt fetches all that is needed.
    write(&scratch.join("status"), "")?;
    write(&configuration, &apt_configuration(&scratch, architecture))?;

    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("APT_CONFIG", &configuration).arg("-q");
        command
    };
    process::run(apt().arg("update"))?;
    process::run(apt().args(["-y", "--download-only", "install"]).args(PACKAGES))?;
    let archives = packages(&scratch.join("cache/archives"))?;
    ensure!(!archives.is_empty(), "apt fetched no packages");
    for package in &archives {
        process::run_quietly(Command::new("dpkg-deb").arg("--extract").arg(package).arg(folder))?;
    }
    fs::remove_dir_all(&scratch).with_context(|| format!("cannot remove {}", scratch.display()))?;
    let list: Vec<String> = archives
        .iter()
        .filter_map(|path| Some(format!("{}\n", path.file_name()?.to_string_lossy())))
        .collect();
    write(&marker(folder), &list.concat())
}

/// The mirror of Debian that the machine itself uses, if it is one.
fn mirror() -> Result<String> {
    let targets = process::output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    Ok(mirror_of(&targets))
}

/// The first repository of these whose path is that of Debian's archive.
fn mirror_of(repositories: &str) -> String {
    let mut each = repositories.lines().map(|line| line.trim().trim_end_matches('/'));
    each.find(|uri| uri.ends_with("/debian"))
        .unwrap_or(MIRROR)
        .to_owned()
}

fn apt_configuration(scratch: &Path, architecture: &str) -> String {
    let at = |name: &str| scratch.join(name).display().to_string();
    let settings = [
        ("APT::Architecture", architecture.to_owned()),
        ("APT::Architectures", architecture.to_owned()),
        ("APT::Install-Recommends", "false".to_owned()),
        // Files belong to whoever runs this, who may keep others out.
        ("APT::Sandbox::User", String::new()),
        ("Acquire::Languages", "none".to_owned()),
        (
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled",
            "false".to_owned(),
        ),
        ("Dir::State::lists", at("lists")),
        ("Dir::State::status", at("status")),
        ("Dir::State::extended_states", at("extended_states")),
        ("Dir::Cache", at("cache")),
        ("Dir::Etc::sourcelist", at("sources.list")),
        // The machine's own choices are for its own packages.
        ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
        ("Dir::Etc::preferences", "/dev/null".to_owned()),
        ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
    ];
    let lines = settings
        .iter()
        .map(|(name, value)| format!("{name} \"{value}\";\n"));
    lines.collect()
}

fn packages(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut packages = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            packages.push(path);
        }
    }
    packages.sort();
    Ok(packages)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_machines_own() {
        let own = "http://mirror.example/debian-security/\nhttps://mirror.example/debian/\nhttps://x.example/debian/";
        assert_eq!(mirror_of(own), "https://mirror.example/debian");
        assert_eq!(mirror_of("http://archive.ubuntu.com/ubuntu/\n"), MIRROR);
        assert_eq!(mirror_of(""), MIRROR);
    }

    #[test]
    fn architectures_have_folders_of_their_own() {
        assert_eq!(name("amd64"), name("amd64"));
        assert_ne!(name("amd64"), name("arm64"));
    }

    #[test]
    fn apt_is_kept_to_the_folder() {
        let configuration = apt_configuration(Path::new("/cache/apt"), "amd64");
        assert!(configuration.contains("Dir::State::status \"/cache/apt/status\";\n"));
        assert!(configuration.contains("APT::Architecture \"amd64\";\n"));
    }
}
