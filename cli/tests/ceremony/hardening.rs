//! Full disks, forged files, wrong PINs: what goes wrong around the program.

use std::process::{Command, Output};

use symbolon_test_tokens::{Kind, Token};

use crate::support::{Home, said};
use crate::{CUSTODIANS, custodians, fails, files, json, plan, request, run, secret};

/// Signs `site` while no file may grow beyond this many KiB.
fn sign_with_limit(home: &Home, kib: u64) -> Output {
    const LIMITED: &str = r#"trap "" XFSZ; ulimit -f "$0"; exec "$@""#;
    let people = custodians(home, &["alice", "bob"]);
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let symbolon = home.symbolon(&[&["ceremony", "sign", "root", "site.csr", "--yes"], &people[..]].concat());
    let mut limited = Command::new("bash");
    limited.args(["-c", LIMITED, &kib.to_string()]);
    limited.arg(symbolon.get_program()).args(symbolon.get_args());
    for (name, value) in symbolon.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.current_dir(symbolon.get_current_dir().unwrap());
    limited.output().unwrap()
}

/// An event that the disk took in part is taken away, or what is written after it would make the transcript unreadable
/// for ever, and the root useless with it.
#[test]
fn a_full_disk_does_not_spoil_the_transcript() {
    let home = Home::new();
    let suite = "mldsa65-ecdsa-p256";
    std::fs::write(home.path().join("c.toml"), plan(suite, "", 2, "")).unwrap();
    let everybody = custodians(&home, &CUSTODIANS);
    json(&run(
        &home,
        &["run", "c.toml", "--yes", "--output", "json"],
        &everybody,
    ));
    request(&home, "site", suite);
    let transcript = home.path().join("root/transcript.jsonl");
    let before = std::fs::metadata(&transcript).unwrap().len();
    // Room for the session's beginning, and for a part of the certificate's event, which is the largest.
    let error = fails(&sign_with_limit(&home, before / 1024 + 6), 1);
    assert!(error.contains("cannot write the transcript"), "{error}");
    let text = std::fs::read_to_string(&transcript).unwrap();
    let last = text.lines().last().unwrap();
    assert!(text.ends_with('\n') && last.contains("session-stopped"), "{last}");
    assert!(!text.contains("\"name\":\"site\",\"sha256\""), "{text}");

    let two = custodians(&home, &["carol", "bob"]);
    let signed = run(&home, &["sign", "root", "site.csr", "--yes"], &two);
    assert!(signed.status.success(), "{}", said(&signed));
    let told = String::from_utf8_lossy(&signed.stderr).into_owned();
    assert!(told.contains("broke off after event"), "{told}");
    home.ok(&["ceremony", "verify", "root", "--root", "root/root.pem"]);
}

#[test]
fn a_forged_transcript_moves_no_cursor_and_fills_no_memory() {
    let home = Home::new();
    std::fs::write(home.path().join("c.toml"), plan("ed25519", "", 2, "")).unwrap();
    let everybody = custodians(&home, &CUSTODIANS);
    json(&run(
        &home,
        &["run", "c.toml", "--yes", "--output", "json"],
        &everybody,
    ));
    let forged = "{\"number\":0,\"time\":\"x\",\"previous\":\"\",\"kind\":\"\\u001b[2Jwell\",\"facts\":{}}\n";
    std::fs::write(home.path().join("forged"), forged).unwrap();
    let verify = |path: &str| run(&home, &["verify", path, "--root", "root/root.pem"], &[]);
    let error = fails(&verify("forged"), 3);
    assert!(error.contains("well") && !error.contains('\u{1b}'), "{error:?}");
    // Without end, and refused when there is more than any transcript has.
    let error = fails(&verify("/dev/zero"), 3);
    assert!(error.contains("larger than"), "{error}");
}

#[test]
fn a_key_is_not_written_without_its_request() {
    let home = Home::new();
    request(&home, "site", "ed25519");
    let before = files(home.path());
    let made = [
        "request",
        "--trust-domain",
        "example.org",
        "--key",
        "other.key",
        "--csr",
        "site.csr",
    ];
    let error = fails(&run(&home, &made, &[]), 2);
    assert!(error.contains("site.csr exists already"), "{error}");
    assert_eq!(files(home.path()), before);
}

/// How many more wrong PINs it takes until the token locks itself.
fn tries_left(token: &Token) -> usize {
    let locked = |_: &usize| {
        let said = token.tool_with_pin("00000000", &["--list-objects"]);
        said.unwrap_err().contains("CKR_PIN_LOCKED")
    };
    (0..30).find(locked).unwrap()
}

#[test]
fn a_wrong_pin_costs_exactly_one_try() {
    let test = "a_wrong_pin_costs_exactly_one_try";
    for arguments in [&["run", "c.toml"][..], &["run", "--dry-run", "c.toml"]] {
        let (Some(asked), Some(untouched)) = (Token::new(Kind::Pq, test), Token::new(Kind::Pq, test)) else {
            return;
        };
        let home = Home::new();
        let location = asked.uri().split("&pin-source").next().unwrap().to_owned();
        let keys = format!(
            "[root.keys]\nml-dsa-44 = \"pq\"\n[stores.pq]\nlocation = \"{location}\"\npin = [[\"alice\"]]\n"
        );
        std::fs::write(home.path().join("c.toml"), plan("ml-dsa-44", &keys, 1, "")).unwrap();
        let file = secret(&home, "alice.pin", "0000");
        let source = format!("alice=file:{}", file.display());
        let refused = home
            .symbolon(&[&["ceremony"], arguments, &["--yes", "--custodian", &source]].concat())
            .envs(asked.environment())
            .output()
            .unwrap();
        let error = fails(&refused, 5);
        assert!(error.contains("PIN"), "{error}");
        assert_eq!(tries_left(&asked) + 1, tries_left(&untouched));
    }
}
