//! What upstreams answer that is not taken, and what becomes of the authority that signs meanwhile.

use std::time::Duration;

use symbolon_ca::authorities::ChangeKind;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::Clock as _;

use crate::root::Root;
use crate::stand::{HOUR, Mood, Run, Stand, refuses_what_is_unfit, told};
use crate::support::{TestClock, domain};

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_refused_and_the_old_authority_kept() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    refuses_what_is_unfit(&run, &stand).await;
}

#[tokio::test]
async fn a_chain_that_allows_nothing_below_is_refused() {
    let clock = TestClock::new();
    for (path_len, fits) in [(Some(0), false), (Some(1), true)] {
        let root = Root::with(
            Suite::EcdsaP256,
            None,
            &domain(),
            path_len,
            9000 * HOUR,
            clock.now(),
        );
        let started = Run::start(&Stand::below(&root, clock.now()), clock.clone()).await;
        match started {
            Ok(_) => assert!(fits, "{path_len:?}"),
            Err(error) => assert!(!fits && told(&error).contains("stand"), "{}", told(&error)),
        }
    }
}

#[tokio::test]
async fn a_silent_upstream_is_asked_again_less_and_less_often_and_in_good_time() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let before = run.active();
    stand.is(Mood::Silent);
    let asked = || stand.times_asked();
    let first = asked();
    clock.advance(12 * HOUR);
    // An hour of looks every ten seconds.
    for _ in 0..360 {
        // It fails when it asks, and for the key that signs tokens likewise.
        let _ = run.authorities.rotate_due().await;
        clock.advance(Duration::from_secs(10));
    }
    assert!(
        (10..=30).contains(&(asked() - first)),
        "{} times",
        asked() - first
    );
    assert_eq!(run.active(), before, "the old one signs on");
    // Half of its life was left when the first was asked for: there is time for it to come back.
    stand.is(Mood::Well);
    clock.advance(Duration::from_secs(300));
    let changes = run.authorities.rotate_due().await.unwrap();
    let prepared = |kind| changes.iter().filter(|change| change.kind == kind).count();
    assert_eq!(prepared(ChangeKind::Prepared), 2, "both families: {changes:?}");
    clock.advance(9 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert_ne!(run.active(), before);
}

#[tokio::test]
async fn a_first_start_needs_its_upstream() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    stand.is(Mood::Silent);
    let error = Run::start(&stand, clock).await.err().unwrap();
    assert!(told(&error).contains("nobody answers"), "{}", told(&error));
}
