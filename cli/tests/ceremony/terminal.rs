//! A ceremony led by people at a terminal.

use crate::support::Home;
use crate::support::terminal::on_a_terminal;
use crate::{files, plan, request};

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

    let mut answers = passphrases("yes");
    // A slip of the finger is asked for anew, and nobody else is.
    let slip = (answers[1].0.clone(), "sandwhich");
    answers.splice(1..1, [slip, answers[0].clone()]);
    let (succeeded, shown) = on_a_terminal(&home, &["ceremony", "run", "c.toml"], &answers);
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
