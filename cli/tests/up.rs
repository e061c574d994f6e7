//! `symbolon up` as its users see it: a process, its output, its exit code and what it leaves behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;
use support::{Home, check_schema, said, taken_port, until, wait};

fn once(home: &Home) -> Value {
    home.json(&["up", "--once"])
}

/// The authority of each form.
fn authorities(document: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let svids = document["svids"].as_array().unwrap();
    svids
        .iter()
        .map(|svid| (text(&svid["form"]), text(&svid["authority_id"])))
        .collect()
}

#[test]
fn once_gives_three_verified_forms_of_one_identity_and_the_same_authorities_the_second_time() {
    let home = Home::new();
    let first = once(&home);
    check_schema("up-output", &first);
    let forms: Vec<&str> = first["svids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["form"].as_str().unwrap())
        .collect();
    assert_eq!(forms, ["classical", "ml-dsa", "composite"]);
    let ids: std::collections::BTreeSet<&str> = first["svids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|svid| svid["spiffe_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 1, "one identity");
    assert!(
        first["svids"]
            .as_array()
            .unwrap()
            .iter()
            .all(|svid| svid["verified"] == true)
    );
    assert_eq!(first["tls"]["key_exchange"], "X25519MLKEM768");
    assert_eq!(first["tls"]["form"], "composite");
    assert!(
        first["tls"]["client_signature"]
            .as_str()
            .unwrap()
            .contains("0xFE2D"),
        "{first:#}"
    );
    let processes = [
        &first["tls"]["client"]["process_id"],
        &first["tls"]["server"]["process_id"],
    ];
    assert_ne!(processes[0], processes[1]);
    assert_eq!(first["agent"]["attested"], true);

    let second = once(&home);
    assert_eq!(authorities(&second), authorities(&first));
    assert_eq!(
        second["agent"]["attested"], false,
        "the agent goes on with the identity it has"
    );
    assert_eq!(second["agent"]["spiffe_id"], first["agent"]["spiffe_id"]);
    assert!(
        second["authorities"]
            .as_array()
            .unwrap()
            .iter()
            .all(|authority| authority["since"] == "kept")
    );
}

#[test]
fn it_stays_up_until_a_signal_and_stops_cleanly() {
    for signal in [Signal::INT, Signal::TERM] {
        let home = Home::new();
        let up = home.up();
        assert!(
            up.output.contains("self-signed and made for trying"),
            "{}",
            up.output
        );
        for line in up.output.lines() {
            assert!(line.chars().count() <= 100, "{line}");
            assert!(!line.contains('\u{1b}'), "no colours into a pipe: {line:?}");
        }
        let data = home.data();
        assert!(data.join("server/private.sock").exists() && data.join("agent/api.sock").exists());
        assert!(up.end(signal).success());
        assert!(!data.join("server/private.sock").exists() && !data.join("agent/api.sock").exists());
    }
}

#[test]
fn a_signal_before_the_report_is_no_success() {
    let home = Home::new();
    let mut child = home
        .symbolon(&["up", "--once"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it has begun", || home.data().join("VERSION").exists());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let status = wait(&mut child);
    let mut report = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut report).unwrap();
    assert!(!status.success() && report.is_empty(), "{status} {report}");
}

#[test]
fn the_layout_is_the_documented_one_and_others_may_only_reach_the_workload_api() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let _up = home.up();
    let mode = |path: &str| {
        std::fs::metadata(home.data().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("server"), 0o700);
    assert_eq!(mode("server/private.sock"), 0o600);
    assert_eq!(mode("agent"), 0o711);
    assert_eq!(mode("agent/keys"), 0o700);
    for path in [
        "VERSION",
        "lock",
        "server/db",
        "server/keys",
        "agent/svid",
        "agent/api.sock",
    ] {
        assert!(home.data().join(path).exists(), "{path}");
    }
    // Keys at rest are not readable without the file that is elsewhere.
    let kek: Vec<_> = std::fs::read_dir(home.path().join(".config/symbolon"))
        .unwrap()
        .collect();
    assert_eq!(kek.len(), 1);
}

/// Whatever moment `up` is killed at, the next one works. The moments are the files as they appear.
#[test]
fn a_kill_at_any_moment_leaves_a_directory_from_which_the_next_one_works() {
    let moments = [
        "VERSION",
        "server/keys",
        "server/db",
        "server/keys/software/store",
        "server/private.sock",
        "agent/keys",
        "agent/svid",
        "agent/api.sock",
    ];
    // One directory is killed at once at every moment, the other at one moment each, from nothing.
    let kept = Home::new();
    for moment in moments {
        let fresh = Home::new();
        kill_at(&fresh, moment);
        let document = once(&fresh);
        let svids = document["svids"].as_array().unwrap();
        assert!(
            svids.iter().all(|svid| svid["verified"] == true),
            "{moment}: {document:#}"
        );
        kill_at(&kept, moment);
    }
    check_schema("up-output", &once(&kept));
}

/// Starts `up` and kills it when this file has appeared.
fn kill_at(home: &Home, moment: &str) {
    let mut child = home
        .symbolon(&["up", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until(moment, || {
        home.data().join(moment).exists() || child.try_wait().unwrap().is_some()
    });
    child.kill().unwrap();
    wait(&mut child);
}

#[test]
fn killing_it_when_it_is_ready_loses_nothing() {
    let home = Home::new();
    let up = home.up();
    let before = home.json(&["cert", "list"]);
    up.end(Signal::KILL);
    let up = home.up();
    let after = home.json(&["cert", "list"]);
    let serials = |list: &Value| -> Vec<String> {
        list["certificates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["serial"].as_str().unwrap().to_owned())
            .collect()
    };
    let after = serials(&after);
    assert!(serials(&before).iter().all(|serial| after.contains(serial)));
    assert!(up.end(Signal::INT).success());
}

#[test]
fn a_directory_of_another_trust_domain_a_newer_one_and_a_used_one_are_refused() {
    let home = Home::new();
    once(&home);
    let (_, error) = home.fails(&["up", "--once", "--trust-domain", "other.org"]);
    assert!(
        error.contains("belongs to trust domain example.org, not other.org"),
        "{error}"
    );

    let up = home.up();
    let (_, error) = home.fails(&["up", "--once"]);
    assert!(
        error.contains(&format!("in use by process {}", up.id())),
        "{error}"
    );
    drop(up);

    std::fs::write(home.data().join("VERSION"), "layout = 99\n").unwrap();
    let (_, error) = home.fails(&["up", "--once"]);
    assert!(error.contains("layout 99") && error.contains("newer"), "{error}");
}

#[test]
fn damaged_and_missing_keys_are_named_and_nothing_is_changed() {
    let home = Home::new();
    let first = once(&home);
    let keys = home.data().join("server/keys/software");
    let key = std::fs::read_dir(&keys)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "key"))
        .unwrap_or_else(|| panic!("a key file in {}", keys.display()));
    let good = std::fs::read(&key).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] = if bad[middle] == b'A' { b'B' } else { b'A' };
    std::fs::write(&key, &bad).unwrap();
    let (_, error) = home.fails(&["up", "--once"]);
    assert!(
        error.contains(&key.display().to_string()),
        "the damaged file is named: {error}"
    );
    assert_eq!(std::fs::read(&key).unwrap(), bad, "and left as it is");
    std::fs::write(&key, &good).unwrap();
    assert_eq!(authorities(&once(&home)), authorities(&first));

    let config = home.path().join(".config/symbolon");
    let kek = std::fs::read_dir(&config)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let elsewhere = home.path().join("kek");
    std::fs::rename(&kek, &elsewhere).unwrap();
    let (_, error) = home.fails(&["up", "--once"]);
    assert!(
        error.contains(&kek.display().to_string()),
        "the missing file is named: {error}"
    );
    let output = home.run(&[
        "up",
        "--once",
        "--output",
        "json",
        "--key-file",
        elsewhere.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_passphrase_takes_the_key_files_place_and_a_wrong_one_is_told() {
    let home = Home::new();
    let with = |passphrase: &str| {
        let mut command = home.symbolon(&["up", "--once", "--output", "json", "--passphrase", "env:PASS"]);
        command.env("PASS", passphrase).output().unwrap()
    };
    let first = with("correct horse battery staple");
    assert!(first.status.success(), "{}", said(&first));
    let wrong = with("correct horse battery stable");
    assert!(!wrong.status.success());
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        error.contains("passphrase") && !error.contains("stable"),
        "{error}"
    );
    assert!(with("correct horse battery staple").status.success());
}

#[test]
fn what_is_in_the_way_is_named() {
    let home = Home::new();
    let (_listener, port) = taken_port();
    let (_, error) = home.fails(&["up", "--once", "--listen", &format!("127.0.0.1:{port}")]);
    assert!(
        error.contains(&format!("127.0.0.1:{port}")) && error.contains("in use"),
        "{error}"
    );

    let long = home.path().join("x".repeat(100));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_symbolon"))
        .args(["up", "--once", "--data-dir"])
        .arg(&long)
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("107") && error.contains("sock"), "{error}");
    assert!(!long.exists(), "nothing was made: {error}");

    let (code, error) = home.fails(&["up", "--once", "--trust-domain", "Not A Domain"]);
    assert!(code == 2 && error.contains("Not A Domain"), "{code} {error}");
}
