//! A migration across families by the real programs: server, agent, and two workloads that talk to each other under mutual
//! TLS all the while.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "migration/stack.rs"]
mod stack;
mod support;
#[path = "migration/workload.rs"]
mod workload;

use serde_json::Value;
use stack::Stack;
use support::{Home, check_schema, until};
use workload::{Role, Workload};

/// What the command says would be found for a stage.
fn looked_at(home: &Home, stage: &str) -> Value {
    let arguments = [
        "authority",
        "migrate",
        "--to",
        "hybrid",
        "--stage",
        stage,
        "--dry-run",
    ];
    let found = home.json(&arguments);
    check_schema("authority-migrate", &found);
    assert_eq!(found["changed"], false);
    found["check"].clone()
}

/// The one rule.
fn rule(home: &Home) -> Value {
    let rules = home.json(&["authority", "migration"]);
    check_schema("authority-migration", &rules);
    assert_eq!(rules.as_array().unwrap().len(), 1, "{rules:#}");
    rules[0].clone()
}

fn set(home: &Home, arguments: &[&str]) -> Value {
    let done = home.json(&[&["authority", "migrate"], arguments].concat());
    check_schema("authority-migrate", &done);
    assert_eq!(done["changed"], true, "{done:#}");
    done
}

#[test]
fn two_workloads_go_there_and_back_and_no_handshake_fails() {
    let stack = Stack::start();
    let home = &stack.home;
    let server = Workload::start(&stack.program("server"), Role::Server, &stack.socket());
    until("the server listens", || server.last("port").is_some());
    let port = server.last("port").unwrap().parse().unwrap();
    let client = Workload::start(&stack.program("client"), Role::Client(port), &stack.socket());
    // The client's stage, what it presents, and what the server does.
    let shows = |words: &str| {
        until(words, || {
            client.last("handshake").is_some_and(|last| last == words)
        });
    };
    // Without a migration the best that both have.
    shows("none composite composite");

    let counted = |check: &Value| {
        let number = |member: &str| check[member].as_u64().unwrap();
        let counted = check["counted"].as_str().unwrap().to_owned();
        (counted, number("ready"), number("not_ready"), number("unknown"))
    };
    for (stage, ready, presented) in [
        ("publish", ("entries".to_owned(), 2, 0, 0), "classical classical"),
        ("issue", ("agents".to_owned(), 1, 0, 0), "classical classical"),
        ("accept", ("entries".to_owned(), 2, 0, 0), "classical classical"),
        ("prefer", ("entries".to_owned(), 2, 0, 0), "composite composite"),
    ] {
        until(&format!("all are ready for {stage}"), || {
            let check = looked_at(home, stage);
            check["may"] == true && counted(&check) == ready
        });
        let done = set(home, &["--to", "hybrid", "--stage", stage]);
        assert_eq!(
            (&done["rule"]["stage"], &done["rule"]["forced"]),
            (&stage.into(), &false.into())
        );
        assert_eq!(rule(home)["stage"], stage);
        shows(&format!("{stage} {presented}"));
    }

    // All that report are ready, and then somebody has the client's SVID who says nothing.
    until("all are ready for require", || {
        let next = rule(home)["next"].clone();
        next["may"] == true && counted(&next) == ("entries".to_owned(), 2, 0, 0)
    });
    let mut stock = Workload::start(&stack.program("client"), Role::Stock, &stack.socket());
    stock.ends();
    assert_eq!(stock.last("has").as_deref(), Some("1"), "{:?}", stock.said());
    until("the server knows of it", || {
        let next = rule(home)["next"].clone();
        next["may"] == false && counted(&next) == ("entries".to_owned(), 1, 0, 1)
    });
    let party = rule(home)["next"]["parties"][0].clone();
    assert_eq!(
        (&party["spiffe_id"], &party["readiness"]),
        (&"spiffe://example.org/client".into(), &"unknown".into())
    );
    let (code, error) = home.fails(&["authority", "migrate"]);
    assert!(code == 5 && error.contains("1 unknown"), "{code} {error}");
    let (code, error) = home.fails(&["authority", "migrate", "--force"]);
    assert!(code == 2 && error.contains("--reason"), "{code} {error}");
    assert_eq!(rule(home)["stage"], "prefer");

    let reason = "the nightly job may fail";
    let done = set(home, &["--force", "--reason", reason]);
    assert_eq!(done["check"]["may"], false);
    shows("require composite composite");
    let now = rule(home);
    assert_eq!(
        (
            &now["stage"],
            &now["forced"],
            &now["reason"],
            &now["quiet_seconds"]
        ),
        (&"require".into(), &true.into(), &reason.into(), &2.into())
    );
    assert!(now["by"].as_str().unwrap().contains("process"), "{now:#}");
    let logged = stack.logged("migration.stage_changed");
    let last = logged.last().unwrap();
    for words in [
        "\"forced\":true",
        reason,
        "\"to\":\"require\"",
        "\"from\":\"prefer\"",
    ] {
        assert!(last.contains(words), "{words}: {last}");
    }
    assert!(
        stack
            .logged("migration.refused")
            .last()
            .unwrap()
            .contains("1 unknown")
    );

    for (stage, presented) in [
        ("prefer", "composite composite"),
        ("accept", "classical classical"),
        ("issue", "classical classical"),
        ("publish", "classical classical"),
    ] {
        let done = set(home, &["--stage", stage]);
        assert!(
            done["check"].is_null() && done["rule"]["forced"] == false,
            "{done:#}"
        );
        shows(&format!("{stage} {presented}"));
    }
    set(home, &["--stage", "off"]);
    shows("none composite composite");
    assert_eq!(home.ok(&["authority", "migration"]).trim(), "no migration");
    for workload in [&client, &server] {
        let said = workload.said();
        let failed: Vec<_> = said.iter().filter(|line| line.starts_with("failed")).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

#[test]
fn the_commands_say_what_they_did_and_what_is_wrong() {
    let home = Home::new();
    let _up = home.up();
    let none = home.json(&["authority", "migration"]);
    check_schema("authority-migration", &none);
    assert_eq!(none, serde_json::json!([]));
    for (arguments, expected, words) in [
        (&["--stage", "publish"][..], 5, "to hybrid or to pq"),
        (&["--to", "hybrid", "--stage", "require"], 5, "leaves stages out"),
        (
            &["--to", "hybrid", "--entries", "name:web"],
            5,
            "spiffe-id-prefix:/PATH",
        ),
        (&["--to", "classical"], 2, "hybrid and pq"),
        (&["--to", "hybrid", "--stage", "all"], 2, "and off"),
        (&["--to", "hybrid", "--force"], 2, "--reason"),
        (&["--clear", "--entries", "id:none"], 5, "no rule"),
        (&["--clear", "--to", "hybrid"], 2, "--clear"),
    ] {
        let all = [&["authority", "migrate"], arguments].concat();
        let (code, error) = home.fails(&all);
        assert!(
            code == expected && error.contains(words),
            "{arguments:?}: {code} {error}"
        );
    }

    let text = home.ok(&["authority", "migrate", "--to", "pq", "--dry-run"]);
    assert!(
        text.contains("nothing was changed") && text.contains("publish, which may come"),
        "{text}"
    );
    let made = set(&home, &["--to", "pq", "--reason", "to begin with"]);
    assert_eq!(
        (&made["rule"]["stage"], &made["rule"]["target"]),
        (&"publish".into(), &"pq".into())
    );
    let held = set(
        &home,
        &["--entries", "spiffe-id-prefix:/ns/prod/", "--stage", "off"],
    );
    assert_eq!(held["rule"]["entries"], "spiffe-id-prefix:/ns/prod");
    let rules = home.json(&["authority", "migration"]);
    check_schema("authority-migration", &rules);
    let sets: Vec<_> = rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| &rule["entries"])
        .collect();
    assert_eq!(sets, ["spiffe-id-prefix:/ns/prod", ""]);
    let text = home.ok(&["authority", "migration"]);
    for words in [
        "entries",
        "all",
        "to begin with",
        "issue, which may",
        "of the agents",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let cleared = set(&home, &["--entries", "spiffe-id-prefix:/ns/prod", "--clear"]);
    assert!(cleared["rule"].is_null());
}
