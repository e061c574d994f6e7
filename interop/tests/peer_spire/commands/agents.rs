//! `token generate` and `agent list|show|count|ban|evict|purge`.

use symbolon_interop::server::Server;
use symbolon_interop::spire::{self, Agent};

use super::labelled;
use crate::{id_in, shows, token};

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn agents_are_listed_counted_banned_and_evicted() {
    let server = Server::start().unwrap();
    let said = spire::says(&server, &["token", "generate"]).unwrap();
    assert!(said.contains("Warning: Missing SPIFFE ID."), "{said}");
    assert_eq!(labelled(&said, "Token").len(), 1, "{said}");
    let said = spire::says(&server, &["agent", "list"]).unwrap();
    assert!(said.contains("No attested agents found"), "{said}");

    let (evidence, first) = token(&server, &["-ttl", "60"]);
    let one = Agent::start(&server, "one", &evidence).unwrap();
    let (evidence, second) = token(&server, &[]);
    let two = Agent::start(&server, "two", &evidence).unwrap();
    let count = |flags: &[&str]| {
        let counted = spire::json(&server, &[&["agent", "count"], flags].concat()).unwrap();
        let listed = spire::json(&server, &[&["agent", "list"], flags].concat()).unwrap();
        let mut ids: Vec<String> = listed["agents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|agent| id_in(&agent["id"]))
            .collect();
        ids.sort();
        assert_eq!(counted["count"], ids.len(), "{flags:?}");
        ids
    };
    let both = {
        let mut both = [first.clone(), second.clone()];
        both.sort();
        both
    };
    assert_eq!(count(&[]), both);
    assert_eq!(count(&["-attestationType", "join_token"]), both);
    assert_eq!(count(&["-attestationType", "x509pop"]), [""; 0]);
    assert_eq!(count(&["-canReattest", "false"]), both);
    assert_eq!(count(&["-canReattest", "true"]), [""; 0]);
    assert_eq!(count(&["-expiresBefore", "2100-01-01 00:00:00 +0000 +00"]), both);
    assert_eq!(
        count(&["-expiresBefore", "2020-01-01 00:00:00 +0100 +01"]),
        [""; 0]
    );

    let said = spire::says(&server, &["agent", "list"]).unwrap();
    assert!(said.contains("Found 2 attested agents"), "{said}");
    assert_eq!(labelled(&said, "Attestation type"), ["join_token"; 2]);
    assert_eq!(labelled(&said, "Can re-attest"), ["false"; 2]);
    let said = spire::says(&server, &["agent", "show", "-spiffeID", &first]).unwrap();
    assert_eq!(labelled(&said, "SPIFFE ID"), [first.as_str()], "{said}");
    let serial = labelled(&said, "Serial number").concat();
    assert!(
        !serial.is_empty() && serial.chars().all(|digit| digit.is_ascii_digit()),
        "SPIRE writes serial numbers in decimal: {said}"
    );

    let said = spire::says(&server, &["agent", "ban", "-spiffeID", &first]).unwrap();
    assert!(said.contains("Agent banned successfully"), "{said}");
    assert_eq!(count(&["-banned", "true"]), [first.as_str()]);
    assert_eq!(count(&["-banned", "false"]), [second.as_str()]);
    let said = spire::says(&server, &["agent", "list", "-banned", "true"]).unwrap();
    assert_eq!(labelled(&said, "Banned"), ["true"], "{said}");
    drop(one);

    let said = spire::says(&server, &["agent", "evict", "-spiffeID", &second]).unwrap();
    assert!(said.contains("Agent evicted successfully"), "{said}");
    drop(two);
    assert_eq!(count(&[]), [first.as_str()]);

    // Agents that cannot attest again are never purged.
    let said = spire::says(&server, &["agent", "purge", "-expiredFor", "0s"]).unwrap();
    assert!(said.contains("No agents to purge."), "{said}");
    for words in [["agent", "show"], ["agent", "evict"], ["agent", "ban"]] {
        let message = spire::refused(&server, &[&words[..], &["-spiffeID", &second]].concat()).unwrap();
        assert!(message.contains("NotFound"), "{words:?}: {message}");
    }
    shows("commands/token");
    shows("commands/agent");
}
