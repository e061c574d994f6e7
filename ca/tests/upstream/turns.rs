//! Upstreams that hang, and commands meanwhile.

use symbolon_ca::authorities::Step;
use symbolon_ca::datastore::AuthorityState;
use symbolon_hsm::KeyStore as _;
use symbolon_pki::suite::Family;
use symbolon_pki::time::Clock as _;

use crate::run::{Run, soon};
use crate::stand::{HOUR, Mood, Stand};
use crate::support::TestClock;

/// Takes another family's authority the whole way, which sweeps away keys that nobody names.
pub(crate) async fn revoke_another(run: &Run, family: Family) {
    let before = run.authorities.active(family).unwrap().authority_id().to_string();
    let next = run.authorities.prepare(family).await.unwrap().authority_id;
    run.authorities.step(family, Step::Activate, &next).await.unwrap();
    run.authorities.step(family, Step::Taint, &before).await.unwrap();
    run.authorities.step(family, Step::Revoke, &before).await.unwrap();
    assert_eq!(run.state(&before), AuthorityState::Revoked);
}

#[tokio::test]
async fn a_command_does_not_wait_for_an_upstream_that_hangs() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock).await.unwrap();
    stand.is(Mood::Hangs);
    let (authorities, mut asked) = (run.authorities.clone(), stand.asked.subscribe());
    let before = *asked.borrow_and_update();
    let preparing = tokio::spawn(async move { authorities.prepare(Family::Classical).await });
    soon(asked.wait_for(|times| *times > before)).await.unwrap();

    soon(revoke_another(&run, Family::MlDsa)).await;
    // Of the very family that waits likewise: what was replaced may be in the wrong hands.
    let step = run.authorities.step(Family::Classical, Step::Taint, "00ff");
    soon(step).await.unwrap_err();
    assert!(!preparing.is_finished());
    // A command that fails sweeps away what nobody names; what is in the making is somebody's.
    stand.is(Mood::Silent);
    run.authorities.prepare(Family::Jwt).await.unwrap_err();
    stand.is(Mood::Well);
    stand.gate.add_permits(1);
    let made = soon(preparing).await.unwrap().unwrap();
    assert_eq!(run.state(&made.authority_id), AuthorityState::Prepared);
    run.authorities
        .step(Family::Classical, Step::Activate, &made.authority_id)
        .await
        .unwrap();
    assert_eq!(run.active(), made.authority_id, "its key is there");
}

#[tokio::test]
async fn a_command_does_not_wait_for_a_rotation_that_hangs() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    clock.advance(12 * HOUR);
    stand.is(Mood::Hangs);
    let (authorities, mut asked) = (run.authorities.clone(), stand.asked.subscribe());
    let before = *asked.borrow_and_update();
    let rotating = tokio::spawn(async move { authorities.rotate_due().await });
    soon(asked.wait_for(|times| *times > before)).await.unwrap();
    soon(revoke_another(&run, Family::MlDsa)).await;
    stand.is(Mood::Well);
    stand.gate.add_permits(1);
    soon(rotating).await.unwrap().unwrap();
    assert_eq!(run.in_state(AuthorityState::Prepared), 1);
}

#[tokio::test]
async fn the_key_of_a_command_that_was_given_up_is_destroyed() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock).await.unwrap();
    let keys = run.store.list().unwrap().len();
    stand.is(Mood::Hangs);
    let (authorities, mut asked) = (run.authorities.clone(), stand.asked.subscribe());
    let before = *asked.borrow_and_update();
    let preparing = tokio::spawn(async move { authorities.prepare(Family::Classical).await });
    soon(asked.wait_for(|times| *times > before)).await.unwrap();
    // A command that fails sweeps away what nobody names.
    stand.is(Mood::Silent);
    run.authorities.prepare(Family::Jwt).await.unwrap_err();
    assert_eq!(
        run.store.list().unwrap().len(),
        keys + 1,
        "somebody is waiting for it"
    );
    stand.is(Mood::Well);
    preparing.abort();
    assert!(preparing.await.unwrap_err().is_cancelled());
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.store.list().unwrap().len(), keys);
}
