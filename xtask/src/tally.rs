//! Running `cargo test` and adding up what its many test programs say.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::process;

/// How many lines of what cargo itself said last are kept, for when it fails beyond its tests.
const KEPT_LINES: usize = 25;

/// How long the end of standard error is waited for once the command is over.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What a run of `cargo test` came to.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// Names of the tests that failed.
    pub(crate) failures: Vec<String>,
    /// Names of the tests that did not run, with the reason when one is given.
    pub(crate) left_out: Vec<String>,
    /// Whether cargo itself was content: a test program that does not build or crashes has no count.
    pub(crate) success: bool,
    /// The last lines on standard error, where cargo says why it was not content.
    pub(crate) said_last: Vec<String>,
}

impl Tally {
    /// Takes in one line of a test program's output.
    fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            for part in counts.split(['.', ';']).map(str::trim) {
                let Some((number, word)) = part.split_once(' ') else {
                    continue;
                };
                let Ok(number) = number.parse::<u64>() else {
                    continue;
                };
                match word {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    "ignored" => self.ignored += number,
                    _ => {}
                }
            }
        } else if let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "))
        {
            match outcome.split_once(", ") {
                _ if outcome == "FAILED" => self.failures.push(name.to_owned()),
                Some(("ignored", reason)) => self.left_out.push(format!("{name} ({reason})")),
                _ if outcome == "ignored" => self.left_out.push(name.to_owned()),
                _ => {}
            }
        }
    }
}

/// Runs the command, passes its output on, and adds up.
pub(crate) fn run(command: &mut Command) -> Result<Tally> {
    let shown = process::shown(command);
    eprintln!("$ {shown}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let (kept, said) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        // Beside the reading of the other: a pipe that nobody empties would hold the command up.
        thread::spawn(move || kept.send(pass_on_errors(stderr)));
    }
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("cannot read what `{shown}` prints"))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            tally.read(&line);
        }
    }
    tally.success = child
        .wait()
        .with_context(|| format!("cannot wait for `{shown}`"))?
        .success();
    // A program that outlives the tests may hold the pipe open; it says nothing that is wanted here.
    tally.said_last = match said.recv_timeout(LAST_WORDS) {
        Ok(said) => said.with_context(|| format!("cannot read what `{shown}` says on standard error"))?,
        Err(_) => vec!["(standard error is still held open by a program that the tests left)".to_owned()],
    };
    Ok(tally)
}

/// Passes on each line, and keeps the last ones.
fn pass_on_errors(stderr: impl Read) -> io::Result<Vec<String>> {
    let mut last = VecDeque::with_capacity(KEPT_LINES);
    for line in BufReader::new(stderr).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        eprintln!("{line}");
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    Ok(last.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up_over_programs() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test suite::tests::a ... ok",
            "test suite::tests::b ... FAILED",
            "test suite::tests::c ... ignored, needs Go",
            "test suite::tests::d ... ignored",
            "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 1.25s",
        ] {
            tally.read(line);
        }
        assert_eq!((tally.passed, tally.failed, tally.ignored), (41, 1, 2));
        assert_eq!(tally.failures, ["suite::tests::b"]);
        assert_eq!(tally.left_out, ["suite::tests::c (needs Go)", "suite::tests::d"]);
    }

    #[test]
    fn success_is_what_the_command_says_not_what_it_prints() {
        let mut failing = Command::new("sh");
        failing.args([
            "-c",
            "echo 'test result: ok. 2 passed; 0 failed; 0 ignored;'; seq 30 >&2; echo 'error: no linker' >&2; exit 101",
        ]);
        let tally = run(&mut failing).unwrap();
        assert_eq!((tally.passed, tally.success), (2, false));
        assert_eq!(tally.said_last.len(), KEPT_LINES);
        assert_eq!(
            tally.said_last.last().map(String::as_str),
            Some("error: no linker")
        );
    }
}
