//! Programs that run until a test is done with them, and what they said.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

/// Longest wait for what a program does by itself: unoptimised, on a machine that compiles something else meanwhile.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at what is awaited.
const LOOK: Duration = Duration::from_millis(50);

/// Longest wait for a program to stop when asked to.
const STOP: Duration = Duration::from_secs(30);

/// A running program. Stopped when dropped; if the test is failing then, what it said goes to the test's output.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    process: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; all that it says is appended to a file.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(name: &'static str, command: &mut Command, log: impl Into<PathBuf>) -> Result<Self> {
        let log = log.into();
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let process = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { name, process, log })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has said so far, and those who wrote into the same file before it.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// Waits for its end, which it comes to by itself.
    ///
    /// # Errors
    /// If it does not.
    pub fn end(&mut self) -> Result<ExitStatus> {
        let name = self.name;
        eventually(&format!("{name} ends"), || self.ended())
    }

    /// Waits until something is so that will become so while the program runs.
    ///
    /// # Errors
    /// If it does not become so, the program ends first, or the look fails.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let Self { name, process, log } = self;
        eventually(what, || {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if let Some(status) = process.try_wait()? {
                let said = fs::read_to_string(&*log).unwrap_or_default();
                bail!("{name} ended with {status} before {what}:\n{said}");
            }
            Ok(None)
        })
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// If it does not; then it is killed.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        rustix::process::kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(LOOK);
        }
        self.process.kill()?;
        self.process.wait()?;
        bail!("{} does not stop", self.name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error:#}");
        }
        if thread::panicking() {
            eprintln!("{} said:\n{}", self.name, self.said());
        }
    }
}

/// Waits until something is so that will become so by itself.
///
/// # Errors
/// If it does not within [`PATIENCE`], or the look fails.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited in vain until {what}");
        }
        thread::sleep(LOOK);
    }
}

/// An address of this machine that nobody listens on, for programs that cannot say which port they took.
///
/// # Errors
/// If there is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_was_said_is_kept_and_an_early_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut running = Running::start("it", &mut shell("echo one; echo two >&2; exit 3"), &log).unwrap();
        let error = running
            .until("more is said", || Ok(None::<()>))
            .unwrap_err()
            .to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert_eq!(running.said(), "one\ntwo\n");
        assert_eq!(running.end().unwrap().code(), Some(3));
    }

    #[test]
    fn a_program_is_asked_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
        let mut running = Running::start("it", &mut command, folder.path().join("log")).unwrap();
        let said = || fs::read_to_string(folder.path().join("log"));
        running
            .until("it is ready", || Ok(said()?.contains("ready").then_some(())))
            .unwrap();
        assert_eq!(running.stop().unwrap().code(), Some(7));
    }
}
