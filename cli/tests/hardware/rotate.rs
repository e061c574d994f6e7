//! Families whose keys go from files to tokens while everything runs.

use serde_json::Value;
use symbolon_pki::pem;
use symbolon_test_tokens::{Kind, Token};

use crate::support::{Home, Up, check_schema, until};
use crate::{home, places};

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// How many keys of ours a token has.
fn held(token: &Token) -> usize {
    let listed = token.tool(&["--list-objects", "--type", "privkey"]);
    listed.matches("symbolon/example.org/").count()
}

/// The authority of a family in a state.
fn in_state(home: &Home, family: &str, state: &str) -> Value {
    let listed = home.json(&["authority", "list", "--family", family]);
    check_schema("authority-list", &listed);
    let mut authorities = listed["authorities"].as_array().unwrap().iter();
    let found = authorities.find(|authority| authority["state"] == state);
    found.unwrap_or_else(|| panic!("{family}: {listed:#}")).clone()
}

fn stores(authority: &Value) -> Vec<&str> {
    let keys = authority["keys"].as_array().unwrap().iter();
    keys.map(|key| text(&key["store"])).collect()
}

/// An SVID of this form and its bundle, fetched as a workload does: the files they are in.
fn fetched(home: &Home, form: &str) -> [String; 2] {
    let dir = home.path().join(format!("svid-{form}"));
    let at = dir.to_str().unwrap();
    home.ok(&["svid", "fetch", "x509", "--form", form, "--write", at]);
    let prefix = match form {
        "classical" => String::new(),
        form => format!("{form}."),
    };
    ["svid", "bundle"].map(|name| format!("{at}/{prefix}{name}.0.pem"))
}

/// The authority that an SVID of this form goes back to.
fn above_svid(home: &Home, form: &str) -> String {
    let [svid, bundle] = fetched(home, form);
    let verdict = home.json(&["svid", "verify", &svid, "--bundle", &bundle]);
    assert_eq!(verdict["verified"], true, "{verdict:#}");
    text(&verdict["authority_id"]).to_owned()
}

/// Whether workloads know an authority.
fn is_known(home: &Home, form: &str, id: &str) -> bool {
    let [_, bundle] = fetched(home, form);
    let read = pem::certificates(&std::fs::read(bundle).unwrap()).unwrap();
    let mut ids = read
        .into_iter()
        .map(|one| one.unwrap().skid().unwrap().to_string());
    ids.any(|known| known == id)
}

#[test]
fn every_family_goes_from_files_to_tokens_and_what_its_old_key_signed_is_replaced() {
    let name = "every_family_goes_from_files_to_tokens";
    let (Some(soft), Some(pq)) = (Token::new(Kind::SoftHsm, name), Token::new(Kind::Pq, name)) else {
        return;
    };
    let home = home(&[&soft, &pq]);
    let (hsm, pq_named) = (format!("hsm={}", soft.uri()), format!("pq={}", pq.uri()));
    let arguments = [
        "--keys",
        "software",
        "--keys",
        hsm.as_str(),
        "--keys",
        pq_named.as_str(),
    ];
    let up = Up::start(&home, &arguments);
    assert_eq!((held(&soft), held(&pq)), (0, 0), "every key begins in files");

    // Of each family: the suite that it goes to, if to another one, and the store of each component.
    let moves: [(&str, Option<&str>, &[&str]); 5] = [
        ("classical", Some("ecdsa-p384"), &["hsm"]),
        ("ml-dsa", Some("ml-dsa-87"), &["pq"]),
        ("composite", Some("mldsa87-ecdsa-p384"), &["pq", "hsm"]),
        ("catalyst", None, &["hsm", "pq"]),
        ("jwt", None, &["hsm"]),
    ];
    let mut on_tokens = (0, 0);
    for (family, suite, places) in moves {
        let old = in_state(&home, family, "active");
        assert!(stores(&old).iter().all(|store| *store == "software"), "{old:#}");
        let mut args = vec!["authority", "rotate", family, "--notice", "1h"];
        args.extend(suite.iter().flat_map(|suite| ["--to", suite]));
        args.extend(places.iter().flat_map(|store| ["--store", store]));
        let rotated = home.json(&args);
        check_schema("authority-rotate", &rotated);
        let made = &rotated["prepared"];
        assert_eq!(
            (stores(made), text(&made["state"])),
            (places.to_vec(), "prepared")
        );
        if let Some(suite) = suite {
            assert_eq!(made["suite"], suite);
        }
        on_tokens.0 += places.iter().filter(|store| **store == "hsm").count();
        on_tokens.1 += places.iter().filter(|store| **store == "pq").count();
        assert_eq!((held(&soft), held(&pq)), on_tokens, "{family}");

        let new = text(&made["authority_id"]);
        if family != "jwt" {
            until("everybody knows the new authority", || {
                is_known(&home, family, new)
            });
        }
        home.json(&["authority", "activate", new]);
        home.json(&["authority", "taint", text(&old["authority_id"])]);
        if family != "jwt" {
            until("the workload has an SVID that the token signed", || {
                above_svid(&home, family) == new
            });
        }
        let done = home.json(&["authority", "revoke", text(&old["authority_id"])]);
        assert_eq!(done["state"], "revoked");
    }
    // What was revoked has no key any more, in files least of all.
    let kept = home.json(&["key", "list", "--store", "software"]);
    check_schema("key-list", &kept);
    assert_eq!(kept["keys"].as_array().map(Vec::len), Some(0), "{kept:#}");
    let running = home.json(&["authority", "list"]);
    drop(up);

    // It stays so, whatever store comes first at the next start.
    let again = Up::start(&home, &arguments);
    let active = |listed: &Value| {
        let authorities = listed["authorities"].as_array().unwrap().iter();
        let active = authorities
            .filter(|authority| authority["state"] == "active")
            .cloned();
        serde_json::json!({"authorities": active.collect::<Vec<_>>()})
    };
    let listed = home.json(&["authority", "list"]);
    assert_eq!(active(&listed), active(&running));
    assert_eq!(
        places(&active(&listed)),
        crate::expected_places("hsm", "pq", ["pq", "hsm"], "hsm")
    );
    for form in ["classical", "ml-dsa", "composite", "catalyst"] {
        let expected = in_state(&home, form, "active");
        assert_eq!(above_svid(&home, form), text(&expected["authority_id"]));
    }
    drop(again);
}
