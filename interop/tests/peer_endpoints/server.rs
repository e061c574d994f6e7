//! Servers of Debian 13 on loopback, one for each configuration, and the keys that they use.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use symbolon_interop::programs::run;
use symbolon_interop::trixie::Trixie;
use tempfile::TempDir;

use crate::case::Case;

/// How often it is looked whether a server listens.
const POLL: Duration = Duration::from_millis(5);
/// Longest wait for a server to listen.
const READY: Duration = Duration::from_secs(120);

/// Which program a case is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Program {
    GnuTls,
    Nginx,
    OpenSsh,
    OpenSsl,
    Slapd,
}

impl Program {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GnuTls => "gnutls",
            Self::Nginx => "nginx",
            Self::OpenSsh => "openssh",
            Self::OpenSsl => "openssl",
            Self::Slapd => "slapd",
        }
    }
}

/// The programs and a folder with keys for them.
#[derive(Debug)]
pub(crate) struct Workshop {
    trixie: Trixie,
    folder: TempDir,
}

/// Certificates of their own by file name, with what `openssl req -newkey` is told.
const CERTIFICATES: &[(&str, &str)] = &[
    ("rsa", "-newkey rsa:2048"),
    ("rsa-pss", "-newkey rsa-pss"),
    ("p256", "-newkey ec -pkeyopt ec_paramgen_curve:P-256"),
    ("p384", "-newkey ec -pkeyopt ec_paramgen_curve:P-384"),
    ("ed25519", "-newkey ed25519"),
    ("mldsa44", "-newkey mldsa44"),
    ("mldsa65", "-newkey mldsa65"),
    ("mldsa87", "-newkey mldsa87"),
];

impl Workshop {
    /// Makes certificates with these names.
    pub(crate) fn with_certificates(names: &[&str]) -> Result<Self> {
        let workshop = Self::empty()?;
        for name in names {
            let (_, key) = CERTIFICATES
                .iter()
                .find(|(known, _)| known == name)
                .with_context(|| format!("no certificate is called {name}"))?;
            let mut command = workshop.trixie.command("usr/bin/openssl");
            command
                .current_dir(workshop.path())
                .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
                .args(key.split(' '))
                .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
            run(&mut command)?;
        }
        Ok(workshop)
    }

    pub(crate) fn empty() -> Result<Self> {
        Ok(Self {
            trixie: Trixie::open()?,
            folder: tempfile::tempdir()?,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Another of the programs, run to its end in the folder.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = self.trixie.command(program);
        run(command.current_dir(self.path()).args(arguments)).map(drop)
    }

    /// Starts a program as a case has it, and waits until it listens.
    pub(crate) fn start(&self, program: Program, case: &Case) -> Result<Server> {
        let port = free_port()?;
        let fill = |text: &str| {
            text.replace("{dir}", &self.path().display().to_string())
                .replace("{port}", &port.to_string())
        };
        let (arguments, configuration) = (fill(&case.arguments), fill(&case.configuration));
        let mut command = match program {
            Program::OpenSsl => {
                let mut command = self.trixie.command("usr/bin/openssl");
                command.args(["s_server", "-quiet", "-accept"]);
                command.arg(format!("127.0.0.1:{port}"));
                command
            }
            Program::GnuTls => {
                let mut command = self.trixie.command("usr/bin/gnutls-serv");
                command
                    .args(["--quiet", "--echo", "--port"])
                    .arg(port.to_string());
                command
            }
            Program::Nginx => self.nginx(&configuration)?,
            Program::OpenSsh => self.sshd(port, &configuration)?,
            Program::Slapd => self.slapd(port, &configuration)?,
        };
        command
            .current_dir(self.path())
            .args(arguments.split_whitespace());
        let target = fill(case.target.as_deref().unwrap_or(match program {
            Program::OpenSsh => "ssh://127.0.0.1:{port}",
            Program::Slapd => "ldap://127.0.0.1:{port}",
            _ => "tls://127.0.0.1:{port}",
        }));
        Server::start(command, port, target, self.path().join("server.log"))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn nginx(&self, configuration: &str) -> Result<Command> {
        let mail = self.trixie.path("usr/lib/nginx/modules/ngx_mail_module.so");
        let load = format!("load_module {};", mail.display());
        let text = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\n{}\nevents {{}}\n{configuration}\n",
            if configuration.contains("mail {") {
                load.as_str()
            } else {
                ""
            },
        );
        let path = self.write("nginx.conf", &text)?;
        let mut command = self.trixie.command("usr/sbin/nginx");
        command
            .arg("-p")
            .arg(self.path())
            .arg("-e")
            .arg("stderr")
            .arg("-c")
            .arg(path);
        Ok(command)
    }

    fn sshd(&self, port: u16, configuration: &str) -> Result<Command> {
        let mut own = format!("Port {port}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\n");
        // sshd starts its parts by their paths.
        for (setting, part) in [("SshdSessionPath", "sshd-session"), ("SshdAuthPath", "sshd-auth")] {
            let path = self.path().join(part);
            // The one before may be starting just now, for a connection that nobody waits for any more.
            if !path.exists() {
                self.trixie.script(&format!("usr/lib/openssh/{part}"), &path)?;
            }
            own.push_str(&format!("{setting} {}\n", path.display()));
        }
        let path = self.write("sshd_config", &format!("{own}{configuration}\n"))?;
        let mut command = self.trixie.command_of_nobody("usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(path);
        Ok(command)
    }

    fn slapd(&self, port: u16, configuration: &str) -> Result<Command> {
        let path = self.write("slapd.conf", &format!("{configuration}\n"))?;
        let mut command = self.trixie.command("usr/sbin/slapd");
        command
            .args(["-d", "0", "-h"])
            .arg(format!("ldap://127.0.0.1:{port}"));
        command.arg("-f").arg(path);
        Ok(command)
    }
}

/// A running server. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    log: PathBuf,
    pub(crate) target: String,
}

impl Server {
    fn start(mut command: Command, port: u16, target: String, log: PathBuf) -> Result<Self> {
        let output = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let process = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {command:?}"))?;
        let mut server = Self { process, log, target };
        let deadline = Instant::now() + READY;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = server.process.try_wait()? {
                bail!("{command:?} ended with {status}:\n{}", server.said());
            }
            if Instant::now() >= deadline {
                bail!("{command:?} does not listen:\n{}", server.said());
            }
            std::thread::sleep(POLL);
        }
        Ok(server)
    }

    /// What it wrote to its log so far.
    pub(crate) fn said(&self) -> String {
        fs::read(&self.log).map_or_else(
            |error| error.to_string(),
            |log| String::from_utf8_lossy(&log).into_owned(),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr()?.port())
}
