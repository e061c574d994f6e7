//! `spire-agent` by x509pop, with certificates that OpenSSL made: it can attest again, and has selectors.

use std::fs;
use std::path::PathBuf;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, KeyUsage};
use openssl::x509::{X509, X509Builder, X509Name};
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, Evidence};

use crate::agent::until_given;
use crate::{entry, is_ok, shows};

/// Certificates of nodes, under a root that the server is told of and one in between.
struct Nodes {
    folder: tempfile::TempDir,
    root: (X509, PKey<Private>),
    between: (X509, PKey<Private>),
}

fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn certificate(
    name: &str,
    serial: u32,
    key: &PKey<Private>,
    issuer: Option<&(X509, PKey<Private>)>,
    is_ca: bool,
) -> X509 {
    let subject = {
        let mut subject = X509Name::builder().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
        subject.build()
    };
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&BigNum::from_u32(serial).unwrap().to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(issuer.map_or(&*subject, |(issuer, _)| issuer.subject_name()))
        .unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    let mut usage = KeyUsage::new();
    usage.critical();
    if is_ca {
        builder
            .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
            .unwrap();
        usage.key_cert_sign();
    } else {
        usage.digital_signature();
    }
    builder.append_extension(usage.build().unwrap()).unwrap();
    builder
        .sign(issuer.map_or(key, |(_, key)| key), MessageDigest::sha256())
        .unwrap();
    builder.build()
}

impl Nodes {
    fn new() -> Self {
        let root_key = ec_key();
        let root = (certificate("nodes", 1, &root_key, None, true), root_key);
        let key = ec_key();
        let between = (certificate("nodes in the east", 2, &key, Some(&root), true), key);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("root.pem"), root.0.to_pem().unwrap()).unwrap();
        fs::write(folder.path().join("between.pem"), between.0.to_pem().unwrap()).unwrap();
        Self {
            folder,
            root,
            between,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            sections: format!(
                "[attestors.x509pop]\nca_bundles = [\"{}\"]\n\n[lifetimes]\nagent = \"40s\"\n",
                self.folder.path().join("root.pem").display()
            ),
            ..Settings::default()
        }
    }

    /// A node's evidence, and its certificate's SHA-1 as SPIRE has it in the agent's id.
    fn node(&self, name: &str, key: &PKey<Private>, issuer: &(X509, PKey<Private>)) -> (Evidence, String) {
        let leaf = certificate(name, 0x2a, key, Some(issuer), false);
        let write = |suffix: &str, pem: Vec<u8>| -> PathBuf {
            let path = self.folder.path().join(format!("{name}.{suffix}"));
            fs::write(&path, pem).unwrap();
            path
        };
        let evidence = Evidence::X509pop {
            certificate: write("pem", leaf.to_pem().unwrap()),
            key: write("key", key.private_key_to_pem_pkcs8().unwrap()),
            intermediates: Some(self.folder.path().join("between.pem")),
        };
        let digest = leaf.digest(MessageDigest::sha1()).unwrap();
        (evidence, hex::encode(digest))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_attests_by_certificate_and_again_when_it_is_evicted() {
    let nodes = Nodes::new();
    let server = Server::with(&nodes.settings()).unwrap();
    let (evidence, fingerprint) = nodes.node("node-1", &ec_key(), &nodes.between);
    let mut agent = Agent::start(&server, "agent", &evidence).unwrap();
    let id = server.id_of(&format!("/spire/agent/x509pop/{fingerprint}"));
    let shown = spire::json(&server, &["agent", "show", "-spiffeID", &id]).unwrap();
    assert_eq!(shown["attestation_type"], "x509pop", "{shown}");
    assert_eq!(shown["can_reattest"], true, "{shown}");
    let mut selectors: Vec<String> = shown["selectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|selector| selector["value"].as_str().unwrap().to_owned())
        .collect();
    selectors.sort();
    let mut expected = vec!["subject:cn:node-1".to_owned(), "serialnumber:2a".to_owned()];
    for (authority, _) in [&nodes.root, &nodes.between] {
        let digest = authority.digest(MessageDigest::sha1()).unwrap();
        expected.push(format!("ca:fingerprint:{}", hex::encode(digest)));
    }
    expected.sort();
    assert_eq!(selectors, expected, "{shown}");

    // An alias for every node of the east.
    let alias = server.id_of("/nodes/east");
    let east = nodes.between.0.digest(MessageDigest::sha1()).unwrap();
    let created = spire::json(
        &server,
        &[
            "entry",
            "create",
            "-node",
            "-spiffeID",
            &alias,
            "-selector",
            &format!("x509pop:ca:fingerprint:{}", hex::encode(east)),
        ],
    )
    .unwrap();
    assert!(is_ok(&created["results"][0]["status"]), "{created}");
    let (own, shared) = (server.id_of("/of/the/node"), server.id_of("/of/the/east"));
    entry(&server, &id, "/of/the/node", &[]);
    entry(&server, &alias, "/of/the/east", &[]);
    until_given(&mut agent, &[&own, &shared]).await;
    shows("agent/aliases");

    let serial = || {
        let shown = spire::json(&server, &["agent", "show", "-spiffeID", &id])?;
        anyhow::Ok(
            shown["x509svid_serial_number"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
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

    // Evicted, it comes back by itself; banned, it does not.
    spire::says(&server, &["agent", "evict", "-spiffeID", &id]).unwrap();
    tokio::task::block_in_place(|| {
        agent.process().until("it comes back", || {
            let listed = spire::json(&server, &["agent", "list"])?;
            Ok((listed["agents"]
                .as_array()
                .is_some_and(|agents| agents.len() == 1))
            .then_some(()))
        })
    })
    .unwrap();
    until_given(&mut agent, &[&own, &shared]).await;
    spire::says(&server, &["agent", "ban", "-spiffeID", &id]).unwrap();
    let status = tokio::task::block_in_place(|| agent.process().end()).unwrap();
    assert!(!status.success(), "{}", agent.said());
    agent.restart().unwrap();
    let status = tokio::task::block_in_place(|| agent.process().end()).unwrap();
    assert!(
        !status.success(),
        "a banned agent must not attest again: {}",
        agent.said()
    );
    spire::says(&server, &["agent", "evict", "-spiffeID", &id]).unwrap();
    agent.restart().unwrap();
    agent.serves().unwrap();
    until_given(&mut agent, &[&own, &shared]).await;
    shows("agent/x509pop");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn an_rsa_key_is_proven_and_a_strangers_certificate_is_refused() {
    let nodes = Nodes::new();
    let server = Server::with(&nodes.settings()).unwrap();
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let (evidence, fingerprint) = nodes.node("rsa", &rsa, &nodes.between);
    let _agent = Agent::start(&server, "rsa", &evidence).unwrap();
    let id = server.id_of(&format!("/spire/agent/x509pop/{fingerprint}"));
    spire::says(&server, &["agent", "show", "-spiffeID", &id]).unwrap();

    let strangers = Nodes::new();
    let (evidence, _) = strangers.node("stranger", &ec_key(), &strangers.root);
    let mut stranger = Agent::launch(&server, "stranger", &evidence).unwrap();
    let status = stranger.process().end().unwrap();
    assert!(!status.success());
    let counted = spire::json(&server, &["agent", "count"]).unwrap();
    assert_eq!(counted["count"], 1, "{counted}");
    shows("agent/x509pop refusals");
}
