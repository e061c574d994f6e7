//! PINs and passphrases that a person types, on a terminal that `script` makes.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use symbolon_test_tokens::{Kind, PIN, Token};

use crate::home;
use crate::support::Home;

/// What the program shows on a terminal on which somebody types `answers`, one when each question has been asked; and
/// whether it succeeded.
fn on_a_terminal(home: &Home, arguments: &[&str], questions: &[(&str, &str)]) -> (bool, String) {
    let program = home.symbolon(arguments);
    let words: Vec<String> = std::iter::once(program.get_program())
        .chain(program.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut asked = questions.iter();
    let mut next = asked.next();
    let mut seen = 0;
    let mut buffer = [0; 4096];
    loop {
        let count = screen.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        shown.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&shown[seen..]).into_owned();
        if let Some((question, answer)) = next
            && text.contains(question)
        {
            seen = shown.len();
            keys.write_all(format!("{answer}\r").as_bytes()).unwrap();
            keys.flush().unwrap();
            next = asked.next();
        }
    }
    drop(keys);
    let status = child.wait().unwrap();
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(next.is_none(), "it did not ask {next:?}: {shown}");
    (status.success(), shown)
}

#[test]
fn a_pin_is_asked_for_on_the_terminal_and_not_shown() {
    let Some(pq) = Token::new(Kind::Pq, "a_pin_is_asked_for_on_the_terminal_and_not_shown") else {
        return;
    };
    let home = home(&[&pq]);
    let (uri, _) = pq
        .uri()
        .rsplit_once("pin-source=")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let uri = format!("{uri}pin-source=prompt");
    let arguments = ["up", "--once", "--keys", uri.as_str()];
    let question = "PIN of the token called \"symbolon test\": ";
    let (succeeded, shown) = on_a_terminal(&home, &arguments, &[(question, PIN)]);
    assert!(
        succeeded && shown.contains("self-signed and made for trying"),
        "{shown}"
    );
    assert!(!shown.contains(PIN), "{shown}");

    let (succeeded, shown) = on_a_terminal(&home, &arguments, &[(question, "12\u{3}")]);
    assert!(!succeeded && shown.contains("nothing was entered"), "{shown}");

    // Without a terminal nobody can be asked. A session of its own has none.
    let output = Command::new("setsid")
        .arg("--wait")
        .arg(home.symbolon(&[]).get_program())
        .args(["up", "--once", "--keys", &uri, "--data-dir"])
        .arg(home.data())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(pq.environment())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{error}");
    assert!(
        error.contains("no terminal") && error.contains("file:PATH or env:NAME"),
        "{error}"
    );
}

#[test]
fn a_passphrase_is_asked_for_twice_when_it_is_set_and_once_for_server_and_agent() {
    let home = Home::new();
    let arguments = ["up", "--once", "--passphrase", "prompt"];
    let (question, again) = ("passphrase of the software keys in", "The same again: ");
    let (succeeded, shown) = on_a_terminal(&home, &arguments, &[(question, "horse"), (again, "hose")]);
    assert!(!succeeded && shown.contains("not the same"), "{shown}");
    assert!(!home.data().exists(), "nothing was made");
    let (succeeded, shown) = on_a_terminal(&home, &arguments, &[(question, "horse"), (again, "horse")]);
    assert!(succeeded, "{shown}");
    let (succeeded, shown) = on_a_terminal(&home, &arguments, &[(question, "horse")]);
    assert!(succeeded && !shown.contains(again), "{shown}");
    let (succeeded, shown) = on_a_terminal(&home, &arguments, &[(question, "hose")]);
    assert!(!succeeded && shown.contains("passphrase"), "{shown}");
}
