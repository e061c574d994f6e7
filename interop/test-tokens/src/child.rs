//! Tests that use a token in their own process: each runs again in a child process that has the token's environment.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::pkcs11::{Kind, Token};
use crate::skip;

/// Tells the child which folder its tokens are in.
const FOLDER: &str = "SYMBOLON_TEST_TOKENS";

/// The longest that a test may take.
const LONGEST: Duration = Duration::from_secs(300);

/// Runs `body` on a new token, in a child process. `test` is the full name of the calling test.
///
/// # Panics
/// When the body does, when there is no test of that name, when it takes longer than five minutes, or as [`skip`] does.
pub fn on(kind: Kind, test: &str, body: impl FnOnce(&Token)) {
    on_all(&[kind], test, |tokens| {
        body(tokens.first().expect("one token"));
    });
}

/// As [`on`], with several tokens at once, in the order of `kinds`; each kind once.
///
/// # Panics
/// As [`on`].
pub fn on_all(kinds: &[Kind], test: &str, body: impl FnOnce(&[Token])) {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    let scratch = folder.is_none().then(|| tempfile::tempdir().expect("folder"));
    let root = folder.unwrap_or_else(|| scratch.as_ref().expect("one of them").path().to_owned());
    let in_root = |kind: &Kind| root.join(format!("{kind:?}"));
    let tokens = kinds.iter().map(|kind| match scratch {
        Some(_) => Token::make(*kind, in_root(kind)),
        None => Token::at(*kind, in_root(kind)),
    });
    let tokens: Vec<Token> = match tokens.collect::<Result<_, _>>() {
        Ok(tokens) => tokens,
        Err(reason) => return skip(test, &reason),
    };
    if scratch.is_none() {
        return body(&tokens);
    }
    let mut child = Command::new(std::env::current_exe().expect("own path"));
    child
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, &root)
        .envs(tokens.iter().flat_map(Token::environment));
    finish(child);
}

/// Waits for the child, and fails with all it printed when it fails or takes too long.
fn finish(mut command: Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("child");
    let (mut out, mut err) = (
        child.stdout.take().expect("stdout"),
        child.stderr.take().expect("stderr"),
    );
    let (sender, receiver) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).ok();
        text
    });
    std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).ok();
        sender.send(text).ok();
    });
    let Ok(out) = receiver.recv_timeout(LONGEST) else {
        child.kill().ok();
        child.wait().ok();
        let err = reader.join().expect("reader");
        panic!("the test has not ended after {LONGEST:?}:\n{err}");
    };
    let status = child.wait().expect("wait");
    let err = reader.join().expect("reader");
    assert!(status.success(), "{status}\n{out}\n{err}");
    // A name that matches no test would pass, having tested nothing.
    assert!(out.contains("1 passed"), "the child ran no test:\n{out}\n{err}");
    print!("{out}");
    eprint!("{err}");
}
