//! `symbolon import spire` on a stock `spire-server`: what is registered there is registered here.

use serde_json::{Value, json};
use symbolon_interop::programs;
use symbolon_interop::server::Server;
use symbolon_interop::spire;
use symbolon_interop::spire_server::SpireServer;

use crate::commands::foreign_root;
use crate::shows;

/// Runs one of the stock commands on a stock server.
fn on(server: &SpireServer, words: &[&str], flags: &[&str]) -> Value {
    let mut command = server.command(words).unwrap();
    programs::json(command.args(["-output", "json"]).args(flags)).unwrap()
}

/// Entries as they have to be the same on both: without what each server says of its own.
fn comparable(shown: &Value) -> Vec<Value> {
    let mut entries = shown["entries"].as_array().unwrap().clone();
    for entry in &mut entries {
        for own in ["created_at", "revision_number"] {
            entry.as_object_mut().unwrap().remove(own);
        }
        // What says nothing is left out by one and written by the other.
        if entry["additional_attributes"]
            == json!({ "disable_x509_svid_prefetch": false, "jwt_svid_include_jti": false })
        {
            entry.as_object_mut().unwrap().remove("additional_attributes");
        }
    }
    entries.sort_by_key(|entry| entry["id"].as_str().unwrap().to_owned());
    entries
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn a_stock_server_is_imported_and_again_when_it_has_changed() {
    let stock = SpireServer::start("").unwrap();
    let server = Server::start().unwrap();
    let (_, root) = foreign_root(&server, "partner");
    let root = root.to_str().unwrap();
    let id = |path: &str| server.id_of(path);
    on(
        &stock,
        &["federation", "create"],
        &[
            "-trustDomain",
            "partner.test",
            "-bundleEndpointURL",
            "https://127.0.0.1:1/bundle",
            "-bundleEndpointProfile",
            "https_spiffe",
            "-endpointSpiffeID",
            "spiffe://partner.test/spire/server",
            "-trustDomainBundlePath",
            root,
        ],
    );
    on(
        &stock,
        &["entry", "create"],
        &[
            "-selector",
            "s1:v1",
            "-selector",
            "s2:v2",
            "-parentID",
            &id("/parent"),
            "-spiffeID",
            &id("/whole"),
            "-federatesWith",
            "spiffe://partner.test",
            "-admin",
            "-dns",
            "a.example.org",
            "-x509SVIDTTL",
            "120",
            "-jwtSVIDTTL",
            "60",
            "-hint",
            "one",
            "-disableX509SVIDPrefetch",
            "-entryExpiry",
            "4102444800",
        ],
    );
    for number in 0..10 {
        on(
            &stock,
            &["entry", "create"],
            &[
                "-selector",
                "s:v",
                "-parentID",
                &id("/parent"),
                "-spiffeID",
                &id(&format!("/plain/{number}")),
            ],
        );
    }
    on(
        &stock,
        &["entry", "create"],
        &["-node", "-selector", "n:v", "-spiffeID", &id("/nodes")],
    );
    on(
        &stock,
        &["entry", "create"],
        &[
            "-downstream",
            "-selector",
            "d:v",
            "-parentID",
            &id("/nodes"),
            "-spiffeID",
            &id("/below"),
        ],
    );
    let import = || {
        programs::run(
            server
                .symbolon()
                .unwrap()
                .args(["import", "spire", "--from"])
                .arg(stock.socket()),
        )
        .unwrap()
    };
    let same = || {
        let theirs = comparable(&on(&stock, &["entry", "show"], &[]));
        let ours = comparable(&spire::json(&server, &["entry", "show"]).unwrap());
        assert_eq!(ours, theirs);
        theirs.len()
    };
    import();
    assert_eq!(same(), 13);
    let theirs = on(&stock, &["federation", "list"], &[]);
    let ours = spire::json(&server, &["federation", "list"]).unwrap();
    let shape = |list: &Value| {
        let relationship = &list["federation_relationships"][0];
        ["trust_domain", "bundle_endpoint_url", "https_spiffe"].map(|name| relationship[name].clone())
    };
    assert_eq!(shape(&ours), shape(&theirs));
    let shown = |listed: Value| listed["bundles"][0]["x509_authorities"].clone();
    assert_eq!(
        shown(spire::json(&server, &["bundle", "list"]).unwrap()),
        shown(on(&stock, &["bundle", "list"], &[]))
    );

    // Both run on: what changes there changes here at the next import.
    let changed = on(&stock, &["entry", "show"], &["-spiffeID", &id("/plain/3")]);
    let changed = changed["entries"][0]["id"].as_str().unwrap();
    on(
        &stock,
        &["entry", "update"],
        &[
            "-entryID",
            changed,
            "-selector",
            "s:other",
            "-parentID",
            &id("/parent"),
            "-spiffeID",
            &id("/plain/three"),
        ],
    );
    import();
    assert_eq!(same(), 13);
    shows("import/entries, relationships and bundles");
}
