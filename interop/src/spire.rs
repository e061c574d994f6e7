//! SPIRE's own programs, as released, against a server of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use spiffe::TrustDomain;
use symbolon_pki::bundle::BundleSet;
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient, X509Context};

use crate::programs;
use crate::running::Running;
use crate::server::{Server, bare};

/// The environment variable that names the folder with the programs.
const VARIABLE: &str = "SYMBOLON_SPIRE";

/// One of SPIRE's programs, such as `spire-server`, with nothing of the user's in its environment.
///
/// # Errors
/// If the variable does not name a folder with the program.
pub fn program(name: &str, home: &Path) -> Result<Command> {
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from).with_context(|| {
        format!("{VARIABLE} names no folder; `cargo xtask interop spire` builds SPIRE's programs")
    })?;
    let program = folder.join(name);
    ensure!(program.exists(), "{} is not there", program.display());
    Ok(bare(&program, home))
}

/// What a program says about its version, without what its build adds: `1.15.3`.
///
/// # Errors
/// If it does not run.
pub fn version() -> Result<String> {
    let home = std::env::temp_dir();
    let output = program("spire-server", &home)?.arg("--version").output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let version = said.split(['-', '+', ' ']).next().unwrap_or_default();
    ensure!(!version.is_empty(), "spire-server says no version: {said:?}");
    Ok(version.to_owned())
}

/// `spire-server` with the arguments of a command, for the private socket of a server of ours.
///
/// # Errors
/// If the program is not there.
pub fn command(server: &Server, arguments: &[&str]) -> Result<Command> {
    let mut command = program("spire-server", server.home())?;
    // Flags come after the words of the command.
    let words = arguments
        .iter()
        .take_while(|argument| !argument.starts_with('-'))
        .count();
    let (words, flags) = arguments.split_at(words);
    command
        .args(words)
        .arg("-socketPath")
        .arg(server.socket())
        .args(flags);
    Ok(command)
}

/// Runs a command of the stock `spire-server` and gives what it prints for people.
///
/// # Errors
/// If it fails; with what it said.
pub fn says(server: &Server, arguments: &[&str]) -> Result<String> {
    let printed = programs::run(&mut command(server, arguments)?)?;
    Ok(String::from_utf8(printed)?)
}

/// Runs a command of the stock `spire-server` with `-output json`.
///
/// # Errors
/// If it fails, or prints anything else.
pub fn json(server: &Server, arguments: &[&str]) -> Result<Value> {
    programs::json(command(server, arguments)?.args(["-output", "json"]))
}

/// Runs a command of the stock `spire-server` that is to fail, and gives what it says on standard error.
///
/// # Errors
/// If it succeeds.
pub fn refused(server: &Server, arguments: &[&str]) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command(server, arguments)?.output()?;
    if status.success() {
        bail!(
            "{arguments:?} succeeds: {}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        );
    }
    Ok(String::from_utf8_lossy(&stderr).into_owned())
}

/// With what a stock agent attests.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// A join token.
    Token(String),
    /// A certificate and its key, in PEM files.
    X509pop {
        /// The certificate.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// Certificates between it and the root, if there are any.
        intermediates: Option<PathBuf>,
    },
}

impl Evidence {
    fn plugin(&self) -> String {
        match self {
            Self::Token(_) => "NodeAttestor \"join_token\" {\n        plugin_data {}\n    }".to_owned(),
            Self::X509pop {
                certificate,
                key,
                intermediates,
            } => {
                let between = intermediates.as_ref().map_or_else(String::new, |path| {
                    format!("            intermediates_path = \"{}\"\n", path.display())
                });
                format!(
                    "NodeAttestor \"x509pop\" {{\n        plugin_data {{\n            certificate_path = \"{}\"\n            \
                     private_key_path = \"{}\"\n{between}        }}\n    }}",
                    certificate.display(),
                    key.display(),
                )
            }
        }
    }
}

/// A stock `spire-agent` in a folder of its own in the server's.
#[derive(Debug)]
pub struct Agent {
    process: Running,
    home: PathBuf,
    trust_domain: TrustDomain,
}

impl Agent {
    /// Starts one by name and waits until it serves the Workload API. It recognises the server by the bundle that the
    /// stock `spire-server bundle show` prints, and syncs every second.
    ///
    /// # Errors
    /// If the program is not there, ends, or does not come so far.
    pub fn start(server: &Server, name: &str, evidence: &Evidence) -> Result<Self> {
        let mut agent = Self::launch(server, name, evidence)?;
        agent.serves()?;
        Ok(agent)
    }

    /// Starts one and waits for nothing.
    ///
    /// # Errors
    /// If the program is not there, or cannot be configured.
    pub fn launch(server: &Server, name: &str, evidence: &Evidence) -> Result<Self> {
        let home = server.home().join(name);
        fs::create_dir_all(&home)?;
        fs::write(home.join("bundle.pem"), says(server, &["bundle", "show"])?)?;
        fs::write(home.join("agent.conf"), configuration(server, &home, evidence))?;
        let process = Self::run(&home)?;
        Ok(Self {
            process,
            home,
            trust_domain: TrustDomain::new(server.trust_domain())?,
        })
    }

    fn run(home: &Path) -> Result<Running> {
        let mut command = program("spire-agent", home)?;
        command.arg("run").arg("-config").arg(home.join("agent.conf"));
        Running::start("spire-agent", &mut command, home.join("log"))
    }

    /// Starts it again on what it left.
    ///
    /// # Errors
    /// If it does not stop, or cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        self.process.stop()?;
        // What was said before must not be taken for what is said now.
        let log = self.home.join("log");
        fs::rename(&log, log.with_extension("before"))?;
        self.process = Self::run(&self.home)?;
        Ok(())
    }

    /// Waits until it serves the Workload API.
    ///
    /// # Errors
    /// If it ends first, or does not.
    pub fn serves(&mut self) -> Result<()> {
        let home = self.home.clone();
        self.process.until("the stock agent is healthy", || {
            let mut probe = program("spire-agent", &home)?;
            probe
                .arg("healthcheck")
                .arg("-socketPath")
                .arg(home.join("api.sock"));
            Ok(probe.output()?.status.success().then_some(()))
        })
    }

    /// Waits until it has said something.
    ///
    /// # Errors
    /// If it ends first, or does not.
    pub fn says(&mut self, words: &str) -> Result<()> {
        let log = self.home.join("log");
        self.process
            .until(&format!("the stock agent says {words:?}"), || {
                Ok(fs::read_to_string(&log)?.contains(words).then_some(()))
            })
    }

    /// The running program.
    pub fn process(&mut self) -> &mut Running {
        &mut self.process
    }

    /// What it has said.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// The socket of its Workload API.
    pub fn socket(&self) -> PathBuf {
        self.home.join("api.sock")
    }

    /// Runs one of the stock agent's commands on its socket, such as `api fetch x509`.
    ///
    /// # Errors
    /// If it fails.
    pub fn command(&self, words: &[&str], flags: &[&str]) -> Result<Value> {
        let mut command = program("spire-agent", &self.home)?;
        command
            .args(words)
            .arg("-socketPath")
            .arg(self.socket())
            .args(["-output", "json"])
            .args(flags);
        programs::json(&mut command)
    }

    /// What its Workload API gives the user who runs the tests, who asks for no forms.
    ///
    /// # Errors
    /// If there is nothing for them, or it cannot be read.
    pub async fn x509(&self) -> Result<X509Context> {
        fetch(&self.socket()).await
    }

    /// The trust bundles that its Workload API gives.
    ///
    /// # Errors
    /// If they cannot be had.
    pub async fn jwt_bundles(&self) -> Result<BundleSet> {
        let client = WorkloadApiClient::connect(&Endpoint::unix(&self.socket())?).await?;
        Ok(client.fetch_jwt_bundles().await?)
    }

    /// The trust domain that it is in.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }
}

/// What a Workload API gives those who ask for no forms.
///
/// # Errors
/// If there is nothing for them, or it cannot be read.
pub async fn fetch(socket: &Path) -> Result<X509Context> {
    let client = WorkloadApiClient::connect(&Endpoint::unix(socket)?).await?;
    Ok(client.fetch_x509(&[]).await?)
}

fn configuration(server: &Server, home: &Path, evidence: &Evidence) -> String {
    let token = match evidence {
        Evidence::Token(token) => format!("    join_token = \"{token}\"\n"),
        Evidence::X509pop { .. } => String::new(),
    };
    format!(
        r#"agent {{
    data_dir = "{home}/data"
    log_level = "DEBUG"
    server_address = "{host}"
    server_port = {port}
    socket_path = "{home}/api.sock"
    trust_bundle_path = "{home}/bundle.pem"
    trust_domain = "{trust_domain}"
{token}    experimental {{
        sync_interval = "1s"
    }}
}}
plugins {{
    {evidence}
    KeyManager "disk" {{
        plugin_data {{
            directory = "{home}/data"
        }}
    }}
    WorkloadAttestor "unix" {{
        plugin_data {{}}
    }}
}}
"#,
        home = home.display(),
        host = server.address().ip(),
        port = server.address().port(),
        trust_domain = server.trust_domain(),
        evidence = evidence.plugin(),
    )
}
