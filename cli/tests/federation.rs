//! `symbolon federation` and `symbolon bundle` about other trust domains.

mod support;

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::support::Home;

const URL: &str = "https://bundle.example.invalid/";

#[test]
fn relationships_are_made_shown_changed_and_ended() {
    let home = Home::new();
    let up = home.up();
    let name = ["--trust-domain", "example.com"];
    let about = |command: &[&'static str]| [command, &name[..]].concat();
    let made = home.json(&[about(&["federation", "create"]), vec!["--url", URL]].concat());
    assert_eq!(
        (&made["profile"], &made["bundle_sequence"]),
        (&"https_web".into(), &serde_json::Value::Null)
    );
    assert_eq!(home.json(&["federation", "list"]), serde_json::json!([made]));
    let text = home.ok(&["federation", "list"]);
    assert!(
        text.starts_with("TRUST DOMAIN") && text.contains("none yet"),
        "{text}"
    );

    let id = "spiffe://example.com/endpoint";
    let changed = home.json(&[about(&["federation", "update"]), vec!["--endpoint-id", id]].concat());
    assert_eq!(
        (&changed["profile"], &changed["endpoint_id"]),
        (&"https_spiffe".into(), &id.into())
    );
    assert_eq!(changed["endpoint_url"], URL);
    assert_eq!(home.json(&about(&["federation", "show"])), changed);
    let (code, error) = home.fails(&about(&["federation", "refresh"]));
    assert!(
        code == 5 && error.contains("no bundle of example.com"),
        "{code} {error}"
    );

    for (arguments, code, words) in [
        (
            vec![
                "federation",
                "create",
                "--trust-domain",
                "Example.com",
                "--url",
                URL,
            ],
            2,
            "lower case",
        ),
        (
            vec![
                "federation",
                "create",
                "--trust-domain",
                "example.org",
                "--url",
                URL,
            ],
            5,
            "own trust domain",
        ),
        (
            vec![
                "federation",
                "create",
                "--trust-domain",
                "example.com",
                "--url",
                URL,
            ],
            5,
            "already",
        ),
        (
            vec![
                "federation",
                "create",
                "--trust-domain",
                "a.test",
                "--url",
                "http://a.test/",
            ],
            5,
            "https://",
        ),
        (
            vec!["federation", "update", "--trust-domain", "example.com"],
            2,
            "nothing to change",
        ),
        (
            vec!["federation", "update", "--trust-domain", "a.test", "--url", URL],
            5,
            "a.test",
        ),
        (
            vec!["federation", "show", "--trust-domain", "a.test"],
            5,
            "a.test",
        ),
        (
            vec!["federation", "refresh", "--trust-domain", "a.test"],
            5,
            "a.test",
        ),
        (
            vec!["federation", "delete", "--trust-domain", "a.test"],
            5,
            "a.test",
        ),
    ] {
        let (found, error) = home.fails(&arguments);
        assert!(
            found == code && error.contains(words),
            "{arguments:?}: {found} {error}"
        );
    }
    home.ok(&about(&["federation", "delete"]));
    assert_eq!(home.json(&["federation", "list"]), serde_json::json!([]));
    assert!(up.end(Signal::INT).success());
}

#[test]
fn bundles_of_others_are_set_shown_counted_and_deleted() {
    let home = Home::new();
    let up = home.up();
    let (document, pem) = (home.path().join("bundle.json"), home.path().join("bundle.pem"));
    let (document, pem) = (document.to_str().unwrap(), pem.to_str().unwrap());
    // Whose roots they are does not show in them.
    std::fs::write(document, home.ok(&["bundle", "show", "--format", "spiffe"])).unwrap();
    std::fs::write(
        pem,
        home.ok(&["bundle", "show", "--format", "pem", "--form", "classical"]),
    )
    .unwrap();
    let own = home.json(&["bundle", "show"]);
    let set = home.json(&["bundle", "set", "--trust-domain", "example.com", document]);
    assert_eq!(set["trust_domain"], "example.com");
    // Every form is kept; documents have those first that any software can use.
    let ids = |bundle: &serde_json::Value| -> BTreeSet<String> {
        let authorities = bundle["x509_authorities"].as_array().unwrap();
        let id = |authority: &serde_json::Value| authority["authority_id"].to_string();
        authorities.iter().map(id).collect()
    };
    assert_eq!((ids(&set), ids(&set).len()), (ids(&own), 4));
    assert_eq!(
        home.json(&["bundle", "show", "--trust-domain", "example.com"]),
        set
    );
    let some = home.json(&[
        "bundle",
        "set",
        "--trust-domain",
        "a.test",
        "--format",
        "pem",
        pem,
    ]);
    assert_eq!(some["x509_authorities"].as_array().unwrap().len(), 1);
    assert_eq!(some["jwt_authorities"], serde_json::json!([]));
    assert_eq!(home.json(&["bundle", "list"]), serde_json::json!([set, some]));
    assert_eq!(home.json(&["bundle", "count"])["count"], 3);
    assert_eq!(home.ok(&["bundle", "count"]).trim(), "3 bundles");

    for (arguments, code, words) in [
        (
            vec!["bundle", "set", "--trust-domain", "b.test", pem],
            2,
            "no SPIFFE bundle",
        ),
        (
            vec![
                "bundle",
                "set",
                "--trust-domain",
                "b.test",
                "--format",
                "pem",
                document,
            ],
            2,
            "no PEM",
        ),
        (
            vec!["bundle", "set", "--trust-domain", "example.org", document],
            5,
            "own trust domain",
        ),
        (vec!["bundle", "show", "--trust-domain", "b.test"], 5, "b.test"),
        (vec!["bundle", "delete", "--trust-domain", "b.test"], 5, "b.test"),
    ] {
        let (found, error) = home.fails(&arguments);
        assert!(
            found == code && error.contains(words),
            "{arguments:?}: {found} {error}"
        );
    }
    let workload = [
        "entry",
        "create",
        "--spiffe-id",
        "spiffe://example.org/web",
        "--parent-id",
        "spiffe://example.org/node/a",
        "--selector",
        "unix:uid:1000",
        "--federates-with",
        "a.test",
    ];
    assert_eq!(
        home.json(&workload)["federates_with"],
        serde_json::json!(["a.test"])
    );
    let delete = ["bundle", "delete", "--trust-domain", "a.test"];
    let (code, error) = home.fails(&delete);
    assert!(
        code == 5 && error.contains("an entry federates"),
        "{code} {error}"
    );
    home.ok(&[&delete[..], &["--mode", "dissociate"]].concat());
    assert_eq!(home.json(&["bundle", "count"])["count"], 2);
    assert!(up.end(Signal::INT).success());
}

/// PEM cannot speak of what signs tokens, so it does not take it away.
#[test]
fn a_bundle_in_pem_leaves_the_keys_of_tokens_on_record() {
    let home = Home::new();
    let _up = home.up();
    let (document, pem) = (home.path().join("bundle.json"), home.path().join("bundle.pem"));
    let (document, pem) = (document.to_str().unwrap(), pem.to_str().unwrap());
    std::fs::write(document, home.ok(&["bundle", "show", "--format", "spiffe"])).unwrap();
    let classical = ["bundle", "show", "--format", "pem", "--form", "classical"];
    std::fs::write(pem, home.ok(&classical)).unwrap();
    let name = ["--trust-domain", "example.com"];
    let shown = || home.json(&[&["bundle", "show"], &name[..]].concat());
    let reset = || home.ok(&[&["bundle", "set"], &name[..], &[document]].concat());
    reset();
    let before = shown();
    for (kind, found) in [("jwt_authorities", 1), ("x509_authorities", 4)] {
        assert_eq!(before[kind].as_array().unwrap().len(), found, "{kind}");
    }

    home.ok(&[&["federation", "create"], &name[..], &["--url", URL]].concat());
    let with_bundle = ["--bundle", pem, "--bundle-format", "pem"];
    for command in [
        [&["bundle", "set"], &name[..], &["--format", "pem", pem]].concat(),
        [&["federation", "update"], &name[..], &with_bundle].concat(),
    ] {
        reset();
        let said = home.run(&command);
        assert!(said.status.success(), "{command:?}");
        let note = String::from_utf8(said.stderr).unwrap();
        assert!(note.contains("1 JWT") && note.contains("example.com"), "{note}");
        let after = shown();
        assert_eq!(
            after["x509_authorities"].as_array().unwrap().len(),
            1,
            "{command:?}"
        );
        for kind in ["jwt_authorities", "wit_authorities", "refresh_hint", "sequence"] {
            assert_eq!(after[kind], before[kind], "{command:?}: {kind}");
        }
    }
}

#[test]
fn lists_of_an_entry_are_emptied_by_name() {
    let home = Home::new();
    let _up = home.up();
    let bundle = home.path().join("bundle.json");
    let bundle = bundle.to_str().unwrap();
    std::fs::write(bundle, home.ok(&["bundle", "show", "--format", "spiffe"])).unwrap();
    home.ok(&["bundle", "set", "--trust-domain", "example.com", bundle]);
    let made = home.json(&[
        "entry",
        "create",
        "--spiffe-id",
        "spiffe://example.org/db",
        "--parent-id",
        "spiffe://example.org/node/a",
        "--selector",
        "unix:uid:70000",
        "--dns-name",
        "db.example.org",
        "--federates-with",
        "example.com",
    ]);
    let id = made["id"].as_str().unwrap();
    let update = |arguments: &[&str]| home.json(&[&["entry", "update", id], arguments].concat());
    let cleared = update(&["--clear-dns-names"]);
    assert_eq!(
        (&cleared["dns_names"], &cleared["federates_with"]),
        (&serde_json::json!([]), &serde_json::json!(["example.com"])),
        "what was not named stays"
    );
    assert_eq!(
        update(&["--clear-federates-with"])["federates_with"],
        serde_json::json!([])
    );
    let named_too = [
        ["--clear-dns-names", "--dns-name", "db.example.org"],
        ["--clear-federates-with", "--federates-with", "example.com"],
    ];
    for arguments in named_too {
        let (code, error) = home.fails(&[&["entry", "update", id], &arguments[..]].concat());
        assert!(code == 2 && error.contains(arguments[0]), "{code} {error}");
    }
    let help = home.ok(&["entry", "update", "--help"]);
    assert!(help.contains("entry update ID --clear-dns-names"), "{help}");
}
