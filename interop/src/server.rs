//! A real `symbolon server run`, as a service runs it.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::chain::TRUST_DOMAIN;
use crate::own_agent::{Node, OwnAgent, agent_program, join_token};
use crate::programs;
use crate::running::Running;
use crate::up;

/// The part of a server that logs where it listens.
const STARTS: &str = "symbolon_ca::server";

/// What a server of a test is like beyond its defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys of the configuration's top level, in TOML.
    pub top: String,
    /// Sections of the configuration, in TOML; `[listen]` and `[log]` are there already.
    pub sections: String,
    /// Another trust domain than [`TRUST_DOMAIN`].
    pub trust_domain: Option<String>,
    /// What it logs: `info`.
    pub log: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            top: String::new(),
            sections: String::new(),
            trust_domain: None,
            log: "info".to_owned(),
        }
    }
}

/// A running server with a folder of its own.
#[derive(Debug)]
pub struct Server {
    process: Running,
    address: SocketAddr,
    trust_domain: String,
    home: TempDir,
}

impl Server {
    /// Starts one with default settings.
    ///
    /// # Errors
    /// As [`Server::with`].
    pub fn start() -> Result<Self> {
        Self::with(&Settings::default())
    }

    /// Starts one, and waits until it says that it can do its work.
    ///
    /// # Errors
    /// If the program is not there, ends, or is not ready in time; with what it said.
    pub fn with(settings: &Settings) -> Result<Self> {
        // Short, because a socket's path has at most 107 bytes.
        let home = tempfile::Builder::new()
            .prefix("sy")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let trust_domain = settings
            .trust_domain
            .as_deref()
            .unwrap_or(TRUST_DOMAIN)
            .to_owned();
        let config = home.path().join("server.toml");
        let text = |address: SocketAddr| {
            format!(
                "trust_domain = \"{trust_domain}\"\ndata_dir = \"{home}/data\"\n{top}\n[listen]\naddress = \"{address}\"\n\n\
                 [log]\nfilter = \"{log},{STARTS}=info\"\n\n{sections}\n",
                home = home.path().display(),
                top = settings.top,
                log = settings.log,
                sections = settings.sections,
            )
        };
        let write = |address| {
            fs::write(&config, text(address)).with_context(|| format!("cannot write {}", config.display()))
        };
        write(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let mut process = Self::run(home.path())?;
        let log = home.path().join("server.log");
        let address = process.until("the server says its address", || {
            said_address(&fs::read_to_string(&log)?)
        })?;
        // Its agents know it by this one, after a restart too.
        write(address)?;
        let mut server = Self {
            process,
            address,
            trust_domain,
            home,
        };
        server.ready()?;
        Ok(server)
    }

    fn run(home: &Path) -> Result<Running> {
        let mut command = bare(&up::program()?, home);
        command
            .args(["server", "run", "--config"])
            .arg(home.join("server.toml"));
        Running::start("the server", &mut command, home.join("server.log"))
    }

    fn ready(&mut self) -> Result<()> {
        let (mut probe, socket) = (self.symbolon()?, self.socket());
        probe.args(["bundle", "show"]);
        self.process.until("the server is ready", || {
            // The command reads what is on the disk where nobody serves it yet.
            Ok((socket.exists() && probe.output()?.status.success()).then_some(()))
        })
    }

    /// Stops it and starts it again on what it left.
    ///
    /// # Errors
    /// If it does not stop well, or does not start.
    pub fn restart(&mut self) -> Result<()> {
        let status = self.process.stop()?;
        ensure!(
            status.success(),
            "the server ended with {status}: {}",
            self.process.said()
        );
        self.process = Self::run(self.home.path())?;
        self.ready()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The address of its API.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its trust domain's name.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// A SPIFFE ID in its trust domain.
    pub fn id_of(&self, path: &str) -> String {
        format!("spiffe://{}{path}", self.trust_domain)
    }

    /// Its private socket.
    pub fn socket(&self) -> PathBuf {
        self.home.path().join("data/server/private.sock")
    }

    /// The folder that everything is in, with room for more.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What it has said.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// The command `symbolon` for this server, ready to be given a subcommand.
    ///
    /// # Errors
    /// If the program is not there.
    pub fn symbolon(&self) -> Result<Command> {
        let mut command = bare(&up::program()?, self.home.path());
        command.arg("--data-dir").arg(self.home.path().join("data"));
        Ok(command)
    }

    /// Its trust bundle as a SPIFFE document, in a file of its folder.
    ///
    /// # Errors
    /// If it does not tell.
    pub fn bundle(&self) -> Result<PathBuf> {
        let document = programs::run(self.symbolon()?.args(["bundle", "show", "--format", "spiffe"]))?;
        let path = self.home.path().join("bundle.json");
        fs::write(&path, document)?;
        Ok(path)
    }

    /// Starts a `symbolon-agent` that attests with a join token.
    ///
    /// # Errors
    /// If the program is not there, or the token cannot be had.
    pub fn agent(&self, sync: &str) -> Result<OwnAgent> {
        let token = programs::json(self.symbolon()?.args(["token", "create", "--output", "json"]))?;
        let token = token
            .pointer("/token")
            .and_then(serde_json::Value::as_str)
            .with_context(|| format!("no token in {token}"))?;
        let home = self.home().join("own");
        OwnAgent::start(&Node {
            server: self.address,
            trust_domain: self.trust_domain(),
            bundle: self.bundle()?,
            attestor: join_token(&home, token)?,
            sections: format!(
                "[svids]\nprefetch = [\"classical\", \"composite\"]\nmax_x509 = 10000\n[sync]\ninterval = \"{sync}\"\n"
            ),
            program: agent_program()?,
            spiffe_id: self.id_of(&format!("/spire/agent/join_token/{token}")),
            home,
        })
    }
}

/// The address that a server took, by its log; nothing as long as it has not said so.
fn said_address(log: &str) -> Result<Option<SocketAddr>> {
    // The line that is being written may end within the address.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let Some(started) = whole
        .lines()
        .find(|line| line.contains("event=\"server.started\""))
    else {
        return Ok(None);
    };
    let address = started
        .split_whitespace()
        .find_map(|word| word.strip_prefix("tcp="));
    let address = address.with_context(|| format!("no address in {started}"))?;
    Ok(Some(address.parse()?))
}

/// Writes a new file that its owner alone can read.
///
/// # Errors
/// If it cannot be written, or is there already.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A program with nothing of the user's in its environment.
pub(crate) fn bare(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(home);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_from_a_whole_line() {
        let started =
            "2026-01-01T00:00:00Z  INFO symbolon_ca::server: event=\"server.started\" tcp=127.0.0.1:37105";
        assert_eq!(said_address("").unwrap(), None);
        assert_eq!(said_address(started).unwrap(), None, "more digits may come");
        let address = said_address(&format!("first\n{started} socket=/s\nlast")).unwrap();
        assert_eq!(address, Some("127.0.0.1:37105".parse().unwrap()));
        assert!(said_address("event=\"server.started\"\n").is_err());
    }
}
