//! Vault's own server, as released, and its operator.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use symbolon_interop::running::Running;
use symbolon_interop::server::write_private;
use symbolon_interop::tls::{HOST, Realm};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use tempfile::TempDir;

/// The environment variable that names the program.
const VARIABLE: &str = "SYMBOLON_VAULT";

fn program() -> Command {
    let path = std::env::var_os(VARIABLE)
        .unwrap_or_else(|| panic!("{VARIABLE} names no program; `cargo xtask interop vault` builds it"));
    Command::new(path)
}

/// A running server with a PKI secrets engine at `pki`, whose root it has made.
pub(crate) struct Vault {
    _process: Running,
    address: SocketAddr,
    home: TempDir,
}

impl Vault {
    /// Starts one; its root has these keys beside its name, as `root/generate` takes them.
    pub(crate) fn start(root: &Value) -> Self {
        let home = TempDir::new().unwrap();
        for folder in ["own", "client"] {
            let folder = home.path().join(folder);
            fs::create_dir(&folder).unwrap();
            Realm::issue(Suite::EcdsaP256).unwrap().write(&folder).unwrap();
        }
        let (address, token) = (home.path().join("address"), home.path().join("root-token"));
        let mut command = program();
        command
            .arg("serve")
            .arg("-address-file")
            .arg(&address)
            .arg("-certificate")
            .arg(home.path().join("own/chain.pem"))
            .arg("-key")
            .arg(home.path().join("own/key.pem"))
            .arg("-root-token")
            .arg(&token);
        let mut process = Running::start("Vault", &mut command, home.path().join("log")).unwrap();
        let address = process
            .until("Vault serves", || match fs::read_to_string(&address) {
                Ok(text) => Ok(Some(text.parse()?)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.into()),
            })
            .unwrap();
        let vault = Self {
            _process: process,
            address,
            home,
        };
        vault.engine("pki");
        let mut wanted = json!({ "common_name": "Root of the enterprise", "key_type": "ec", "ttl": "8760h" });
        wanted
            .as_object_mut()
            .unwrap()
            .extend(root.as_object().unwrap().clone());
        vault.ask("POST", "pki/root/generate/internal", &wanted);
        let may = "path \"pki/*\" { capabilities = [\"update\"] }";
        vault.ask("POST", "sys/policies/acl/symbolon", &json!({ "policy": may }));
        vault
    }

    /// Mounts an engine whose certificates may live long.
    pub(crate) fn engine(&self, mount: &str) {
        self.ask("POST", &format!("sys/mounts/{mount}"), &json!({ "type": "pki" }));
        let tune = format!("sys/mounts/{mount}/tune");
        self.ask("POST", &tune, &json!({ "max_lease_ttl": "87600h" }));
    }

    /// What its operator asks, and is answered.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut command = program();
        command
            .arg("call")
            .args(["-address", &format!("{HOST}:{}", self.address.port())])
            .arg("-roots")
            .arg(self.file("own/root.pem"))
            .arg("-token")
            .arg(self.file("root-token"))
            .args([method, path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut input = process.stdin.take().unwrap();
        input.write_all(body.to_string().as_bytes()).unwrap();
        drop(input);
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{method} {path}: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A secret in a file that its owner alone can read.
    pub(crate) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let file = self.file(name);
        write_private(&file, text.as_bytes()).unwrap();
        file
    }

    /// The root of an engine.
    pub(crate) fn root(&self, mount: &str) -> Certificate {
        let answer = self.ask("GET", &format!("{mount}/cert/ca"), &Value::Null);
        let text = answer["data"]["certificate"].as_str().unwrap();
        pem::certificates(text.as_bytes()).unwrap().remove(0).unwrap()
    }

    /// A token that its operator makes for us.
    pub(crate) fn token(&self, more: &Value) -> Value {
        let mut wanted = json!({ "policies": ["symbolon"], "no_default_policy": false });
        wanted
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.ask("POST", "auth/token/create", &wanted)["auth"].clone()
    }

    /// The sections of a server of ours whose classical family is below it, let in so.
    pub(crate) fn above(&self, keys: &str, auth: &str) -> String {
        format!(
            "[upstreams.vault]\nkind = \"vault\"\naddress = \"https://{HOST}:{}\"\nca_file = \"{}\"\n{keys}\n\
             [upstreams.vault.auth]\n{auth}\n[families.classical]\nupstream = \"vault\"\n",
            self.address.port(),
            self.file("own/root.pem").display(),
        )
    }
}

/// The keys of `auth` for a token in a file.
pub(crate) fn by_token(file: &Path) -> String {
    format!("method = \"token\"\ntoken_source = \"file:{}\"", file.display())
}
