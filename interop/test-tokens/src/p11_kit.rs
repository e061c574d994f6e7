//! `p11-kit server`: a token in a process of its own, which can be killed, stopped and started again.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::pkcs11::{Kind, LABEL, Token, run};
use crate::until;

/// The process that a [`Kind::Remote`] token lives in; killed when dropped.
#[derive(Debug)]
pub struct P11KitServer(Child);

impl P11KitServer {
    /// Serves the token until dropped. Starting another for the same token, after the first was dropped, brings the
    /// token back under the same address.
    ///
    /// # Panics
    /// When it does not start, or the token is of another kind.
    pub fn start(token: &Token) -> Self {
        assert_eq!(token.kind, Kind::Remote, "served tokens are Kind::Remote");
        let socket = token.socket();
        std::fs::remove_file(&socket).ok();
        let mut command = Command::new("p11-kit");
        command
            .envs(token.server_environment())
            .args(["server", "--foreground", "--provider"])
            .arg(Kind::SoftHsm.module().expect("SoftHSM"))
            .arg("--name")
            .arg(&socket)
            .arg(format!("pkcs11:token={}", LABEL.replace(' ', "%20")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // A group of its own, with all that it starts: it has a process for each connection.
            .process_group(0);
        let child = command.spawn().expect("p11-kit");
        until("the server's socket", || socket.exists());
        Self(child)
    }

    /// The numbers of its processes: one for itself, and one for each connection.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn processes(&self) -> Vec<u32> {
        let all = std::fs::read_dir("/proc").expect("/proc");
        let numbers = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers
            .filter(|process| group(*process) == Some(self.0.id()))
            .collect()
    }

    /// Sends a signal such as `-STOP` or `-CONT` to the server and to the processes that it has for its connections.
    /// After `-STOP` none of them runs any more: a signal takes effect a little after it is sent.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn signal(&self, signal: &str) {
        run(&mut self.kill(signal)).expect("kill");
        if signal == "-STOP" {
            let stopped = |process: u32| field(process, STATE).is_none_or(|state| state == "T");
            until("all stand still", || self.processes().into_iter().all(stopped));
        }
    }

    fn kill(&self, signal: &str) -> Command {
        let mut kill = Command::new("kill");
        kill.args([signal, "--", &format!("-{}", self.0.id())]);
        kill
    }
}

impl Drop for P11KitServer {
    fn drop(&mut self) {
        // One that is gone already is no failure.
        self.kill("-KILL").stderr(Stdio::null()).status().ok();
        self.0.wait().ok();
    }
}

/// What proc(5) has in `stat` behind the name: the state, and two fields later the process group.
const STATE: usize = 0;
const GROUP: usize = 2;

/// The process group of a process, unless that is gone.
fn group(process: u32) -> Option<u32> {
    field(process, GROUP)?.parse().ok()
}

/// A field behind the name, unless the process is gone.
fn field(process: u32, number: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it may have spaces and parentheses of its own.
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.split_ascii_whitespace().nth(number).map(str::to_owned)
}
