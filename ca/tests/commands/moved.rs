//! Keys that go from one store to another, stores that are away meanwhile, and authorities that never sign.

use super::rotate::into;
use super::*;
use symbolon_ca::authorities::{NOTICE, Rotation};

#[tokio::test]
async fn keys_move_from_one_store_to_another_and_each_half_has_its_place() {
    let (dir, clock, run) = started().await;
    let places = [spare_name(), store_name()];
    let family = Family::Composite;
    let rotation = Rotation {
        notice: Some(Duration::ZERO),
        ..into(&places)
    };
    run.authorities.rotate(family, &rotation).await.unwrap();
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.shape(family).stores, places);
    assert_eq!(run.spare.list().unwrap().len(), 1);
    run.stop().await;
    let run = Run::start(dir.path(), &clock).await;
    assert_eq!(run.shape(family).stores, places);
    run.stop().await;
}

#[tokio::test]
async fn a_store_that_is_away_keeps_what_signs_signing() {
    let (_dir, clock, run) = started().await;
    let family = Family::Classical;
    let signing = run.signing(family);
    run.authorities
        .rotate(family, &into(&[spare_name()]))
        .await
        .unwrap();
    run.spare.go_away(true);
    clock.advance(NOTICE);
    run.authorities.rotate_due().await.unwrap_err();
    assert_eq!(run.signing(family), signing);
    run.spare.go_away(false);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.shape(family).stores, [spare_name()]);
    run.stop().await;
}

#[tokio::test]
async fn a_successor_whose_key_is_lost_is_made_anew_and_published_as_long() {
    let (_dir, clock, run) = started().await;
    let family = Family::Classical;
    let signing = run.signing(family);
    let done = run
        .authorities
        .rotate(family, &into(&[spare_name()]))
        .await
        .unwrap();
    let lost = done.prepared.unwrap();
    run.spare.destroy(&lost.keys[0].key_id).unwrap();
    clock.advance(NOTICE);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.state(&lost.authority_id), AuthorityState::Old);
    assert_eq!(run.signing(family), signing, "nobody knows the new one yet");
    clock.advance(NOTICE);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.shape(family).stores, [spare_name()]);
    run.stop().await;
}

/// Each stands in everybody's bundle until it expires.
#[tokio::test]
async fn authorities_that_never_sign_do_not_pile_up() {
    let (_dir, _clock, run) = started().await;
    let family = Family::Jwt;
    let mut first = None;
    let refused = loop {
        assert!(run.authorities.bundle().jwt_authorities.len() < 20);
        match run.authorities.prepare(family).await {
            Ok(made) => {
                first.get_or_insert(made.authority_id);
            }
            Err(refused) => break refused,
        }
    };
    assert!(
        matches!(refused, CommandError::TooMany { count: 8, .. }),
        "{refused}"
    );
    let refused = run.authorities.rotate(family, &into(&[spare_name()])).await;
    assert!(matches!(refused, Err(CommandError::TooMany { .. })));
    // Other families are none the worse for it, and what is revoked makes room.
    run.authorities.prepare(Family::Classical).await.unwrap();
    let first = first.unwrap();
    run.step(family, Step::Taint, &first).await;
    run.step(family, Step::Revoke, &first).await;
    run.authorities.prepare(family).await.unwrap();
    run.stop().await;
}

#[tokio::test]
async fn what_came_to_a_state_is_counted_however_short_it_stood_there() {
    let (_dir, clock, run) = started().await;
    let counted = |state| {
        let arrivals = run.authorities.arrivals();
        arrivals.get(&(Family::Jwt, state)).copied().unwrap_or(0)
    };
    assert_eq!(
        (counted(AuthorityState::Prepared), counted(AuthorityState::Active)),
        (1, 1),
        "at the start, too"
    );
    let made = run.authorities.prepare(Family::Jwt).await.unwrap().authority_id;
    run.step(Family::Jwt, Step::Activate, &made).await;
    // An authority that has expired is replaced by one that is prepared in the same moment.
    clock.advance(25 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(
        AuthorityState::ALL.map(counted),
        [3, 3, 2, 0, 0],
        "prepared, active, old, tainted, revoked"
    );
    run.stop().await;
}

/// Whoever revokes what was replaced until nothing is left does not come to what is still in use.
#[tokio::test]
async fn only_the_last_that_signed_is_the_replaced_one() {
    let (_dir, clock, run) = started().await;
    let family = Family::Classical;
    let mut signed = Vec::new();
    for _ in 0..2 {
        signed.push(run.signing(family));
        clock.advance(Duration::from_secs(1));
        let made = run.authorities.prepare(family).await.unwrap().authority_id;
        run.step(family, Step::Activate, &made).await;
    }
    assert_eq!(run.authorities.replaced(family).unwrap().authority_id, signed[1]);
    run.step(family, Step::Taint, &signed[1]).await;
    run.step(family, Step::Revoke, &signed[1]).await;
    assert_eq!(run.authorities.replaced(family), None);
    assert_eq!(run.state(&signed[0]), AuthorityState::Old);
    run.stop().await;
}
