//! Entries from another server, with the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use support::Home;

/// SPIRE's interface is ours, so another server of ours stands in for a SPIRE server; the one of SPIRE's own is asked in
/// `interop/spire`.
#[test]
fn another_servers_entries_are_imported_once_and_again() {
    let (theirs, ours) = (Home::new(), Home::new());
    let (_their_up, _our_up) = (theirs.up(), ours.up());
    let entry = |path: &str, more: &str| {
        format!(
            "- {{spiffe_id: spiffe://example.org{path}, parent_id: spiffe://example.org/node, selectors: \
             [unix:uid:70000]{more}}}\n"
        )
    };
    let entries = entry("/a", ", hint: h, allowed_forms: [composite]") + &entry("/b", "");
    let file = theirs.path().join("a.yaml");
    std::fs::write(&file, format!("owner: team\nentries:\n{entries}")).unwrap();
    let file = file.to_str().unwrap();
    let made = theirs.json(&["entry", "apply", "-f", file]);
    let socket = theirs.data().join("server/private.sock");
    let import = ["import", "spire", "--from", socket.to_str().unwrap()];
    let before = ours.json(&["entry", "list"]);

    let planned = ours.json(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(
        (&planned["dry_run"], &planned["trust_domain"]),
        (&json!(true), &json!("example.org"))
    );
    assert_eq!(ours.json(&["entry", "list"]), before);
    let done = ours.json(&import);
    assert_eq!(
        done["entries"]["changes"].as_array().unwrap().len(),
        planned["entries"]["changes"].as_array().unwrap().len()
    );
    let id = made["changes"][0]["id"].as_str().unwrap();
    let shown = ours.json(&["entry", "show", id]);
    assert_eq!(
        (&shown["hint"], &shown["spiffe_id"]),
        (&json!("h"), &json!("spiffe://example.org/a"))
    );

    // What is ours stays, whatever the other server says of the rest.
    ours.ok(&[
        "entry",
        "update",
        id,
        "--allowed-form",
        "classical",
        "--hint",
        "here",
    ]);
    let again = ours.json(&import);
    assert_eq!(again["entries"]["changes"].as_array().unwrap().len(), 1);
    let shown = ours.json(&["entry", "show", id]);
    assert_eq!(
        (&shown["hint"], &shown["allowed_forms"]),
        (&json!("h"), &json!(["classical"]))
    );
    assert_eq!(ours.json(&import)["entries"]["changes"], json!([]));

    // An entry that documents keep from now on is left to them, and the rest is imported all the same.
    theirs.ok(&[
        "entry",
        "create",
        "--spiffe-id",
        "spiffe://example.org/c",
        "--parent-id",
        "spiffe://example.org/node",
        "--selector",
        "unix:uid:70000",
    ]);
    assert_eq!(
        ours.json(&import)["entries"]["changes"].as_array().unwrap().len(),
        1
    );
    let adopted = ours.path().join("adopted.yaml");
    let adopt = |more: &str| {
        let text = format!("owner: here\nentries:\n{}", entry("/c", more));
        std::fs::write(&adopted, text).unwrap();
        ours.ok(&["entry", "apply", "-f", adopted.to_str().unwrap()]);
    };
    adopt("");
    let imported = ours.json(&import);
    assert_eq!(
        (&imported["entries"]["changes"], &imported["skipped"]),
        (&json!([]), &json!([])),
        "nothing differs"
    );
    adopt(", hint: ours");
    ours.ok(&["entry", "update", id, "--hint", "here again"]);
    let imported = ours.json(&import);
    assert_eq!(imported["entries"]["changes"].as_array().unwrap().len(), 1);
    assert_eq!(imported["skipped"].as_array().unwrap().len(), 1);

    // With its authorities what the other server issued is believed here.
    let authorities = |home: &Home| {
        home.json(&["bundle", "show"])["x509_authorities"]
            .as_array()
            .unwrap()
            .len()
    };
    let had = authorities(&ours);
    let done = ours.json(&[&import[..], &["--own-authorities"]].concat());
    assert_eq!(
        (&done["foreign"][0]["kind"], &done["foreign"][0]["outcome"]),
        (&json!("authorities"), &json!("done"))
    );
    assert!(authorities(&ours) > had);
    assert_eq!(
        ours.json(&[&import[..], &["--own-authorities"]].concat())["foreign"],
        json!([])
    );

    let (code, error) = ours.fails(&["import", "spire", "--from", "/nowhere/api.sock"]);
    assert!(code == 4 && error.contains("/nowhere/api.sock"), "{code} {error}");
}

#[test]
fn entries_of_another_trust_domain_are_not_imported() {
    let (theirs, ours) = (Home::new(), Home::new());
    let _their_up = support::Up::start(&theirs, &["--trust-domain", "other.org"]);
    let _our_up = ours.up();
    let socket = theirs.data().join("server/private.sock");
    let before = ours.json(&["entry", "list"]);
    let (code, error) = ours.fails(&["import", "spire", "--from", socket.to_str().unwrap()]);
    assert!(
        code == 5 && error.contains("other.org") && error.contains("example.org"),
        "{code} {error}"
    );
    assert_eq!(ours.json(&["entry", "list"]), before);
}
