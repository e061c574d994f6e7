//! The workspace as cargo sees it, and where we keep what is not part of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The workspace this xtask was built from.
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo for the workspace's members and their direct dependencies, without resolving anything.
    pub(crate) fn load() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .context("cannot read the workspace")?;
        Ok(Self { metadata })
    }

    /// The repository's root.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where `cargo build` puts the debug programs.
    pub(crate) fn debug_programs(&self) -> PathBuf {
        self.metadata.target_directory.as_std_path().join("debug")
    }

    /// Where `cargo build --release` puts the optimised programs.
    pub(crate) fn release_programs(&self) -> PathBuf {
        self.metadata.target_directory.as_std_path().join("release")
    }

    /// The crates of the workspace.
    pub(crate) fn members(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// `cargo <arguments>` in the repository's root, the same cargo that runs us.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.current_dir(self.root()).args(arguments);
        command
    }
}

/// A folder for what is costly to make and belongs to no checkout: `$XDG_CACHE_HOME/symbolon/<name>`.
pub(crate) fn cache(name: &str) -> Result<PathBuf> {
    let absolute = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context(
            "neither XDG_CACHE_HOME nor HOME is an absolute path, so there is nowhere to cache things",
        )?;
    let folder = base.join("symbolon").join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
