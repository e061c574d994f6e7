//! A real `symbolon up`: server and agent as a user starts them, on a data directory of their own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tempfile::TempDir;

use crate::chain::TRUST_DOMAIN;
use crate::programs::{self, each_line, lines};

/// Longest wait for it to be ready: a debug build on a machine that compiles something else meanwhile.
const READY: Duration = Duration::from_secs(60);

/// Longest wait for it to stop when asked to.
const STOP: Duration = Duration::from_secs(15);

/// A running `symbolon up` of the trust domain [`TRUST_DOMAIN`], stopped when dropped.
#[derive(Debug)]
pub struct Up {
    process: Child,
    /// Ends when the process has closed its standard output.
    output: Receiver<String>,
    complaint: Arc<Mutex<String>>,
    report: Value,
    home: TempDir,
}

impl Up {
    /// Starts it and waits until it says that it is ready.
    ///
    /// # Errors
    /// If the program is not there, ends, or is not ready in time; with what it said on standard error.
    pub fn start() -> Result<Self> {
        // Short, because a socket's path has at most 107 bytes.
        let home = tempfile::Builder::new()
            .prefix("sy")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let mut process = command(home.path())?
            .args(["up", "--output", "json", "--trust-domain", TRUST_DOMAIN])
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start `symbolon up`")?;
        let complaint = Arc::new(Mutex::new(String::new()));
        let output = lines(process.stdout.take());
        let said = complaint.clone();
        each_line(process.stderr.take(), move |line| {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&line);
            true
        });
        let mut up = Self {
            process,
            output,
            complaint,
            report: Value::Null,
            home,
        };
        up.report = up.read_report()?;
        Ok(up)
    }

    /// The JSON document with which it says what it did.
    fn read_report(&self) -> Result<Value> {
        let deadline = Instant::now() + READY;
        let mut said = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(line) => said.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => bail!("`symbolon up` ended: {}", self.complaint()),
                Err(RecvTimeoutError::Timeout) => bail!(
                    "`symbolon up` is not ready after {} s: {}",
                    READY.as_secs(),
                    self.complaint()
                ),
            }
            if let Ok(report) = serde_json::from_str(&said) {
                return Ok(report);
            }
        }
    }

    /// What it has said on standard error so far.
    pub fn complaint(&self) -> String {
        self.complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What it said when it was ready: the document of `up --output json`.
    pub fn report(&self) -> &Value {
        &self.report
    }

    /// The Workload API's endpoint, as `SPIFFE_ENDPOINT_SOCKET` has it.
    ///
    /// # Errors
    /// If the report does not say.
    pub fn workload_api(&self) -> Result<&str> {
        self.said("/agent/socket")
    }

    /// The server's TCP address.
    ///
    /// # Errors
    /// If the report does not say.
    pub fn server(&self) -> Result<&str> {
        self.said("/server/address")
    }

    /// The SPIFFE ID that was registered for the user who runs the tests.
    ///
    /// # Errors
    /// If the report does not say.
    pub fn workload(&self) -> Result<&str> {
        self.said("/svids/0/spiffe_id")
    }

    /// The text at a place of the report.
    ///
    /// # Errors
    /// If there is none.
    pub fn said(&self, pointer: &str) -> Result<&str> {
        let value = self.report.pointer(pointer).and_then(Value::as_str);
        value.with_context(|| format!("the report has no {pointer}: {}", self.report))
    }

    /// The folder that everything is in: the data directory, what would be in the user's home, and room for more.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The command `symbolon` with its data directory, ready to be given a subcommand.
    ///
    /// # Errors
    /// If the program is not there.
    pub fn symbolon(&self) -> Result<Command> {
        command(self.home.path())
    }

    /// Registers another identity for the user who runs the tests, and gives the entry's id.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn register(&self, spiffe_id: &str, hint: &str) -> Result<String> {
        let selector = format!("unix:uid:{}", rustix::process::getuid().as_raw());
        let created = programs::json(
            self.symbolon()?
                .args(["entry", "create", "--output", "json"])
                .args(["--spiffe-id", spiffe_id, "--hint", hint, "--selector", &selector])
                .args(["--parent-id", self.said("/agent/spiffe_id")?]),
        )?;
        let id = created.pointer("/id").and_then(Value::as_str);
        id.map(str::to_owned)
            .with_context(|| format!("the created entry has no id: {created}"))
    }

    /// Deletes an entry.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn delete(&self, entry: &str) -> Result<()> {
        programs::run(self.symbolon()?.args(["entry", "delete", entry])).map(drop)
    }

    fn stop(&mut self) -> Result<()> {
        if self.process.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_child(&self.process);
        rustix::process::kill_process(pid, Signal::INT)?;
        let deadline = Instant::now() + STOP;
        // Its output ends with it, and no sooner.
        while self
            .output
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
        if Instant::now() >= deadline {
            self.process.kill()?;
        }
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("cannot stop `symbolon up`: {error:#}");
        }
        if thread::panicking() {
            eprintln!("`symbolon up` said:\n{}", self.complaint());
        }
    }
}

/// `symbolon` on a data directory in `home`, with nothing of the user's.
fn command(home: &Path) -> Result<Command> {
    let mut command = Command::new(program()?);
    command
        .env("HOME", home)
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_DATA_HOME", home.join("share"))
        .env("XDG_STATE_HOME", home.join("state"))
        .env_remove("SPIFFE_ENDPOINT_SOCKET")
        .env_remove("SYMBOLON_LOG")
        .arg("--data-dir")
        .arg(home.join("data"));
    Ok(command)
}

/// The program in the folder that `SYMBOLON_BIN_DIR` names, else in the one where this test was built.
///
/// # Errors
/// If it is not there.
pub fn program() -> Result<PathBuf> {
    let folder = match std::env::var_os("SYMBOLON_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => built_beside().context("this test does not run from a target folder")?,
    };
    let mut name = OsString::from("symbolon");
    name.push(std::env::consts::EXE_SUFFIX);
    let program = folder.join(name);
    if !program.exists() {
        bail!(
            "{} is not there; `cargo xtask test interop` builds it first",
            program.display()
        );
    }
    Ok(program)
}

/// Test programs are in `target/<profile>/deps`, programs in the folder above.
fn built_beside() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    Some(test.parent()?.parent()?.to_owned())
}
