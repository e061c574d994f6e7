//! A software TPM of a test's own: on free ports, its state in a temporary directory, gone with the test.

use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use symbolon_hsm::Tcti;
use tempfile::TempDir;

/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The programs of swtpm and tpm2-tools that tests run.
const NEEDED: [&str; 3] = ["swtpm", "swtpm_ioctl", "tpm2_getcap"];

pub(crate) struct Swtpm {
    state: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Swtpm {
    /// A new TPM; `None`, and a line that says so, when this machine has no swtpm. With `SYMBOLON_REQUIRE_TOKENS=1`
    /// that fails the test instead.
    pub(crate) fn new() -> Option<Self> {
        let missing: Vec<&str> = NEEDED.into_iter().filter(|program| !is_there(program)).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let required = std::env::var("SYMBOLON_REQUIRE_TOKENS").is_ok_and(|value| value == "1");
            assert!(!required, "tokens are required, and there is no {missing}");
            // Straight to the stream: what `eprintln!` writes is hidden when a test passes.
            let skipped = format!("SKIPPED: no {missing}\n");
            std::io::stderr().write_all(skipped.as_bytes()).expect("stderr");
            return None;
        }
        let mut swtpm = Self {
            state: tempfile::tempdir().expect("scratch"),
            port: 0,
            process: None,
        };
        // Another test may take the ports between our looking and swtpm's binding.
        for _ in 0..20 {
            swtpm.port = two_free_ports();
            if swtpm.try_start() {
                return Some(swtpm);
            }
        }
        panic!("swtpm does not start");
    }

    pub(crate) fn tcti(&self) -> Tcti {
        let text = format!("swtpm:host=127.0.0.1,port={}", self.port);
        text.parse().expect("tcti")
    }

    /// Starts it anew on the same ports, with the state it had.
    pub(crate) fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        assert!(self.try_start(), "swtpm does not start again");
    }

    fn try_start(&mut self) -> bool {
        // It writes this once it has its ports, so that nobody else's ports are taken for them.
        let pid_file = self.state.path().join("pid");
        if let Err(error) = std::fs::remove_file(&pid_file) {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
        let mut process = command("swtpm")
            .args(["socket", "--tpm2", "--flags", "startup-clear", "--tpmstate"])
            .arg(format!("dir={}", self.state.path().display()))
            .arg("--server")
            .arg(format!("type=tcp,port={}", self.port))
            .arg("--ctrl")
            .arg(format!("type=tcp,port={}", self.port + 1))
            .arg("--pid")
            .arg(format!("file={}", pid_file.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm");
        let started = eventually(|| {
            if process.try_wait().expect("wait").is_some() {
                return Some(false);
            }
            let pid = std::fs::read_to_string(&pid_file).ok()?;
            (pid.trim() == process.id().to_string()).then_some(true)
        });
        self.process = Some(process);
        if !started {
            self.kill();
        }
        started
    }

    /// Kills it, as a power cut would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kill");
            process.wait().expect("wait");
        }
    }

    /// Turns the TPM off in an orderly way and on again, without ending the simulator: `_TPM_Init`.
    pub(crate) fn reset(&self) {
        self.tool("tpm2_shutdown", &["--clear"]);
        let control = format!("127.0.0.1:{}", self.port + 1);
        let ran = command("swtpm_ioctl").args(["--tcp", &control, "-i"]).status();
        assert!(ran.expect("swtpm_ioctl").success());
    }

    pub(crate) fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("it runs");
        let ran = Command::new("kill")
            .args(["-s", name, &process.id().to_string()])
            .status();
        assert!(ran.expect("kill").success());
    }

    /// Runs one of tpm2-tools on it, and gives what it printed. It waits until whoever has the TPM lets go.
    pub(crate) fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = command(program)
            .args(arguments)
            .env("TPM2TOOLS_TCTI", self.tcti().as_str())
            .output()
            .expect(program);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Handles that are loaded or kept, of a kind as tpm2_getcap calls it.
    pub(crate) fn handles(&self, kind: &str) -> Vec<String> {
        let listed = self.tool("tpm2_getcap", &[kind]);
        listed
            .lines()
            .filter_map(|line| Some(line.strip_prefix("- ")?.to_owned()))
            .collect()
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks again and again, until there is an answer.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let (_never, tick) = mpsc::channel::<()>();
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < until, "it never happened");
        assert!(tick.recv_timeout(Duration::from_millis(5)).is_err());
    }
}

/// A program that inherits none of our connections. libtss2 does not ask the system to keep them from other programs,
/// and swtpm serves nobody else while one is open, whoever has it: a tool would wait for itself.
fn command(program: &str) -> Command {
    const CLOSE: &str = r#"
        for path in /proc/self/fd/*; do
            fd=${path##*/}
            if [ "$fd" -gt 2 ]; then exec {fd}>&-; fi
        done
        exec "$0" "$@""#;
    let mut command = Command::new("bash");
    command.args(["-c", CLOSE, program]);
    command
}

fn is_there(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok()
}

/// swtpm's protocol has its control channel on the next port.
fn two_free_ports() -> u16 {
    eventually(|| {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let port = first.local_addr().ok()?.port();
        let next = port.checked_add(1)?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, next)).ok()?;
        Some(port)
    })
}
