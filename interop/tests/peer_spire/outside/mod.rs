//! Nodes that prove themselves by their names, or by what a service says of them: stock agents on our server, our agents on
//! a stock one, and where a stock server asks a cloud itself, our agents on ours.

mod clouds;
mod cluster;
mod hosts;
mod jose;
mod k8s_psat;
mod service;

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;
use symbolon_interop::own_agent::{Node, OwnAgent, agent_program};
use symbolon_interop::programs;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire::{self, Agent, Evidence};
use symbolon_interop::spire_server::SpireServer;
use tokio::task::block_in_place;

use crate::agent::until_given;
use crate::stock_server::{given, id_of, node, on, register, shown};
use crate::{entry, id_in};

fn settings(section: String) -> Settings {
    Settings {
        sections: section,
        ..Settings::default()
    }
}

/// A node: what its agent attests with, who it is then, and what is found out of it.
struct Case {
    method: &'static str,
    path: String,
    can_reattest: bool,
    /// Each as `type:value`, in order.
    selectors: Vec<String>,
}

/// The selectors in what the stock command shows, in order.
fn selectors(shown: &Value) -> Vec<String> {
    let one = |selector: &Value| {
        let part = |name: &str| selector[name].as_str().unwrap().to_owned();
        format!("{}:{}", part("type"), part("value"))
    };
    let found = shown["selectors"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<String> = found.iter().map(one).collect();
    found.sort();
    found
}

impl Case {
    fn assert_stock(&self, shown: &Value) {
        assert_eq!(id_in(&shown["id"]), id_of(&self.path), "{shown}");
        assert_eq!(shown["attestation_type"], self.method, "{shown}");
        let can_reattest = shown["can_reattest"].as_bool().unwrap_or_default();
        assert_eq!(can_reattest, self.can_reattest, "{shown}");
        assert_eq!(selectors(shown), self.selectors, "{shown}");
    }

    /// Our server shows the agent as it is, in its own commands and in the stock ones.
    fn assert_shown(&self, server: &Server) {
        let id = server.id_of(&self.path);
        self.assert_stock(&spire::json(server, &["agent", "show", "-spiffeID", &id]).unwrap());
        let mut show = server.symbolon().unwrap();
        let shown = programs::json(show.args(["agent", "show", "--output", "json", &id])).unwrap();
        let mut list = server.symbolon().unwrap();
        let listed = programs::json(list.args(["agent", "list", "--output", "json"])).unwrap();
        let listed = listed["agents"].as_array().unwrap();
        assert!(listed.contains(&shown), "{listed:?} has no {shown}");
        assert_eq!(shown["spiffe_id"], id, "{shown}");
        assert_eq!(shown["attestation_type"], self.method, "{shown}");
        assert_eq!(shown["can_reattest"], self.can_reattest, "{shown}");
        let mut found: Vec<&str> = shown["selectors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|selector| selector.as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, self.selectors, "{shown}");
    }

    fn is_there(&self, server: &Server) -> Result<Option<()>> {
        let listed = spire::json(server, &["agent", "list"])?;
        let agents = listed["agents"].as_array().cloned().unwrap_or_default();
        let id = server.id_of(&self.path);
        Ok(agents.iter().any(|agent| id_in(&agent["id"]) == id).then_some(()))
    }

    fn evict(&self, server: &Server) {
        spire::says(
            server,
            &["agent", "evict", "-spiffeID", &server.id_of(&self.path)],
        )
        .unwrap();
    }

    /// A stock agent attests to our server and gives what is registered for it. Evicted, it comes back by itself, and without
    /// its memory it is let in again, if its evidence is good for that; otherwise it is refused until it has been evicted.
    async fn stock_on_ours(&self, server: &Server, name: &str, evidence: &Evidence) {
        let mut agent = block_in_place(|| Agent::start(server, name, evidence)).unwrap();
        self.assert_shown(server);
        let (path, id) = (format!("/for/{name}"), server.id_of(&self.path));
        let registered = entry(server, &id, &path, &[]);
        let workload = server.id_of(&path);
        until_given(&mut agent, &[&workload]).await;

        if self.can_reattest {
            self.evict(server);
            block_in_place(|| agent.process().until("it comes back", || self.is_there(server))).unwrap();
        }
        agent.stop().unwrap();
        agent.forget().unwrap();
        agent.start_again().unwrap();
        if !self.can_reattest {
            let status = block_in_place(|| agent.process().end()).unwrap();
            assert!(!status.success(), "{}", agent.said());
            assert!(agent.said().contains("has attested before"), "{}", agent.said());
            self.evict(server);
            agent.start_again().unwrap();
        }
        block_in_place(|| agent.serves()).unwrap();
        until_given(&mut agent, &[&workload]).await;
        self.assert_shown(server);
        agent.stop().unwrap();
        spire::says(server, &["entry", "delete", "-entryID", &registered]).unwrap();
    }

    /// An agent of ours attests to our server, and again as [`stock_on_ours`](Self::stock_on_ours).
    async fn own_on_ours(&self, server: &Server, name: &str, attestor: &str) {
        let own = own_node(server, name, attestor, &self.path);
        let mut agent = OwnAgent::launch(&own).unwrap();
        block_in_place(|| agent.process().until("it has attested", || self.is_there(server))).unwrap();
        self.assert_shown(server);
        let (path, id) = (format!("/for/{name}"), server.id_of(&self.path));
        entry(server, &id, &path, &[]);
        let workload = server.id_of(&path);
        given(&mut agent, &[&workload]);
        agent.stop().unwrap();
        forget(&own);
        if !self.can_reattest {
            let said = refused(&own);
            assert!(said.contains("has attested before"), "{said}");
            self.evict(server);
        }
        agent.start_again().unwrap();
        given(&mut agent, &[&workload]);
        self.assert_shown(server);
        agent.stop().unwrap();
    }

    /// An agent of ours attests to a stock server, and again as [`stock_on_ours`](Self::stock_on_ours).
    async fn own_on_stock(&self, server: &SpireServer, attestor: &str) {
        let id = id_of(&self.path);
        let own = node(server, agent_program().unwrap(), attestor.to_owned(), &id);
        let mut agent = OwnAgent::launch(&own).unwrap();
        let has_attested = || Ok((on(server, &["agent", "count"], &[])["count"] == 1).then_some(()));
        block_in_place(|| agent.process().until("it has attested", has_attested)).unwrap();
        let first = shown(server, &id);
        self.assert_stock(&first);
        register(server, &id, "/workload");
        given(&mut agent, &[&id_of("/workload")]);
        agent.stop().unwrap();
        forget(&own);
        if !self.can_reattest {
            let said = refused(&own);
            assert!(said.contains("already been used"), "{said}");
            on(server, &["agent", "evict"], &["-spiffeID", &id]);
        }
        agent.start_again().unwrap();
        given(&mut agent, &[&id_of("/workload")]);
        let second = shown(server, &id);
        self.assert_stock(&second);
        assert_ne!(first["x509svid_serial_number"], second["x509svid_serial_number"]);
        agent.stop().unwrap();
    }
}

fn own_node<'a>(server: &'a Server, name: &str, attestor: &str, path: &str) -> Node<'a> {
    Node {
        home: server.home().join(name),
        server: server.address(),
        trust_domain: server.trust_domain(),
        bundle: server.bundle().unwrap(),
        attestor: attestor.to_owned(),
        sections: "[sync]\ninterval = \"1s\"\n".to_owned(),
        program: agent_program().unwrap(),
        spiffe_id: server.id_of(path),
    }
}

/// Deletes an agent's memory.
fn forget(node: &Node<'_>) {
    fs::remove_dir_all(node.home.join("data")).unwrap();
}

/// What an agent of ours says that is not let in.
fn refused(node: &Node<'_>) -> String {
    let mut agent = OwnAgent::launch(node).unwrap();
    let status = block_in_place(|| agent.process().end()).unwrap();
    assert!(!status.success(), "{}", agent.said());
    agent.said()
}

/// A stock agent is not let in by our server, for the reason that it is told in these words, and leaves nothing there.
fn assert_refused(server: &Server, name: &str, evidence: &Evidence, words: &str) {
    let before = spire::json(server, &["agent", "count"]).unwrap();
    let mut agent = Agent::launch(server, name, evidence).unwrap();
    let status = block_in_place(|| agent.process().end()).unwrap();
    assert!(!status.success(), "{}", agent.said());
    assert!(agent.said().contains(words), "{name}: {}", agent.said());
    let after = spire::json(server, &["agent", "count"]).unwrap();
    assert_eq!(before, after, "{}", agent.said());
}

/// A path as a word of a configuration.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}
