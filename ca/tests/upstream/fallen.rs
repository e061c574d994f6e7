//! Authorities that are not believed above any more: those that wait, and those that sign.

use std::time::Duration;

use symbolon_ca::authorities::{CommandError, Step};
use symbolon_ca::datastore::AuthorityState;
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock as _;

use crate::root::Root;
use crate::run::{Run, soon};
use crate::stand::{Mood, Stand};
use crate::support::TestClock;

#[tokio::test]
async fn what_is_not_believed_above_any_more_is_not_activated_by_command() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let before = run.active();
    let x509 = run.authorities.prepare(Family::Classical).await.unwrap();
    let jwt = run.authorities.prepare(Family::Jwt).await.unwrap();
    stand.roots.lock().unwrap()[0].tainted = true;
    for key in stand.published.lock().unwrap().iter_mut() {
        key.tainted = true;
    }
    run.authorities.follow_upstreams().await;
    for made in [&x509, &jwt] {
        let activate = run
            .authorities
            .step(made.family, Step::Activate, &made.authority_id);
        let refused = activate.await.unwrap_err();
        assert!(
            matches!(&refused, CommandError::Fallen { authority_id } if *authority_id == made.authority_id),
            "{refused}"
        );
        assert_eq!(run.state(&made.authority_id), AuthorityState::Prepared);
    }
    assert_eq!(run.active(), before);
}

#[tokio::test]
async fn who_takes_over_signs_while_another_familys_upstream_thinks() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    stand.replace(&Root::new(Suite::EcdsaP256, clock.now()), clock.now());
    let next = run.authorities.prepare(Family::Classical).await.unwrap();
    stand.roots.lock().unwrap()[0].tainted = true;
    stand.published.lock().unwrap()[0].tainted = true;
    run.authorities.follow_upstreams().await;

    stand.is(Mood::Hangs);
    let (authorities, mut hung) = (run.authorities.clone(), stand.hung.subscribe());
    let rotating = tokio::spawn(async move { authorities.rotate_due().await });
    soon(hung.wait_for(|times| *times > 0)).await.unwrap();
    assert_eq!(
        run.active(),
        next.authority_id,
        "the one below the tainted root signs no more"
    );
    assert_eq!(run.state(&next.authority_id), AuthorityState::Active);
    stand.is(Mood::Well);
    stand.gate.add_permits(1);
    soon(rotating).await.unwrap().unwrap();
    assert_eq!(run.active(), next.authority_id);
}

#[tokio::test]
async fn an_authority_is_activated_after_it_was_made_however_long_that_took() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    stand.roots.lock().unwrap()[0].tainted = true;
    run.authorities.follow_upstreams().await;
    stand.replace(&Root::new(Suite::EcdsaP256, clock.now()), clock.now());
    stand.is(Mood::Hangs);
    let (authorities, mut hung) = (run.authorities.clone(), stand.hung.subscribe());
    let rotating = tokio::spawn(async move { authorities.rotate_due().await });
    soon(hung.wait_for(|times| *times > 0)).await.unwrap();
    clock.advance(Duration::from_secs(30));
    stand.is(Mood::Well);
    stand.gate.add_permits(1);
    soon(rotating).await.unwrap().unwrap();

    let journal = run.authorities.journal();
    let made = journal.iter().find(|it| it.authority_id == run.active()).unwrap();
    // The journal has whole seconds.
    let since = clock.now().duration_since(made.created_at).unwrap();
    assert!(since < Duration::from_secs(1), "{since:?}");
    assert_eq!(
        (made.activated_at, made.changed_at),
        (Some(made.created_at), made.created_at)
    );
}

/// A server above that certifies below a root which its bundle does not have, and goes on doing so.
#[tokio::test]
async fn an_upstream_at_odds_with_itself_does_not_have_keys_made_without_end() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let made = || {
        let journal = run.authorities.journal();
        journal.iter().filter(|it| it.family == Family::Classical).count()
    };
    stand.roots.lock().unwrap().clear();
    let mut each = Vec::new();
    // Half an hour of looks every ten seconds.
    for _ in 0..180 {
        clock.advance(Duration::from_secs(10));
        run.tick().await;
        each.push(made());
    }
    assert_eq!(
        each[..4],
        [1, 2, 2, 3],
        "the first ones at once, each when two answers in a row lack its root"
    );
    assert!((5..=12).contains(&made()), "{} were made", made());

    // When it agrees with itself again, so does everything below.
    stand.replace(&Root::new(Suite::EcdsaP256, clock.now()), clock.now());
    clock.advance(Duration::from_secs(2 * 3600));
    run.tick().await;
    run.tick().await;
    let (last, lines) = (run.active(), made());
    for _ in 0..5 {
        clock.advance(Duration::from_secs(10));
        run.tick().await;
    }
    assert_eq!((run.active(), made()), (last, lines));
}

/// How many certificates of a key are in the bundle, and how many of these are tainted.
fn of_key(run: &Run, id: &str) -> (usize, usize) {
    let bundle = run.authorities.bundle();
    let roots = bundle.x509_authorities.iter();
    let of_key: Vec<_> = roots.filter(|root| root.id().to_string() == id).collect();
    (of_key.len(), of_key.iter().filter(|root| root.tainted).count())
}

#[tokio::test]
async fn a_root_that_is_not_believed_here_does_not_come_back_in_another_certificate() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let other = Root::new(Suite::EcdsaP256, clock.now());
    let (id, renewed) = (other.id(), other.twin(Some(3), clock.now()));
    assert_eq!(renewed.id(), id);
    let bring = |root: &Root| {
        let root = X509Authority::new(root.certificate.clone());
        stand.roots.lock().unwrap().push(root);
    };
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    bring(&other);
    run.tick().await;
    let step = |step| run.authorities.step_upstream(step, &id);
    step(Step::Taint).await.unwrap();
    bring(&renewed);
    run.tick().await;
    assert_eq!(of_key(&run, &id), (2, 2));
    // Nor when both have been gone.
    stand.roots.lock().unwrap().truncate(1);
    run.tick().await;
    assert_eq!(of_key(&run, &id), (0, 0));
    bring(&renewed);
    run.tick().await;
    assert_eq!(of_key(&run, &id), (1, 1));

    step(Step::Revoke).await.unwrap();
    bring(&other);
    bring(&other.twin(Some(4), clock.now()));
    run.tick().await;
    assert_eq!(of_key(&run, &id), (0, 0));
    for step in [Step::Taint, Step::Revoke] {
        let refused = run.authorities.step_upstream(step, &id).await.unwrap_err();
        assert!(matches!(refused, CommandError::WrongState { .. }), "{refused}");
    }
}

#[tokio::test]
async fn commands_take_all_certificates_of_a_root_of_which_one_is_tainted_above() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let other = Root::new(Suite::EcdsaP256, clock.now());
    let (id, renewed) = (other.id(), other.twin(Some(3), clock.now()));
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    for root in [&other, &renewed] {
        let root = X509Authority::new(root.certificate.clone());
        stand.roots.lock().unwrap().push(root);
    }
    stand.roots.lock().unwrap()[1].tainted = true;
    run.tick().await;
    assert_eq!(of_key(&run, &other.id()), (2, 1));
    let step = |step| run.authorities.step_upstream(step, &id);
    step(Step::Taint).await.unwrap();
    assert_eq!(of_key(&run, &other.id()), (2, 2));
    step(Step::Revoke).await.unwrap();
    assert_eq!(of_key(&run, &other.id()), (0, 0));
}
