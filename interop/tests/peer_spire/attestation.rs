//! `spire-agent` by x509pop, with certificates that OpenSSL made: it can attest again, and has selectors.

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use symbolon_interop::server::Server;
use symbolon_interop::spire::{self, Agent};

use crate::agent::until_given;
use crate::nodes::{Nodes, ec_key, sha1};
use crate::{entry, is_ok, shows};

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
        expected.push(format!("ca:fingerprint:{}", sha1(authority)));
    }
    expected.sort();
    assert_eq!(selectors, expected, "{shown}");

    // An alias for every node of the east.
    let alias = server.id_of("/nodes/east");
    let created = spire::json(
        &server,
        &[
            "entry",
            "create",
            "-node",
            "-spiffeID",
            &alias,
            "-selector",
            &format!("x509pop:ca:fingerprint:{}", sha1(&nodes.between.0)),
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
