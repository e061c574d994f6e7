//! The steps of the book's page on moving from SPIRE, in their order, on a deployment of stock software.

use std::collections::BTreeSet;
use std::time::SystemTime;

use symbolon_interop::own_agent::{Node, OwnAgent, agent_program};
use symbolon_interop::programs;
use symbolon_interop::running::eventually;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, Evidence, Place};
use symbolon_interop::spire_server::SpireServer;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::pem;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::workload_api::X509Context;
use tokio::runtime::Handle;

use crate::agent::until_given;
use crate::commands::foreign_root;
use crate::nodes::{Nodes, ec_key};
use crate::rotation::own_agents;
use crate::shows;
use crate::stock_server::{bundle, id_of, on, own_attestor, register, x509pop};

/// Where stock agents find the stock server.
fn before(server: &SpireServer) -> Place {
    Place {
        address: server.address(),
        trust_domain: spiffe::TrustDomain::new(symbolon_interop::chain::TRUST_DOMAIN).unwrap(),
        bundle: bundle(server, "pem"),
    }
}

/// Whether what one workload shows is believed by another.
fn believes(whom: &X509Context, who: &X509Context) -> bool {
    let chain = whom.svids[0].identity.chain();
    let chain: Vec<_> = chain
        .iter()
        .map(|der| Certificate::from_der(der).unwrap())
        .collect();
    verify_x509_svid(&chain, &who.bundles, SystemTime::now()).is_ok()
}

/// The certificates of a PEM text, in no order.
pub(crate) fn certificates(text: &[u8]) -> BTreeSet<[u8; 32]> {
    pem::certificates(text)
        .unwrap()
        .into_iter()
        .map(|certificate| certificate.unwrap().sha256())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_deployment_moves_node_by_node_and_could_go_back() {
    // There is a SPIRE server with a partner, a node with a certificate and one with a token and an alias.
    let nodes = Nodes::new();
    let old = SpireServer::start(&x509pop(&nodes)).unwrap();
    let (evidence, fingerprint) = nodes.node("node-1", &ec_key(), &nodes.between);
    let by_certificate = id_of(&format!("/spire/agent/x509pop/{fingerprint}"));
    let mut first = Agent::launch_at(before(&old), old.home().join("first"), &evidence).unwrap();
    let alias = id_of("/nodes/second");
    let made = on(&old, &["token", "generate"], &["-spiffeID", &alias]);
    let token = Evidence::Token(made["value"].as_str().unwrap().to_owned());
    let mut second = Agent::launch_at(before(&old), old.home().join("second"), &token).unwrap();
    register(&old, &by_certificate, "/web");
    register(&old, &alias, "/db");
    let (web, db) = (id_of("/web"), id_of("/db"));
    until_given(&mut first, &[&web]).await;
    let unmoved = until_given(&mut second, &[&db]).await;

    // 1. A server with the same trust domain at another address, with the attestors that the agents use.
    let new = Server::with(&Settings {
        sections: nodes.section(),
        ..Settings::default()
    })
    .unwrap();
    let (_, partner) = foreign_root(&new, "partner");
    on(
        &old,
        &["federation", "create"],
        &[
            "-trustDomain",
            "partner.test",
            "-bundleEndpointURL",
            "https://127.0.0.1:1/bundle",
            "-bundleEndpointProfile",
            "https_web",
            "-trustDomainBundleFormat",
            "pem",
            "-trustDomainBundlePath",
            partner.to_str().unwrap(),
        ],
    );

    // 2. Import, again and again.
    for _ in 0..2 {
        let mut import = new.symbolon().unwrap();
        import.args(["import", "spire", "--own-authorities", "--from"]);
        programs::run(import.arg(old.socket())).unwrap();
    }
    let listed = spire::json(&new, &["federation", "list"]).unwrap();
    assert_eq!(
        listed["federation_relationships"][0]["trust_domain"], "partner.test",
        "{listed}"
    );

    // 3. The new bundle, by the stock command or by ours.
    let theirs = spire::says(&new, &["bundle", "show"]).unwrap();
    let mut show = new.symbolon().unwrap();
    show.args(["bundle", "show", "--format", "pem", "--form", "classical"]);
    let ours = String::from_utf8(programs::run(&mut show).unwrap()).unwrap();
    let imported = certificates(bundle(&old, "pem").as_bytes());
    for shown in [&theirs, &ours] {
        assert!(certificates(shown.as_bytes()).is_superset(&imported));
    }

    // 4. The first node: the address, the bundle, no memory. It has the name that it had, so its entries follow.
    first.stop().unwrap();
    first.forget().unwrap();
    first.set_place(Place::of(&new).unwrap());
    first.start_again().unwrap();
    let moved = until_given(&mut first, &[&web]).await;
    spire::says(&new, &["agent", "show", "-spiffeID", &by_certificate]).unwrap();
    // What has moved believes what has not; the other way round it takes a SPIRE server that knows us.
    assert!(believes(&unmoved, &moved));
    assert!(!believes(&moved, &unmoved));

    // And back, because nothing was changed there.
    first.stop().unwrap();
    first.forget().unwrap();
    first.set_place(before(&old));
    first.start_again().unwrap();
    let back = until_given(&mut first, &[&web]).await;
    assert!(believes(&back, &unmoved) && believes(&unmoved, &back));
    first.stop().unwrap();
    first.forget().unwrap();
    first.set_place(Place::of(&new).unwrap());
    first.start_again().unwrap();
    until_given(&mut first, &[&web]).await;

    // The second node needs a new token, for the alias that its entries hang on.
    let made = spire::json(&new, &["token", "generate", "-spiffeID", &alias]).unwrap();
    second.stop().unwrap();
    second.forget().unwrap();
    second.set_place(Place {
        bundle: ours,
        ..Place::of(&new).unwrap()
    });
    second.set_evidence(Evidence::Token(made["value"].as_str().unwrap().to_owned()));
    second.start_again().unwrap();
    until_given(&mut second, &[&db]).await;

    // 5. The old server goes, and nobody misses it.
    drop(old);
    let listed = spire::json(&new, &["entry", "show", "-spiffeID", &web]).unwrap();
    assert_eq!(listed["entries"].as_array().unwrap().len(), 1, "{listed}");
    shows("moving/stock agents");

    // What is gained: an agent of ours takes the first node's certificate, its name and its entries.
    first.stop().unwrap();
    let own = OwnAgent::start(&Node {
        home: new.home().join("own"),
        server: new.address(),
        trust_domain: new.trust_domain(),
        bundle: new.bundle().unwrap(),
        attestor: own_attestor(&evidence),
        sections: "[sync]\ninterval = \"1s\"\n".to_owned(),
        program: agent_program().unwrap(),
        spiffe_id: by_certificate,
    })
    .unwrap();
    let handle = Handle::current();
    let given = tokio::task::block_in_place(|| {
        eventually("our agent gives both forms of the same entry", || {
            let context = handle.block_on(own_agents(own.socket())).ok();
            Ok(context.filter(|context| context.svids.len() == 2))
        })
    })
    .unwrap();
    let forms: Vec<Form> = given.svids.iter().map(|svid| svid.form()).collect();
    assert_eq!(forms, [Form::Classical, Form::Composite]);
    assert!(given.svids.iter().all(|svid| svid.spiffe_id().to_string() == web));
    shows("moving/our agent");
}
