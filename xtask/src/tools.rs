//! Outside developer tools that are Rust programs: taken from `PATH`, else installed by cargo into our cache.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace::{Workspace, cache};

/// A Rust program from crates.io.
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    why: &'static str,
}

/// Builds the book.
pub(crate) const MDBOOK: Tool = Tool {
    name: "mdbook",
    version: "0.5.4",
    why: "builds the book",
};

/// Checks the dependency graph against deny.toml.
pub(crate) const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    why: "checks the dependencies against deny.toml",
};

impl Tool {
    /// A command that runs the tool in the repository's root.
    pub(crate) fn command(&self, workspace: &Workspace) -> Result<Command> {
        let mut command = if process::succeeds(self.name, &["--version"]) {
            Command::new(self.name)
        } else {
            self.installed(workspace)?
        };
        command.current_dir(workspace.root());
        Ok(command)
    }

    fn installed(&self, workspace: &Workspace) -> Result<Command> {
        let folder = cache("tools")?.join(format!("{}-{}", self.name, self.version));
        let program = folder.join("bin").join(self.name);
        if !program.exists() {
            eprintln!(
                "Installing {} {} ({}) in {}",
                self.name,
                self.version,
                self.why,
                folder.display()
            );
            let mut install = workspace.cargo(&["install", "--locked", self.name, "--version", self.version]);
            install.arg("--root").arg(&folder);
            process::run(&mut install)?;
        }
        Ok(Command::new(program))
    }
}
