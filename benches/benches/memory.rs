//! Memory stays flat over many signatures, in software and on tokens.
//!
//! `cargo xtask bench memory` runs it with what it needs, and fails when memory grew. What is in RAM is measured after a
//! warm-up, and again after 100,000 signatures by eight threads.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use symbolon_benches::held;
use symbolon_benches::issuer::AnyError;
use symbolon_crypto::{Component, HeldKey, MlDsaContext};
use symbolon_test_tokens::resident;

const THREADS: usize = 8;
const WARM_UP: usize = 10_000;
const SIGNATURES: usize = 100_000;

/// The most that memory may have grown: some twenty bytes a signature. The smallest thing that could be forgotten at
/// each takes more.
const MOST: i64 = 2 << 20;

fn main() -> Result<ExitCode, AnyError> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(ExitCode::SUCCESS);
    }
    held::with_tokens(|softhsm, pq| {
        let folder = tempfile::tempdir()?;
        let files = folder.path().display();
        let software = format!("software:{files}/keys?key-file={files}/kek");
        println!(
            "\n{:<10} {:<18} {:>12} {:>12} {:>10} {:>7}",
            "store", "key", "before, kB", "after, kB", "grown, kB", "s"
        );
        let mut flat = true;
        for (name, location, component) in [
            ("software", software.clone(), Component::EcdsaP256Sha256),
            ("software", software, Component::MlDsa65),
            ("softhsm", softhsm.uri(), Component::EcdsaP256Sha256),
            ("pq-token", pq.uri(), Component::EcdsaP256Sha256),
            ("pq-token", pq.uri(), Component::MlDsa65),
        ] {
            let store = held::store(&location)?;
            let (_, key) = held::key(&*store, component)?;
            sign_many(&*key, WARM_UP)?;
            let started = Instant::now();
            let before = i64::try_from(resident(std::process::id()))?;
            sign_many(&*key, SIGNATURES)?;
            let after = i64::try_from(resident(std::process::id()))?;
            let grown = after - before;
            flat &= grown <= MOST;
            println!(
                "{name:<10} {:<18} {:>12} {:>12} {:>10} {:>7}{}",
                component.name(),
                before / 1024,
                after / 1024,
                grown / 1024,
                started.elapsed().as_secs(),
                if grown <= MOST { "" } else { "  NOT FLAT" },
            );
        }
        println!(
            "\n{SIGNATURES} signatures by {THREADS} threads each, after {WARM_UP}; at most {} kB more",
            MOST / 1024
        );
        Ok(if flat {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

fn sign_many(key: &dyn HeldKey, count: usize) -> Result<(), AnyError> {
    let left = AtomicUsize::new(count);
    let one = || -> Result<(), AnyError> {
        while left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
        {
            key.sign(b"message", MlDsaContext::EMPTY)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(one)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".into())))
    })
}
