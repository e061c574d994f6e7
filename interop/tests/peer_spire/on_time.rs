//! Ten classical authorities, one after the other, because their time has come, while a stock agent and one of ours serve
//! the same workload. Nobody gives a command.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, fetch};
use symbolon_pki::suite::Form;

use crate::nodes::{Nodes, ec_key};
use crate::rotation::{issuers, own_agents};
use crate::{SPIRE, entry, shows};

const ROTATIONS: usize = 10;

/// The server looks every ten seconds, prepares a successor at half of an authority's life and activates it when a sixth is
/// left: an authority signs for some forty seconds.
const SHORT: &str = "[lifetimes]\nauthority = \"90s\"\nsvid = \"20s\"\nagent = \"40s\"\njwt = \"20s\"\n";

/// Longest time for one rotation.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn svids_stay_valid_through_ten_rotations_on_time() {
    let nodes = Nodes::new();
    let server = Server::with(&Settings {
        sections: format!("{}\n{SHORT}", nodes.section()),
        ..Settings::default()
    })
    .unwrap();
    let (evidence, fingerprint) = nodes.node("node", &ec_key(), &nodes.between);
    let stock = Agent::start(&server, "stock", &evidence).unwrap();
    let own = server.agent("1s").unwrap();
    let stock_id = server.id_of(&format!("/spire/agent/x509pop/{fingerprint}"));
    for parent in [stock_id.as_str(), own.spiffe_id()] {
        entry(&server, parent, "/workload", &[]);
    }

    // What each gave until now: by the stock agent, and by ours in either form.
    let mut seen = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    let mut last = Instant::now();
    let mut served = false;
    while seen.iter().any(|authorities| authorities.len() <= ROTATIONS) {
        assert!(
            last.elapsed() < PATIENCE,
            "waited in vain for the next authority after {seen:?}; {}; {}",
            stock.said(),
            own.said()
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
        let socket = stock.socket();
        let looked = tokio::join!(fetch(&socket), own_agents(own.socket()));
        let (of_stock, of_own) = match looked {
            (Ok(of_stock), Ok(of_own)) => (of_stock, of_own),
            // Until the entries have arrived there is nothing for us; afterwards there always is.
            (of_stock, of_own) if served => panic!("{of_stock:?}; {of_own:?}"),
            _ => continue,
        };
        // Everything verifies by the bundle that came with it, at any time.
        let (of_stock, of_own) = (issuers(&of_stock).unwrap(), issuers(&of_own).unwrap());
        served = served || of_own.len() == 2;
        if !served {
            continue;
        }
        let forms: BTreeSet<Form> = of_own.iter().map(|(form, _)| *form).collect();
        assert_eq!(forms, BTreeSet::from([Form::Classical, Form::Composite]));
        let found = of_stock
            .into_iter()
            .map(|found| (0, found))
            .chain(of_own.into_iter().map(|found| (1, found)));
        for (agent, (form, authority)) in found {
            let place = match (agent, form) {
                (0, _) => 0,
                (_, Form::Classical) => 1,
                _ => 2,
            };
            if seen[place].insert(authority) {
                last = Instant::now();
            }
        }
    }
    // Both were given by the same authorities, and each ended: nothing was cut short.
    assert!(
        seen[0].intersection(&seen[1]).count() >= ROTATIONS,
        "{:?} {:?}",
        seen[0],
        seen[1]
    );
    let shown = spire::json(&server, &["localauthority", "x509", "show"]).unwrap();
    let active = shown["active"]["authority_id"].as_str().unwrap();
    assert!(seen[0].contains(active) || shown["old"].is_object(), "{shown}");

    // Keys for tokens have been replaced as often.
    let id = server.id_of("/workload");
    let fetched = stock
        .command(&["api", "fetch", "jwt"], &["-audience", "db", "-spiffeID", &id])
        .unwrap();
    let token = fetched[0]["svids"][0]["svid"].as_str().unwrap();
    let validated = stock
        .command(&["api", "validate", "jwt"], &["-audience", "db", "-svid", token])
        .unwrap();
    assert_eq!(validated["spiffe_id"], id, "{validated}");
    shows("agent/ten rotations");
    SPIRE.shows("beside/ten rotations", "composite", "ok").unwrap();
}
