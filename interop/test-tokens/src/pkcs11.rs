//! PKCS#11 tokens in a folder.

use std::ffi::OsString;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::skip;

/// The user's PIN of every token here.
pub const PIN: &str = "24681357";
/// The security officer's.
pub const SO_PIN: &str = "87654321";
/// What every token here is called.
pub const LABEL: &str = "symbolon test";

/// The kinds of token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// SoftHSM 2 of the system: ECDSA and Ed25519.
    SoftHsm,
    /// What `cargo xtask pq-token` builds, named by `SYMBOLON_PQ_TOKEN`: ML-DSA as well.
    Pq,
    /// SoftHSM 2 in a process of its own, behind [`P11KitServer`](crate::P11KitServer): it can be killed.
    Remote,
}

/// A token that is there.
#[derive(Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Holds everything of the token.
    pub folder: PathBuf,
    /// The module's path.
    pub module: PathBuf,
    /// Removes the folder, where the token is its own.
    _scratch: Option<TempDir>,
}

impl Kind {
    pub(crate) fn module(self) -> Result<PathBuf, String> {
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
}

impl Token {
    /// A new token, for programs that are started with its [`environment`](Self::environment). `None`, and a line that
    /// says so, when this machine lacks what it needs; see [`skip`].
    ///
    /// # Panics
    /// As [`skip`] does, and when a tool fails.
    pub fn new(kind: Kind, test: &str) -> Option<Self> {
        let scratch = tempfile::tempdir().expect("folder");
        match Self::make(kind, scratch.path().join("token")) {
            Ok(token) => Some(Self {
                _scratch: Some(scratch),
                ..token
            }),
            Err(reason) => {
                skip(test, &reason);
                None
            }
        }
    }

    /// A new token in `folder`, which is made too and which the caller removes.
    ///
    /// # Errors
    /// What is not installed.
    ///
    /// # Panics
    /// When there is something in the folder, or a tool fails.
    pub fn make(kind: Kind, folder: PathBuf) -> Result<Self, String> {
        let token = Self::at(kind, folder)?;
        std::fs::create_dir_all(token.storage()).expect("storage");
        token.secret_file("user.pin", PIN);
        token.initialize()?;
        Ok(token)
    }

    /// The token that another process made in `folder`, for one that was started with its environment.
    ///
    /// # Errors
    /// What is not installed.
    pub fn at(kind: Kind, folder: PathBuf) -> Result<Self, String> {
        Ok(Self {
            kind,
            folder,
            module: kind.module()?,
            _scratch: None,
        })
    }

    fn initialize(&self) -> Result<(), String> {
        let storage = self.storage();
        let storage = storage.display();
        let configuration = match self.kind {
            Kind::SoftHsm | Kind::Remote => format!(
                "directories.tokendir = {storage}\nobjectstore.backend = file\nlog.level = ERROR\n\
                 slots.removable = false\n"
            ),
            Kind::Pq => {
                format!("[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = \"{storage}/token.sql\"\n")
            }
        };
        std::fs::write(self.configuration(), configuration).expect("configuration");
        if self.kind != Kind::Pq {
            let mut init = Command::new("softhsm2-util");
            init.envs(self.server_environment());
            init.args(["--init-token", "--free", "--label", LABEL]);
            init.args(["--pin", PIN, "--so-pin", SO_PIN]);
            return run(&mut init).map(drop);
        }
        let so = ["--so-pin", SO_PIN];
        let mut init = self.pkcs11_tool();
        init.args(["--init-token", "--slot", "1", "--label", LABEL])
            .args(so);
        run(&mut init)?;
        let mut pin = self.pkcs11_tool();
        pin.args(["--token-label", LABEL, "--init-pin", "--pin", PIN]);
        pin.args(["--login", "--login-type", "so"]).args(so);
        run(&mut pin).map(drop)
    }

    /// The module's configuration.
    fn configuration(&self) -> PathBuf {
        self.folder.join("token.conf")
    }

    /// Where a served token is reached.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("p11.sock")
    }

    /// The environment variables of a process that uses the token: they lead to its configuration or its server.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        match self.kind {
            Kind::SoftHsm => self.server_environment(),
            Kind::Pq => vec![("KRYOPTIC_CONF", self.configuration().into())],
            Kind::Remote => {
                let address = format!("unix:path={}", self.socket().display());
                vec![("P11_KIT_SERVER_ADDRESS", address.into())]
            }
        }
    }

    /// The environment variables of a process that has SoftHSM in itself.
    pub(crate) fn server_environment(&self) -> Vec<(&'static str, OsString)> {
        vec![("SOFTHSM2_CONF", self.configuration().into())]
    }

    /// A file with the PIN, which only its owner can read.
    pub fn pin_file(&self) -> PathBuf {
        self.folder.join("user.pin")
    }

    /// The token's URI, with its module and where its PIN is.
    pub fn uri(&self) -> String {
        format!(
            "pkcs11:token={}?module-path={}&pin-source=file:{}",
            LABEL.replace(' ', "%20"),
            self.module.display(),
            self.pin_file().display()
        )
    }

    /// What `pkcs11-tool` prints, logged in.
    ///
    /// # Panics
    /// When it fails.
    pub fn tool(&self, arguments: &[&str]) -> String {
        self.tool_with_pin(PIN, arguments).expect("pkcs11-tool")
    }

    /// As [`tool`](Self::tool), with a PIN that may be wrong.
    ///
    /// # Errors
    /// What it printed, when it fails.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn tool_with_pin(&self, pin: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.pkcs11_tool();
        command.args(["--token-label", LABEL, "--login", "--pin", pin]);
        let output = command.args(arguments).output().expect("pkcs11-tool");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(text)
        }
    }

    /// What `pkcs11-tool` says of the tokens there are, without a PIN.
    ///
    /// # Panics
    /// When it fails.
    pub fn describe(&self) -> String {
        run(self.pkcs11_tool().arg("--list-slots")).expect("pkcs11-tool")
    }

    /// Puts a private key of somebody else's making on SoftHSM's token, with the id (hex digits) and label: a PKCS#8
    /// PEM file. The token need not be served for it.
    ///
    /// # Panics
    /// When it fails, or on the PQ token.
    pub fn import(&self, pkcs8: &Path, id: &str, label: &str) {
        assert_ne!(self.kind, Kind::Pq, "only SoftHSM has a tool for it");
        let mut import = Command::new("softhsm2-util");
        import
            .envs(self.server_environment())
            .arg("--import")
            .arg(pkcs8)
            .args(["--token", LABEL, "--pin", PIN, "--id", id, "--label", label]);
        run(&mut import).expect("softhsm2-util");
    }

    /// Locks the user's PIN, as someone would who tries PINs.
    ///
    /// # Panics
    /// When the token does not lock it, as SoftHSM never does.
    pub fn lock_pin(&self) {
        let locks = |_| {
            let said = self.tool_with_pin("00000000", &["--list-objects"]);
            said.expect_err("a wrong PIN").contains("CKR_PIN_LOCKED")
        };
        assert!((0..30).any(locks), "the token locks no PIN");
    }

    /// The token's storage.
    pub fn storage(&self) -> PathBuf {
        self.folder.join("storage")
    }

    /// Moves the token's storage away: a token that was pulled.
    ///
    /// # Panics
    /// When it is away already.
    pub fn take_away(&self) {
        std::fs::rename(self.storage(), self.folder.join("away")).expect("away");
    }

    /// Moves the token's storage back.
    ///
    /// # Panics
    /// When it was not away.
    pub fn bring_back(&self) {
        std::fs::rename(self.folder.join("away"), self.storage()).expect("back");
    }

    /// Writes a file that only its owner can read.
    ///
    /// # Panics
    /// When there is one of that name.
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

    /// `pkcs11-tool` on the token's module.
    fn pkcs11_tool(&self) -> Command {
        let mut command = Command::new("pkcs11-tool");
        command
            .envs(self.environment())
            .arg("--module")
            .arg(&self.module)
            .stdin(Stdio::null());
        command
    }
}

fn first_of(candidates: &[&str], otherwise: &str) -> Result<PathBuf, String> {
    let found = candidates.iter().map(PathBuf::from).find(|path| path.exists());
    found.ok_or_else(|| otherwise.to_owned())
}

/// Runs a tool to its end; what it printed. `Err` when it is not there.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
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
