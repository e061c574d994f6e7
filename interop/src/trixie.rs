//! Programs of Debian 13, run from the folder that `cargo xtask trixie` unpacked, beside whatever this machine has.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The environment variable that names the folder.
const VARIABLE: &str = "SYMBOLON_TRIXIE";

/// Where the C library's loader is, by architecture.
const LOADERS: [&str; 2] = ["usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux-aarch64.so.1"];

/// The folder.
#[derive(Clone, Debug)]
pub struct Trixie {
    root: PathBuf,
    loader: PathBuf,
    /// Where libraries are, with colons between.
    libraries: String,
    modules: PathBuf,
}

impl Trixie {
    /// The folder that `SYMBOLON_TRIXIE` names.
    ///
    /// # Errors
    /// If it names none, or not one that was filled.
    pub fn open() -> Result<Self> {
        let root = std::env::var_os(VARIABLE).map(PathBuf::from).with_context(|| {
            format!("{VARIABLE} names no folder; `cargo xtask interop endpoints` makes one")
        })?;
        let loader = LOADERS
            .iter()
            .map(|loader| root.join(loader))
            .find(|loader| loader.exists())
            .with_context(|| format!("there are no programs in {}", root.display()))?;
        let own = fs::read_dir(root.join("usr/lib"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu"))
            .with_context(|| format!("there are no libraries in {}", root.display()))?;
        Ok(Self {
            loader,
            libraries: format!("{}:{}", own.display(), own.join("systemd").display()),
            modules: own.join("ossl-modules"),
            root,
        })
    }

    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A program, such as `usr/bin/openssl`, ready to be given arguments: with its own C library and its own
    /// libraries, and without this machine's configuration of OpenSSL.
    pub fn command(&self, program: &str) -> Command {
        self.through(Command::new(&self.loader), program)
    }

    /// The same for a program that, run by root, would want users and folders that this machine may not have: it is
    /// run as somebody, in a user namespace of its own.
    pub fn command_of_nobody(&self, program: &str) -> Command {
        if !rustix::process::geteuid().is_root() {
            return self.command(program);
        }
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000"]);
        command.arg(&self.loader);
        self.through(command, program)
    }

    fn through(&self, mut command: Command, program: &str) -> Command {
        command
            .arg("--library-path")
            .arg(&self.libraries)
            .arg(self.root.join(program))
            .env("OPENSSL_CONF", "/dev/null")
            .env("OPENSSL_MODULES", &self.modules);
        command
    }

    /// Writes a script that runs a program, for programs that start it by its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn script(&self, program: &str, path: &Path) -> Result<()> {
        let text = format!(
            "#!/bin/sh\nexec '{}' --library-path '{}' '{}' \"$@\"\n",
            self.loader.display(),
            self.libraries,
            self.root.join(program).display()
        );
        fs::write(path, text)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
