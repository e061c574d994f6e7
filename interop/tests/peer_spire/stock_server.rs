//! Agents of ours on a stock `spire-server`: it knows no form but the classical one, and nothing that is ours.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use symbolon_interop::own_agent::{Node, OwnAgent, agent_program, agent_with_tpm, join_token};
use symbolon_interop::programs;
use symbolon_interop::running::eventually;
use symbolon_interop::spire::{Evidence, fetch};
use symbolon_interop::spire_server::SpireServer;
use symbolon_pki::certificate::Certificate;
use tokio::runtime::Handle;

use crate::agent::assert_identities;
use crate::devices::Device;
use crate::nodes::{Nodes, ec_key};
use crate::{own_selector, shows};

/// Runs one of the stock commands on a stock server.
pub(crate) fn on(server: &SpireServer, words: &[&str], flags: &[&str]) -> Value {
    let mut command = server.command(words).unwrap();
    programs::json(command.args(["-output", "json"]).args(flags)).unwrap()
}

/// What a stock server's bundle is in a format of the stock command: `pem`, `spiffe`.
pub(crate) fn bundle(server: &SpireServer, format: &str) -> String {
    let mut command = server.command(&["bundle", "show"]).unwrap();
    String::from_utf8(programs::run(command.args(["-format", format])).unwrap()).unwrap()
}

pub(crate) fn id_of(path: &str) -> String {
    format!("spiffe://{}{path}", symbolon_interop::chain::TRUST_DOMAIN)
}

/// An entry for the user who runs the tests.
pub(crate) fn register(server: &SpireServer, parent: &str, path: &str) {
    let (id, selector) = (id_of(path), own_selector());
    let flags = ["-parentID", parent, "-spiffeID", &id, "-selector", &selector];
    on(server, &["entry", "create"], &flags);
}

/// The section of a stock server that lets nodes in by their certificates.
pub(crate) fn x509pop(nodes: &Nodes) -> String {
    format!(
        "NodeAttestor \"x509pop\" {{\n        plugin_data {{\n            ca_bundle_path = \"{}\"\n        }}\n    }}",
        nodes.root_file().display()
    )
}

/// What our agent attests with where a stock one has this.
pub(crate) fn own_attestor(evidence: &Evidence) -> String {
    let Evidence::X509pop {
        certificate,
        key,
        intermediates,
    } = evidence
    else {
        panic!("this is no certificate: {evidence:?}");
    };
    format!(
        "[attestor.x509pop]\ncertificate = \"{}\"\nprivate_key = \"{}\"\nintermediates = \"{}\"\n",
        certificate.display(),
        key.display(),
        intermediates.as_deref().unwrap_or(Path::new("")).display(),
    )
}

/// A node for an agent of ours on a stock server.
pub(crate) fn node(server: &SpireServer, program: PathBuf, attestor: String, id: &str) -> Node<'static> {
    let file = server.home().join("bundle.json");
    std::fs::write(&file, bundle(server, "spiffe")).unwrap();
    let address: SocketAddr = server.address();
    Node {
        home: server.home().join("own"),
        server: address,
        trust_domain: symbolon_interop::chain::TRUST_DOMAIN,
        bundle: file,
        attestor,
        sections: "[sync]\ninterval = \"1s\"\n".to_owned(),
        program,
        spiffe_id: id.to_owned(),
    }
}

/// Waits until an agent gives the user who runs the tests exactly these identities, and gives the leaves' serial numbers.
pub(crate) fn given(agent: &mut OwnAgent, expected: &[&str]) -> Vec<String> {
    let handle = Handle::current();
    let socket = agent.socket().to_owned();
    tokio::task::block_in_place(|| {
        let context = agent
            .process()
            .until("our agent gives the identities", || {
                let found = handle.block_on(fetch(&socket)).ok();
                Ok(found.filter(|context| context.svids.len() == expected.len()))
            })
            .unwrap();
        assert_identities(&context, expected);
        let serial = |der: &[u8]| Certificate::from_der(der).unwrap().serial_hex();
        let leaves = context.svids.iter();
        leaves.map(|svid| serial(&svid.identity.chain()[0])).collect()
    })
}

/// What the stock server knows of the agent.
pub(crate) fn shown(server: &SpireServer, id: &str) -> Value {
    on(server, &["agent", "show"], &["-spiffeID", id])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_of_ours_attests_by_join_token_and_renews() {
    let server =
        SpireServer::start_with("agent_ttl = \"40s\"\n    default_x509_svid_ttl = \"40s\"", "").unwrap();
    let made = on(&server, &["token", "generate"], &[]);
    let token = made["value"].as_str().unwrap();
    let id = id_of(&format!("/spire/agent/join_token/{token}"));
    let attestor = join_token(&server.home().join("own"), token).unwrap();
    let mut agent = OwnAgent::start(&node(&server, agent_program().unwrap(), attestor, &id)).unwrap();
    register(&server, &id, "/workload");
    let first = given(&mut agent, &[&id_of("/workload")]);

    let before = shown(&server, &id)["x509svid_serial_number"].clone();
    tokio::task::block_in_place(|| {
        eventually("its SVID is renewed", || {
            Ok((shown(&server, &id)["x509svid_serial_number"] != before).then_some(()))
        })
        .unwrap();
        eventually("its workload's SVID is renewed", || {
            let handle = Handle::current();
            let context = handle.block_on(fetch(agent.socket()))?;
            let leaf = Certificate::from_der(&context.svids[0].identity.chain()[0])?;
            let now = SystemTime::now();
            Ok((leaf.serial_hex() != first[0] && now < leaf.not_after()).then_some(()))
        })
        .unwrap();
    });
    given(&mut agent, &[&id_of("/workload")]);

    // A second identity comes, and the first goes.
    register(&server, &id, "/other");
    let (one, other) = (id_of("/workload"), id_of("/other"));
    given(&mut agent, &[&one, &other]);
    shows("own-agent/join_token");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_of_ours_attests_by_certificate() {
    let nodes = Nodes::new();
    let server = SpireServer::start(&x509pop(&nodes)).unwrap();
    let (evidence, fingerprint) = nodes.node("node-1", &ec_key(), &nodes.between);
    let id = id_of(&format!("/spire/agent/x509pop/{fingerprint}"));
    let attestor = own_attestor(&evidence);
    let mut agent = OwnAgent::start(&node(&server, agent_program().unwrap(), attestor, &id)).unwrap();
    register(&server, &id, "/workload");
    given(&mut agent, &[&id_of("/workload")]);
    assert_eq!(shown(&server, &id)["attestation_type"], "x509pop");
    shows("own-agent/x509pop");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_of_ours_attests_with_its_tpm() {
    let device = Device::new("ecc256", "ecc256:ecdsa-sha256:null");
    let server = SpireServer::start(&format!(
        "NodeAttestor \"tpm_devid\" {{\n        plugin_data {{\n            devid_ca_path = \"{}\"\n            \
         endorsement_ca_path = \"{}\"\n        }}\n    }}",
        device.path("devices.pem").display(),
        device.path("maker.pem").display(),
    ))
    .unwrap();
    let id = id_of(&format!("/spire/agent/tpm_devid/{}", device.fingerprint));
    let mut agent = OwnAgent::start(&node(
        &server,
        agent_with_tpm().unwrap(),
        device.own_attestor(),
        &id,
    ))
    .unwrap();
    register(&server, &id, "/workload");
    given(&mut agent, &[&id_of("/workload")]);
    assert_eq!(shown(&server, &id)["attestation_type"], "tpm_devid");
    shows("own-agent/tpm_devid");
}
