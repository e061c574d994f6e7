//! Tokens that go away, hang and come back, under load: every call ends in time, and service resumes by itself.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use symbolon_crypto::{Component, HeldKey, MlDsaContext};
use symbolon_hsm::pkcs11::{Pkcs11Config, Pkcs11Store};
use symbolon_hsm::{KeyInfo, KeyLabel, KeyStore};

use symbolon_test_tokens::{Kind, P11KitServer, PIN, Token, eventually, on, resident, until};

use self::tokens::Stored as _;

const THREADS: usize = 8;

/// How long a thread may have to wait for its turn on a busy machine. Far less than a call that nobody gives up.
const BUSY: Duration = Duration::from_secs(30);

fn store(token: &Token, deadline: Duration) -> Pkcs11Store {
    let config = Pkcs11Config {
        deadline,
        ..token.config()
    };
    token.open_with(&config, PIN).expect("open")
}

fn key(store: &Pkcs11Store, component: Component) -> Arc<dyn HeldKey> {
    let label = KeyLabel::of("example.org", "server-1", "test", component).expect("label");
    store.generate(component, &label).expect("generate").1
}

/// Signatures made all the time, by many threads.
#[derive(Default)]
struct Load {
    done: AtomicUsize,
    failed: AtomicUsize,
    longest_ms: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    fn work(&self, thread: usize, key: &dyn HeldKey) {
        let mut round = 0_usize;
        while !self.stop.load(Ordering::SeqCst) {
            round += 1;
            let message = [thread.to_le_bytes(), round.to_le_bytes()].concat();
            let started = Instant::now();
            let result = key.sign(&message, MlDsaContext::EMPTY);
            let took = usize::try_from(started.elapsed().as_millis()).expect("milliseconds");
            self.longest_ms.fetch_max(took, Ordering::SeqCst);
            match result {
                Ok(signature) => {
                    let verified = key.public_key().verify(&message, &signature, MlDsaContext::EMPTY);
                    verified.expect("a signature that was handed out is good");
                    self.done.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => {
                    if self.failed.fetch_add(1, Ordering::SeqCst) == 0 {
                        println!("the first error: {error}");
                    }
                    // Errors come at once; the machine has other things to do.
                    thread::yield_now();
                }
            }
        }
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }

    /// Waits for that many more signatures.
    fn goes_on(&self, more: usize) {
        let due = self.done() + more;
        until("more signatures", || self.done() >= due);
    }

    /// Waits until calls fail.
    fn breaks(&self) {
        let before = self.failed();
        until("an error", || self.failed() > before);
    }

    fn report(&self, what: &str, deadline: Duration) {
        let longest = Duration::from_millis(self.longest_ms.load(Ordering::SeqCst).try_into().expect("ms"));
        println!(
            "{what}: {} signed, {} failed, the longest took {longest:?}",
            self.done(),
            self.failed()
        );
        // On a loaded machine a thread may wait some time for its turn after its deadline.
        assert!(longest < deadline + BUSY, "{longest:?}");
    }
}

/// Waits until the store has the keys that it had, and no others.
fn lists(store: &Pkcs11Store, before: &[KeyInfo]) {
    eventually("the list", || match store.list() {
        Ok(now) if now == before => Ok(()),
        other => Err(other),
    });
}

/// Runs `story` while many threads sign, and ends the load whatever happens in it.
fn under_load(what: &str, key: &dyn HeldKey, deadline: Duration, story: impl FnOnce(&Load)) {
    struct Stop<'a>(&'a Load);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.stop.store(true, Ordering::SeqCst);
        }
    }
    let load = Load::default();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let load = &load;
            scope.spawn(move || load.work(thread, key));
        }
        let _stop = Stop(&load);
        story(&load);
    });
    load.report(what, deadline);
}

#[test]
fn softhsm_comes_back_when_its_storage_does() {
    on(
        Kind::SoftHsm,
        "softhsm_comes_back_when_its_storage_does",
        |token| {
            let deadline = Duration::from_secs(10);
            let store = store(token, deadline);
            let key = key(&store, Component::EcdsaP256Sha256);
            let before = store.list().expect("list");
            under_load("storage", &*key, deadline, |load| {
                for _ in 0..3 {
                    load.goes_on(200);
                    token.take_away();
                    load.breaks();
                    // A token that is away is not one without keys.
                    let error = store.list().expect_err("away").to_string();
                    assert!(!error.contains("no key"), "{error}");
                    let error = store.open(&before[0].id).map(drop).expect_err("away").to_string();
                    assert!(!error.starts_with("no key"), "{error}");
                    store
                        .generate(Component::EcdsaP256Sha256, &before[0].label)
                        .map(drop)
                        .expect_err("away");
                    token.bring_back();
                    load.goes_on(200);
                }
            });
            lists(&store, &before);
        },
    );
}

#[test]
fn the_pq_token_comes_back_when_its_storage_does() {
    on(
        Kind::Pq,
        "the_pq_token_comes_back_when_its_storage_does",
        |token| {
            let deadline = Duration::from_secs(10);
            let store = store(token, deadline);
            let key = key(&store, Component::MlDsa65);
            let before = store.list().expect("list");
            under_load("storage", &*key, deadline, |load| {
                load.goes_on(50);
                token.take_away();
                // This token keeps its file open, and goes on; whatever it does, it is no half-made key.
                load.goes_on(50);
                let made = store.generate(Component::MlDsa44, &before[0].label);
                token.bring_back();
                load.goes_on(50);
                if let Ok((info, _)) = made {
                    store.destroy(&info.id).expect("destroy");
                }
            });
            lists(&store, &before);
        },
    );
}

#[test]
fn a_pin_changed_by_others_is_tried_once_when_the_token_comes_back() {
    on(
        Kind::SoftHsm,
        "a_pin_changed_by_others_is_tried_once_when_the_token_comes_back",
        |token| {
            let store = store(token, Duration::from_secs(10));
            let key = key(&store, Component::EcdsaP256Sha256);
            let sign = || key.sign(b"message", MlDsaContext::EMPTY);
            token.tool(&["--change-pin", "--new-pin", "13572468"]);
            sign().expect("we are logged in, whatever the PIN is now");
            token.take_away();
            sign().expect_err("away");
            token.bring_back();

            let said = "the key store could not sign: the token symbolon test refuses the PIN (it is wrong); it will \
                        not be tried again";
            until("the refusal", || {
                sign().is_err_and(|error| error.to_string() == said)
            });
            for _ in 0..50 {
                assert_eq!(sign().expect_err("refused").to_string(), said);
            }
            // With another one refused, the token would say that only one try is left.
            let flags = token.describe();
            assert!(
                flags.contains("user PIN count low") && !flags.contains("final"),
                "{flags}"
            );
            token
                .tool_with_pin("13572468", &["--list-objects"])
                .expect("the new PIN");
        },
    );
}

#[test]
fn a_token_behind_a_server_comes_back_when_the_server_does() {
    on(
        Kind::Remote,
        "a_token_behind_a_server_comes_back_when_the_server_does",
        |token| {
            let deadline = Duration::from_secs(10);
            let mut server = Some(P11KitServer::start(token));
            let store = store(token, deadline);
            let key = key(&store, Component::EcdsaP256Sha256);
            let before = store.list().expect("list");
            under_load("server", &*key, deadline, |load| {
                for _ in 0..3 {
                    load.goes_on(200);
                    drop(server.take());
                    load.breaks();
                    server = Some(P11KitServer::start(token));
                    load.goes_on(200);
                }
            });
            lists(&store, &before);
            drop(server);
        },
    );
}

#[test]
fn a_token_that_hangs_holds_nobody_up_beyond_the_deadline() {
    on(
        Kind::Remote,
        "a_token_that_hangs_holds_nobody_up_beyond_the_deadline",
        |token| {
            let deadline = Duration::from_secs(2);
            let server = P11KitServer::start(token);
            let store = store(token, deadline);
            let key = key(&store, Component::EcdsaP256Sha256);
            under_load("hanging", &*key, deadline, |load| {
                load.goes_on(50);
                server.signal("-STOP");
                load.breaks();
                let started = Instant::now();
                store.list().expect_err("hanging");
                assert!(started.elapsed() < deadline + BUSY);
                // Until no more calls are let in, and errors come at once.
                let failed = load.failed();
                until("many errors", || load.failed() > failed + 1000);
                server.signal("-CONT");
                load.goes_on(200);
            });
        },
    );
}

/// Signs `count` times from many threads.
fn sign_many(key: &dyn HeldKey, count: usize) {
    let left = AtomicUsize::new(count);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                    .is_ok()
                {
                    key.sign(b"message", MlDsaContext::EMPTY).expect("sign");
                }
            });
        }
    });
}

/// A short version of what the benches do at length: what a leak of one signature each would add is far above what
/// may be added.
fn memory_stays_flat(token: &Token, component: Component, count: usize) {
    let store = token.open();
    let key = key(&store, component);
    sign_many(&*key, count / 4);
    // On a busy machine the threads may all be at work for the first time in the midst of a round, and what each of them
    // keeps comes to it then; a leak would be in every round.
    let mut rounds = Vec::new();
    for _ in 0..5 {
        let before = resident(std::process::id());
        sign_many(&*key, count);
        let after = resident(std::process::id());
        println!("{component}: {before} bytes before {count} signatures, {after} after");
        if after < before + 1024 * 1024 {
            return;
        }
        rounds.push((before, after));
    }
    panic!("bytes before and after {count} signatures: {rounds:?}");
}

#[test]
fn memory_stays_flat_on_softhsm() {
    on(Kind::SoftHsm, "memory_stays_flat_on_softhsm", |token| {
        memory_stays_flat(token, Component::EcdsaP256Sha256, 20_000);
    });
}

#[test]
fn memory_stays_flat_on_the_pq_token() {
    on(Kind::Pq, "memory_stays_flat_on_the_pq_token", |token| {
        memory_stays_flat(token, Component::MlDsa44, 4_000);
    });
}
