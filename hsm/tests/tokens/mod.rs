//! Tokens to test on, each made anew for one test and used in a process of its own: a module reads its
//! configuration from the environment, and there is one environment and one copy of a module in a process.
//!
//! A test calls [`on`] with its own name. That makes the token, and runs the same test again in a child process; there
//! `on` hands the token to the body. Without the tools, tests say that they are skipped and pass, unless
//! `SYMBOLON_REQUIRE_TOKENS=1`.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "helpers of tests fail as tests do, and not every test program uses all of them"
)]

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use symbolon_hsm::pkcs11::{Pkcs11Config, Pkcs11Store, TokenSelector};
use symbolon_hsm::{Passphrase, SecretSource, StoreError};

/// Tells the child which folder its token is in.
const FOLDER: &str = "SYMBOLON_TEST_TOKEN";

/// The longest that a test may take.
const PATIENCE: Duration = Duration::from_secs(300);

pub const PIN: &str = "24681357";
pub const SO_PIN: &str = "87654321";
pub const LABEL: &str = "symbolon test";

/// The kinds of token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// SoftHSM 2 of the system.
    SoftHsm,
    /// What `cargo xtask pq-token` builds, named by `SYMBOLON_PQ_TOKEN`.
    Pq,
    /// SoftHSM 2 in a process of its own, behind `p11-kit server`: it can be killed.
    Remote,
}

/// A token that is there.
#[derive(Debug)]
pub struct Token {
    pub kind: Kind,
    /// Holds everything of the token.
    pub folder: PathBuf,
    /// The module's path.
    pub module: PathBuf,
}

impl Kind {
    fn module(self) -> Result<PathBuf, String> {
        match self {
            Self::SoftHsm => first_of(
                &[
                    "/usr/lib/softhsm/libsofthsm2.so",
                    "/usr/lib64/softhsm/libsofthsm2.so",
                    "/usr/lib64/pkcs11/libsofthsm2.so",
                    "/usr/local/lib/softhsm/libsofthsm2.so",
                ],
                "SoftHSM 2 is not installed (package softhsm2)",
            ),
            Self::Remote => first_of(
                &[
                    "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-client.so",
                    "/usr/lib/aarch64-linux-gnu/pkcs11/p11-kit-client.so",
                    "/usr/lib64/pkcs11/p11-kit-client.so",
                ],
                "p11-kit is not installed (packages p11-kit, p11-kit-modules)",
            ),
            Self::Pq => match std::env::var_os("SYMBOLON_PQ_TOKEN").map(PathBuf::from) {
                Some(path) if path.exists() => Ok(path),
                Some(path) => Err(format!(
                    "SYMBOLON_PQ_TOKEN names {}, which is not there",
                    path.display()
                )),
                None => Err("SYMBOLON_PQ_TOKEN is not set to what `cargo xtask pq-token` prints".to_owned()),
            },
        }
    }

    /// The environment variables that lead to configuration and server.
    fn environment(self, folder: &Path) -> Vec<(&'static str, OsString)> {
        let softhsm = ("SOFTHSM2_CONF", folder.join("softhsm2.conf").into());
        match self {
            Self::SoftHsm => vec![softhsm],
            Self::Pq => vec![("KRYOPTIC_CONF", folder.join("token.conf").into())],
            Self::Remote => {
                let socket = folder.join("p11.sock");
                let address = format!("unix:path={}", socket.display());
                vec![softhsm, ("P11_KIT_SERVER_ADDRESS", address.into())]
            }
        }
    }

    fn make(self, folder: &Path, module: &Path) -> Result<(), String> {
        let storage = folder.join("storage");
        std::fs::create_dir(&storage).expect("storage");
        let storage = storage.display();
        let environment = self.environment(folder);
        let (_, file) = environment.first().expect("configuration");
        let configuration = match self {
            Self::SoftHsm | Self::Remote => format!(
                "directories.tokendir = {storage}\nobjectstore.backend = file\nlog.level = ERROR\n\
                 slots.removable = false\n"
            ),
            Self::Pq => {
                format!("[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = \"{storage}/token.sql\"\n")
            }
        };
        std::fs::write(file, configuration).expect("configuration");
        let tool = |arguments: &[&str]| run(&mut tool(self, folder, module, arguments)).map(drop);
        match self {
            Self::SoftHsm | Self::Remote => {
                let mut init = Command::new("softhsm2-util");
                init.envs(environment);
                init.args([
                    "--init-token",
                    "--free",
                    "--label",
                    LABEL,
                    "--pin",
                    PIN,
                    "--so-pin",
                    SO_PIN,
                ]);
                run(&mut init).map(drop)
            }
            Self::Pq => {
                tool(&[
                    "--init-token",
                    "--slot",
                    "1",
                    "--label",
                    LABEL,
                    "--so-pin",
                    SO_PIN,
                ])?;
                let so = ["--login", "--login-type", "so", "--so-pin", SO_PIN];
                tool(&[&["--token-label", LABEL, "--init-pin", "--pin", PIN], &so[..]].concat())
            }
        }
    }
}

fn first_of(candidates: &[&str], otherwise: &str) -> Result<PathBuf, String> {
    let found = candidates.iter().map(PathBuf::from).find(|path| path.exists());
    found.ok_or_else(|| otherwise.to_owned())
}

/// `pkcs11-tool` on the token.
fn tool(kind: Kind, folder: &Path, module: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("pkcs11-tool");
    command
        .envs(kind.environment(folder))
        .arg("--module")
        .arg(module)
        .args(arguments);
    command
}

/// Runs a tool to its end; what it printed. `Err` when it is not there.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return Err(format!("{program} cannot be run: {error}")),
    };
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{command:?}: {out}{err}");
    Ok(out.into_owned())
}

/// Runs `body` on a new token, in a child process. `test` is the name of the calling test.
pub fn on(kind: Kind, test: &str, body: impl FnOnce(&Token)) {
    let module = match kind.module() {
        Ok(module) => module,
        Err(reason) => return skip(test, &reason),
    };
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        return body(&Token { kind, folder, module });
    }
    let folder = tempfile::tempdir().expect("folder");
    if let Err(reason) = kind.make(folder.path(), &module) {
        return skip(test, &reason);
    }
    let mut child = Command::new(std::env::current_exe().expect("own path"));
    child
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .envs(kind.environment(folder.path()));
    finish(child);
}

fn skip(test: &str, reason: &str) {
    let required = std::env::var("SYMBOLON_REQUIRE_TOKENS").is_ok_and(|value| value == "1");
    assert!(!required, "tokens are required, and {reason}");
    eprintln!("SKIPPED: {test}: {reason}");
}

/// Waits for the child, and fails with all it printed when it fails or takes too long.
fn finish(mut command: Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("child");
    let (mut out, mut err) = (
        child.stdout.take().expect("stdout"),
        child.stderr.take().expect("stderr"),
    );
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).ok();
        text
    });
    std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).ok();
        sender.send(text).ok();
    });
    let Ok(out) = receiver.recv_timeout(PATIENCE) else {
        child.kill().ok();
        child.wait().ok();
        let err = reader.join().expect("reader");
        panic!("the test has not ended after {PATIENCE:?}:\n{err}");
    };
    let status = child.wait().expect("wait");
    let err = reader.join().expect("reader");
    assert!(status.success(), "{status}\n{out}\n{err}");
    // A name that matches no test would pass, having tested nothing.
    assert!(out.contains("1 passed"), "the child ran no test:\n{out}\n{err}");
    print!("{out}");
    eprint!("{err}");
}

impl Token {
    pub fn config(&self) -> Pkcs11Config {
        Pkcs11Config {
            pin_source: Some(SecretSource::Prompt),
            ..Pkcs11Config::new(&self.module, TokenSelector::label(LABEL))
        }
    }

    pub fn open(&self) -> Pkcs11Store {
        self.open_with(&self.config(), PIN).expect("open")
    }

    pub fn open_with(&self, config: &Pkcs11Config, pin: &str) -> Result<Pkcs11Store, StoreError> {
        Pkcs11Store::open(config, || Passphrase::new(pin.as_bytes().to_vec().into()))
    }

    /// What `pkcs11-tool` prints, logged in.
    pub fn tool(&self, arguments: &[&str]) -> String {
        self.tool_with_pin(PIN, arguments).expect("pkcs11-tool")
    }

    /// As [`tool`](Self::tool), with a PIN that may be wrong; what it printed either way.
    pub fn tool_with_pin(&self, pin: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = tool(self.kind, &self.folder, &self.module, &["--token-label", LABEL]);
        command.args(["--login", "--pin", pin]).args(arguments);
        let output = command.stdin(Stdio::null()).output().expect("pkcs11-tool");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(text)
        }
    }

    /// What `pkcs11-tool` says of the tokens there are, without a PIN.
    pub fn describe(&self) -> String {
        run(&mut tool(
            self.kind,
            &self.folder,
            &self.module,
            &["--list-slots"],
        ))
        .expect("pkcs11-tool")
    }

    /// The token's storage, which can be moved.
    pub fn storage(&self) -> PathBuf {
        self.folder.join("storage")
    }

    /// Writes a file that only its owner can read.
    pub fn secret_file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .expect("open");
        std::io::Write::write_all(&mut file, contents.as_bytes()).expect("write");
        path
    }
}

/// The process that a [`Kind::Remote`] token lives in; killed when dropped.
pub struct Server(std::process::Child);

impl Server {
    /// Serves SoftHSM's token until dropped.
    pub fn start(token: &Token) -> Self {
        let socket = token.folder.join("p11.sock");
        std::fs::remove_file(&socket).ok();
        let mut command = Command::new("p11-kit");
        command.args(["server", "--foreground", "--provider"]);
        command.arg(Kind::SoftHsm.module().expect("SoftHSM"));
        command
            .arg("--name")
            .arg(&socket)
            .arg("pkcs11:token=symbolon%20test");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own, with all that it starts.
        command.process_group(0);
        let child = command.spawn().expect("p11-kit");
        until("the server's socket", || socket.exists());
        Self(child)
    }

    /// Stops or continues the server and the processes that it has for its connections.
    pub fn signal(&self, signal: &str) {
        run(&mut self.kill(signal)).expect("kill");
    }

    fn kill(&self, signal: &str) -> Command {
        let mut kill = Command::new("kill");
        kill.args([signal, "--", &format!("-{}", self.0.id())]);
        kill
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that is gone already is no failure.
        self.kill("-KILL").stderr(Stdio::null()).status().ok();
        self.0.wait().ok();
    }
}

/// Waits until `holds`, or fails.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(what, || if holds() { Ok(()) } else { Err("not so") });
}

/// Waits until `attempt` succeeds, or fails with its last error.
pub fn eventually<E: std::fmt::Debug>(what: &str, mut attempt: impl FnMut() -> Result<(), E>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = attempt() {
        assert!(Instant::now() < deadline, "{what} does not come about: {error:?}");
        std::thread::yield_now();
    }
}
