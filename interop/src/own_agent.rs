//! A real `symbolon-agent`, as a service runs it, on a server of ours or on a stock one.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::running::Running;
use crate::server::{bare, write_private};
use crate::up;

/// The environment variable that names a `symbolon-agent` with the cargo feature `tpm`.
const WITH_TPM: &str = "SYMBOLON_AGENT_WITH_TPM";

/// A node for an agent of ours.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// The folder for everything that the agent has.
    pub home: PathBuf,
    /// Its server.
    pub server: SocketAddr,
    /// The trust domain that both are in.
    pub trust_domain: &'a str,
    /// The file with the bundle that it recognises the server by.
    pub bundle: PathBuf,
    /// What it attests with: keys of `[attestor]`, and its sections, in TOML.
    pub attestor: String,
    /// Further sections of its configuration, in TOML.
    pub sections: String,
    /// The program.
    pub program: PathBuf,
    /// The SPIFFE ID that it will have.
    pub spiffe_id: String,
}

/// The `symbolon-agent` that was built.
///
/// # Errors
/// If it was not.
pub fn agent_program() -> Result<PathBuf> {
    let program = up::program()?.with_file_name("symbolon-agent");
    ensure!(program.exists(), "{} is not there", program.display());
    Ok(program)
}

/// The `symbolon-agent` that can use TPMs.
///
/// # Errors
/// If there is none.
pub fn agent_with_tpm() -> Result<PathBuf> {
    let program = std::env::var_os(WITH_TPM).map(PathBuf::from).with_context(|| {
        format!("{WITH_TPM} names no program; `cargo xtask interop` builds one with the cargo feature `tpm`")
    })?;
    ensure!(program.exists(), "{} is not there", program.display());
    Ok(program)
}

/// What an agent in a folder attests with when it has this join token.
///
/// # Errors
/// If the token cannot be written into the folder.
pub fn join_token(home: &Path, token: &str) -> Result<String> {
    fs::create_dir_all(home)?;
    let file = home.join("token");
    write_private(&file, token.as_bytes())?;
    Ok(format!("join_token_file = \"{}\"\n", file.display()))
}

/// A running `symbolon-agent`.
#[derive(Debug)]
pub struct OwnAgent {
    process: Running,
    program: PathBuf,
    home: PathBuf,
    spiffe_id: String,
    socket: PathBuf,
}

impl OwnAgent {
    /// Starts one, and waits until it has a socket, which it has when it has attested.
    ///
    /// # Errors
    /// If it ends first, or does not come so far; with what it said.
    pub fn start(node: &Node<'_>) -> Result<Self> {
        let mut agent = Self::launch(node)?;
        agent.serves()?;
        Ok(agent)
    }

    /// Starts one, and waits for nothing.
    ///
    /// # Errors
    /// If it cannot be configured or started.
    pub fn launch(node: &Node<'_>) -> Result<Self> {
        let home = &node.home;
        fs::create_dir_all(home)?;
        let socket = home.join("api.sock");
        let text = format!(
            "trust_domain = \"{trust_domain}\"\ndata_dir = \"{home}/data\"\n[server]\naddress = \"{address}\"\n\
             [bootstrap]\nbundle = \"{bundle}\"\n[attestor]\n{attestor}\n[workload_api]\nsocket = \"{socket}\"\n\
             {sections}",
            trust_domain = node.trust_domain,
            home = home.display(),
            address = node.server,
            bundle = node.bundle.display(),
            attestor = node.attestor,
            socket = socket.display(),
            sections = node.sections,
        );
        fs::write(home.join("agent.toml"), text)?;
        Ok(Self {
            process: run(&node.program, home)?,
            program: node.program.clone(),
            home: home.clone(),
            spiffe_id: node.spiffe_id.clone(),
            socket,
        })
    }

    /// Waits until it has a socket.
    ///
    /// # Errors
    /// If it ends first, or has none in time.
    pub fn serves(&mut self) -> Result<()> {
        let socket = &self.socket;
        self.process
            .until("our agent serves", || Ok(socket.exists().then_some(())))
    }

    /// Stops it.
    ///
    /// # Errors
    /// If it does not stop.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }

    /// Starts it again, after it was stopped, on what it left.
    ///
    /// # Errors
    /// If it cannot be started, or does not serve.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = run(&self.program, &self.home)?;
        self.serves()
    }

    /// The running program.
    pub fn process(&mut self) -> &mut Running {
        &mut self.process
    }

    /// Its SPIFFE ID.
    pub fn spiffe_id(&self) -> &str {
        &self.spiffe_id
    }

    /// The socket of its Workload API.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What it has said.
    pub fn said(&self) -> String {
        self.process.said()
    }
}

fn run(program: &Path, home: &Path) -> Result<Running> {
    let mut command = bare(program, home);
    command
        // What libtss2 has to say about TPMs hides what matters.
        .env("TSS2_LOG", OsString::from("all+none"))
        .args(["run", "--config"])
        .arg(home.join("agent.toml"));
    Running::start("our agent", &mut command, home.join("log"))
}
