//! `entry create|update|delete|show|count`.

use serde_json::{Value, json};
use symbolon_interop::server::Server;
use symbolon_interop::spire;

use super::{foreign_root, labelled};
use crate::{id_in, is_ok, shows};

/// The entries that a command shows, as it shows them.
fn show(server: &Server, flags: &[&str]) -> Vec<Value> {
    let shown = spire::json(server, &[&["entry", "show"], flags].concat()).unwrap();
    shown["entries"].as_array().cloned().unwrap_or_default()
}

fn create(server: &Server, flags: &[&str]) -> Value {
    let created = spire::json(server, &[&["entry", "create"], flags].concat()).unwrap();
    assert!(is_ok(&created["results"][0]["status"]), "{created}");
    created["results"][0]["entry"].clone()
}

fn count(server: &Server, flags: &[&str]) -> i64 {
    let counted = spire::json(server, &[&["entry", "count"], flags].concat()).unwrap();
    counted["count"].as_i64().unwrap()
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn entries_are_created_shown_updated_and_deleted() {
    let server = Server::start().unwrap();
    let (_, root) = foreign_root(&server, "federated");
    spire::says(
        &server,
        &[
            "bundle",
            "set",
            "-id",
            "spiffe://federated.test",
            "-path",
            root.to_str().unwrap(),
        ],
    )
    .unwrap();
    let (parent, child) = (server.id_of("/parent"), server.id_of("/child"));
    let before = count(&server, &[]);

    let entry = create(
        &server,
        &[
            "-selector",
            "s1:v1",
            "-selector",
            "s2:v2",
            "-parentID",
            &parent,
            "-spiffeID",
            &child,
            "-federatesWith",
            "spiffe://federated.test",
            "-admin",
            "-dns",
            "a.example.org",
            "-dns",
            "b.example.org",
            "-x509SVIDTTL",
            "120",
            "-jwtSVIDTTL",
            "60",
            "-hint",
            "one",
            "-disableX509SVIDPrefetch",
            "-jwtSVIDIncludeJTI",
            "-entryExpiry",
            "4102444800",
        ],
    );
    let id = entry["id"].as_str().unwrap().to_owned();
    let shown = show(&server, &["-entryID", &id]);
    assert_eq!(shown, std::slice::from_ref(&entry));
    assert_eq!(id_in(&entry["spiffe_id"]), child);
    assert_eq!(id_in(&entry["parent_id"]), parent);
    assert_eq!(
        entry["selectors"],
        json!([{ "type": "s1", "value": "v1" }, { "type": "s2", "value": "v2" }])
    );
    assert_eq!(entry["federates_with"], json!(["federated.test"]));
    assert_eq!(entry["dns_names"], json!(["a.example.org", "b.example.org"]));
    assert_eq!(
        (&entry["x509_svid_ttl"], &entry["jwt_svid_ttl"]),
        (&json!(120), &json!(60))
    );
    assert_eq!(
        (&entry["admin"], &entry["downstream"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(entry["hint"], "one");
    assert_eq!(entry["expires_at"], "4102444800");
    assert_eq!(entry["revision_number"], "0");
    assert_eq!(
        entry["additional_attributes"],
        json!({ "disable_x509_svid_prefetch": true, "jwt_svid_include_jti": true })
    );

    // An update without flags takes away what create gave: stock commands send whole entries.
    let updated = spire::json(
        &server,
        &[
            "entry",
            "update",
            "-entryID",
            &id,
            "-selector",
            "s1:v1",
            "-parentID",
            &parent,
            "-spiffeID",
            &child,
            "-x509SVIDTTL",
            "456",
            "-downstream",
        ],
    )
    .unwrap();
    let updated = &updated["results"][0];
    assert!(is_ok(&updated["status"]), "{updated}");
    let entry = &updated["entry"];
    assert_eq!(entry["revision_number"], "1", "{entry}");
    assert_eq!(
        (&entry["admin"], &entry["downstream"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        (&entry["x509_svid_ttl"], &entry["jwt_svid_ttl"]),
        (&json!(456), &json!(0))
    );
    assert_eq!(
        (&entry["federates_with"], &entry["dns_names"]),
        (&json!([]), &json!([]))
    );
    assert_eq!(entry["hint"], "");

    // For people.
    let said = spire::says(&server, &["entry", "show", "-spiffeID", &child]).unwrap();
    assert!(said.contains("Found 1 entry"), "{said}");
    assert_eq!(labelled(&said, "Entry ID"), [id.as_str()]);
    assert_eq!(labelled(&said, "SPIFFE ID"), [child.as_str()]);
    assert_eq!(labelled(&said, "Parent ID"), [parent.as_str()]);
    assert_eq!(labelled(&said, "Revision"), ["1"]);
    assert_eq!(labelled(&said, "X509-SVID TTL"), ["456"]);
    assert_eq!(labelled(&said, "JWT-SVID TTL"), ["default"]);
    assert_eq!(labelled(&said, "Selector"), ["s1:v1"]);
    assert_eq!(labelled(&said, "Downstream"), ["true"]);

    let said = spire::says(&server, &["entry", "delete", "-entryID", &id]).unwrap();
    assert!(said.contains(&format!("Deleted entry with ID: {id}")), "{said}");
    let message = spire::refused(&server, &["entry", "delete", "-entryID", &id]).unwrap();
    assert!(message.contains("NotFound"), "{message}");
    assert_eq!(count(&server, &[]), before);
    shows("commands/entry");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn entries_are_found_by_every_condition() {
    let server = Server::start().unwrap();
    let (_, root) = foreign_root(&server, "federated");
    for name in ["one.test", "two.test"] {
        spire::says(
            &server,
            &[
                "bundle",
                "set",
                "-id",
                &format!("spiffe://{name}"),
                "-path",
                root.to_str().unwrap(),
            ],
        )
        .unwrap();
    }
    let id = |path: &str| server.id_of(path);
    let (a, b) = (id("/parent/a"), id("/parent/b"));
    let ids = [
        create(
            &server,
            &[
                "-selector",
                "s:1",
                "-parentID",
                &a,
                "-spiffeID",
                &id("/1"),
                "-federatesWith",
                "spiffe://one.test",
            ],
        ),
        create(
            &server,
            &[
                "-selector",
                "s:1",
                "-selector",
                "s:2",
                "-parentID",
                &a,
                "-spiffeID",
                &id("/2"),
                "-downstream",
                "-federatesWith",
                "spiffe://one.test",
                "-federatesWith",
                "spiffe://two.test",
            ],
        ),
        create(
            &server,
            &[
                "-selector",
                "s:3",
                "-parentID",
                &b,
                "-spiffeID",
                &id("/3"),
                "-hint",
                "third",
            ],
        ),
        create(
            &server,
            &[
                "-selector",
                "s:1",
                "-selector",
                "s:4",
                "-spiffeID",
                &id("/4"),
                "-node",
            ],
        ),
    ]
    .map(|entry| entry["id"].as_str().unwrap().to_owned());
    let expect = |flags: &[&str], expected: &[usize]| {
        let mut found: Vec<String> = show(&server, flags)
            .iter()
            .map(|entry| entry["id"].as_str().unwrap().to_owned())
            .collect();
        let mut wanted: Vec<String> = expected.iter().map(|number| ids[number - 1].clone()).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{flags:?}");
        let count = count(&server, flags);
        assert_eq!(count, i64::try_from(expected.len()).unwrap(), "{flags:?}");
    };
    // Without `-downstream` the stock commands send `false`, which is no condition.
    expect(&[], &[1, 2, 3, 4]);
    expect(&["-downstream"], &[2]);
    expect(&["-parentID", &a], &[1, 2]);
    expect(&["-parentID", &id("/spire/server")], &[4]);
    expect(&["-spiffeID", &id("/3")], &[3]);
    expect(&["-hint", "third"], &[3]);
    for (how, found) in [
        ("exact", &[1][..]),
        ("any", &[1, 2, 4]),
        ("superset", &[1, 2, 4]),
        ("subset", &[1]),
    ] {
        expect(&["-selector", "s:1", "-matchSelectorsOn", how], found);
    }
    for (how, found) in [
        ("exact", &[2][..]),
        ("any", &[1, 2, 4]),
        ("superset", &[2]),
        ("subset", &[1, 2]),
    ] {
        expect(
            &["-selector", "s:1", "-selector", "s:2", "-matchSelectorsOn", how],
            found,
        );
    }
    for (how, found) in [
        ("exact", &[1][..]),
        ("any", &[1, 2]),
        ("superset", &[1, 2]),
        ("subset", &[1]),
    ] {
        expect(
            &[
                "-federatesWith",
                "spiffe://one.test",
                "-matchFederatesWithOn",
                how,
            ],
            found,
        );
    }
    expect(&["-spiffeID", &id("/nobody")], &[]);
    shows("commands/entry conditions");
}

#[test]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
fn what_cannot_be_registered_is_refused_as_spire_refuses_it() {
    let server = Server::start().unwrap();
    let (parent, child) = (server.id_of("/parent"), server.id_of("/child"));
    let good = ["-selector", "s:1", "-parentID", &parent, "-spiffeID", &child];
    create(&server, &good);
    let before = count(&server, &[]);
    for (flags, code) in [
        // The same again.
        (good.to_vec(), "AlreadyExists"),
        // Another trust domain.
        (
            vec![
                "-selector",
                "s:1",
                "-parentID",
                &parent,
                "-spiffeID",
                "spiffe://other.test/child",
            ],
            "InvalidArgument",
        ),
        (
            vec![
                "-selector",
                "s:1",
                "-parentID",
                "spiffe://other.test/parent",
                "-spiffeID",
                &child,
            ],
            "InvalidArgument",
        ),
        // A name that is none.
        (
            [good.as_slice(), &["-hint", "x", "-dns", "not a name"]].concat(),
            "InvalidArgument",
        ),
        // Nobody that we know of.
        (
            [
                good.as_slice(),
                &["-hint", "x", "-federatesWith", "spiffe://unknown.test"],
            ]
            .concat(),
            "",
        ),
    ] {
        let message = spire::refused(&server, &[&["entry", "create"], flags.as_slice()].concat()).unwrap();
        assert!(
            message.contains("Failed to create the following entry"),
            "{message}"
        );
        assert!(message.contains(code), "{flags:?}: {message}");
    }
    let message = spire::refused(&server, &["entry", "show", "-entryID", "nothing"]).unwrap();
    assert!(message.contains("NotFound"), "{message}");
    let unknown = ["entry", "update", "-entryID", "nothing"];
    let message = spire::refused(&server, &[&unknown, good.as_slice()].concat()).unwrap();
    assert!(message.contains("NotFound"), "{message}");
    assert_eq!(count(&server, &[]), before);
    shows("commands/entry refusals");
}
