//! Programs at a terminal, which `script` makes.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use super::Home;

/// What the program shows on a terminal on which each question is answered when it has been asked; and whether it
/// succeeded.
pub(crate) fn on_a_terminal(home: &Home, arguments: &[&str], answers: &[(String, &str)]) -> (bool, String) {
    let program = home.symbolon(arguments);
    let words: Vec<String> = std::iter::once(program.get_program())
        .chain(program.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let environment = program
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
        .env_clear()
        .envs(environment)
        .env("PATH", std::env::var_os("PATH").unwrap())
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
