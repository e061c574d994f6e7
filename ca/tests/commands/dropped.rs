//! A family that leaves the configuration.

use super::*;

#[tokio::test]
async fn what_it_signed_with_ends_and_can_be_taken_back() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::try_start(dir.path(), &clock, every_family()).await.unwrap();
    let active = run.signing(Family::Wit);
    let waiting = run.authorities.prepare(Family::Wit).await.unwrap().authority_id;
    run.stop().await;

    let mut without = every_family();
    without.families.retain(|family| family.family != Family::Wit);
    let run = Run::try_start(dir.path(), &clock, without).await.unwrap();
    assert_eq!(
        [&active, &waiting].map(|id| run.state(id)),
        [AuthorityState::Old; 2]
    );
    assert!(run.authorities.wit().is_none());
    assert_eq!(
        published(&run.authorities.bundle(), &active),
        Some(false),
        "what it signed counts until it ends"
    );
    let prepare = run.authorities.prepare(Family::Wit).await.unwrap_err();
    assert!(
        matches!(prepare, CommandError::NotConfigured(Family::Wit)),
        "{prepare}"
    );
    let activate = run.authorities.step(Family::Wit, Step::Activate, &waiting).await;
    let activate = activate.unwrap_err();
    assert!(
        matches!(activate, CommandError::NotConfigured(Family::Wit)),
        "{activate}"
    );

    run.step(Family::Wit, Step::Taint, &active).await;
    run.step(Family::Wit, Step::Revoke, &active).await;
    assert_eq!(published(&run.authorities.bundle(), &active), None);
    // The other one is not there for ever either.
    clock.advance(49 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert!(run.authorities.bundle().wit_authorities.is_empty());
    run.stop().await;

    let run = Run::try_start(dir.path(), &clock, every_family()).await.unwrap();
    assert_eq!(
        published(&run.authorities.bundle(), &run.signing(Family::Wit)),
        Some(false)
    );
    run.stop().await;
}
