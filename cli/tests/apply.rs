//! Entries by document, and deletions of many, with the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::Home;

/// A document of entries, each with a path and what else it says.
fn document(owner: &str, entries: &[(&str, &str)]) -> String {
    let entry = |(path, more): &(&str, &str)| {
        format!(
            "  - spiffe_id: spiffe://example.org{path}\n    parent_id: spiffe://example.org/node\n    selectors: \
             [unix:uid:70000]\n{more}"
        )
    };
    let entries: String = entries.iter().map(entry).collect();
    format!("owner: {owner}\nentries:\n{entries}")
}

fn write(home: &Home, name: &str, text: &str) -> String {
    let path = home.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What was, or is to be, done: action and identity's path.
fn actions(report: &Value) -> Vec<(String, String)> {
    let changes = report["changes"].as_array().unwrap().iter();
    changes
        .map(|change| {
            let path = change["spiffe_id"].as_str().unwrap();
            (
                change["action"].as_str().unwrap().to_owned(),
                path.strip_prefix("spiffe://example.org").unwrap().to_owned(),
            )
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(action, path)| ((*action).to_owned(), (*path).to_owned()))
        .collect()
}

#[test]
fn declarations_are_brought_about_and_nothing_else_is_touched() {
    let home = Home::new();
    let _up = home.up();
    let before = home.json(&["entry", "list"])["entries"].as_array().unwrap().len();
    write(
        &home,
        "d/a.yaml",
        &document("team", &[("/a", "    x509_svid_ttl: 30m\n"), ("/b", "")]),
    );
    let json = json!({"owner": "team", "entries": [{
        "spiffe_id": "spiffe://example.org/c", "parent_id": "spiffe://example.org/node",
        "selectors": ["k8s:container-image:web:latest"], "allowed_forms": ["composite"], "not_after": "2040-01-01T00:00:00Z",
    }]});
    write(&home, "d/c.json", &json.to_string());
    let dir = home.path().join("d");
    let dir = dir.to_str().unwrap();

    // A dry run says what would be, and changes nothing; --check fails because something would.
    let planned = home.json(&["entry", "apply", "-f", dir, "--dry-run"]);
    support::check_schema("entry-apply", &planned);
    let creations = pairs(&[("create", "/a"), ("create", "/b"), ("create", "/c")]);
    assert_eq!(
        (actions(&planned), &planned["dry_run"]),
        (creations.clone(), &json!(true))
    );
    assert_eq!(planned["warnings"][0]["rule"], "image-tag");
    let (code, error) = home.fails(&["entry", "apply", "-f", dir, "--check"]);
    assert!(code == 3 && error.contains("3 entries differ"), "{code} {error}");
    assert_eq!(
        home.json(&["entry", "list"])["entries"].as_array().unwrap().len(),
        before
    );

    let done = home.json(&["entry", "apply", "-f", dir]);
    support::check_schema("entry-apply", &done);
    assert_eq!(actions(&done), creations);
    assert!(
        done["changes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|change| change["outcome"] == "done")
    );
    let id = done["changes"][2]["id"].as_str().unwrap();
    let shown = home.json(&["entry", "show", id]);
    assert_eq!(
        (&shown["owner"], &shown["allowed_forms"]),
        (&json!("team"), &json!(["composite"]))
    );
    assert_eq!(shown["not_after"], "2040-01-01T00:00:00Z");

    // Again: nothing is left to do.
    let again = home.json(&["entry", "apply", "-f", dir]);
    assert_eq!((actions(&again), &again["unchanged"]), (vec![], &json!(3)));
    home.ok(&["entry", "apply", "-f", dir, "--check"]);

    // What somebody changed by hand is changed back, what is declared no more goes, and what others have stays.
    home.ok(&[
        "entry",
        "update",
        id,
        "--allowed-form",
        "any",
        "--hint",
        "by hand",
    ]);
    write(
        &home,
        "d/a.yaml",
        &document("team", &[("/a", "    x509_svid_ttl: 45m\n")]),
    );
    let kept = home.json(&["entry", "apply", "-f", dir, "--no-prune", "--dry-run"]);
    assert_eq!(actions(&kept), pairs(&[("update", "/a"), ("update", "/c")]));
    let done = home.json(&["entry", "apply", "-f", dir]);
    assert_eq!(
        actions(&done),
        pairs(&[("update", "/a"), ("update", "/c"), ("delete", "/b")])
    );
    assert_eq!(
        done["changes"][0]["fields"],
        json!([{"field": "x509_svid_ttl", "from": "1800s", "to": "2700s"}])
    );
    assert_eq!(home.json(&["entry", "show", id])["hint"], "");
    assert_eq!(
        home.json(&["entry", "list"])["entries"].as_array().unwrap().len(),
        before + 2
    );

    // An owner's empty list removes what it had.
    let none = write(&home, "none.yaml", "owner: team\nentries: []\n");
    let done = home.json(&["entry", "apply", "-f", &none]);
    assert_eq!(actions(&done), pairs(&[("delete", "/a"), ("delete", "/c")]));
    assert_eq!(
        home.json(&["entry", "list"])["entries"].as_array().unwrap().len(),
        before
    );
}

#[test]
fn what_is_nobodys_is_adopted_and_what_is_anothers_is_not() {
    let home = Home::new();
    let _up = home.up();
    let made = home.json(&[
        "entry",
        "create",
        "--spiffe-id",
        "spiffe://example.org/a",
        "--parent-id",
        "spiffe://example.org/node",
        "--selector",
        "unix:uid:70000",
    ]);
    let file = write(&home, "a.yaml", &document("one", &[("/a", "")]));
    let done = home.json(&["entry", "apply", "-f", &file]);
    assert_eq!(actions(&done), pairs(&[("adopt", "/a")]));
    assert_eq!(done["changes"][0]["id"], made["id"]);

    let file = write(
        &home,
        "b.yaml",
        &document("two", &[("/b", ""), ("/a", "    hint: mine\n")]),
    );
    let (code, error) = home.fails(&["entry", "apply", "-f", &file]);
    assert!(
        code == 5 && error.contains("\"one\"") && error.contains("b.yaml:6"),
        "{code} {error}"
    );
    let listed = home.json(&["entry", "list", "--parent-id", "spiffe://example.org/node"]);
    assert_eq!(
        listed["entries"].as_array().unwrap().len(),
        1,
        "not even the other entry"
    );

    home.ok(&["entry", "update", made["id"].as_str().unwrap(), "--owner", ""]);
    let text = home.ok(&["entry", "apply", "-f", &file]);
    for words in [
        "+ create",
        "~ adopt",
        "hint: none -> mine",
        "owner: none -> two",
        "1 created",
        "1 adopted",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn wrong_documents_are_told_whole_and_change_nothing() {
    let home = Home::new();
    let up = home.up();
    let before = home.json(&["entry", "list"]);
    let good = document("team", &[("/a", "")]);
    let bad = document(
        "team",
        &[
            ("/b", "    colour: green\n"),
            ("/c", ""),
            ("/d", "    x509_svid_ttl: long\n"),
        ],
    );
    let good = write(&home, "good.yaml", &good);
    let bad = write(&home, "bad.yaml", &bad);
    let (code, error) = home.fails(&["entry", "apply", "-f", &good, "-f", &bad]);
    assert_eq!(code, 2, "{error}");
    for words in [
        "bad.yaml:6: entries[0]: colour",
        "entries[2]: x509_svid_ttl",
        "nothing was changed",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let nobodys = write(&home, "nobodys.yaml", "entries: []\n");
    let (code, error) = home.fails(&["entry", "apply", "-f", &nobodys]);
    assert!(code == 2 && error.contains("owner"), "{code} {error}");
    home.ok(&["entry", "apply", "-f", &nobodys, "--owner", "team"]);
    let (code, error) = home.fails(&["entry", "apply", "-f", "nowhere.yaml"]);
    assert!(code == 2 && error.contains("nowhere.yaml"), "{code} {error}");
    // What the server alone can tell is refused by the server, entry by entry.
    let federated = write(
        &home,
        "federated.yaml",
        &document("other", &[("/e", "    federates_with: [nobody.test]\n")]),
    );
    let (code, error) = home.fails(&["entry", "apply", "-f", &federated]);
    assert!(
        code == 5 && error.contains("1 changes were not made"),
        "{code} {error}"
    );
    assert_eq!(home.json(&["entry", "list"]), before);
    drop(up);
    let (code, error) = home.fails(&["entry", "apply", "-f", &good]);
    assert!(code == 4, "{code} {error}");
}

#[test]
fn a_registration_is_not_lost_to_a_change_that_is_refused() {
    let home = Home::new();
    let _up = home.up();
    let both = write(
        &home,
        "both.yaml",
        &document("team", &[("/a", "    id: one\n"), ("/b", "    id: two\n")]),
    );
    home.json(&["entry", "apply", "-f", &both]);
    // The one is to become what the other is, which nobody declares any more; and the server refuses that.
    let unknown = "    id: one\n    federates_with: [nowhere.org]\n";
    let moved = write(&home, "both.yaml", &document("team", &[("/b", unknown)]));
    let (code, error) = home.fails(&["entry", "apply", "-f", &moved]);
    assert!(
        code == 5 && error.contains("2 changes were not made"),
        "{code} {error}"
    );
    for (id, path) in [("one", "/a"), ("two", "/b")] {
        let entry = home.json(&["entry", "show", id]);
        assert_eq!(
            entry["spiffe_id"],
            format!("spiffe://example.org{path}"),
            "{entry}"
        );
    }
    let moved = write(&home, "both.yaml", &document("team", &[("/b", "    id: one\n")]));
    home.json(&["entry", "apply", "-f", &moved]);
    assert_eq!(
        home.json(&["entry", "show", "one"])["spiffe_id"],
        "spiffe://example.org/b"
    );
    home.fails(&["entry", "show", "two"]);
}

#[test]
fn of_many_deletions_each_is_by_itself() {
    let home = Home::new();
    let _up = home.up();
    let file = write(&home, "a.yaml", &document("team", &[("/a", ""), ("/b", "")]));
    let done = home.json(&["entry", "apply", "-f", &file]);
    let id = |index: usize| done["changes"][index]["id"].as_str().unwrap().to_owned();
    let arguments = ["entry", "delete", &id(0), "nobody", &id(1), "--output", "json"];
    let output = home.run(&arguments);
    assert_eq!(output.status.code(), Some(5));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["deleted"], json!([id(0), id(1)]));
    assert_eq!(report["failed"][0]["id"], "nobody");
    assert!(String::from_utf8(output.stderr).unwrap().contains("nobody"));
}

#[test]
fn an_entry_has_its_policy_from_the_command_line_too() {
    let home = Home::new();
    let _up = home.up();
    let made = home.json(&[
        "entry",
        "create",
        "--spiffe-id",
        "spiffe://example.org/a",
        "--parent-id",
        "spiffe://example.org/node",
        "--selector",
        "unix:uid:70000",
        "--allowed-form",
        "classical,composite",
        "--key-algorithm",
        "ecdsa-p384,mldsa65-ecdsa-p256",
        "--not-before",
        "2026-01-01T00:00:00Z",
        "--not-after",
        "2040-01-01T00:00:00Z",
        "--downstream",
    ]);
    assert_eq!(made["allowed_forms"], json!(["classical", "composite"]));
    assert_eq!(
        made["leaf_key_algorithms"],
        json!(["ecdsa-p384", "mldsa65-ecdsa-p256"])
    );
    assert_eq!(
        (&made["not_before"], &made["downstream"]),
        (&json!("2026-01-01T00:00:00Z"), &json!(true))
    );
    let id = made["id"].as_str().unwrap();
    let changed = home.json(&[
        "entry",
        "update",
        id,
        "--key-algorithm",
        "any",
        "--not-before",
        "never",
    ]);
    assert_eq!(
        (&changed["leaf_key_algorithms"], &changed["not_before"]),
        (&json!([]), &Value::Null)
    );
    assert_eq!(
        changed["not_after"], made["not_after"],
        "what was not named stays"
    );
    let (code, error) = home.fails(&["entry", "update", id, "--allowed-form", "quantum"]);
    assert!(code == 2 && error.contains("quantum"), "{code} {error}");
    let (code, error) = home.fails(&[
        "entry",
        "update",
        id,
        "--not-after",
        "2020-01-01T00:00:00Z",
        "--not-before",
        "2021-01-01T00:00:00Z",
    ]);
    assert!(code == 5 && error.contains("not_after"), "{code} {error}");
}
