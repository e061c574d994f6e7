//! A server of ours below a stock `spire-server`: it takes its classical authority from there, and publishes its JWT keys
//! there.

use std::fs;
use std::time::SystemTime;

use spiffe::TrustDomain;
use symbolon_interop::chain::TRUST_DOMAIN;
use symbolon_interop::own_agent::{Node, OwnAgent, agent_program, join_token};
use symbolon_interop::programs;
use symbolon_interop::running::eventually;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, fetch};
use symbolon_interop::spire_server::SpireServer;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::jwt::verify_jwt_svid;
use symbolon_pki::pem;
use symbolon_pki::verify::verify_x509_svid;
use tokio::runtime::Handle;

use crate::stock_server::{bundle, id_of, on};
use crate::{own_selector, shows};

/// The stock server's bundle, and nothing else.
fn bundles(above: &SpireServer) -> BundleSet {
    let trust_domain = TrustDomain::new(TRUST_DOMAIN).unwrap();
    let document = bundle(above, "spiffe");
    BundleSet::from(TrustBundle::from_jwks(&trust_domain, document.as_bytes()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_server_of_ours_stands_below_a_stock_one() {
    tokio::task::block_in_place(|| {
        let above = SpireServer::start("").unwrap();
        let made = on(&above, &["token", "generate"], &[]);
        let token = made["value"].as_str().unwrap();
        let id = id_of(&format!("/spire/agent/join_token/{token}"));
        let file = above.home().join("bundle.json");
        fs::write(&file, bundle(&above, "spiffe")).unwrap();
        let agent = OwnAgent::start(&Node {
            home: above.home().join("own"),
            server: above.address(),
            trust_domain: TRUST_DOMAIN,
            bundle: file,
            attestor: join_token(&above.home().join("own"), token).unwrap(),
            sections: "[sync]\ninterval = \"1s\"\n".to_owned(),
            program: agent_program().unwrap(),
            spiffe_id: id.clone(),
        })
        .unwrap();
        let (nested, selector) = (id_of("/nested"), own_selector());
        let flags = [
            "-parentID",
            &id,
            "-spiffeID",
            &nested,
            "-selector",
            &selector,
            "-downstream",
        ];
        on(&above, &["entry", "create"], &flags);

        let upstream = format!(
            "[upstreams.upper]\nkind = \"spire\"\naddress = \"{}\"\nworkload_api_socket = \"{}\"\ntimeout = \"60s\"\n\
             [families.classical]\nupstream = \"upper\"\n[families.jwt]\nupstream = \"upper\"\n",
            above.address(),
            agent.socket().display(),
        );
        let below = Server::with(&Settings {
            sections: upstream,
            ..Settings::default()
        })
        .unwrap();
        let name = id_of("/below/both");
        spire::says(
            &below,
            &[
                "x509",
                "mint",
                "-spiffeID",
                &name,
                "-write",
                below.home().to_str().unwrap(),
            ],
        )
        .unwrap();
        let written = fs::read(below.home().join("svid.pem")).unwrap();
        let chain = pem::certificates(&written).unwrap();
        let chain: Vec<_> = chain.into_iter().map(Result::unwrap).collect();
        assert_eq!(chain.len(), 2, "the SVID, and the authority that SPIRE certified");
        let verified = verify_x509_svid(&chain, &bundles(&above), SystemTime::now()).unwrap();
        assert_eq!(verified.spiffe_id.to_string(), name);

        let minted = spire::says(&below, &["jwt", "mint", "-spiffeID", &name, "-audience", "db"]).unwrap();
        eventually("its JWT key is published above", || {
            Ok(verify_jwt_svid(minted.trim(), "db", &bundles(&above), SystemTime::now()).ok())
        })
        .unwrap();

        // An agent of ours below it, and a workload there.
        let agent = below.agent("1s").unwrap();
        let workload = id_of("/below/workload");
        let mut create = below.symbolon().unwrap();
        create.args([
            "entry",
            "create",
            "--spiffe-id",
            &workload,
            "--parent-id",
            agent.spiffe_id(),
        ]);
        programs::run(create.args(["--selector", &selector])).unwrap();
        let context = eventually("the workload has its SVID", || {
            Ok(Handle::current().block_on(fetch(agent.socket())).ok())
        })
        .unwrap();
        let chain = context.svids[0].identity.chain().iter();
        let chain: Vec<_> = chain.map(|der| Certificate::from_der(der).unwrap()).collect();
        let verified = verify_x509_svid(&chain, &bundles(&above), SystemTime::now()).unwrap();
        assert_eq!(verified.spiffe_id.to_string(), workload);
    });
    shows("above/X.509 authority");
    shows("above/JWT keys");
    shows("above/its agents");
}
