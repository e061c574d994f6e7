//! What the server registers reaches the stock agent: 2,000 entries over pages, and what becomes of them.

use std::fs;

use serde_json::json;
use symbolon_interop::server::Server;
use symbolon_interop::spire::{self, Agent};

use crate::agent::until_given;
use crate::{is_ok, own_selector, shows, token};

/// The agent asks for pages of 500.
const ENTRIES: usize = 2000;

/// Every so many entries there is one for the user who runs the tests, so that each page has some.
const OWN: usize = 50;

/// Has the stock command create entries from a file in its own format, and gives their ids in order.
fn create_all(server: &Server, parent: &str) -> Vec<String> {
    let selector = own_selector();
    let own_value = selector.strip_prefix("unix:").unwrap();
    let entries: Vec<_> = (0..ENTRIES)
        .map(|number| {
            let value = match number % OWN {
                0 => own_value.to_owned(),
                _ => format!("uid:{}", 1_000_000 + number),
            };
            json!({
                "selectors": [{ "type": "unix", "value": value }],
                "spiffe_id": server.id_of(&format!("/many/{number}")),
                "parent_id": parent,
            })
        })
        .collect();
    let file = server.home().join("entries.json");
    fs::write(&file, json!({ "entries": entries }).to_string()).unwrap();
    let created = spire::json(server, &["entry", "create", "-data", file.to_str().unwrap()]).unwrap();
    let results = created["results"].as_array().unwrap();
    assert_eq!(results.len(), ENTRIES);
    results
        .iter()
        .enumerate()
        .map(|(number, result)| {
            assert!(is_ok(&result["status"]), "{result}");
            assert_eq!(result["entry"]["spiffe_id"]["path"], format!("/many/{number}"));
            result["entry"]["id"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn two_thousand_entries_are_synced_over_pages() {
    let server = Server::start().unwrap();
    let (evidence, id) = token(&server, &[]);
    let mut agent = Agent::start(&server, "agent", &evidence).unwrap();
    let ids = create_all(&server, &id);
    let own: Vec<String> = (0..ENTRIES)
        .step_by(OWN)
        .map(|number| server.id_of(&format!("/many/{number}")))
        .collect();
    let mut own: Vec<&str> = own.iter().map(String::as_str).collect();
    until_given(&mut agent, &own).await;

    let count = spire::json(&server, &["entry", "count"]).unwrap();
    assert_eq!(count["count"], ENTRIES, "{count}");
    let listed = spire::json(&server, &["entry", "show"]).unwrap();
    assert_eq!(listed["entries"].as_array().unwrap().len(), ENTRIES);

    // A change of one entry and the end of another are found among all the others.
    let renamed = server.id_of("/many/renamed");
    spire::says(
        &server,
        &[
            "entry",
            "update",
            "-entryID",
            &ids[OWN],
            "-parentID",
            &id,
            "-spiffeID",
            &renamed,
            "-selector",
            &own_selector(),
        ],
    )
    .unwrap();
    spire::says(&server, &["entry", "delete", "-entryID", &ids[2 * OWN]]).unwrap();
    own[1] = &renamed;
    own.remove(2);
    until_given(&mut agent, &own).await;

    // And all of them at once, again from a file.
    let file = server.home().join("ids.json");
    let rest: Vec<_> = ids
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != 2 * OWN && *number != 0)
        .map(|(_, id)| id)
        .collect();
    fs::write(&file, json!({ "ids": rest }).to_string()).unwrap();
    let said = spire::says(&server, &["entry", "delete", "-file", file.to_str().unwrap()]).unwrap();
    assert!(said.contains("Deleted 1998 entries successfully"), "{said}");
    until_given(&mut agent, &own[..1]).await;
    shows("agent/2,000 entries");
}
