//! A stock `spire-agent`, on a server of ours or on a stock one.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::Value;
use spiffe::TrustDomain;
use symbolon_pki::bundle::BundleSet;
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient, X509Context};

use crate::programs;
use crate::running::Running;
use crate::server::Server;
use crate::spire::{program, says};

/// With what a stock agent attests.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// A join token.
    Token(String),
    /// A certificate and its key, in PEM files.
    X509pop {
        /// The certificate.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
        /// Certificates between it and the root, if there are any.
        intermediates: Option<PathBuf>,
    },
    /// A device identity in a TPM, its parts in files as SPIRE reads them.
    TpmDevId {
        /// The TPM: a device, or a socket on which each command is a connection of its own.
        tpm: PathBuf,
        /// The device's certificate in PEM.
        certificate: PathBuf,
        /// The public part of its key.
        public: PathBuf,
        /// The private part, wrapped by the TPM.
        private: PathBuf,
    },
    /// Anything else that a stock agent has a plugin for.
    Plugin {
        /// The plugin's name.
        method: &'static str,
        /// Its keys, in SPIRE's own language.
        keys: String,
        /// The proxy through which it reaches services without TLS at addresses of their own.
        proxy: Option<SocketAddr>,
    },
}

impl Evidence {
    fn plugin(&self) -> String {
        match self {
            Self::Token(_) => "NodeAttestor \"join_token\" {\n        plugin_data {}\n    }".to_owned(),
            Self::X509pop {
                certificate,
                key,
                intermediates,
            } => {
                let between = intermediates.as_ref().map_or_else(String::new, |path| {
                    format!("            intermediates_path = \"{}\"\n", path.display())
                });
                format!(
                    "NodeAttestor \"x509pop\" {{\n        plugin_data {{\n            certificate_path = \"{}\"\n            \
                     private_key_path = \"{}\"\n{between}        }}\n    }}",
                    certificate.display(),
                    key.display(),
                )
            }
            Self::TpmDevId {
                tpm,
                certificate,
                public,
                private,
            } => format!(
                "NodeAttestor \"tpm_devid\" {{\n        plugin_data {{\n            tpm_device_path = \"{}\"\n            \
                 devid_cert_path = \"{}\"\n            devid_pub_path = \"{}\"\n            \
                 devid_priv_path = \"{}\"\n        }}\n    }}",
                tpm.display(),
                certificate.display(),
                public.display(),
                private.display(),
            ),
            Self::Plugin { method, keys, .. } => {
                format!("NodeAttestor \"{method}\" {{\n        plugin_data {{\n{keys}\n        }}\n    }}")
            }
        }
    }
}

/// The server of a stock agent, and what it is recognised by.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its address.
    pub address: SocketAddr,
    /// Its trust domain.
    pub trust_domain: TrustDomain,
    /// Its authorities in PEM.
    pub bundle: String,
}

impl Place {
    /// A server of ours, recognised by what the stock `spire-server bundle show` prints.
    ///
    /// # Errors
    /// If that does not run.
    pub fn of(server: &Server) -> Result<Self> {
        Ok(Self {
            address: server.address(),
            trust_domain: TrustDomain::new(server.trust_domain())?,
            bundle: says(server, &["bundle", "show"])?,
        })
    }
}

/// A stock `spire-agent` in a folder of its own. It syncs every second.
#[derive(Debug)]
pub struct Agent {
    process: Running,
    home: PathBuf,
    place: Place,
    evidence: Evidence,
    keys: String,
}

impl Agent {
    /// Starts one by name in the server's folder, and waits until it serves the Workload API.
    ///
    /// # Errors
    /// If the program is not there, ends, or does not come so far.
    pub fn start(server: &Server, name: &str, evidence: &Evidence) -> Result<Self> {
        let mut agent = Self::launch(server, name, evidence)?;
        agent.serves()?;
        Ok(agent)
    }

    /// Starts one and waits for nothing.
    ///
    /// # Errors
    /// If the program is not there, or cannot be configured.
    pub fn launch(server: &Server, name: &str, evidence: &Evidence) -> Result<Self> {
        Self::launch_at(Place::of(server)?, server.home().join(name), evidence)
    }

    /// Starts one on any server, in a folder, and waits for nothing.
    ///
    /// # Errors
    /// If the program is not there, or cannot be configured.
    pub fn launch_at(place: Place, home: PathBuf, evidence: &Evidence) -> Result<Self> {
        fs::create_dir_all(&home)?;
        configure(&home, &place, evidence, "")?;
        Ok(Self {
            process: run(&home, evidence)?,
            home,
            place,
            evidence: evidence.clone(),
            keys: String::new(),
        })
    }

    /// Starts it again on what it left.
    ///
    /// # Errors
    /// If it does not stop, or cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.start_again()
    }

    /// Stops it.
    ///
    /// # Errors
    /// If it does not stop.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop().map(drop)
    }

    /// Starts it, after it has stopped, on what it left.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start_again(&mut self) -> Result<()> {
        // What was said before must not be taken for what is said now.
        let log = self.home.join("log");
        fs::rename(&log, log.with_extension("before"))?;
        configure(&self.home, &self.place, &self.evidence, &self.keys)?;
        self.process = run(&self.home, &self.evidence)?;
        Ok(())
    }

    /// From its next start on it has another server, or another bundle to recognise it by.
    pub fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// From its next start on it attests with this.
    pub fn set_evidence(&mut self, evidence: Evidence) {
        self.evidence = evidence;
    }

    /// From its next start on its configuration has these keys too, in its own language.
    pub fn set_keys(&mut self, keys: &str) {
        keys.clone_into(&mut self.keys);
    }

    /// Deletes its data directory.
    ///
    /// # Errors
    /// If that fails.
    pub fn forget(&self) -> Result<()> {
        Ok(fs::remove_dir_all(self.home.join("data"))?)
    }

    /// Waits until it serves the Workload API.
    ///
    /// # Errors
    /// If it ends first, or does not.
    pub fn serves(&mut self) -> Result<()> {
        let home = self.home.clone();
        self.process.until("the stock agent is healthy", || {
            let mut probe = program("spire-agent", &home)?;
            probe
                .arg("healthcheck")
                .arg("-socketPath")
                .arg(home.join("api.sock"));
            Ok(probe.output()?.status.success().then_some(()))
        })
    }

    /// Waits until it has said something.
    ///
    /// # Errors
    /// If it ends first, or does not.
    pub fn says(&mut self, words: &str) -> Result<()> {
        let log = self.home.join("log");
        self.process
            .until(&format!("the stock agent says {words:?}"), || {
                Ok(fs::read_to_string(&log)?.contains(words).then_some(()))
            })
    }

    /// The running program.
    pub fn process(&mut self) -> &mut Running {
        &mut self.process
    }

    /// What it has said.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// The socket of its Workload API.
    pub fn socket(&self) -> PathBuf {
        self.home.join("api.sock")
    }

    /// Runs one of the stock agent's commands on its socket, such as `api fetch x509`.
    ///
    /// # Errors
    /// If it fails.
    pub fn command(&self, words: &[&str], flags: &[&str]) -> Result<Value> {
        let mut command = program("spire-agent", &self.home)?;
        command
            .args(words)
            .arg("-socketPath")
            .arg(self.socket())
            .args(["-output", "json"])
            .args(flags);
        programs::json(&mut command)
    }

    /// What its Workload API gives the user who runs the tests, who asks for no forms.
    ///
    /// # Errors
    /// If there is nothing for them, or it cannot be read.
    pub async fn x509(&self) -> Result<X509Context> {
        fetch(&self.socket()).await
    }

    /// The trust bundles that its Workload API gives.
    ///
    /// # Errors
    /// If they cannot be had.
    pub async fn jwt_bundles(&self) -> Result<BundleSet> {
        let client = WorkloadApiClient::connect(&Endpoint::unix(&self.socket())?).await?;
        Ok(client.fetch_jwt_bundles().await?)
    }

    /// The trust domain that it is in.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.place.trust_domain
    }
}

/// What a Workload API gives those who ask for no forms.
///
/// # Errors
/// If there is nothing for them, or it cannot be read.
pub async fn fetch(socket: &Path) -> Result<X509Context> {
    let client = WorkloadApiClient::connect(&Endpoint::unix(socket)?).await?;
    Ok(client.fetch_x509(&[]).await?)
}

fn run(home: &Path, evidence: &Evidence) -> Result<Running> {
    let mut command = program("spire-agent", home)?;
    if let Evidence::Plugin {
        proxy: Some(proxy), ..
    } = evidence
    {
        command.env("HTTP_PROXY", format!("http://{proxy}"));
    }
    command.arg("run").arg("-config").arg(home.join("agent.conf"));
    Running::start("spire-agent", &mut command, home.join("log"))
}

fn configure(home: &Path, place: &Place, evidence: &Evidence, keys: &str) -> Result<()> {
    fs::write(home.join("bundle.pem"), &place.bundle)?;
    let text = configuration(home, place, evidence, keys);
    Ok(fs::write(home.join("agent.conf"), text)?)
}

fn configuration(home: &Path, place: &Place, evidence: &Evidence, keys: &str) -> String {
    let token = match evidence {
        Evidence::Token(token) => format!("    join_token = \"{token}\"\n"),
        Evidence::X509pop { .. } | Evidence::TpmDevId { .. } | Evidence::Plugin { .. } => String::new(),
    };
    format!(
        r#"agent {{
    data_dir = "{home}/data"
    log_level = "DEBUG"
    server_address = "{host}"
    server_port = {port}
    socket_path = "{home}/api.sock"
    trust_bundle_path = "{home}/bundle.pem"
    trust_domain = "{trust_domain}"
{token}    {keys}
    experimental {{
        sync_interval = "1s"
    }}
}}
plugins {{
    {evidence}
    KeyManager "disk" {{
        plugin_data {{
            directory = "{home}/data"
        }}
    }}
    WorkloadAttestor "unix" {{
        plugin_data {{}}
    }}
}}
"#,
        home = home.display(),
        host = place.address.ip(),
        port = place.address.port(),
        trust_domain = place.trust_domain,
        evidence = evidence.plugin(),
    )
}
