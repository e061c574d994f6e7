//! `spire-agent` from its attestation to its end.

use std::collections::BTreeSet;
use std::time::SystemTime;

use symbolon_interop::running::eventually;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, fetch};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::workload_api::X509Context;

use crate::{entry, is_ok, shows, token};

/// Asserts that everything in an answer is classical, verifies with the bundle that came with it, and is of these
/// identities.
pub(crate) fn assert_identities(context: &X509Context, expected: &[&str]) {
    assert!(context.skipped.is_empty(), "{:?}", context.skipped);
    let mut found = BTreeSet::new();
    for svid in &context.svids {
        assert_eq!(svid.form(), Form::Classical);
        let chain: Vec<Certificate> = svid
            .identity
            .chain()
            .iter()
            .map(|der| Certificate::from_der(der).unwrap())
            .collect();
        let verified = verify_x509_svid(&chain, &context.bundles, SystemTime::now()).unwrap();
        assert_eq!(&verified.spiffe_id, svid.spiffe_id());
        found.insert(svid.spiffe_id().to_string());
    }
    let expected: BTreeSet<String> = expected.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(found, expected);
}

/// Waits until the stock agent gives the user who runs the tests exactly these identities, which verify.
pub(crate) async fn until_given(agent: &mut Agent, expected: &[&str]) -> X509Context {
    let socket = agent.socket();
    let runtime = tokio::runtime::Handle::current();
    let context = tokio::task::block_in_place(|| {
        agent.process().until("the stock agent gives the identities", || {
            // It denies those whom it has nothing for.
            let Ok(context) = runtime.block_on(fetch(&socket)) else {
                return Ok(None);
            };
            let found: BTreeSet<String> = context
                .svids
                .iter()
                .map(|svid| svid.spiffe_id().to_string())
                .collect();
            let whole = found.len() == expected.len() && expected.iter().all(|id| found.contains(*id));
            Ok(whole.then_some(context))
        })
    })
    .unwrap();
    assert_identities(&context, expected);
    context
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_attests_by_join_token_and_serves_workloads() {
    let server = Server::start().unwrap();
    let alias = server.id_of("/node/alias");
    let (evidence, id) = token(&server, &["-spiffeID", &alias]);
    let mut agent = Agent::start(&server, "agent", &evidence).unwrap();

    let shown = spire::json(&server, &["agent", "show", "-spiffeID", &id]).unwrap();
    assert_eq!(shown["attestation_type"], "join_token", "{shown}");
    assert!(!shown["can_reattest"].as_bool().unwrap_or_default(), "{shown}");
    assert_ne!(shown["x509svid_serial_number"], "", "{shown}");

    let under_agent = server.id_of("/under/agent");
    let under_alias = server.id_of("/under/alias");
    entry(
        &server,
        &id,
        "/under/agent",
        &["-dns", "db.example.org", "-x509SVIDTTL", "600"],
    );
    entry(&server, &alias, "/under/alias", &[]);
    let context = until_given(&mut agent, &[&under_agent, &under_alias]).await;
    let svid = context
        .svids
        .iter()
        .find(|svid| svid.spiffe_id().to_string() == under_agent)
        .unwrap();
    let leaf = Certificate::from_der(&svid.identity.chain()[0]).unwrap();
    let life = leaf.not_after().duration_since(SystemTime::now()).unwrap();
    assert!(life.as_secs() <= 600, "{life:?}");

    let fetched = agent
        .command(
            &["api", "fetch", "jwt"],
            &["-audience", "db", "-spiffeID", &under_agent],
        )
        .unwrap();
    let token = fetched[0]["svids"][0]["svid"].as_str().unwrap();
    let validated = agent
        .command(&["api", "validate", "jwt"], &["-audience", "db", "-svid", token])
        .unwrap();
    assert_eq!(validated["spiffe_id"], under_agent, "{validated}");

    // It says what it is; our server tells it on.
    let shown = eventually("the agent's version is on record", || {
        let shown = spire::json(&server, &["agent", "show", "-spiffeID", &id])?;
        Ok(shown["agent_version"].is_string().then_some(shown))
    })
    .unwrap();
    assert_eq!(shown["agent_version"], spire::version().unwrap(), "{shown}");
    shows("agent/join_token");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn a_join_token_serves_once() {
    let server = Server::start().unwrap();
    let (evidence, _) = token(&server, &[]);
    let _first = Agent::start(&server, "first", &evidence).unwrap();
    let mut second = Agent::launch(&server, "second", &evidence).unwrap();
    let status = second.process().end().unwrap();
    assert!(!status.success());
    assert!(second.said().contains("join token"), "{}", second.said());
    assert_eq!(
        spire::json(&server, &["agent", "count"]).unwrap()["count"],
        1,
        "the second attestation must leave no trace"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_renews_its_svid_and_those_of_its_workloads() {
    let settings = Settings {
        sections: "[lifetimes]\nagent = \"40s\"\nsvid = \"40s\"\n".to_owned(),
        ..Settings::default()
    };
    let server = Server::with(&settings).unwrap();
    let (evidence, id) = token(&server, &[]);
    let mut agent = Agent::start(&server, "agent", &evidence).unwrap();
    let workload = server.id_of("/workload");
    entry(&server, &id, "/workload", &[]);
    let first = until_given(&mut agent, &[&workload]).await;
    let serial = |context: &X509Context| {
        let leaf = Certificate::from_der(&context.svids[0].identity.chain()[0]).unwrap();
        leaf.serial_hex()
    };
    let of_agent = || {
        let shown = spire::json(&server, &["agent", "show", "-spiffeID", &id])?;
        anyhow::Ok(
            shown["x509svid_serial_number"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let before = of_agent().unwrap();
    let runtime = tokio::runtime::Handle::current();
    let socket = agent.socket();
    tokio::task::block_in_place(|| {
        agent.process().until("its workload's SVID is renewed", || {
            let context = runtime.block_on(fetch(&socket))?;
            assert_identities(&context, &[&workload]);
            Ok((serial(&context) != serial(&first)).then_some(()))
        })?;
        agent.process().until("its own SVID is renewed", || {
            Ok((of_agent()? != before).then_some(()))
        })
    })
    .unwrap();
    agent.says("Successfully rotated agent SVID").unwrap();

    // It goes on with what it has, after its own end and the server's.
    let mut server = server;
    server.restart().unwrap();
    agent.restart().unwrap();
    agent.serves().unwrap();
    until_given(&mut agent, &[&workload]).await;
    shows("agent/renewal");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_banned_agent_gets_nothing_and_an_evicted_one_is_forgotten() {
    let server = Server::start().unwrap();
    let (evidence, id) = token(&server, &[]);
    let mut banned = Agent::start(&server, "banned", &evidence).unwrap();
    entry(&server, &id, "/before", &[]);
    until_given(&mut banned, &[&server.id_of("/before")]).await;

    spire::says(&server, &["agent", "ban", "-spiffeID", &id]).unwrap();
    let shown = spire::json(&server, &["agent", "show", "-spiffeID", &id]).unwrap();
    assert_eq!(shown["banned"], true, "{shown}");
    assert!(
        shown["x509svid_serial_number"]
            .as_str()
            .unwrap_or_default()
            .is_empty(),
        "{shown}"
    );
    // A stock agent that learns of it throws its SVID away and ends.
    let status = banned.process().end().unwrap();
    assert!(!status.success(), "{}", banned.said());
    assert!(banned.said().contains("banned"), "{}", banned.said());
    banned.restart().unwrap();
    let status = banned.process().end().unwrap();
    assert!(!status.success(), "a banned agent cannot start again");

    let (evidence, id) = token(&server, &[]);
    let mut evicted = Agent::start(&server, "evicted", &evidence).unwrap();
    spire::says(&server, &["agent", "evict", "-spiffeID", &id]).unwrap();
    let message = spire::refused(&server, &["agent", "show", "-spiffeID", &id]).unwrap();
    assert!(message.contains("NotFound"), "{message}");
    // Its token is spent, so it has no way back.
    let status = evicted.process().end().unwrap();
    assert!(!status.success(), "{}", evicted.said());
    let listed = spire::json(&server, &["agent", "list"]).unwrap();
    assert_eq!(listed["agents"].as_array().unwrap().len(), 1, "{listed}");
    assert!(is_ok(&listed["status"]));
    shows("agent/ban and eviction");
}
