//! Running `cargo test` and adding up what its many test programs say.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::process;

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
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
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
    Ok(tally)
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
            "echo 'test result: ok. 2 passed; 0 failed; 0 ignored;'; exit 101",
        ]);
        let tally = run(&mut failing).unwrap();
        assert_eq!((tally.passed, tally.success), (2, false));
    }
}
