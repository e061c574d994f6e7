//! `federation create|update|show|list|refresh|delete`, with another server of ours that serves its bundle.

use serde_json::json;
use symbolon_interop::server::Server;
use symbolon_interop::spire;

use super::{foreign_root, labelled};
use crate::{is_ok, shows};

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn relationships_are_created_shown_updated_and_deleted() {
    let server = Server::start().unwrap();
    let (_, root) = foreign_root(&server, "partner");
    let root = root.to_str().unwrap();
    // Nobody listens there; relationships stand all the same.
    let url = "https://127.0.0.1:1/bundle";
    let web = [
        "-trustDomain",
        "web.test",
        "-bundleEndpointURL",
        url,
        "-bundleEndpointProfile",
        "https_web",
    ];
    let said = spire::says(&server, &[&["federation", "create"], &web[..]].concat()).unwrap();
    assert_eq!(labelled(&said, "Trust domain"), ["web.test"], "{said}");
    assert_eq!(
        labelled(&said, "Bundle endpoint profile"),
        ["https_web"],
        "{said}"
    );

    let spiffe = [
        "-trustDomain",
        "partner.test",
        "-bundleEndpointURL",
        url,
        "-bundleEndpointProfile",
        "https_spiffe",
        "-endpointSpiffeID",
        "spiffe://partner.test/spire/server",
        "-trustDomainBundlePath",
        root,
    ];
    let created = spire::json(&server, &[&["federation", "create"], &spiffe[..]].concat()).unwrap();
    let result = &created["results"][0];
    assert!(is_ok(&result["status"]), "{created}");
    let relationship = &result["federation_relationship"];
    assert_eq!(
        relationship["https_spiffe"]["endpoint_spiffe_id"], "spiffe://partner.test/spire/server",
        "{created}"
    );
    let bundles = spire::json(&server, &["bundle", "list"]).unwrap();
    assert_eq!(
        bundles["bundles"][0]["trust_domain"], "partner.test",
        "its bundle is there from the start: {bundles}"
    );

    let message = spire::refused(&server, &[&["federation", "create"], &web[..]].concat()).unwrap();
    assert!(message.contains("AlreadyExists"), "{message}");

    let listed = spire::json(&server, &["federation", "list"]).unwrap();
    let names: Vec<_> = listed["federation_relationships"]
        .as_array()
        .unwrap()
        .iter()
        .map(|relationship| relationship["trust_domain"].clone())
        .collect();
    assert_eq!(names, [json!("web.test"), json!("partner.test")], "{listed}");
    let said = spire::says(&server, &["federation", "list"]).unwrap();
    assert!(said.contains("Found 2 federation relationships"), "{said}");

    let other = "https://127.0.0.1:2/elsewhere";
    let update = [
        "federation",
        "update",
        "-trustDomain",
        "web.test",
        "-bundleEndpointURL",
        other,
        "-bundleEndpointProfile",
        "https_web",
    ];
    spire::says(&server, &update).unwrap();
    let said = spire::says(&server, &["federation", "show", "-trustDomain", "web.test"]).unwrap();
    assert_eq!(labelled(&said, "Bundle endpoint URL"), [other], "{said}");

    let message = spire::refused(&server, &["federation", "refresh", "-id", "web.test"]).unwrap();
    assert!(message.contains("failed to refresh bundle"), "{message}");
    let message = spire::refused(&server, &["federation", "refresh", "-id", "unknown.test"]).unwrap();
    assert!(
        message.contains("there is no federation relationship"),
        "{message}"
    );

    for name in ["web.test", "partner.test"] {
        let said = spire::says(&server, &["federation", "delete", "-id", name]).unwrap();
        assert!(said.contains("federation relationship deleted."), "{said}");
    }
    let message = spire::refused(&server, &["federation", "delete", "-id", "web.test"]).unwrap();
    assert!(
        message.contains("failed to delete federation relationship"),
        "{message}"
    );
    let message = spire::refused(&server, &["federation", "show", "-trustDomain", "web.test"]).unwrap();
    assert!(message.contains("NotFound"), "{message}");
    shows("commands/federation");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn what_is_no_relationship_is_refused() {
    let server = Server::start().unwrap();
    let own = server.trust_domain().to_owned();
    for (name, url) in [
        (own.as_str(), "https://127.0.0.1:1/bundle"),
        ("plain.test", "http://127.0.0.1:1/bundle"),
        ("user.test", "https://user:secret@127.0.0.1:1/bundle"),
        ("BAD_NAME!.test", "https://127.0.0.1:1/bundle"),
    ] {
        let create = [
            "federation",
            "create",
            "-trustDomain",
            name,
            "-bundleEndpointURL",
            url,
            "-bundleEndpointProfile",
            "https_web",
        ];
        let message = spire::refused(&server, &create).unwrap();
        assert!(message.contains("InvalidArgument"), "{name} at {url}: {message}");
    }
    let listed = spire::json(&server, &["federation", "list"]).unwrap();
    assert_eq!(listed["federation_relationships"], json!([]), "{listed}");
    shows("commands/federation refusals");
}
