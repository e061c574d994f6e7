//! A node attests with its TPM: server and agent are the real programs, as services run them.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use symbolon_test_tokens::Swtpm;

use crate::support::{self, Home, until, wait};

/// A program that is stopped when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
            wait(&mut self.0);
        }
    }
}

/// The SHA-256 of a TPM's endorsement key, found as the book shows it.
fn endorsement_hash(tpm: &Swtpm) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).display().to_string();
    let (context, public) = (path("ek.ctx"), path("ek.der"));
    tpm.tool(
        "tpm2_createek",
        &["-c", &context, "-G", "rsa", "-f", "der", "-u", &public],
    );
    for kind in ["-t", "-l", "-s"] {
        tpm.tool("tpm2_flushcontext", &[kind]);
    }
    hex::encode(symbolon_crypto::digest::sha256(&std::fs::read(public).unwrap()))
}

/// A server that lets in one TPM, while its PCR 16 is as it was.
struct Site {
    home: Home,
    port: u16,
    _server: Process,
}

impl Site {
    fn start(allowed: &str) -> Self {
        let home = Home::new();
        let config = home.path().join("server.toml");
        let text = format!(
            "trust_domain = \"example.org\"\ndata_dir = {:?}\n[listen]\naddress = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n[attestors.tpm]\n\
             allowed = [\"{allowed}\"]\n[attestors.tpm.pcrs]\n\"sha256:16\" = [\"{}\"]\n",
            home.data(),
            "00".repeat(32),
        );
        std::fs::write(&config, text).unwrap();
        let arguments = ["server", "run", "--config", config.to_str().unwrap()];
        let log = home.path().join("server.log");
        let said = std::fs::File::create(&log).unwrap();
        let mut server = Process(home.symbolon(&arguments).stderr(said).spawn().unwrap());
        let mut port = None;
        until("the server answers", || {
            assert!(server.0.try_wait().unwrap().is_none(), "the server has ended");
            port = support::said_port(&log);
            port.is_some() && home.run(&["bundle", "show"]).status.success()
        });
        let bundle = home.ok(&["bundle", "show", "--format", "spiffe"]);
        std::fs::write(home.path().join("bundle.json"), bundle).unwrap();
        Self {
            home,
            port: port.unwrap(),
            _server: server,
        }
    }

    /// Starts an agent with a data directory of this name.
    fn agent(&self, name: &str, tpm: &Swtpm) -> Process {
        let home = self.home.path();
        let config = home.join(format!("{name}.toml"));
        let text = format!(
            "trust_domain = \"example.org\"\ndata_dir = {:?}\n[server]\naddress = \"127.0.0.1:{}\"\n[bootstrap]\n\
             bundle = {:?}\n[attestor.tpm]\ntcti = \"{}\"\n",
            home.join(name),
            self.port,
            home.join("bundle.json"),
            tpm.tcti(),
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(home.join(format!("{name}.log"))).unwrap();
        let agent = Command::new(agent_program())
            .args(["run", "--config"])
            .arg(&config)
            .env_clear()
            .env("HOME", home)
            .env("TSS2_LOG", "all+none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Process(agent)
    }

    /// What an agent said that is to end because it is not let in.
    fn refusal(&self, name: &str, tpm: &Swtpm) -> String {
        let mut agent = self.agent(name, tpm);
        let status = wait(&mut agent.0);
        let said = std::fs::read_to_string(self.home.path().join(format!("{name}.log"))).unwrap();
        assert!(!status.success(), "{said}");
        said
    }

    fn agents(&self) -> Vec<Value> {
        let listed = self.home.json(&["agent", "list"]);
        listed["agents"].as_array().unwrap().clone()
    }
}

/// The agent with the cargo feature `tpm`.
fn agent_program() -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_BIN_EXE_symbolon")).with_file_name("symbolon-agent");
    let program = std::env::var_os("SYMBOLON_AGENT_WITH_TPM").map_or_else(beside, PathBuf::from);
    assert!(
        program.exists(),
        "{} is missing; run: cargo build -p symbolon-agent --features tpm",
        program.display()
    );
    program
}

#[test]
fn a_tpm_is_let_in_with_what_it_booted_and_serves_workloads() {
    let (Some(tpm), Some(other)) = (Swtpm::new(), Swtpm::new()) else {
        return;
    };
    let hash = endorsement_hash(&tpm);
    let site = Site::start(&hash);
    let node = format!("spiffe://example.org/spire/agent/tpm/{hash}");
    let user = format!("unix:uid:{}", rustix::process::getuid().as_raw());
    let workload = "spiffe://example.org/on/the/machine";
    site.home.ok(&[
        "entry",
        "create",
        "--spiffe-id",
        workload,
        "--parent-id",
        &node,
        "--selector",
        &user,
    ]);
    let mut agent = site.agent("node", &tpm);
    let socket = site.home.path().join("node/agent/api.sock");
    let socket = socket.to_str().unwrap();
    until("the agent serves", || {
        assert!(agent.0.try_wait().unwrap().is_none(), "the agent has ended");
        let fetched = site.home.run(&["svid", "fetch", "--socket", socket]);
        fetched.status.success()
    });
    let forms = [
        "svid",
        "fetch",
        "--form",
        "classical,composite",
        "--socket",
        socket,
    ];
    let fetched = site.home.json(&forms);
    let svids = fetched["svids"].as_array().unwrap();
    assert_eq!(svids.len(), 2, "{fetched}");
    assert!(
        svids
            .iter()
            .all(|svid| svid["verified"] == true && svid["spiffe_id"] == workload),
        "{fetched}"
    );
    let agents = site.agents();
    assert_eq!(agents.len(), 1);
    assert_eq!(agents[0]["spiffe_id"], node.as_str(), "{agents:?}");
    assert_eq!(agents[0]["can_reattest"], true, "{agents:?}");
    let selectors = agents[0]["selectors"].to_string();
    assert!(selectors.contains("pcr:sha256:16:0000"), "{selectors}");
    drop(agent);

    // Another machine is not let in, nor is this one when it has booted something else.
    let said = site.refusal("other", &other);
    assert!(said.contains("not on the list"), "{said}");
    tpm.extend("sha256:16", &"ab".repeat(32));
    let said = site.refusal("changed", &tpm);
    assert!(said.contains("sha256:16 is "), "{said}");
    assert_eq!(site.agents().len(), 1);
}
