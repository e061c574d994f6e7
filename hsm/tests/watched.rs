//! The conformance suite with somebody watching: it can be ended at any moment, and leaves nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::ops::ControlFlow;
use std::sync::Arc;

use symbolon_crypto::Component;
use symbolon_hsm::conformance::{leftovers, most_checks, run_watched};
use symbolon_hsm::{KekSource, KeyLabel, KeyStore, SoftwareStore, StoreError};

fn store(dir: &std::path::Path) -> Result<Arc<dyn KeyStore>, StoreError> {
    let kek = KekSource::KeyFile(dir.join("kek"));
    Ok(Arc::new(SoftwareStore::open(&dir.join("keys"), &kek)?))
}

#[test]
fn whoever_watches_sees_every_check_and_how_many_there_are() {
    let scratch = tempfile::tempdir().expect("scratch");
    let store_here = store(scratch.path()).expect("store");
    let mut seen = 0;
    let report = run_watched(&*store_here, Some(&|| store(scratch.path())), &mut |_| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert!(report.passed() && !report.interrupted, "{report}");
    assert_eq!((seen, report.checks.len()), (most_checks(&*store_here), seen));
}

#[test]
fn a_run_that_is_ended_early_leaves_no_key_and_says_that_it_was() {
    let scratch = tempfile::tempdir().expect("scratch");
    let store = store(scratch.path()).expect("store");
    let label = KeyLabel::parse("bystander").expect("label");
    let (bystander, _) = store.generate(Component::Ed25519, &label).expect("key");
    for after in [1, 2, 5, 9, 11, 20] {
        let mut seen = 0;
        let report = run_watched(&*store, None, &mut |_| {
            seen += 1;
            match seen == after {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        assert!(report.interrupted, "{after}: {report}");
        // The last one is about what was left.
        assert_eq!(report.checks.len(), after + 1);
        assert!(report.passed(), "{after}: {report}");
        assert_eq!(
            store.list().expect("list"),
            std::slice::from_ref(&bystander),
            "{after}"
        );
    }
}

#[test]
fn scratch_keys_that_were_left_are_told_from_others() {
    let scratch = tempfile::tempdir().expect("scratch");
    let store = store(scratch.path()).expect("store");
    assert_eq!(leftovers(&*store).expect("leftovers"), []);
    let made = |label: &str| {
        let label = KeyLabel::parse(label).expect("label");
        store.generate(Component::Ed25519, &label).expect("key").0
    };
    made("symbolon/example.org/main/jwt/ed25519");
    made("about symbolon/conformance.invalid/");
    let left = made("symbolon/conformance.invalid/scratch/conformance/ed25519");
    assert_eq!(leftovers(&*store).expect("leftovers"), [left]);
}
