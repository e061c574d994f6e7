//! What is due by the clock: successors in good time, and never one that nobody knows yet.

use symbolon_ca::authorities::NOTICE;

use super::*;

#[tokio::test]
async fn the_successor_of_one_that_lives_long_is_no_older_than_it_has_to_be() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let settings = AuthoritySettings {
        ttl: 365 * DAY,
        ..settings(Suite::EcdsaP256)
    };
    let run = Run::try_start(dir.path(), &clock, settings).await.unwrap();
    let before = run.ids();
    for (days, changes) in [(334, 0), (2, 4), (20, 0), (3, 4)] {
        clock.advance(days * DAY);
        let done = run.authorities.rotate_due().await.unwrap();
        assert_eq!(done.len(), changes, "after {days} days more");
    }
    assert!(run.ids().iter().zip(&before).all(|(new, old)| new != old));
    run.stop().await;
}

#[tokio::test]
async fn a_successor_is_published_at_half_life_and_signs_with_a_sixth_left() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::start(dir.path(), &clock).await;
    let before = run.ids();

    clock.advance(11 * HOUR);
    assert_eq!(run.authorities.rotate_due().await.unwrap(), []);
    clock.advance(HOUR);
    let prepared = run.authorities.rotate_due().await.unwrap();
    assert!(prepared.iter().all(|change| change.kind == ChangeKind::Prepared));
    assert_eq!((prepared.len(), run.ids()), (4, before.clone()));
    assert_eq!(
        run.authorities.bundle().x509_authorities.len(),
        6,
        "published before it signs"
    );
    assert_eq!(run.authorities.rotate_due().await.unwrap(), [], "once is enough");

    let mut published = run.authorities.subscribe();
    published.mark_unchanged();
    clock.advance(8 * HOUR);
    let rotated = run.authorities.rotate_due().await.unwrap();
    assert!(
        rotated.iter().all(|change| change.kind == ChangeKind::Rotated),
        "{rotated:?}"
    );
    assert_ne!(run.ids(), before);
    assert!(
        published.has_changed().unwrap(),
        "those who hold the signing authority are told"
    );
    let bundle = run.authorities.bundle();
    assert!(
        before
            .iter()
            .all(|id| bundle.x509_authority(&id.parse().unwrap()).is_some()),
        "what it signed is good"
    );
    run.stop().await;
}

#[tokio::test]
async fn what_expired_while_the_server_was_off_is_replaced_and_later_forgotten_with_its_key() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::start(dir.path(), &clock).await;
    let before = run.ids();
    run.stop().await;

    clock.advance(25 * HOUR);
    let run = Run::start(dir.path(), &clock).await;
    assert_eq!(run.kinds(), BTreeSet::from(["prepared", "replaced"]));
    assert!(run.ids().iter().all(|id| !before.contains(id)));
    assert_eq!(run.store.list().unwrap().len(), 10, "five components, twice");
    run.stop().await;

    clock.advance(24 * HOUR);
    let run = Run::start(dir.path(), &clock).await;
    assert!(run.kinds().contains("forgotten"), "{:?}", run.kinds());
    let journal = run.authorities.journal();
    assert!(
        journal
            .iter()
            .all(|record| !before.contains(&record.authority_id))
    );
    assert_eq!(
        run.store.list().unwrap().len(),
        10,
        "the first five are destroyed"
    );
    run.stop().await;
}

/// What became of one family at a look.
fn kinds_of(changes: &[Change], family: Family) -> Vec<ChangeKind> {
    let of_it = changes.iter().filter(|change| change.family == family);
    of_it.map(|change| change.kind).collect()
}

/// However late it was made: as long as another can sign, nobody signs what nobody knows.
#[tokio::test]
async fn a_successor_that_was_made_late_is_published_before_it_signs() {
    let family = Family::Classical;
    // The last hours, a time that is too short for the whole notice, and the last second but one.
    for (left, wait) in [
        (3 * HOUR, NOTICE),
        (Duration::from_secs(60), Duration::from_secs(30)),
        (Duration::from_secs(2), Duration::from_secs(1)),
    ] {
        let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
        let run = Run::start(dir.path(), &clock).await;
        let signing = run.signing(family);
        // Its store was away, since before half of its life.
        let end = run.authorities.active(family).unwrap().certificate().not_after();
        *clock.0.lock().unwrap() = end - left;
        let changes = run.authorities.rotate_due().await.unwrap();
        assert_eq!(kinds_of(&changes, family), [ChangeKind::Prepared], "{left:?}");
        assert_eq!(run.signing(family), signing, "{left:?}: nobody knows the new one");
        clock.advance(wait - Duration::from_secs(1));
        let changes = run.authorities.rotate_due().await.unwrap();
        assert_eq!(kinds_of(&changes, family), [], "{left:?}");
        assert_eq!(run.signing(family), signing);
        clock.advance(Duration::from_secs(1));
        let changes = run.authorities.rotate_due().await.unwrap();
        assert_eq!(kinds_of(&changes, family), [ChangeKind::Rotated], "{left:?}");
        assert_ne!(run.signing(family), signing);
        run.stop().await;
    }
}

/// At a start as at every other moment.
#[tokio::test]
async fn a_server_that_was_off_for_long_publishes_before_it_signs() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::start(dir.path(), &clock).await;
    let before = run.ids();
    run.stop().await;
    clock.advance(21 * HOUR);
    let run = Run::start(dir.path(), &clock).await;
    assert_eq!(run.kinds(), BTreeSet::from(["prepared"]));
    assert_eq!(run.ids(), before);
    clock.advance(NOTICE);
    run.authorities.rotate_due().await.unwrap();
    assert!(run.ids().iter().all(|id| !before.contains(id)));
    run.stop().await;
}

#[tokio::test]
async fn a_suite_configured_anew_is_taken_by_the_next_authority() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    Run::start(dir.path(), &clock).await.stop().await;
    let run = Run::try_start(dir.path(), &clock, settings(Suite::EcdsaP384))
        .await
        .unwrap();
    assert_eq!(
        run.authorities.active(Family::Classical).unwrap().suite(),
        Suite::EcdsaP256
    );
    clock.advance(12 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    clock.advance(8 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(
        run.authorities.active(Family::Classical).unwrap().suite(),
        Suite::EcdsaP384
    );
    run.stop().await;
}

#[tokio::test]
async fn a_family_that_cannot_have_a_key_does_not_keep_the_others_from_rotating() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    // In each of these the first key is made and the second is not.
    let mut settings = settings(Suite::EcdsaP384);
    for family in &mut settings.families {
        if family.family == Family::Composite {
            family.suite = Suite::MlDsa65EcdsaP384;
        }
    }
    let run = Run::try_start(dir.path(), &clock, settings).await.unwrap();
    let (before, keys) = (run.ids(), run.store.list().unwrap().len());

    run.store.refuse(true);
    clock.advance(20 * HOUR);
    for _ in 0..3 {
        let error = run.authorities.rotate_due().await.unwrap_err();
        assert!(matches!(error, AuthoritiesError::Store { .. }), "{error}");
    }
    clock.advance(NOTICE);
    run.authorities.rotate_due().await.unwrap_err();
    let after = run.ids();
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    assert_ne!(after[1], before[1], "ML-DSA does not wait for the P-384 keys");
    assert_eq!(
        run.store.list().unwrap().len(),
        keys + 2,
        "ML-DSA's and the token family's; no try left a key behind"
    );

    run.store.refuse(false);
    run.authorities.rotate_due().await.unwrap();
    clock.advance(NOTICE);
    run.authorities.rotate_due().await.unwrap();
    assert!(run.ids().iter().all(|id| !before.contains(id)));
    run.stop().await;
}
