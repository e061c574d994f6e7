//! `healthcheck`, `logger get|set|reset` and `debug getinfo`.

use symbolon_interop::server::Server;
use symbolon_interop::spire;

use super::labelled;
use crate::shows;

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn the_server_says_how_it_is() {
    let server = Server::start().unwrap();
    let said = spire::says(&server, &["healthcheck", "-verbose"]).unwrap();
    assert!(said.contains("Server is healthy."), "{said}");

    let entry = [
        "entry",
        "create",
        "-selector",
        "s:1",
        "-parentID",
        &server.id_of("/parent"),
        "-spiffeID",
        &server.id_of("/child"),
    ];
    spire::says(&server, &entry).unwrap();
    let info = spire::json(&server, &["debug", "getinfo"]).unwrap();
    assert_eq!(info["agents_count"], 0, "{info}");
    assert_eq!(info["entries_count"], 1, "{info}");
    // SPIRE counts its own.
    assert_eq!(info["federated_bundles_count"], 1, "{info}");
    assert!(
        info["uptime"].as_i64().is_some_and(|seconds| seconds >= 0),
        "{info}"
    );
    let chain = info["svid_chain"].as_array().unwrap();
    assert_eq!(chain[0]["id"]["path"], "/spire/server", "{info}");
    let said = spire::says(&server, &["debug", "getinfo"]).unwrap();
    assert_eq!(labelled(&said, "Registration Entries"), ["1"], "{said}");
    shows("commands/healthcheck");
    shows("commands/debug");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn the_log_level_is_changed_while_it_runs() {
    let server = Server::start().unwrap();
    let level = |words: &[&str]| {
        let answer = spire::json(&server, &[&["logger"], words].concat()).unwrap();
        (
            answer["current_level"].as_str().unwrap().to_owned(),
            answer["launch_level"].as_str().unwrap().to_owned(),
        )
    };
    let (launched, at) = (String::from("INFO"), String::from("DEBUG"));
    assert_eq!(level(&["get"]), (launched.clone(), launched.clone()));
    assert_eq!(level(&["set", "-level", "debug"]), (at.clone(), launched.clone()));
    assert_eq!(level(&["get"]), (at, launched.clone()));
    assert_eq!(level(&["reset"]), (launched.clone(), launched));
    let said = spire::says(&server, &["logger", "get"]).unwrap();
    assert_eq!(labelled(&said, "Logger Level"), ["info"], "{said}");
    shows("commands/logger");
}
