//! A software TPM of a test's own: on free ports, its state in a temporary directory, gone with the test.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{eventually, skip};

/// The programs of swtpm and tpm2-tools that tests run.
const NEEDED: [&str; 3] = ["swtpm", "swtpm_ioctl", "tpm2_getcap"];

/// A TPM 2.0 that is there. While a process has it open, nobody else is served: swtpm takes one connection at a time.
#[derive(Debug)]
pub struct Swtpm {
    state: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Swtpm {
    /// A new TPM; `None`, and a line that says so, when this machine has no swtpm; see [`skip`].
    ///
    /// # Panics
    /// As [`skip`] does, and when swtpm does not start.
    pub fn new() -> Option<Self> {
        let missing: Vec<&str> = NEEDED.into_iter().filter(|program| !is_there(program)).collect();
        if !missing.is_empty() {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            skip(&test, &format!("there is no {}", missing.join(", ")));
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

    /// How libtss2 reaches it: `swtpm:host=…,port=…`.
    pub fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// The folder with what the TPM keeps when it is off.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The number of its process.
    ///
    /// # Panics
    /// When it was killed.
    pub fn process(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Starts it anew on the same ports, with the state it had.
    ///
    /// # Panics
    /// When it runs, or does not start.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        // Its control port may be the near end of somebody's connection for a while.
        eventually("swtpm", || {
            self.try_start().then_some(()).ok_or("it does not start again")
        });
    }

    /// Turns it off in an orderly way, and on again behind a Unix socket where each command is a connection of its own:
    /// what Go's go-tpm takes for a TPM. The tools reach it there no more.
    ///
    /// # Panics
    /// When that fails.
    pub fn move_to(&mut self, socket: &Path) {
        self.tool("tpm2_shutdown", &["--clear"]);
        self.kill();
        let server = format!("type=unixio,path={}", socket.display());
        assert!(
            self.launch(&["--server", &server]),
            "swtpm does not start at {}",
            socket.display()
        );
    }

    fn try_start(&mut self) -> bool {
        let server = format!("type=tcp,port={}", self.port);
        let control = format!("type=tcp,port={}", self.port + 1);
        self.launch(&["--server", &server, "--ctrl", &control])
    }

    /// Starts it with these channels, and says whether it did.
    fn launch(&mut self, channels: &[&str]) -> bool {
        // It writes this once it has its channels, so that nobody else's ports are taken for them.
        let pid_file = self.state.path().join("pid");
        if let Err(error) = std::fs::remove_file(&pid_file) {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        }
        let mut process = command("swtpm")
            .args(["socket", "--tpm2", "--flags", "startup-clear", "--tpmstate"])
            .arg(format!("dir={}", self.state.path().display()))
            .args(channels)
            .arg("--pid")
            .arg(format!("file={}", pid_file.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("swtpm");
        let started = eventually("swtpm", || {
            if process.try_wait().expect("wait").is_some() {
                return Ok(false);
            }
            match std::fs::read_to_string(&pid_file) {
                Ok(pid) if pid.trim() == process.id().to_string() => Ok(true),
                other => Err(other),
            }
        });
        self.process = Some(process);
        if !started {
            self.kill();
        }
        started
    }

    /// Kills it, as a power cut would.
    ///
    /// # Panics
    /// When that fails.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kill");
            process.wait().expect("wait");
        }
    }

    /// Turns the TPM off in an orderly way and on again, without ending the simulator: `_TPM_Init`.
    ///
    /// # Panics
    /// When that fails.
    pub fn reset(&self) {
        self.tool("tpm2_shutdown", &["--clear"]);
        let control = format!("127.0.0.1:{}", self.port + 1);
        let ran = command("swtpm_ioctl").args(["--tcp", &control, "-i"]).status();
        assert!(ran.expect("swtpm_ioctl").success());
    }

    /// Measures a digest (hex digits, as long as the bank's) into a PCR, named as in `sha256:16`.
    ///
    /// # Panics
    /// When the TPM refuses.
    pub fn extend(&self, pcr: &str, digest: &str) {
        let (bank, index) = pcr.split_once(':').expect("bank:index");
        self.tool("tpm2_pcrextend", &[&format!("{index}:{bank}={digest}")]);
    }

    /// Sends it a signal such as `STOP` or `CONT`.
    ///
    /// # Panics
    /// When it was killed.
    pub fn signal(&self, name: &str) {
        let ran = Command::new("kill")
            .args(["-s", name, &self.process().to_string()])
            .status();
        assert!(ran.expect("kill").success());
    }

    /// Runs one of tpm2-tools on it, and gives what it printed. It waits until whoever has the TPM lets go.
    ///
    /// # Panics
    /// When it fails.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let output = command(program)
            .args(arguments)
            .env("TPM2TOOLS_TCTI", self.tcti())
            .output()
            .expect(program);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Handles that are loaded or kept, of a kind as tpm2_getcap calls it.
    ///
    /// # Panics
    /// When the TPM does not answer.
    pub fn handles(&self, kind: &str) -> Vec<String> {
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
    eventually("two free ports", || {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = first.local_addr()?.port();
        let next = port.checked_add(1).ok_or(ErrorKind::AddrNotAvailable)?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, next))?;
        Ok::<_, std::io::Error>(port)
    })
}
