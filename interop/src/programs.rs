//! Running the parts of peers that are not Rust.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// Longest time for one run of a peer. The small signatures of SLH-DSA take JavaScript twenty seconds.
const RUN: Duration = Duration::from_secs(300);

/// Longest time for compiling a peer, whose modules may have to be downloaded first.
const BUILD: Duration = Duration::from_secs(600);

/// A script of a peer, ready to be given arguments: the interpreter that `SYMBOLON_PYTHON` names, and
/// `interop/python/<script>`.
///
/// # Errors
/// If the variable is not set.
pub fn python(script: &str) -> Result<Command> {
    let interpreter = std::env::var_os("SYMBOLON_PYTHON").context(
        "SYMBOLON_PYTHON names no interpreter; `cargo xtask test interop` makes one with what the peer needs",
    )?;
    let mut command = Command::new(interpreter);
    command
        // Neither the user's packages nor folders of compiled files in the checkout.
        .args(["-B", "-s"])
        .arg(folder("python").join(script));
    Ok(command)
}

/// A script in JavaScript, or an option, for the Node.js that `SYMBOLON_NODE` names; ready to be given arguments.
///
/// # Errors
/// If the variable is not set.
pub fn node(script: impl AsRef<OsStr>) -> Result<Command> {
    let program = std::env::var_os("SYMBOLON_NODE")
        .context("SYMBOLON_NODE names no Node.js; `cargo xtask interop node` fetches one")?;
    let mut command = Command::new(program);
    command.arg(script).env_remove("NODE_OPTIONS");
    Ok(command)
}

/// The program that an environment variable names: `cargo xtask interop` sets it when it has got the program.
///
/// # Errors
/// If it is not set.
pub fn named_by(variable: &str) -> Result<Command> {
    let program = std::env::var_os(variable).with_context(|| {
        format!("{variable} names no program; `cargo xtask interop` gets it and says where it is")
    })?;
    Ok(Command::new(program))
}

/// A compiled program of a peer in Go.
#[derive(Clone, Debug)]
pub struct GoProgram(PathBuf);

impl GoProgram {
    /// Compiles the module in `interop/<name>/` into a folder, with the toolchain that `SYMBOLON_GO` names or the `go`
    /// on `PATH`.
    ///
    /// # Errors
    /// If the toolchain is missing, or the module does not compile.
    pub fn build(name: &str, into: &Path) -> Result<Self> {
        Self::compile(name, into.join(format!("peer-{name}")), None)
    }

    /// [`build`](Self::build) with a release such as `go1.27.3`, which the toolchain gets from Go's module proxy when it
    /// is another one itself.
    ///
    /// # Errors
    /// As [`build`](Self::build), and if there is no such release.
    pub fn build_with(release: &str, name: &str, into: &Path) -> Result<Self> {
        Self::compile(name, into.join(format!("peer-{name}-{release}")), Some(release))
    }

    fn compile(name: &str, program: PathBuf, release: Option<&str>) -> Result<Self> {
        let program = Self(program);
        let toolchain = std::env::var_os("SYMBOLON_GO").unwrap_or_else(|| OsString::from("go"));
        let mut build = Command::new(toolchain);
        if let Some(release) = release {
            build.env("GOTOOLCHAIN", release);
        }
        build
            .current_dir(folder(name))
            // The versions and hashes in go.mod and go.sum, and no others.
            .args(["build", "-mod=readonly", "-buildvcs=false", "-o"])
            .arg(&program.0);
        output(&mut build, BUILD)?;
        Ok(program)
    }

    /// The program, ready to be given arguments.
    pub fn command(&self) -> Command {
        Command::new(&self.0)
    }
}

/// A compiled program of a peer in Java.
#[derive(Clone, Debug)]
pub struct JavaProgram {
    class_path: OsString,
}

impl JavaProgram {
    /// Compiles the classes in `interop/<name>/` into a folder, with the libraries in the folder that the environment
    /// variable `libraries` names.
    ///
    /// # Errors
    /// If the variable is not set, there is no compiler, or the classes do not compile.
    pub fn build(name: &str, libraries: &str, into: &Path) -> Result<Self> {
        let jars = std::env::var_os(libraries).with_context(|| {
            format!("{libraries} names no folder; `cargo xtask interop {name}` fetches what the peer needs")
        })?;
        let mut jars = PathBuf::from(jars).join("*").into_os_string();
        let classes = into.join(format!("peer-{name}"));
        let mut build = Command::new("javac");
        build
            .args([
                "-Xlint:all",
                "-Werror",
                "--release",
                "17",
                "-encoding",
                "UTF-8",
                "-cp",
            ])
            .arg(&jars)
            .arg("-d")
            .arg(&classes);
        for entry in fs::read_dir(folder(name))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "java") {
                build.arg(path);
            }
        }
        output(&mut build, BUILD)?;
        jars.push(":");
        jars.push(&classes);
        Ok(Self { class_path: jars })
    }

    /// Its class `Peer`, ready to be given arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new("java");
        command.arg("-cp").arg(&self.class_path).arg("Peer");
        command
    }
}

/// Runs a program and gives what it printed.
///
/// # Errors
/// If it cannot be started, takes too long, or fails; with what it said on standard error.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    output(command, RUN)
}

/// Runs a program and reads what it printed as one JSON document.
///
/// # Errors
/// As [`run`], and if it printed anything else.
pub fn json(command: &mut Command) -> Result<Value> {
    let printed = run(command)?;
    serde_json::from_slice(&printed)
        .with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&printed)))
}

/// A running program that says one JSON document on each line. Killed when dropped.
#[derive(Debug)]
pub struct Talking {
    process: Child,
    lines: Receiver<String>,
}

impl Talking {
    /// Starts a program; what it says on standard error goes to the test's.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        let lines = lines(process.stdout.take());
        Ok(Self { process, lines })
    }

    /// The next thing it says.
    ///
    /// # Errors
    /// If it says nothing for too long, ends, or says something that is not JSON.
    pub fn hear(&mut self) -> Result<Value> {
        let line = self
            .lines
            .recv_timeout(RUN)
            .context("the program says nothing more")?;
        serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))
    }

    /// Waits for its end, after it has said all it had to say.
    ///
    /// # Errors
    /// If it does not end, or ends with an error.
    pub fn end(mut self) -> Result<()> {
        let silence = loop {
            if let Err(silence) = self.lines.recv_timeout(RUN) {
                break silence;
            }
        };
        ensure!(
            silence == RecvTimeoutError::Disconnected,
            "the program does not end"
        );
        let status = self.process.wait()?;
        ensure!(status.success(), "the program ended with {status}");
        Ok(())
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A stream's lines, read in a thread; the receiver sees when it ends.
pub(crate) fn lines(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    each_line(stream, move |line| sender.send(line).is_ok());
    receiver
}

/// Hands on a stream's lines in a thread until it ends, or nobody wants them any more.
pub(crate) fn each_line(
    stream: Option<impl Read + Send + 'static>,
    mut hand_on: impl FnMut(String) -> bool + Send + 'static,
) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|read| read > 0) && hand_on(std::mem::take(&mut line)) {}
    });
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn output(command: &mut Command, limit: Duration) -> Result<Vec<u8>> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let (status, printed, complaint) = finish(child, limit).with_context(|| format!("{command:?}"))?;
    ensure!(
        status.success(),
        "{command:?} ended with {status}:\n{}",
        String::from_utf8_lossy(&complaint)
    );
    Ok(printed)
}

fn finish(mut child: Child, limit: Duration) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let printed = read(child.stdout.take());
    let complaint = read(child.stderr.take());
    let Ok(printed) = printed.recv_timeout(limit) else {
        // It may have ended in this very moment.
        let _ = child.kill();
        let _ = child.wait();
        bail!("not finished after {} s", limit.as_secs());
    };
    let complaint = complaint.recv_timeout(limit).unwrap_or_default();
    Ok((child.wait()?, printed, complaint))
}

/// Reads to the end in a thread, so that neither stream blocks the other.
fn read(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
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
    fn what_was_printed_comes_back() {
        assert_eq!(run(&mut shell("echo one; echo two >&2")).unwrap(), b"one\n");
        assert_eq!(json(&mut shell("echo '[1]'")).unwrap(), serde_json::json!([1]));
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let error = run(&mut shell("echo reason >&2; exit 3"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("reason"),
            "{error}"
        );
    }

    #[test]
    fn a_talking_program_is_heard_line_by_line() {
        let mut talking = Talking::start(&mut shell("echo 1; echo '[2]'; exit 0")).unwrap();
        assert_eq!(talking.hear().unwrap(), 1);
        assert_eq!(talking.hear().unwrap(), serde_json::json!([2]));
        talking.hear().unwrap_err();
        talking.end().unwrap();
        Talking::start(&mut shell("exit 1")).unwrap().end().unwrap_err();
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let error = output(&mut shell("exec sleep 600"), Duration::from_millis(50)).unwrap_err();
        assert!(format!("{error:#}").contains("not finished"), "{error:#}");
    }
}
