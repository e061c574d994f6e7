//! A home of its own for each test, and the real program in it.

#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod terminal;

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Longest that anything may take, unoptimised on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at what is awaited.
const LOOK: Duration = Duration::from_millis(20);

/// A home directory that nobody used before.
pub(crate) struct Home {
    dir: TempDir,
    environment: Vec<(&'static str, OsString)>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with(Vec::new())
    }

    /// A home in which programs have these environment variables.
    pub(crate) fn with(environment: Vec<(&'static str, OsString)>) -> Self {
        let dir = TempDir::new().unwrap();
        Self { dir, environment }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The program with this home and nothing else in its environment, on this home's data directory.
    pub(crate) fn symbolon(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_symbolon"));
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data())
            .env_clear()
            .env("HOME", self.path())
            .envs(self.environment.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.symbolon(arguments).output().unwrap()
    }

    /// Runs it and expects success; returns its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// As [`ok`](Self::ok) with `--output json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.ok(&[arguments, &["--output", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Runs it and expects failure; returns its exit code and what it said on standard error.
    pub(crate) fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let code = output
            .status
            .code()
            .unwrap_or_else(|| panic!("{arguments:?} was killed"));
        assert_ne!(code, 0, "{arguments:?}: {}", said(&output));
        (code, String::from_utf8(output.stderr).unwrap())
    }

    /// Starts `up` on a free port and waits until it has said that it is ready.
    pub(crate) fn up(&self) -> Up {
        Up::start(self, &[])
    }
}

/// Everything a process said.
pub(crate) fn said(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A running `up`, stopped when dropped.
pub(crate) struct Up {
    child: Child,
    /// What it said until it was ready.
    pub(crate) output: String,
}

impl Up {
    pub(crate) fn start(home: &Home, arguments: &[&str]) -> Self {
        let mut command = home.symbolon(&[&["up", "--listen", "127.0.0.1:0"], arguments].concat());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !output.contains("Ctrl-C") {
            if lines.read_line(&mut output).unwrap() == 0 {
                let mut complaint = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut complaint)
                    .unwrap();
                panic!("`up` ended before it was ready: {output}{complaint}");
            }
        }
        Self { child, output }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(mut self, signal: Signal) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        wait(&mut self.child)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It has ended already in tests that ended it.
        if matches!(self.child.try_wait(), Ok(None)) {
            kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
            wait(&mut self.child);
        }
    }
}

/// Waits for the end of a process, within the tests' patience.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the process ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Waits until something is so that will become so by itself.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        // What is awaited wants the machine too.
        std::thread::sleep(LOOK);
    }
}

/// The port that a server took of itself, which it says in its log; nothing as long as it has not said so. Its log has to
/// be in JSON.
pub(crate) fn said_port(log: &Path) -> Option<u16> {
    let log = std::fs::read_to_string(log).unwrap();
    // A line of which only a part is written says nothing yet.
    let mut lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let started = lines.find(|line| line["fields"]["event"] == "server.started")?;
    let address: SocketAddr = started["fields"]["tcp"].as_str().unwrap().parse().unwrap();
    Some(address.port())
}

/// A port that somebody listens on.
pub(crate) fn taken_port() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Checks a document against a published schema, named as in `docs/src/reference/NAME.schema.json`.
pub(crate) fn check_schema(name: &str, document: &Value) {
    let schema =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/src/reference/{name}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}
