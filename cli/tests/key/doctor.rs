//! The doctor.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use symbolon_test_tokens::{Kind, LABEL, PIN, Token, until};

use super::{check_schema, generate, keys, text};
use crate::support::terminal::on_a_terminal;
use crate::support::{Home, said};

fn here<'a>(diagnosis: &'a Value, form: &str) -> Vec<&'a str> {
    let suites = diagnosis["suites"].as_array().unwrap();
    let held = suites
        .iter()
        .filter(|suite| suite["form"] == form && suite["here"] == true);
    held.map(|suite| text(suite, "suite")).collect()
}

fn working(diagnosis: &Value) -> Vec<&str> {
    let algorithms = diagnosis["algorithms"].as_array().unwrap();
    let works = algorithms.iter().filter(|algorithm| algorithm["works"] == true);
    works.map(|algorithm| text(algorithm, "algorithm")).collect()
}

fn examine(kind: Kind, test: &str) -> Option<(Token, Home, Value)> {
    let token = Token::new(kind, test)?;
    let home = Home::with(token.environment());
    let bystander = generate(&home, &token.uri(), "ecdsa-p256", "bystander");
    let diagnosis = home.json(&["key", "doctor", &token.uri()]);
    check_schema("key-doctor", &diagnosis);
    assert_eq!(diagnosis["passed"], true, "{diagnosis:#}");
    assert_eq!(diagnosis["leftovers"], 0);
    let left = keys(&home, &token.uri());
    assert_eq!(
        left.iter().map(|key| &key["id"]).collect::<Vec<_>>(),
        [&bystander["id"]]
    );
    Some((token, home, diagnosis))
}

#[test]
fn softhsm_holds_classical_keys_and_half_of_each_composite() {
    let test = "softhsm_holds_classical_keys_and_half_of_each_composite";
    let Some((token, home, diagnosis)) = examine(Kind::SoftHsm, test) else {
        return;
    };
    assert_eq!(
        working(&diagnosis),
        ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "ed25519"]
    );
    assert_eq!(
        here(&diagnosis, "classical"),
        ["ecdsa-p256", "ecdsa-p384", "ed25519"]
    );
    assert_eq!(here(&diagnosis, "composite"), [""; 0]);
    let table = home.ok(&["key", "doctor", &token.uri()]);
    for line in table.lines() {
        // The place of a store is one word, and may be longer.
        assert!(
            line.chars().count() <= 100 || line.starts_with("store "),
            "{line}"
        );
    }
    assert!(table.contains("half: ml-dsa-65 in another store"), "{table}");
    assert!(
        table.contains("the token lacks CKM_ML_DSA_KEY_PAIR_GEN"),
        "{table}"
    );
}

#[test]
fn the_pq_token_holds_whole_composites() {
    let Some((_, _, diagnosis)) = examine(Kind::Pq, "the_pq_token_holds_whole_composites") else {
        return;
    };
    assert_eq!(
        here(&diagnosis, "ml-dsa"),
        ["ml-dsa-44", "ml-dsa-65", "ml-dsa-87"]
    );
    assert!(
        here(&diagnosis, "composite").contains(&"mldsa65-ecdsa-p256"),
        "{diagnosis:#}"
    );
}

#[test]
fn scratch_keys_of_an_earlier_run_are_said_and_removed_when_asked() {
    let home = Home::new();
    let label = "symbolon/conformance.invalid/scratch/conformance/ed25519";
    generate(&home, "./keys", "ed25519", label);
    generate(&home, "./keys", "ed25519", "mine");
    let diagnosis = home.json(&["key", "doctor", "./keys"]);
    assert_eq!(
        (&diagnosis["leftovers"], &diagnosis["leftovers_removed"]),
        (&1.into(), &0.into())
    );
    assert_eq!(keys(&home, "./keys").len(), 2);
    let diagnosis = home.json(&["key", "doctor", "./keys", "--remove-leftovers"]);
    assert_eq!(
        (&diagnosis["leftovers"], &diagnosis["leftovers_removed"]),
        (&0.into(), &1.into())
    );
    let left = keys(&home, "./keys");
    assert_eq!(
        left.iter().map(|key| text(key, "label")).collect::<Vec<_>>(),
        ["mine"]
    );
}

#[test]
fn ctrl_c_removes_the_scratch_keys_first() {
    let home = Home::new();
    generate(&home, "./keys", "ed25519", "mine");
    let key_files = || {
        let files = std::fs::read_dir(home.path().join("keys")).unwrap();
        files
            .filter(|file| file.as_ref().unwrap().path().extension() == Some("key".as_ref()))
            .count()
    };
    let mut command = home.symbolon(&["key", "doctor", "./keys"]);
    let doctor = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("a scratch key", || key_files() > 1);
    let process = Pid::from_raw(doctor.id().cast_signed()).unwrap();
    kill_process(process, Signal::INT).unwrap();
    let output = doctor.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("stopped before everything was tried"), "{words}");
    assert_eq!(key_files(), 1);
}

#[test]
fn what_fails_is_said_and_makes_the_exit_code_1() {
    let home = Home::new();
    generate(&home, "./keys", "ed25519", "mine");
    // A full disk: no file may have a byte more than it has. The signal for that is ignored, so that writing fails.
    let doctor = |format: &str| {
        let program = home.symbolon(&["key", "doctor", "./keys", "--output", format]);
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
            .arg(program.get_program())
            .args(program.get_args())
            .envs(
                program
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(home.path());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(
            words.contains("checks failed: the store claims what does not work"),
            "{words}"
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let diagnosis: Value = serde_json::from_str(&doctor("json")).unwrap();
    check_schema("key-doctor", &diagnosis);
    assert_eq!(
        (&diagnosis["passed"], &diagnosis["interrupted"]),
        (&false.into(), &false.into())
    );
    assert_eq!(working(&diagnosis), [""; 0]);
    let suites = diagnosis["suites"].as_array().unwrap();
    assert!(suites.iter().all(|suite| suite["here"] == false));
    let table = doctor("table");
    assert!(
        table.contains("FAILED") && table.contains("File too large"),
        "{table}"
    );
    for line in table.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let left = keys(&home, "./keys");
    assert_eq!(
        left.iter().map(|key| text(key, "label")).collect::<Vec<_>>(),
        ["mine"]
    );
}

#[test]
fn a_slip_of_the_pen_makes_no_store() {
    let home = Home::new();
    let (code, words) = home.fails(&["key", "doctor", "./keyss"]);
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("there is no key store at"), "{words}");
    let made: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert!(made.is_empty(), "{made:?}");
}

#[test]
fn a_person_is_asked_for_a_pin_once() {
    let Some(token) = Token::new(Kind::SoftHsm, "a_person_is_asked_for_a_pin_once") else {
        return;
    };
    let home = Home::with(token.environment());
    let uri = token.uri();
    let (before, after) = uri.split_once("pin-source=").unwrap();
    let rest = after.split_once('&').map_or("", |(_, rest)| rest);
    let uri = format!("{before}pin-source=prompt&{rest}");
    let uri = uri.trim_end_matches('&');
    // The suite opens the store anew for each of three algorithms.
    let question = format!("PIN of the token called \"{LABEL}\": ");
    let (succeeded, shown) = on_a_terminal(&home, &["key", "doctor", uri], &[(question.clone(), PIN)]);
    assert!(succeeded, "{shown}");
    assert_eq!(shown.matches(question.as_str()).count(), 1, "{shown}");
    assert!(shown.contains("has the same keys when opened anew"), "{shown}");
    assert!(!shown.contains(PIN), "{shown}");
}
