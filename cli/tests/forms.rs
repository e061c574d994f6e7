//! Pairs and catalyst SVIDs by the real program: fetched, written, verified, kept fresh and found again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{Home, PATIENCE, wait};

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} of {value:#}"))
}

/// Fetches both forms and writes them to `dir`.
fn fetch(home: &Home, dir: &str) -> Value {
    let dir = home.path().join(dir);
    home.json(&[
        "svid",
        "fetch",
        "--form",
        "paired,catalyst",
        "--write",
        dir.to_str().unwrap(),
    ])
}

fn path(home: &Home, name: &str) -> String {
    home.path().join(name).to_str().unwrap().to_owned()
}

/// The bundle of every family, in a file.
fn bundle(home: &Home) -> String {
    let file = path(home, "bundle.json");
    std::fs::write(&file, home.ok(&["bundle", "show", "--format", "spiffe"])).unwrap();
    file
}

#[test]
fn a_pair_and_a_catalyst_svid_are_written_and_verified_by_policy() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let _up = home.up();
    let fetched = fetch(&home, "id");
    let svids = fetched["svids"].as_array().unwrap();
    let shown: Vec<_> = svids
        .iter()
        .map(|svid| (text(svid, "form"), text(svid, "algorithm")))
        .collect();
    assert_eq!(
        shown,
        [
            ("paired", "ecdsa-p256"),
            ("paired", "ml-dsa-65"),
            ("catalyst", "ecdsa-p256")
        ]
    );
    assert_eq!(
        (text(&svids[0], "half"), text(&svids[1], "half")),
        ("classical", "post-quantum")
    );
    assert_eq!(text(&svids[2], "alternative"), "ml-dsa-65");
    for (svid, end) in svids
        .iter()
        .zip(["/paired/classical", "/paired/ml-dsa", "/catalyst"])
    {
        assert!(text(svid, "hint").ends_with(end), "{svid:#}");
        assert_eq!(svid["verified"], true, "{svid:#}");
    }

    for key in [
        "paired.classical.svid.0.key",
        "paired.ml-dsa.svid.0.key",
        "catalyst.svid.0.key",
        "catalyst.svid.0.alternative.key",
    ] {
        let file = home.path().join("id").join(key);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{key}");
        home.ok(&["inspect", file.to_str().unwrap()]);
    }

    let bundle = bundle(&home);
    let first = path(&home, "id/paired.classical.svid.0.pem");
    let second = path(&home, "id/paired.ml-dsa.svid.0.pem");
    let catalyst = path(&home, "id/catalyst.svid.0.pem");
    let verify = |files: &[&str], bundle: &str, policy: &str| {
        let arguments = [
            &["svid", "verify"],
            files,
            &["--bundle", bundle, "--policy", policy],
        ]
        .concat();
        let output = home.run(&[&arguments[..], &["--output", "json"]].concat());
        let said = support::said(&output);
        let verdict = serde_json::from_slice::<Value>(&output.stdout).ok();
        (output.status.code().unwrap(), verdict, said)
    };
    for policy in ["classical-ok", "pq-required", "hybrid-required"] {
        let (_, verdict, said) = verify(&[&first, &second], &bundle, policy);
        let verdict = verdict.unwrap_or_else(|| panic!("{policy}: {said}"));
        assert_eq!(
            (text(&verdict, "form"), text(&verdict, "algorithm")),
            ("paired", "ml-dsa-65")
        );
        assert_eq!(text(&verdict["first"], "algorithm"), "ecdsa-p256");

        let (_, verdict, said) = verify(&[&catalyst], &bundle, policy);
        let verdict = verdict.unwrap_or_else(|| panic!("{policy}: {said}"));
        assert_eq!(text(&verdict, "form"), "catalyst");
    }
    // Each half by itself is what it is, against the bundle that was written with it.
    for (file, form) in [(&first, "classical"), (&second, "ml-dsa")] {
        let own = file.replace("svid.0", "bundle.0");
        let (_, verdict, said) = verify(&[file], &own, "classical-ok");
        assert_eq!(text(&verdict.unwrap_or_else(|| panic!("{said}")), "form"), form);
    }
    for (files, policy, words) in [
        (&[second.as_str(), &first][..], "classical-ok", "certificate"),
        (&[&first, &catalyst], "classical-ok", "second"),
        (&[&first], "hybrid-required", "classical"),
    ] {
        let (code, _, said) = verify(files, &bundle, policy);
        assert!(code == 3 && said.contains(words), "{files:?}: {said}");
    }
    // A pair's halves belong together: another pair's second half is not this one's.
    std::thread::scope(|_| {
        let other = Home::new();
        let _up = other.up();
        fetch(&other, "id");
        let stranger = path(&other, "id/paired.ml-dsa.svid.0.pem");
        let (code, _, said) = verify(&[&first, &stranger], &bundle, "classical-ok");
        assert!(code == 3 && said.contains("second"), "{said}");
    });
}

#[test]
fn nobody_sees_them_who_does_not_ask() {
    let home = Home::new();
    let _up = home.up();
    fetch(&home, "id");
    let plain = home.json(&["svid", "fetch"]);
    let svids = plain["svids"].as_array().unwrap();
    assert_eq!(svids.len(), 1);
    assert_eq!(
        (text(&svids[0], "form"), text(&svids[0], "algorithm")),
        ("classical", "ecdsa-p256")
    );
    assert!(svids[0].get("half").is_none() && svids[0].get("alternative").is_none());

    // In the document, the catalyst authority stands with the classical one, where every reader finds EC keys.
    let document: Value = serde_json::from_str(&std::fs::read_to_string(bundle(&home)).unwrap()).unwrap();
    let keys = document["keys"].as_array().unwrap();
    let x509: Vec<_> = keys.iter().filter(|key| key["use"] == "x509-svid").collect();
    assert_eq!(x509.len(), 2);
    assert!(x509.iter().all(|key| key["kty"] == "EC"), "{document:#}");
    assert_eq!(document["pq_keys"].as_array().unwrap().len(), 2);
    let shown = home.json(&["bundle", "show", "--form", "catalyst"]);
    let shown = shown["x509_authorities"].as_array().unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(text(&shown[0], "alternative"), "ml-dsa-65");

    let (code, error) = home.fails(&["svid", "fetch", "--form", "pair"]);
    assert!(code == 2 && error.contains("paired"), "{error}");
}

#[test]
fn a_restart_keeps_the_catalyst_authority_and_the_record() {
    let home = Home::new();
    let up = home.up();
    let before = fetch(&home, "id");
    assert!(up.end(Signal::TERM).success());
    // A reader needs no server.
    for (form, count) in [("paired", 1), ("catalyst", 3)] {
        let listed = home.json(&["cert", "list", "--form", form]);
        let listed = listed["certificates"].as_array().unwrap();
        assert_eq!(
            listed.len(),
            count,
            "the authority, the server and the workload: {listed:#?}"
        );
        assert!(listed.iter().all(|one| text(one, "state") == "issued"));
    }
    let _up = home.up();
    let after = fetch(&home, "id");
    for index in 0..3 {
        let (before, after) = (&before["svids"][index], &after["svids"][index]);
        assert_eq!(text(before, "authority_id"), text(after, "authority_id"));
        assert_ne!(text(before, "serial"), text(after, "serial"));
        assert_eq!(after["verified"], true);
    }
    // What was issued before the restart is as good as before.
    let bundle = bundle(&home);
    let old = path(&home, "id/catalyst.svid.0.pem");
    let policy = ["--policy", "hybrid-required"];
    home.ok(&[&["svid", "verify", &old, "--bundle", &bundle], &policy[..]].concat());
}

/// An entry whose SVIDs live for seconds, but not for so few that a busy machine renews them too late: whatever the
/// watcher is told is a whole pair.
#[test]
fn a_pair_is_renewed_as_one_and_a_catalyst_svid_with_both_its_keys() {
    let home = Home::new();
    let _up = home.up();
    let entries = home.json(&["entry", "list"]);
    let entries = entries["entries"].as_array().unwrap();
    let mine = entries
        .iter()
        .find(|entry| text(entry, "spiffe_id").contains("/uid/"))
        .unwrap();
    home.ok(&["entry", "update", text(mine, "id"), "--x509-ttl", "40s"]);
    let mut watching = home
        .symbolon(&["svid", "watch", "--form", "paired,catalyst", "--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut serials: [BTreeSet<String>; 3] = Default::default();
    for line in BufReader::new(watching.stdout.take().unwrap()).lines() {
        assert!(begun.elapsed() < PATIENCE, "no renewals: {serials:?}");
        let update: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let svids = update["svids"].as_array().unwrap();
        assert_eq!(svids.len(), 3, "{update:#}");
        for (svid, seen) in svids.iter().zip(&mut serials) {
            assert_eq!(svid["verified"], true, "{update:#}");
            seen.insert(text(svid, "serial").to_owned());
        }
        assert_eq!(
            serials[0].len(),
            serials[1].len(),
            "both halves of a pair are new, or neither"
        );
        if serials.iter().all(|seen| seen.len() >= 3) {
            break;
        }
    }
    kill_process(Pid::from_child(&watching), Signal::INT).unwrap();
    wait(&mut watching);
}
