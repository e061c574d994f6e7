//! A stock `spire-server` below ours: it takes its authority from us and publishes its JWT keys with us.

use std::fs;
use std::time::SystemTime;

use spiffe::TrustDomain;
use symbolon_interop::programs;
use symbolon_interop::running::eventually;
use symbolon_interop::server::Server;
use symbolon_interop::spire::{self, Agent, Evidence, Place};
use symbolon_interop::spire_server::SpireServer;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::pem;
use symbolon_pki::verify::verify_x509_svid;

use crate::agent::until_given;
use crate::moving::certificates;
use crate::stock_server::{self, id_of, on, register};
use crate::{entry, shows, token};

/// Our server's bundle, as the stock command shows it.
fn bundles(server: &Server) -> BundleSet {
    let trust_domain = TrustDomain::new(server.trust_domain()).unwrap();
    let document = spire::says(server, &["bundle", "show", "-format", "spiffe"]).unwrap();
    let mut bundles = BundleSet::new();
    bundles.insert(TrustBundle::from_jwks(&trust_domain, document.as_bytes()).unwrap());
    bundles
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_stock_server_stands_below_ours() {
    let server = Server::start().unwrap();
    let (evidence, id) = token(&server, &[]);
    let mut agent = Agent::start(&server, "agent", &evidence).unwrap();
    entry(&server, &id, "/nested/server", &["-downstream"]);
    until_given(&mut agent, &[&server.id_of("/nested/server")]).await;

    let upstream = format!(
        "UpstreamAuthority \"spire\" {{\n        plugin_data {{\n            server_address = \"{}\"\n            \
         server_port = \"{}\"\n            workload_api_socket = \"{}\"\n        }}\n    }}",
        server.address().ip(),
        server.address().port(),
        agent.socket().display(),
    );
    let below = tokio::task::block_in_place(|| {
        let below = SpireServer::start(&upstream).unwrap();
        let name = server.id_of("/below/both");
        programs::run(
            below
                .command(&["x509", "mint"])
                .unwrap()
                .args(["-spiffeID", &name, "-write"])
                .arg(below.home()),
        )
        .unwrap();
        let written = fs::read(below.home().join("svid.pem")).unwrap();
        let chain: Vec<_> = pem::certificates(&written)
            .unwrap()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(chain.len(), 2, "the SVID, and the authority that we certified");
        let verified = verify_x509_svid(&chain, &bundles(&server), SystemTime::now()).unwrap();
        assert_eq!(verified.spiffe_id.to_string(), name);

        // Its workloads believe ours: our authorities are its own.
        let shown = programs::run(&mut below.command(&["bundle", "show"]).unwrap()).unwrap();
        let theirs = certificates(&shown);
        let ours = certificates(spire::says(&server, &["bundle", "show"]).unwrap().as_bytes());
        assert!(theirs.is_superset(&ours) && !ours.is_empty());

        // Its JWT keys are in our bundle, where everybody looks.
        let minted = programs::run(below.command(&["jwt", "mint"]).unwrap().args([
            "-spiffeID",
            &name,
            "-audience",
            "db",
        ]))
        .unwrap();
        let minted = String::from_utf8(minted).unwrap();
        eventually("its JWT key is published", || {
            Ok(verify_jwt_svid(minted.trim(), "db", &bundles(&server), SystemTime::now()).ok())
        })
        .unwrap();
        below
    });
    shows("below/X.509 authority");
    shows("below/JWT keys");

    // Its own agents work, and what their workloads get is believed by whoever has our bundle alone.
    let mut lower = tokio::task::block_in_place(|| {
        let made = on(&below, &["token", "generate"], &[]);
        let evidence = Evidence::Token(made["value"].as_str().unwrap().to_owned());
        let place = Place {
            address: below.address(),
            trust_domain: TrustDomain::new(server.trust_domain()).unwrap(),
            bundle: stock_server::bundle(&below, "pem"),
        };
        let mut lower = Agent::launch_at(place, below.home().join("agent"), &evidence).unwrap();
        lower.serves().unwrap();
        let id = id_of(&format!(
            "/spire/agent/join_token/{}",
            made["value"].as_str().unwrap()
        ));
        register(&below, &id, "/below/workload");
        lower
    });
    let workload = server.id_of("/below/workload");
    let context = until_given(&mut lower, &[&workload]).await;
    let chain: Vec<Certificate> = context.svids[0]
        .identity
        .chain()
        .iter()
        .map(|der| Certificate::from_der(der).unwrap())
        .collect();
    assert_eq!(chain.len(), 2);
    let ours = tokio::task::block_in_place(|| bundles(&server));
    let verified = verify_x509_svid(&chain, &ours, SystemTime::now()).unwrap();
    assert_eq!(verified.spiffe_id.to_string(), workload);
    shows("below/its agents");
}
