//! The key ceremony through the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod hardening;
#[path = "../support/minted.rs"]
mod minted;
mod offline;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use symbolon_test_tokens::{Kind, PIN, Token};

use support::{Home, said};

const CUSTODIANS: [&str; 3] = ["alice", "bob", "carol"];

/// A ceremony's file: `keys` says where the root's keys are, `more` stands at the end.
fn plan(suite: &str, keys: &str, needed: u8, more: &str) -> String {
    let custodians: String = CUSTODIANS
        .map(|name| format!("[[custodians]]\nname = \"{name}\"\nrole = \"Keeper {name}\"\n"))
        .concat();
    format!(
        "version = 1\ntrust_domain = \"example.org\"\norganization = \"Example Ltd\"\noutput = \"root\"\n[root]\n\
         suite = \"{suite}\"\nlifetime = \"3650d\"\n{keys}\n[quorum]\nneeded = {needed}\n{custodians}[policy]\n\
         lifetime = \"365d\"\n{more}"
    )
}

/// A secret in a file that its owner alone can read.
fn secret(home: &Home, name: &str, secret: &str) -> PathBuf {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = home.path().join(name);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .unwrap();
    std::io::Write::write_all(&mut file, secret.as_bytes()).unwrap();
    path
}

/// `--custodian NAME=file:…` for each of these, with the passphrase of each.
fn custodians(home: &Home, names: &[&str]) -> Vec<String> {
    names
        .iter()
        .flat_map(|name| {
            let file = secret(
                home,
                &format!("{name}.pass"),
                &format!("the passphrase of {name}"),
            );
            [
                "--custodian".to_owned(),
                format!("{name}=file:{}", file.display()),
            ]
        })
        .collect()
}

fn run(home: &Home, arguments: &[&str], more: &[String]) -> Output {
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    home.symbolon(&[&["ceremony"], arguments, &more].concat())
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fails(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn request(home: &Home, name: &str, suite: &str) {
    let (key, csr) = (format!("{name}.key"), format!("{name}.csr"));
    let made = [
        "ceremony",
        "request",
        "--trust-domain",
        "example.org",
        "--suite",
        suite,
    ];
    home.ok(&[&made[..], &["--key", &key, "--csr", &csr]].concat());
}

const PLANNED: &str = "[[intermediates]]\nname = \"site-a\"\ncsr = \"site-a.csr\"\n";

/// The files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn two_of_three_make_a_composite_root_use_it_and_anybody_verifies() {
    let home = Home::new();
    let suite = "mldsa65-ecdsa-p256";
    std::fs::write(home.path().join("c.toml"), plan(suite, "", 2, PLANNED)).unwrap();
    request(&home, "site-a", suite);
    request(&home, "site-b", suite);
    let everybody = custodians(&home, &CUSTODIANS);

    let before = files(home.path());
    let rehearsed = json(&run(
        &home,
        &["run", "--dry-run", "c.toml", "--yes", "--output", "json"],
        &everybody,
    ));
    assert_eq!(
        (&rehearsed["dry_run"], &rehearsed["verified"]),
        (&true.into(), &false.into())
    );
    assert_eq!(files(home.path()), before, "nothing is left");

    let made = json(&run(
        &home,
        &["run", "c.toml", "--yes", "--output", "json"],
        &everybody,
    ));
    assert_eq!(
        (&made["dry_run"], &made["verified"], &made["quorum"]),
        (&false.into(), &true.into(), &2.into())
    );
    assert_eq!(made["shares"].as_array().unwrap().len(), 3);
    let pair = custodians(&home, &["carol", "alice"]);
    let signed = run(
        &home,
        &["sign", "root", "site-b.csr", "--lifetime", "90d", "--yes"],
        &pair,
    );
    assert!(signed.status.success(), "{}", said(&signed));
    let steps = String::from_utf8(signed.stderr).unwrap();
    assert!(steps.contains("carol (Keeper carol) brings a share"), "{steps}");
    assert!(!steps.contains("the passphrase of carol") || !steps.contains("the passphrase of alice"));

    let verified = json(&run(
        &home,
        &["verify", "root", "--root", "root/root.pem", "--output", "json"],
        &[],
    ));
    let names: Vec<_> = verified["intermediates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["site-a", "site-b"]);
    assert_eq!(
        verified["sessions"][1]["custodians"],
        serde_json::json!(["carol", "alice"])
    );
    assert_ne!(verified["head"], made["head"]);
    let text = home.ok(&[
        "ceremony",
        "verify",
        "root/transcript.jsonl",
        "--root",
        "root/root.pem",
    ]);
    assert!(
        text.contains("2 of 3 custodians") && text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );

    // Who has it chained to the root, and nobody else.
    let chain = home.ok(&["inspect", "root/intermediates/site-b.chain.pem"]);
    assert!(chain.contains("Example Ltd"), "{chain}");
    let secrets: Vec<String> = CUSTODIANS
        .iter()
        .map(|name| format!("the passphrase of {name}"))
        .collect();
    for file in files(&home.path().join("root")) {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            secrets.iter().all(|secret| !text.contains(secret)),
            "{}",
            file.display()
        );
    }
}

#[test]
fn openssl_verifies_what_a_classical_root_signed() {
    let home = Home::new();
    std::fs::write(home.path().join("c.toml"), plan("ecdsa-p256", "", 2, PLANNED)).unwrap();
    // A request that is not of our making.
    let made = Command::new("openssl")
        .args([
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-384",
            "-nodes",
            "-subj",
            "/CN=site",
        ])
        .args(["-addext", "subjectAltName=URI:spiffe://example.org"])
        .args(["-keyout", "site-a.key", "-out", "site-a.csr"])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let output = run(
        &home,
        &["run", "c.toml", "--yes"],
        &custodians(&home, &CUSTODIANS),
    );
    assert!(output.status.success(), "{}", said(&output));
    let verified = Command::new("openssl")
        .args([
            "verify",
            "-x509_strict",
            "-CAfile",
            "root/root.pem",
            "root/intermediates/site-a.pem",
        ])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
}

#[test]
fn every_refusal_has_its_exit_code_and_leaves_things_as_they_were() {
    let home = Home::new();
    std::fs::write(home.path().join("c.toml"), plan("ecdsa-p256", "", 2, "")).unwrap();
    std::fs::write(home.path().join("bad.toml"), plan("ecdsa-p256", "", 4, "")).unwrap();
    let everybody = custodians(&home, &CUSTODIANS);

    let error = fails(&run(&home, &["run", "bad.toml", "--yes"], &everybody), 2);
    assert!(error.contains("line 10") && error.contains("1 to 3"), "{error}");
    let error = fails(&run(&home, &["run", "c.toml"], &everybody), 2);
    assert!(error.contains("--yes"), "{error}");
    let error = fails(&run(&home, &["run", "c.toml", "--yes"], &[]), 2);
    assert!(error.contains("--custodian"), "{error}");
    let error = fails(
        &run(
            &home,
            &["run", "c.toml", "--yes", "--custodian", "alice=hunter2"],
            &[],
        ),
        2,
    );
    assert!(error.contains("alice") && !error.contains("hunter2"), "{error}");
    let error = fails(
        &run(
            &home,
            &["run", "c.toml", "--yes"],
            &custodians(&home, &["alice", "bob"]),
        ),
        5,
    );
    assert!(error.contains("carol must be here"), "{error}");
    assert!(!home.path().join("root").exists());

    json(&run(
        &home,
        &["run", "c.toml", "--yes", "--output", "json"],
        &everybody,
    ));
    let error = fails(&run(&home, &["run", "c.toml", "--yes"], &everybody), 5);
    assert!(error.contains("overwrites nothing"), "{error}");

    request(&home, "site", "ecdsa-p384");
    let transcript = home.path().join("root/transcript.jsonl");
    let before = std::fs::read(&transcript).unwrap();
    let sign = |people: &[String]| run(&home, &["sign", "root", "site.csr", "--yes"], people);
    let error = fails(&sign(&custodians(&home, &["bob"])), 5);
    assert!(error.contains("the quorum is 2"), "{error}");
    let error = fails(&sign(&custodians(&home, &["bob", "bob"])), 5);
    assert!(error.contains("named twice"), "{error}");
    let mut wrong = custodians(&home, &["bob", "carol"]);
    secret(&home, "carol.pass", "something else");
    let error = fails(&sign(&wrong), 3);
    assert!(error.contains("the passphrase of carol does not open"), "{error}");
    wrong = custodians(&home, &["bob", "carol"]);
    std::fs::copy(
        home.path().join("root/shares/alice.share"),
        home.path().join("carol.share"),
    )
    .unwrap();
    let brought = ["--share".to_owned(), "carol=carol.share".to_owned()];
    let error = fails(&sign(&[&wrong[..], &brought].concat()), 3);
    assert!(error.contains("that of alice, not of carol"), "{error}");
    let misspelt = ["--share".to_owned(), "carl=carol.share".to_owned()];
    let error = fails(&sign(&[&wrong[..], &misspelt].concat()), 2);
    assert!(error.contains("carl is not among those"), "{error}");
    assert_eq!(std::fs::read(&transcript).unwrap(), before);

    // A transcript that somebody changed.
    let text = String::from_utf8(before.clone()).unwrap();
    std::fs::write(&transcript, text.replace("Keeper bob", "Keeper rob")).unwrap();
    let verify = |path: &str| run(&home, &["verify", path, "--root", "root/root.pem"], &[]);
    let error = fails(&verify("root"), 3);
    assert!(error.contains("event 0"), "{error}");
    std::fs::write(&transcript, &before[..before.len() - 100]).unwrap();
    let error = fails(&verify("root/transcript.jsonl"), 3);
    assert!(error.contains("stops after event"), "{error}");
    std::fs::write(&transcript, &before).unwrap();
    assert!(verify("root").status.success());
    let lost = home.path().join("root/root.pem");
    std::fs::rename(&lost, home.path().join("trusted.pem")).unwrap();
    let error = fails(&run(&home, &["verify", "root", "--root", "trusted.pem"], &[]), 3);
    assert!(error.contains("ceremony export"), "{error}");
    home.ok(&["ceremony", "export", "root", "--root", "trusted.pem"]);
    assert!(verify("root").status.success());
}

/// SoftHSM holds the ECDSA half, the PQ token the ML-DSA half; nobody knows a whole PIN of the first.
#[test]
fn a_composite_root_on_two_tokens_by_pins() {
    let test = "a_composite_root_on_two_tokens_by_pins";
    let (Some(classical), Some(post_quantum)) = (Token::new(Kind::SoftHsm, test), Token::new(Kind::Pq, test))
    else {
        return;
    };
    let location = |token: &Token| token.uri().split("&pin-source").next().unwrap().to_owned();
    let home = Home::new();
    let keys = format!(
        "[root.keys]\necdsa-p256-sha256 = \"hsm\"\nml-dsa-65 = \"pq\"\n[stores.hsm]\nlocation = \"{}\"\npin = \
         [[\"alice\"], [\"bob\"]]\n[stores.pq]\nlocation = \"{}\"\npin = [[\"carol\", \"alice\"]]\n",
        location(&classical),
        location(&post_quantum)
    );
    std::fs::write(
        home.path().join("c.toml"),
        plan("mldsa65-ecdsa-p256", &keys, 3, PLANNED),
    )
    .unwrap();
    request(&home, "site-a", "mldsa65-ecdsa-p256");
    request(&home, "site-b", "mldsa65-ecdsa-p256");
    let (first, second) = PIN.split_at(PIN.len() / 2);
    let people = |second: &str| -> Vec<String> {
        [("alice", first), ("bob", second), ("carol", PIN)]
            .iter()
            .flat_map(|(name, pin)| {
                let file = secret(&home, &format!("{name}.pin"), pin);
                [
                    "--custodian".to_owned(),
                    format!("{name}=file:{}", file.display()),
                ]
            })
            .collect()
    };
    let run = |arguments: &[&str], people: &[String]| {
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        home.symbolon(&[&["ceremony"], arguments, &people].concat())
            .envs(classical.environment())
            .envs(post_quantum.environment())
            .output()
            .unwrap()
    };

    // One try with a wrong PIN, and nothing was made; the token is not locked by it.
    let error = fails(&run(&["run", "c.toml", "--yes"], &people("0000")), 5);
    assert!(error.contains("hsm") && error.contains("PIN"), "{error}");
    assert!(!home.path().join("root").exists());
    let rehearsed = json(&run(
        &["run", "--dry-run", "c.toml", "--yes", "--output", "json"],
        &people(second),
    ));
    assert_eq!(rehearsed["dry_run"], true);
    let objects = classical.tool(&["--list-objects", "--type", "privkey"]);
    assert!(
        !objects.contains("symbolon/"),
        "a rehearsal makes no keys: {objects}"
    );

    let made = json(&run(
        &["run", "c.toml", "--yes", "--output", "json"],
        &people(second),
    ));
    assert!(
        made["keys"][1]["token"].as_str().unwrap().contains("SoftHSM"),
        "{made}"
    );
    let objects = classical.tool(&["--list-objects", "--type", "privkey"]);
    let label = "symbolon/example.org/ceremony-";
    assert!(
        objects.contains(label) && objects.contains("never extractable"),
        "{objects}"
    );
    assert!(!home.path().join("root/keys").exists() && !home.path().join("root/shares").exists());

    let signed = run(&["sign", "root", "site-b.csr", "--yes"], &people(second));
    assert!(signed.status.success(), "{}", said(&signed));
    let two: Vec<String> = people(second).into_iter().take(4).collect();
    let error = fails(&run(&["sign", "root", "site-b.csr", "--yes"], &two), 5);
    assert!(error.contains("site-b") || error.contains("quorum"), "{error}");
    // Nobody needs a token to verify.
    let verified = home.json(&["ceremony", "verify", "root", "--root", "root/root.pem"]);
    assert_eq!(verified["intermediates"].as_array().unwrap().len(), 2);
    let transcript = std::fs::read_to_string(home.path().join("root/transcript.jsonl")).unwrap();
    assert!(
        transcript.contains("\"never_extractable\":true") && !transcript.contains(PIN),
        "{transcript}"
    );
}
