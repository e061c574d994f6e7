//! SPIRE's own server, as released: to be measured beside ours, or to be below ours.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::chain::TRUST_DOMAIN;
use crate::running::{Running, free_address};
use crate::spire;

/// A running `spire-server` of the trust domain [`TRUST_DOMAIN`] on a SQLite file, its limits of rate off.
#[derive(Debug)]
pub struct SpireServer {
    process: Running,
    address: SocketAddr,
    home: TempDir,
}

impl SpireServer {
    /// Starts one with plugins beside those that it cannot do without, in SPIRE's own language, and waits until it says
    /// that it is healthy.
    ///
    /// # Errors
    /// If the program is not there, ends, or does not come so far; with what it said.
    pub fn start(plugins: &str) -> Result<Self> {
        Self::start_with("", plugins)
    }

    /// Starts one with keys of its section `server` too.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(keys: &str, plugins: &str) -> Result<Self> {
        // Short, because a socket's path has at most 107 bytes.
        let home = tempfile::Builder::new()
            .prefix("sp")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let address = free_address()?;
        let config = home.path().join("server.conf");
        fs::write(&config, configuration(home.path(), address, keys, plugins))?;
        let mut command = spire::program("spire-server", home.path())?;
        command.arg("run").arg("-config").arg(&config);
        let process = Running::start("spire-server", &mut command, home.path().join("log"))?;
        let mut server = Self {
            process,
            address,
            home,
        };
        let mut probe = server.command(&["healthcheck"])?;
        server.process.until("spire-server is healthy", || {
            Ok(probe.output()?.status.success().then_some(()))
        })?;
        Ok(server)
    }

    /// One of its commands, ready to be given flags.
    ///
    /// # Errors
    /// If the program is not there.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = spire::program("spire-server", self.home.path())?;
        command.args(words).arg("-socketPath").arg(self.socket());
        Ok(command)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The address of its API.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its private socket.
    pub fn socket(&self) -> PathBuf {
        self.home.path().join("api.sock")
    }

    /// The folder that everything is in, with room for more.
    pub fn home(&self) -> &Path {
        self.home.path()
    }
}

fn configuration(home: &Path, address: SocketAddr, keys: &str, plugins: &str) -> String {
    format!(
        r#"server {{
    bind_address = "{ip}"
    bind_port = {port}
    trust_domain = "{TRUST_DOMAIN}"
    data_dir = "{home}"
    socket_path = "{home}/api.sock"
    log_level = "WARN"
    {keys}
    ratelimit {{
        attestation = false
        signing = false
    }}
}}
plugins {{
    DataStore "sql" {{
        plugin_data {{
            database_type = "sqlite3"
            connection_string = "{home}/datastore.sqlite3"
        }}
    }}
    KeyManager "disk" {{
        plugin_data {{
            keys_path = "{home}/keys.json"
        }}
    }}
    NodeAttestor "join_token" {{
        plugin_data {{}}
    }}
    {plugins}
}}
"#,
        ip = address.ip(),
        port = address.port(),
        home = home.display(),
    )
}
