//! A ceremony led by people at a terminal, which `script` makes.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::support::Home;
use crate::{files, plan, request};

/// What the program shows on a terminal on which each question is answered when it has been asked; and whether it
/// succeeded.
fn on_a_terminal(home: &Home, arguments: &[&str], answers: &[(String, &str)]) -> (bool, String) {
    let program = home.symbolon(arguments);
    let words: Vec<String> = std::iter::once(program.get_program())
        .chain(program.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.path())
        .env("SHELL", "/bin/sh")
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut answers = answers.iter().peekable();
    let (mut shown, mut seen) = (String::new(), 0);
    let mut buffer = [0; 4096];
    loop {
        let count = screen.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        while let Some((question, answer)) = answers.peek() {
            let Some(at) = shown[seen..].find(question.as_str()) else {
                break;
            };
            seen += at + question.len();
            keys.write_all(format!("{answer}\r").as_bytes()).unwrap();
            keys.flush().unwrap();
            answers.next();
        }
    }
    drop(keys);
    let status = child.wait().unwrap();
    assert!(
        answers.peek().is_none(),
        "it did not ask {:?}: {shown}",
        answers.peek()
    );
    (status.success(), shown)
}

fn keeper(name: &str) -> String {
    format!("{name} (Keeper {name})")
}

#[test]
fn people_are_called_asked_and_may_say_no() {
    let home = Home::new();
    std::fs::write(home.path().join("c.toml"), plan("ecdsa-p256", "", 2, "")).unwrap();
    let passphrases = |last: &'static str| -> Vec<(String, &str)> {
        let mut answers: Vec<(String, &str)> = Vec::new();
        for (name, passphrase) in [
            ("alice", "wonderland"),
            ("bob", "sandwich"),
            ("carol", "christmas"),
        ] {
            let question = format!("{}: a passphrase for the share", keeper(name));
            answers.push((format!("{question}: "), passphrase));
            answers.push((format!("{question}, again: "), passphrase));
        }
        answers.push(("[yes/no] ".to_owned(), last));
        answers
    };

    let before = files(home.path());
    let (succeeded, shown) = on_a_terminal(&home, &["ceremony", "run", "c.toml"], &passphrases("no"));
    assert!(!succeeded && shown.contains("nothing was done"), "{shown}");
    assert_eq!(files(home.path()), before);

    let (succeeded, shown) = on_a_terminal(&home, &["ceremony", "run", "c.toml"], &passphrases("yes"));
    assert!(succeeded, "{shown}");
    for step in [
        "comes to protect a share",
        "The share of bob is written",
        "The root signs the transcript",
    ] {
        assert!(shown.contains(step), "{step}: {shown}");
    }
    for passphrase in ["wonderland", "sandwich", "christmas"] {
        assert!(!shown.contains(passphrase), "{shown}");
    }

    request(&home, "site", "ecdsa-p256");
    let here = |name: &str| format!("Is {} here? [yes/no] ", keeper(name));
    let brings = |name: &str| format!("{}: the passphrase of the share: ", keeper(name));
    let answers = [
        (here("alice"), "maybe"),
        ("yes or no.".to_owned(), "no"),
        (here("bob"), "yes"),
        (here("carol"), "yes"),
        (brings("bob"), "sandwich"),
        (brings("carol"), "christmas"),
        (
            "Sign site with the ecdsa-p256 root of example.org? [yes/no] ".to_owned(),
            "yes",
        ),
    ];
    let (succeeded, shown) = on_a_terminal(&home, &["ceremony", "sign", "root", "site.csr"], &answers);
    assert!(succeeded && shown.contains("bob, carol"), "{shown}");
    assert!(home.path().join("root/intermediates/site.pem").exists());
}
