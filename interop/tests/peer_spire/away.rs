//! Agents that were away while the authority that they knew was tainted and revoked.

use symbolon_interop::running::eventually;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, Place, fetch};
use symbolon_pki::suite::Form;
use symbolon_tls::workload_api::X509Context;
use tokio::runtime::Handle;

use crate::agent::until_given;
use crate::nodes::{Nodes, ec_key};
use crate::rotation::{authority, issuers, own_agents};
use crate::{SPIRE, entry, shows};

/// Another classical authority signs, and the one before counts no more.
fn replace(server: &Server) -> String {
    let before = authority(server, &["localauthority", "x509", "show"], "active");
    let next = authority(
        server,
        &["localauthority", "x509", "prepare"],
        "prepared_authority",
    );
    for (verb, id) in [("activate", &next), ("taint", &before), ("revoke", &before)] {
        spire::says(server, &["localauthority", "x509", verb, "-authorityID", id]).unwrap();
    }
    next
}

fn is_of(context: &X509Context, authority: &str) -> bool {
    let wanted = (Form::Classical, authority.to_owned());
    issuers(context).is_ok_and(|found| found.contains(&wanted))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn agents_that_were_away_during_a_revocation_come_back() {
    let nodes = Nodes::new();
    let server = Server::with(&Settings {
        sections: nodes.section(),
        ..Settings::default()
    })
    .unwrap();
    let (evidence, fingerprint) = nodes.node("node", &ec_key(), &nodes.between);
    let mut stock = Agent::start(&server, "stock", &evidence).unwrap();
    let mut own = server.agent("1s").unwrap();
    let stock_id = server.id_of(&format!("/spire/agent/x509pop/{fingerprint}"));
    let workload = server.id_of("/workload");
    for parent in [stock_id.as_str(), own.spiffe_id()] {
        entry(&server, parent, "/workload", &[]);
    }
    until_given(&mut stock, &[&workload]).await;
    let handle = Handle::current();
    let until = |what: &str, whether: &dyn Fn(&X509Context) -> bool, socket: &std::path::Path, ours: bool| {
        tokio::task::block_in_place(|| {
            eventually(what, || {
                let context = match ours {
                    true => handle.block_on(own_agents(socket)),
                    false => handle.block_on(fetch(socket)),
                };
                Ok(context.ok().filter(|context| whether(context)))
            })
        })
        .unwrap()
    };
    until(
        "ours has both forms",
        &|context| context.svids.len() == 2,
        own.socket(),
        true,
    );

    // Ours knows the server by its composite authority as well, and comes back by itself.
    own.stop().unwrap();
    stock.stop().unwrap();
    let next = replace(&server);
    own.start_again().unwrap();
    until(
        "ours has SVIDs of the new authority",
        &|context| is_of(context, &next) && context.svids.len() == 2,
        own.socket(),
        true,
    );
    SPIRE.shows("beside/away", "composite", "ok").unwrap();

    // A stock one knows nothing but what was revoked, so it does not believe the server.
    stock.start_again().unwrap();
    tokio::task::block_in_place(|| stock.says("certificate signed by unknown authority")).unwrap();
    // The cure without further ado: the new bundle, and no memory. It has the name that it had.
    stock.stop().unwrap();
    stock.forget().unwrap();
    stock.set_place(Place::of(&server).unwrap());
    stock.start_again().unwrap();
    let given = until_given(&mut stock, &[&workload]).await;
    assert!(is_of(&given, &next));
    let counted = spire::json(&server, &["agent", "count"]).unwrap();
    assert_eq!(counted["count"], 2, "{counted}");

    // Or it is told to do so by itself: it ends, and whoever looks after it starts it again.
    stock.stop().unwrap();
    let next = replace(&server);
    stock.set_place(Place::of(&server).unwrap());
    stock.set_keys("rebootstrap_mode = \"always\"\n    rebootstrap_delay = \"1s\"");
    stock.start_again().unwrap();
    let status = tokio::task::block_in_place(|| stock.process().end()).unwrap();
    assert!(!status.success(), "{}", stock.said());
    assert!(stock.said().contains("needs to rebootstrap"), "{}", stock.said());
    stock.start_again().unwrap();
    let given = until_given(&mut stock, &[&workload]).await;
    assert!(is_of(&given, &next));
    shows("agent/away during a revocation");
}
