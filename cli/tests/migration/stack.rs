//! A server and an agent, each its own program with a configuration of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::support::{Home, said_port, until, wait};

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

/// Both, and entries for a client and a server.
pub(crate) struct Stack {
    pub(crate) home: Home,
    // In this order they end.
    _agent: Process,
    _server: Process,
}

impl Stack {
    pub(crate) fn start() -> Self {
        let home = Home::new();
        let (server, port) = start_server(&home);
        let token = text(&home.json(&["token", "create"])["token"]);
        for name in ["client", "server"] {
            let program = home.path().join(name);
            let own = std::env::current_exe().unwrap();
            // Another path is another workload; where the folder is on another disk a link cannot be had.
            if std::fs::hard_link(&own, &program).is_err() {
                std::fs::copy(&own, &program).unwrap();
            }
            home.ok(&[
                "entry",
                "create",
                "--spiffe-id",
                &format!("spiffe://example.org/{name}"),
                "--parent-id",
                &format!("spiffe://example.org/spire/agent/join_token/{token}"),
                "--selector",
                &format!("unix:path:{}", program.display()),
            ]);
        }
        let agent = start_agent(&home, port, &token);
        Self {
            home,
            _agent: agent,
            _server: server,
        }
    }

    /// The program of a workload.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The Workload API.
    pub(crate) fn socket(&self) -> PathBuf {
        agent_dir(&self.home).join("agent/api.sock")
    }

    /// The lines of the server's log about an event.
    pub(crate) fn logged(&self, event: &str) -> Vec<String> {
        let log = std::fs::read_to_string(log_file(&self.home)).unwrap();
        let about = log.lines().filter(|line| line.contains(&format!("\"{event}\"")));
        about.map(str::to_owned).collect()
    }
}

fn agent_dir(home: &Home) -> PathBuf {
    home.path().join("agent-data")
}

fn log_file(home: &Home) -> PathBuf {
    home.path().join("server.log")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn written(path: PathBuf, content: &str) -> PathBuf {
    std::fs::write(&path, content).unwrap();
    path
}

/// The server, and the port that it took.
fn start_server(home: &Home) -> (Process, u16) {
    let config = written(
        home.path().join("server.toml"),
        &format!(
            "trust_domain = \"example.org\"\ndata_dir = {:?}\n[listen]\naddress = \"127.0.0.1:0\"\n[migration]\n\
             quiet = \"2s\"\n[log]\nformat = \"json\"\n",
            home.data()
        ),
    );
    let child = home
        .symbolon(&["server", "run", "--config", config.to_str().unwrap()])
        .stderr(File::create(log_file(home)).unwrap())
        .spawn()
        .unwrap();
    let (mut server, mut port) = (Process(child), None);
    until("the server answers", || {
        assert!(server.0.try_wait().unwrap().is_none(), "the server has ended");
        port = said_port(&log_file(home));
        port.is_some() && home.run(&["bundle", "show"]).status.success()
    });
    (server, port.unwrap())
}

/// The agent's program beside this one's.
fn agent_program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_symbolon")).with_file_name("symbolon-agent");
    assert!(
        program.exists(),
        "{} is missing; run: cargo build -p symbolon-agent",
        program.display()
    );
    program
}

fn start_agent(home: &Home, port: u16, token: &str) -> Process {
    let bundle = written(
        home.path().join("bundle.json"),
        &home.ok(&["bundle", "show", "--format", "spiffe"]),
    );
    let config = written(
        home.path().join("agent.toml"),
        &format!(
            "trust_domain = \"example.org\"\ndata_dir = {:?}\n[server]\naddress = \"127.0.0.1:{port}\"\n[bootstrap]\n\
             bundle = {bundle:?}\n[attestor]\njoin_token_env = \"JOIN_TOKEN\"\n[sync]\ninterval = \"1s\"\n",
            agent_dir(home)
        ),
    );
    let child = Command::new(agent_program())
        .args(["run", "--config"])
        .arg(&config)
        .env_clear()
        .env("HOME", home.path())
        .env("JOIN_TOKEN", token)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut agent = Process(child);
    until("the agent listens", || {
        assert!(agent.0.try_wait().unwrap().is_none(), "the agent has ended");
        agent_dir(home).join("agent/api.sock").exists()
    });
    agent
}
