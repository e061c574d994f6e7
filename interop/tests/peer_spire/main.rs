//! SPIRE 1.15: its agent, its commands, its OIDC discovery provider and its controller manager, unmodified, on a server of
//! ours; and agents of ours on its server.
//!
//! Each test has a server of its own. What the stock programs say is held against what SPIRE's documentation and its
//! own integration suites promise, so that a difference is ours.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "of documents that are asserted on")]

mod agent;
mod attestation;
mod away;
mod below;
mod commands;
mod controller;
mod controller_manager;
mod devices;
mod entries;
mod federated;
mod import;
mod moving;
mod nested;
mod nodes;
mod on_time;
mod outside;
mod provider;
mod rotation;
mod sizes;
mod stock_server;

use std::sync::LazyLock;

use serde_json::Value;
use symbolon_interop::cells::Peer;
use symbolon_interop::server::Server;
use symbolon_interop::spire::{self, Evidence};

static SPIRE: LazyLock<Peer> = LazyLock::new(|| Peer::new("spire", spire::version().unwrap()));

/// Records that something worked, after all of it has been asserted.
fn shows(direction: &str) {
    SPIRE.shows(direction, "classical", "ok").unwrap();
}

/// A join token that the stock `spire-server token generate` made, and the SPIFFE ID of the agent that will use it.
fn token(server: &Server, flags: &[&str]) -> (Evidence, String) {
    let made = spire::json(server, &[&["token", "generate"], flags].concat()).unwrap();
    let token = made["value"].as_str().unwrap().to_owned();
    let id = server.id_of(&format!("/spire/agent/join_token/{token}"));
    (Evidence::Token(token), id)
}

/// The selector of the user who runs the tests.
fn own_selector() -> String {
    format!("unix:uid:{}", rustix::process::getuid().as_raw())
}

/// Has the stock command create an entry for the user who runs the tests, and gives its id.
fn entry(server: &Server, parent: &str, path: &str, flags: &[&str]) -> String {
    let (id, selector) = (server.id_of(path), own_selector());
    let created = spire::json(
        server,
        &[
            &[
                "entry",
                "create",
                "-parentID",
                parent,
                "-spiffeID",
                &id,
                "-selector",
                &selector,
            ],
            flags,
        ]
        .concat(),
    )
    .unwrap();
    let result = &created["results"][0];
    assert!(is_ok(&result["status"]), "{created}");
    result["entry"]["id"].as_str().unwrap().to_owned()
}

/// Whether a status in the JSON that stock commands print is OK: zero is printed or left out.
fn is_ok(status: &Value) -> bool {
    status["code"].as_i64().unwrap_or_default() == 0
}

/// A SPIFFE ID in the JSON that stock commands print.
fn id_in(value: &Value) -> String {
    format!(
        "spiffe://{}{}",
        value["trust_domain"].as_str().unwrap(),
        value["path"].as_str().unwrap_or_default()
    )
}
