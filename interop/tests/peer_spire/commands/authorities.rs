//! `localauthority x509|jwt show|prepare|activate|taint|revoke` and `upstreamauthority taint|revoke`.

use serde_json::Value;
use symbolon_interop::server::Server;
use symbolon_interop::spire;

use super::labelled;
use crate::shows;

fn call(server: &Server, kind: &str, verb: &str, id: &str) -> Value {
    let mut words = vec!["localauthority", kind, verb];
    if !id.is_empty() {
        words.extend(["-authorityID", id]);
    }
    spire::json(server, &words).unwrap()
}

fn refused(server: &Server, kind: &str, verb: &str, id: &str) -> String {
    spire::refused(server, &["localauthority", kind, verb, "-authorityID", id]).unwrap()
}

fn id(answer: &Value, member: &str) -> String {
    let id = answer[member]["authority_id"].as_str();
    id.unwrap_or_else(|| panic!("no {member} in {answer}")).to_owned()
}

/// The authorities of a kind that are in the bundle, and whether they are tainted.
fn bundled(server: &Server, kind: &str) -> usize {
    let bundle = spire::json(server, &["bundle", "show"]).unwrap();
    bundle[format!("{kind}_authorities")].as_array().unwrap().len()
}

fn tainted(server: &Server, kind: &str) -> usize {
    let bundle = spire::json(server, &["bundle", "show"]).unwrap();
    let authorities = bundle[format!("{kind}_authorities")].as_array().unwrap().clone();
    authorities
        .iter()
        .filter(|authority| authority["tainted"] == true)
        .count()
}

/// From preparation to revocation, and everything that is out of its turn refused.
fn a_life(kind: &str) {
    let server = Server::start().unwrap();
    let first = id(&call(&server, kind, "show", ""), "active");
    let shown = call(&server, kind, "show", "");
    assert!(shown["prepared"].is_null() && shown["old"].is_null(), "{shown}");
    let known = bundled(&server, kind);

    for verb in ["activate", "taint", "revoke"] {
        let message = refused(&server, kind, verb, &first);
        assert!(message.contains("InvalidArgument"), "{kind} {verb}: {message}");
    }
    let prepared = id(&call(&server, kind, "prepare", ""), "prepared_authority");
    assert_ne!(prepared, first);
    assert_eq!(bundled(&server, kind), known + 1);
    assert_eq!(id(&call(&server, kind, "show", ""), "prepared"), prepared);
    // Again: the one that nobody needs any more is replaced.
    let prepared = {
        let again = id(&call(&server, kind, "prepare", ""), "prepared_authority");
        assert_ne!(again, prepared);
        again
    };

    let activated = call(&server, kind, "activate", &prepared);
    assert_eq!(id(&activated, "activated_authority"), prepared);
    let shown = call(&server, kind, "show", "");
    assert_eq!(id(&shown, "active"), prepared);
    assert_eq!(id(&shown, "old"), first);
    let expires: i64 = shown["active"]["expires_at"].as_str().unwrap().parse().unwrap();
    assert!(expires > 0, "{shown}");

    let message = refused(&server, kind, "revoke", &first);
    assert!(message.contains("taint"), "{message}");
    assert_eq!(
        id(&call(&server, kind, "taint", &first), "tainted_authority"),
        first
    );
    assert_eq!(tainted(&server, kind), 1);
    let message = refused(&server, kind, "taint", &first);
    assert!(message.contains("taint"), "{message}");

    let before = bundled(&server, kind);
    assert_eq!(
        id(&call(&server, kind, "revoke", &first), "revoked_authority"),
        first
    );
    assert_eq!(bundled(&server, kind), before - 1);
    for verb in ["activate", "taint", "revoke"] {
        refused(&server, kind, verb, &first);
        refused(&server, kind, verb, "00112233");
    }

    let name = if kind == "jwt" { "JWT" } else { "X.509" };
    let said = spire::says(&server, &["localauthority", kind, "show"]).unwrap();
    assert!(said.contains(&format!("Active {name} authority:")), "{said}");
    assert_eq!(labelled(&said, "Authority ID")[0], prepared, "{said}");
    shows(&format!("commands/localauthority {kind}"));
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn x509_authorities_have_their_life() {
    a_life("x509");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn jwt_authorities_have_their_life() {
    a_life("jwt");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn there_is_no_upstream_authority() {
    let server = Server::start().unwrap();
    for verb in ["taint", "revoke"] {
        let words = [
            "upstreamauthority",
            verb,
            "-subjectKeyID",
            "0011223344556677889900112233445566778899",
        ];
        let message = spire::refused(&server, &words).unwrap();
        assert!(message.contains("FailedPrecondition"), "{verb}: {message}");
    }
    shows("commands/upstreamauthority");
}
