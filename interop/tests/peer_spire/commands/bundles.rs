//! `bundle show|list|set|delete|count`.

use std::fs;

use serde_json::{Value, json};
use spiffe::TrustDomain;
use symbolon_interop::server::Server;
use symbolon_interop::spire;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::pem;

use super::foreign_root;
use crate::shows;

fn count(server: &Server) -> i64 {
    spire::json(server, &["bundle", "count"]).unwrap()["count"]
        .as_i64()
        .unwrap()
}

fn listed(server: &Server) -> Vec<Value> {
    let listed = spire::json(server, &["bundle", "list"]).unwrap();
    listed["bundles"].as_array().cloned().unwrap_or_default()
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn the_bundle_is_shown_as_pem_as_a_document_and_as_json() {
    let server = Server::start().unwrap();
    let bundle = spire::json(&server, &["bundle", "show"]).unwrap();
    assert_eq!(bundle["trust_domain"], server.trust_domain());
    let authorities = bundle["x509_authorities"].as_array().unwrap().len();
    assert!(bundle["sequence_number"].is_string(), "{bundle}");
    for key in bundle["jwt_authorities"].as_array().unwrap() {
        assert_eq!(key["tainted"], false, "{bundle}");
        assert!(!key["key_id"].as_str().unwrap().is_empty(), "{bundle}");
    }

    let said = spire::says(&server, &["bundle", "show"]).unwrap();
    let certificates: Vec<_> = pem::certificates(said.as_bytes())
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(certificates.len(), authorities);
    for certificate in &certificates {
        assert_eq!(
            certificate.spiffe_id().unwrap().to_string(),
            format!("spiffe://{}", server.trust_domain())
        );
        // All that Go's library can verify with: the classical ones, and those that are classical to whom does not look.
        assert!(
            certificate
                .signature_suite()
                .is_some_and(|suite| suite.name().starts_with("ecdsa"))
        );
    }

    let said = spire::says(&server, &["bundle", "show", "-format", "spiffe"]).unwrap();
    let document: Value = serde_json::from_str(&said).unwrap();
    assert!(document.get("pq_keys").is_none(), "{document}");
    let trust_domain = TrustDomain::new(server.trust_domain()).unwrap();
    let read = TrustBundle::from_jwks(&trust_domain, said.as_bytes()).unwrap();
    assert_eq!(read.x509_authorities.len(), authorities);
    assert_eq!(
        read.jwt_authorities.len(),
        bundle["jwt_authorities"].as_array().unwrap().len()
    );
    assert_eq!(
        read.sequence.to_string(),
        bundle["sequence_number"].as_str().unwrap()
    );
    shows("commands/bundle show");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn federated_bundles_are_set_listed_and_deleted() {
    let server = Server::start().unwrap();
    let before = count(&server);
    let (first, first_file) = foreign_root(&server, "first");
    let (second, second_file) = foreign_root(&server, "second");
    let set = |id: &str, file: &str, format: &str| {
        spire::says(
            &server,
            &["bundle", "set", "-id", id, "-path", file, "-format", format],
        )
        .unwrap()
    };
    let said = set("spiffe://federated.test", first_file.to_str().unwrap(), "pem");
    assert!(said.contains("bundle set."), "{said}");
    let list = |id: &str| spire::says(&server, &["bundle", "list", "-id", id]).unwrap();
    assert_eq!(list("spiffe://federated.test").trim(), first.trim());
    // The same command again replaces it.
    set("spiffe://federated.test", second_file.to_str().unwrap(), "pem");
    assert_eq!(list("federated.test").trim(), second.trim());

    // Our own document, for another trust domain, as a SPIRE server of that trust domain would give it.
    let other = server.home().join("other.json");
    let document = spire::says(&server, &["bundle", "show", "-format", "spiffe"]).unwrap();
    fs::write(&other, &document).unwrap();
    set("spiffe://other.test", other.to_str().unwrap(), "spiffe");
    assert_eq!(count(&server), before + 2);
    let names: Vec<Value> = listed(&server)
        .iter()
        .map(|bundle| bundle["trust_domain"].clone())
        .collect();
    assert_eq!(names, [json!("federated.test"), json!("other.test")]);
    let shown = spire::says(
        &server,
        &[
            "bundle",
            "list",
            "-id",
            "spiffe://other.test",
            "-format",
            "spiffe",
        ],
    )
    .unwrap();
    let keys = |document: &str| serde_json::from_str::<Value>(document).unwrap()["keys"].clone();
    assert_eq!(keys(&shown), keys(&document));

    // What an entry federates with is not deleted behind its back.
    let (parent, child) = (server.id_of("/parent"), server.id_of("/child"));
    spire::says(
        &server,
        &[
            "entry",
            "create",
            "-selector",
            "s:1",
            "-parentID",
            &parent,
            "-spiffeID",
            &child,
            "-federatesWith",
            "spiffe://federated.test",
        ],
    )
    .unwrap();
    let delete = ["bundle", "delete", "-id", "spiffe://federated.test"];
    let message = spire::refused(&server, &delete).unwrap();
    assert!(message.contains("failed to delete federated bundle"), "{message}");
    assert_eq!(count(&server), before + 2);
    let said = spire::says(&server, &[&delete[..], &["-mode", "dissociate"]].concat()).unwrap();
    assert!(said.contains("bundle deleted."), "{said}");
    let entries = spire::json(&server, &["entry", "show", "-spiffeID", &child]).unwrap();
    assert_eq!(entries["entries"][0]["federates_with"], json!([]), "{entries}");

    spire::says(
        &server,
        &[
            "entry",
            "create",
            "-selector",
            "s:1",
            "-parentID",
            &parent,
            "-spiffeID",
            &server.id_of("/goes"),
            "-federatesWith",
            "spiffe://other.test",
        ],
    )
    .unwrap();
    spire::says(
        &server,
        &[
            "bundle",
            "delete",
            "-id",
            "spiffe://other.test",
            "-mode",
            "delete",
        ],
    )
    .unwrap();
    let entries = spire::json(&server, &["entry", "show"]).unwrap();
    assert_eq!(entries["entries"].as_array().unwrap().len(), 1, "{entries}");
    assert_eq!(count(&server), before);

    let message = spire::refused(&server, &["bundle", "list", "-id", "spiffe://other.test"]).unwrap();
    assert!(message.contains("NotFound"), "{message}");
    let own = format!("spiffe://{}", server.trust_domain());
    let message = spire::refused(
        &server,
        &[
            "bundle",
            "set",
            "-id",
            &own,
            "-path",
            first_file.to_str().unwrap(),
        ],
    )
    .unwrap();
    assert!(message.contains("failed to set federated bundle"), "{message}");
    shows("commands/bundle");
}
