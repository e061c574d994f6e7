//! A process that signs, to be looked into from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use symbolon_crypto::{Component, MlDsaContext};
use symbolon_hsm::{KeyId, KeyLabel, PassphraseError, StoreLocation};

/// Tells the child that it is to sign, and with what.
const LOCATION: &str = "SYMBOLON_TEST_SIGNER";
const KEY: &str = "SYMBOLON_TEST_SIGNER_KEY";

/// Signatures between two lines that say so.
const STEP: usize = 100;

/// Another process with this test's program in it, which signs until it is dropped.
pub struct Signer {
    child: Child,
    told: ChildStdin,
    says: BufReader<ChildStdout>,
    /// What it signs with, as it says.
    pub public_key: Vec<u8>,
}

impl Signer {
    /// Has the test `test` run again and sign with the key `id` of the store at `location`, or with a new one. The
    /// test has to call [`if_asked`] before anything else.
    pub fn start(
        test: &str,
        location: &str,
        id: Option<&str>,
        environment: Vec<(&'static str, std::ffi::OsString)>,
    ) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .envs(environment)
            .env(LOCATION, location)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(id) = id {
            command.env(KEY, id);
        }
        let mut child = command.spawn().expect("child");
        let told = child.stdin.take().expect("stdin");
        let says = BufReader::new(child.stdout.take().expect("stdout"));
        let mut signer = Self {
            child,
            told,
            says,
            public_key: Vec::new(),
        };
        signer.public_key = hex::decode(signer.next("key ")).expect("hex");
        signer
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has made some more signatures.
    pub fn goes_on(&mut self) {
        // One line may have been waiting to be read.
        for _ in 0..2 {
            self.next("signed");
        }
    }

    /// Has it keep these bytes in its memory.
    pub fn keep(&mut self, bytes: &[u8]) {
        writeln!(self.told, "{}", hex::encode(bytes)).expect("write");
        self.next("kept");
    }

    /// What stands behind `start` in the next line that starts with it.
    fn next(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.says.read_line(&mut line).expect("read");
            assert!(read > 0, "the signer has ended");
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Whether this process was started to sign; then it has.
pub fn if_asked() -> bool {
    let Ok(location) = std::env::var(LOCATION) else {
        return false;
    };
    let location: StoreLocation = location.parse().expect("location");
    let nobody = |_: &_| Err(PassphraseError::Prompt(std::io::ErrorKind::Unsupported.into()));
    let store = location.open(&nobody).expect("open");
    let key = match std::env::var(KEY) {
        Ok(id) => store.open(&KeyId::parse(&id).expect("id")).expect("key"),
        Err(_) => {
            let label = KeyLabel::parse("a key of a test").expect("label");
            let made = store.generate(Component::EcdsaP256Sha256, &label);
            made.expect("generate").1
        }
    };
    say(&format!("\nkey {}", hex::encode(key.public_key().as_bytes())));
    let (stop, signed) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let message = signed.load(Ordering::Relaxed).to_le_bytes();
                    let signature = key.sign(&message, MlDsaContext::EMPTY).expect("sign");
                    let verified = key.public_key().verify(&message, &signature, MlDsaContext::EMPTY);
                    verified.expect("verify");
                    if signed.fetch_add(1, Ordering::Relaxed) % STEP == 0 {
                        say("signed");
                    }
                }
            });
        }
        let mut kept = Vec::new();
        for line in std::io::stdin().lines() {
            kept.push(hex::decode(line.expect("line")).expect("hex"));
            say("kept");
        }
        drop(kept);
        stop.store(true, Ordering::Relaxed);
    });
    true
}

/// A line that is not held back, nor torn by another.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("stdout");
}
