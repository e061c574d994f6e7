//! Running the two workloads and reading what they saw.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use symbolon_tls::workload_api::Endpoint;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::workload::{Listening, Seen};

/// Longest that the exchange may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest line a workload says, and most of its complaints that are repeated, in bytes.
const MAX_LINE: u64 = 16 * 1024;

/// The exchange as `up` tells of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Exchange {
    /// The key-exchange group that both ends agreed on.
    pub key_exchange: String,
    /// The cipher suite.
    pub cipher_suite: String,
    /// The scheme that the listening workload signed the handshake with.
    pub server_signature: String,
    /// The scheme that the calling workload signed the handshake with.
    pub client_signature: String,
    /// What the weaker of the two proofs is worth.
    pub form: String,
    /// What the caller saw.
    pub client: Seen,
    /// What the listener saw.
    pub server: Seen,
}

/// One workload process. It is killed if it is let go of before it ends.
struct Process {
    name: &'static str,
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(name: &'static str, agent: &Endpoint, arguments: &[&str]) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .arg("workload")
            .args(arguments)
            .args(["--socket", &agent.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start the {name} workload"))?;
        let lines = child
            .stdout
            .take()
            .context("the workload has no standard output")?;
        Ok(Self {
            name,
            child,
            lines: BufReader::new(lines),
        })
    }

    /// The next thing it says, or what kept it from saying it.
    async fn say<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        let mut bounded = (&mut self.lines).take(MAX_LINE);
        timeout(PATIENCE, bounded.read_line(&mut line))
            .await
            .with_context(|| format!("the {} workload said nothing", self.name))??;
        if line.is_empty() {
            let mut complaint = String::new();
            if let Some(stderr) = self.child.stderr.take() {
                stderr.take(MAX_LINE).read_to_string(&mut complaint).await?;
            }
            bail!("the {} workload failed: {}", self.name, complaint.trim());
        }
        serde_json::from_str(&line).with_context(|| format!("the {} workload said something else", self.name))
    }

    async fn end(mut self) -> Result<()> {
        let status = timeout(PATIENCE, self.child.wait())
            .await
            .with_context(|| format!("the {} workload did not end", self.name))??;
        anyhow::ensure!(status.success(), "the {} workload ended with {status}", self.name);
        Ok(())
    }
}

/// Starts both workloads, lets them talk, and puts together what they saw.
///
/// # Errors
/// If either fails, or they disagree about what was negotiated.
pub(crate) async fn run(agent: &Endpoint) -> Result<Exchange> {
    let mut server = Process::start("listening", agent, &["serve"])?;
    let Listening { address } = server.say().await?;
    let mut client = Process::start("calling", agent, &["call", &address.to_string()])?;
    let seen_by_client: Seen = client.say().await?;
    let seen_by_server: Seen = server.say().await?;
    client.end().await?;
    server.end().await?;
    combine(seen_by_client, seen_by_server)
}

fn combine(client: Seen, server: Seen) -> Result<Exchange> {
    anyhow::ensure!(
        client.key_exchange == server.key_exchange
            && client.own_signature == server.peer_signature
            && client.peer_signature == server.own_signature
            && client.spiffe_id == server.peer_spiffe_id
            && client.peer_spiffe_id == server.spiffe_id,
        "the two ends disagree about what they negotiated"
    );
    anyhow::ensure!(
        client.peer_form == server.peer_form,
        "one end proved more than the other"
    );
    Ok(Exchange {
        key_exchange: client.key_exchange.clone(),
        cipher_suite: client.cipher_suite.clone(),
        server_signature: client.peer_signature.clone(),
        client_signature: client.own_signature.clone(),
        form: client.peer_form.clone(),
        client,
        server,
    })
}
