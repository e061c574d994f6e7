//! Devices by identities in their TPMs, provisioned with tpm2-tools as the book shows it.

use std::fs;
use std::path::PathBuf;

use openssl::pkey::{PKey, Public};
use openssl::x509::X509Builder;
use openssl::x509::extension::{ExtendedKeyUsage, KeyUsage};
use symbolon_interop::own_agent::{Node, OwnAgent, agent_with_tpm};
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, Evidence};
use symbolon_test_tokens::Swtpm;

use crate::agent::until_given;
use crate::nodes::{self, Authority};
use crate::{entry, shows};

/// A TPM of a maker's with a device identity in it.
pub(crate) struct Device {
    pub(crate) tpm: Swtpm,
    folder: tempfile::TempDir,
    maker: Authority,
    devices: Authority,
    /// The SHA-1 of its certificate.
    pub(crate) fingerprint: String,
}

impl Device {
    /// Makes one, its device key of a kind as tpm2-tools name it: `ecc256:ecdsa-sha256:null`.
    pub(crate) fn new(family: &str, kind: &str) -> Self {
        let Some(tpm) = Swtpm::new() else {
            panic!("swtpm and tpm2-tools have to be there");
        };
        // Short, because a socket's path has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("dv").tempdir().unwrap();
        let mut device = Self {
            tpm,
            folder,
            maker: nodes::root("maker"),
            devices: nodes::root("devices"),
            fingerprint: String::new(),
        };
        device.endorse();
        device.identify(family, kind);
        nodes::write(&device.path("maker.pem"), &device.maker.0);
        nodes::write(&device.path("devices.pem"), &device.devices.0);
        device
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tool(&self, program: &str, arguments: &[&str]) {
        // A word that begins with a comma is a file in the device's folder.
        let arguments: Vec<String> = arguments
            .iter()
            .map(|word| match word.strip_prefix(',') {
                Some(file) => self.path(file).display().to_string(),
                None => (*word).to_owned(),
            })
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.tpm.tool(program, &arguments);
        // Tools leave what they made loaded.
        for kind in ["-t", "-l", "-s"] {
            self.tpm.tool("tpm2_flushcontext", &[kind]);
        }
    }

    fn public_key(&self, name: &str) -> PKey<Public> {
        PKey::public_key_from_pem(&fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// What its maker does: an endorsement key, and a certificate for it in the TPM, with room behind it.
    fn endorse(&self) {
        self.tool(
            "tpm2_createek",
            &["-c", "0x81010001", "-G", "rsa", "-u", ",ek.pem", "-f", "pem"],
        );
        let shape = |builder: &mut X509Builder| {
            let usage = KeyUsage::new().critical().key_encipherment().build().unwrap();
            builder.append_extension(usage).unwrap();
            let purpose = ExtendedKeyUsage::new().other("2.23.133.8.1").build().unwrap();
            builder.append_extension(purpose).unwrap();
        };
        let certificate = nodes::leaf("TPM 7", 7, &self.public_key("ek.pem"), &self.maker, shape);
        let stored = [certificate.to_der().unwrap(), vec![0xff; 40]].concat();
        fs::write(self.path("ek.der"), &stored).unwrap();
        let attributes = "ppwrite|ppread|ownerread|authread|no_da|platformcreate";
        let size = stored.len().to_string();
        self.tool(
            "tpm2_nvdefine",
            &["0x01c00002", "-C", "p", "-s", &size, "-a", attributes],
        );
        self.tool("tpm2_nvwrite", &["0x01c00002", "-C", "p", "-i", ",ek.der"]);
    }

    /// What whoever provisions it does: a device key under the storage root key of the high range, and its certificate.
    fn identify(&mut self, family: &str, kind: &str) {
        let storage = "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda";
        self.tool(
            "tpm2_createprimary",
            &["-C", "o", "-G", family, "-a", storage, "-c", ",srk"],
        );
        let kept = "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth";
        self.tool(
            "tpm2_create",
            &[
                "-C",
                ",srk",
                "-G",
                kind,
                "-a",
                kept,
                "-u",
                ",devid.pub",
                "-r",
                ",devid.priv",
            ],
        );
        self.tool(
            "tpm2_load",
            &[
                "-C",
                ",srk",
                "-u",
                ",devid.pub",
                "-r",
                ",devid.priv",
                "-c",
                ",devid.ctx",
            ],
        );
        self.tool(
            "tpm2_readpublic",
            &["-c", ",devid.ctx", "-f", "pem", "-o", ",devid.key"],
        );
        let key = self.public_key("devid.key");
        let certificate = nodes::leaf("device 7", 7, &key, &self.devices, nodes::for_signing);
        self.fingerprint = nodes::sha1(&certificate);
        nodes::write(&self.path("devid.pem"), &certificate);
        // SPIRE's files are without the length that the tools put before each part.
        for name in ["devid.pub", "devid.priv"] {
            let sized = fs::read(self.path(name)).unwrap();
            let (length, area) = sized.split_first_chunk().unwrap();
            assert_eq!(usize::from(u16::from_be_bytes(*length)), area.len());
            fs::write(self.path(&format!("stock.{name}")), area).unwrap();
        }
    }

    /// What our server lets it in by.
    pub(crate) fn section(&self) -> String {
        format!(
            "[attestors.tpm_devid]\ndevid_cas = [\"{}\"]\nendorsement_cas = [\"{}\"]\n",
            self.path("devices.pem").display(),
            self.path("maker.pem").display()
        )
    }

    /// What an agent of ours attests with, while the TPM is where the tools reach it.
    pub(crate) fn own_attestor(&self) -> String {
        format!(
            "[attestor.tpm_devid]\ntcti = \"{}\"\ndevid_certificate = \"{}\"\ndevid_public = \"{}\"\n\
             devid_private = \"{}\"\n",
            self.tpm.tcti(),
            self.path("devid.pem").display(),
            self.path("devid.pub").display(),
            self.path("devid.priv").display(),
        )
    }

    /// What a stock agent attests with, after the TPM has moved to where it finds it.
    fn stock_evidence(&mut self) -> Evidence {
        let socket = self.path("tpm");
        self.tpm.move_to(&socket);
        Evidence::TpmDevId {
            tpm: socket,
            certificate: self.path("devid.pem"),
            public: self.path("stock.devid.pub"),
            private: self.path("stock.devid.priv"),
        }
    }
}

fn settings(section: &str) -> Settings {
    Settings {
        sections: format!("{section}\n[lifetimes]\nagent = \"60s\"\n"),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_stock_agent_attests_with_its_tpm_and_again() {
    for (family, kind) in [
        ("ecc256", "ecc256:ecdsa-sha256:null"),
        ("rsa2048", "rsa2048:rsassa-sha256:null"),
    ] {
        let mut device = Device::new(family, kind);
        let server = Server::with(&settings(&device.section())).unwrap();
        let id = server.id_of(&format!("/spire/agent/tpm_devid/{}", device.fingerprint));
        // An agent of ours comes first, so that the stock one has a name to take over.
        let mut own = OwnAgent::start(&Node {
            home: server.home().join("own"),
            server: server.address(),
            trust_domain: server.trust_domain(),
            bundle: server.bundle().unwrap(),
            attestor: device.own_attestor(),
            sections: String::new(),
            program: agent_with_tpm().unwrap(),
            spiffe_id: id.clone(),
        })
        .unwrap();
        tokio::task::block_in_place(|| {
            own.process().until("our agent has attested", || {
                let counted = spire::json(&server, &["agent", "count"])?;
                Ok((counted["count"] == 1).then_some(()))
            })
        })
        .unwrap();
        own.stop().unwrap();
        let evidence = device.stock_evidence();
        let mut agent = Agent::start(&server, "agent", &evidence).unwrap();
        assert_eq!(spire::json(&server, &["agent", "count"]).unwrap()["count"], 1);
        let shown = spire::json(&server, &["agent", "show", "-spiffeID", &id]).unwrap();
        assert_eq!(shown["attestation_type"], "tpm_devid", "{shown}");
        assert_eq!(shown["can_reattest"], true, "{shown}");
        let mut selectors: Vec<&str> = shown["selectors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|selector| selector["value"].as_str().unwrap())
            .collect();
        selectors.sort_unstable();
        let authority = format!("ca:fingerprint:{}", nodes::sha1(&device.devices.0));
        assert_eq!(
            selectors,
            [authority.as_str(), "issuer:cn:devices", "subject:cn:device 7"],
            "{shown}"
        );

        let workload = server.id_of("/on/the/device");
        entry(&server, &id, "/on/the/device", &[]);
        until_given(&mut agent, &[&workload]).await;
        let serial = || {
            let shown = spire::json(&server, &["agent", "show", "-spiffeID", &id])?;
            anyhow::Ok(shown["x509svid_serial_number"].clone())
        };
        let before = serial().unwrap();
        tokio::task::block_in_place(|| {
            agent
                .process()
                .until("it attests again before its SVID runs out", || {
                    Ok((serial()? != before).then_some(()))
                })
        })
        .unwrap();
        until_given(&mut agent, &[&workload]).await;
    }
    shows("agent/tpm_devid");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn a_device_of_another_maker_or_authority_is_refused() {
    let (mut device, other) = (
        Device::new("ecc256", "ecc256:ecdsa-sha256:null"),
        Device::new("ecc256", "ecc256:ecdsa-sha256:null"),
    );
    let file = |device: &Device, name: &str| device.path(name).display().to_string();
    let evidence = device.stock_evidence();
    for (devices, maker) in [(&other, &device), (&device, &other)] {
        let section = format!(
            "[attestors.tpm_devid]\ndevid_cas = [\"{}\"]\nendorsement_cas = [\"{}\"]\n",
            file(devices, "devices.pem"),
            file(maker, "maker.pem"),
        );
        let server = Server::with(&settings(&section)).unwrap();
        let mut agent = Agent::launch(&server, "agent", &evidence).unwrap();
        let status = agent.process().end().unwrap();
        assert!(!status.success());
        let counted = spire::json(&server, &["agent", "count"]).unwrap();
        assert_eq!(counted["count"], 0, "{counted}: {}", agent.said());
    }
    shows("agent/tpm_devid refusals");
}
