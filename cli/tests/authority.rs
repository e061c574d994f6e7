//! `symbolon authority`, against a running server and against a data directory alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::{Home, check_schema};

fn ids(listed: &Value, family: &str, state: &str) -> Vec<String> {
    let authorities = listed["authorities"].as_array().unwrap().iter();
    let wanted = authorities.filter(|one| one["family"] == family && one["state"] == state);
    wanted
        .map(|one| one["authority_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_authority_is_replaced_and_taken_out_of_trust() {
    let home = Home::new();
    let up = home.up();
    let listed = home.json(&["authority", "list"]);
    check_schema("authority-list", &listed);
    for family in ["classical", "ml-dsa", "composite", "catalyst", "jwt"] {
        let old = ids(&listed, family, "active").remove(0);
        let made = home.json(&["authority", "prepare", family]);
        check_schema("authority-show", &made);
        let new = made["authority_id"].as_str().unwrap().to_owned();
        // The beginning of an id will do.
        for (step, id, state) in [
            ("activate", &new[..12], "active"),
            ("taint", &old[..12], "tainted"),
            ("revoke", old.as_str(), "revoked"),
        ] {
            let done = home.json(&["authority", step, id]);
            check_schema("authority-show", &done);
            assert_eq!(done["state"], state);
            assert_eq!(home.json(&["authority", "show", id]), done);
        }
    }
    for (args, words) in [
        (["activate", "no-such-authority"], "no-such-authority"),
        (
            [
                "revoke",
                ids(&home.json(&["authority", "list"]), "jwt", "active")[0].as_str(),
            ],
            "only tainted",
        ),
        (["prepare", "wit"], "no wit authorities"),
    ] {
        let (code, error) = home.fails(&["authority", args[0], args[1]]);
        assert!(code == 5 && error.contains(words), "{code} {error}");
    }

    let running = home.json(&["authority", "list"]);
    drop(up);
    // The data directory has the authorities, and not what the configuration says.
    let offline = home.json(&["authority", "list"]);
    check_schema("authority-list", &offline);
    assert_eq!(offline["authorities"], running["authorities"]);
    assert_eq!(offline["families"], serde_json::json!([]));
}

#[test]
fn a_family_goes_to_another_suite_and_says_so() {
    let home = Home::new();
    let _up = home.up();
    let rotated = home.json(&[
        "authority",
        "rotate",
        "composite",
        "--to",
        "mldsa87-ecdsa-p384",
        "--notice",
        "1h",
    ]);
    check_schema("authority-rotate", &rotated);
    let made = &rotated["prepared"];
    assert_eq!(
        (&made["suite"], &made["state"]),
        (&"mldsa87-ecdsa-p384".into(), &"prepared".into())
    );
    assert_eq!(rotated["family"]["configured"]["suite"], "mldsa65-ecdsa-p256");
    assert!(rotated["family"]["activates_at"].is_string());

    for (args, expected, words) in [
        (vec!["composite", "--to", "mldsa87-ecdsa-p384"], 5, "on its way"),
        (vec!["composite", "--to", "ecdsa-p384"], 5, "choose one of"),
        (vec!["jwt", "--to", "ecdsa-p384"], 5, "choose one of ecdsa-p256"),
        (vec!["composite", "--store", "nowhere"], 5, "nowhere"),
        (vec!["composite"], 2, "--to"),
        (vec!["composite", "--to", "rsa-1024"], 2, "rsa-1024"),
        (vec!["x509", "--to", "ecdsa-p384"], 2, "classical"),
    ] {
        let args: Vec<&str> = ["authority", "rotate"].into_iter().chain(args).collect();
        let (code, error) = home.fails(&args);
        assert!(code == expected && error.contains(words), "{code} {error}");
    }

    // Whoever does not wait activates it.
    home.json(&["authority", "activate", made["authority_id"].as_str().unwrap()]);
    let listed = home.json(&["authority", "list", "--family", "composite"]);
    check_schema("authority-list", &listed);
    assert_eq!(
        ids(&listed, "composite", "active"),
        [made["authority_id"].as_str().unwrap()]
    );
    let back = home.json(&["authority", "rotate", "composite", "--to", "mldsa65-ecdsa-p256"]);
    check_schema("authority-rotate", &back);

    let text = home.ok(&["authority", "list"]);
    assert!(text.contains("FAMILY") && text.contains("command 2 of"), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}
