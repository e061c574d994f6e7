//! The steps of authorities' lives by command, in every family, and what is left when the process dies between two.

mod dropped;
mod killed;
mod mortal;
mod moved;
mod rotate;
mod verdicts;

use super::*;
use symbolon_ca::authorities::{CommandError, Step};
use symbolon_ca::datastore::AuthorityRecord;
use symbolon_pki::bundle::TrustBundle;

/// One of each family.
pub(crate) fn every_family() -> AuthoritySettings {
    let mut settings = settings(Suite::EcdsaP256);
    settings.families.insert(
        3,
        FamilySettings {
            alternative: Some(Suite::MlDsa65),
            ..FamilySettings::new(Family::Catalyst, Suite::EcdsaP256, vec![store_name()])
        },
    );
    settings.families.push(FamilySettings::new(
        Family::Wit,
        Suite::EcdsaP256,
        vec![store_name()],
    ));
    settings
}

/// A server of four families that was just started, with its directory and its clock.
async fn started() -> (TempDir, Arc<TestClock>, Run) {
    started_with(settings(Suite::EcdsaP256)).await
}

async fn started_with(settings: AuthoritySettings) -> (TempDir, Arc<TestClock>, Run) {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::try_start(dir.path(), &clock, settings).await.unwrap();
    (dir, clock, run)
}

impl Run {
    fn state(&self, id: &str) -> AuthorityState {
        let journal = self.authorities.journal();
        let record = journal.into_iter().find(|record| record.authority_id == id);
        record.unwrap().state
    }

    /// The id of whatever signs for a family.
    pub(crate) fn signing(&self, family: Family) -> String {
        let authorities = &self.authorities;
        match family {
            Family::Jwt => authorities.jwt().unwrap().key_id().to_owned(),
            Family::Wit => authorities.wit().unwrap().key_id().to_owned(),
            family => authorities.active(family).unwrap().authority_id().to_string(),
        }
    }

    async fn step(&self, family: Family, step: Step, id: &str) -> AuthorityRecord {
        self.authorities.step(family, step, id).await.unwrap()
    }
}

/// Whether the bundle has an authority of this id, and if so, whether it is tainted.
pub(crate) fn published(bundle: &TrustBundle, id: &str) -> Option<bool> {
    let x509 = bundle.x509_authorities.iter();
    let x509 = x509.map(|authority| (authority.id().to_string(), authority.tainted));
    let keys = bundle.jwt_authorities.iter().chain(&bundle.wit_authorities);
    let keys = keys.map(|key| (key.key_id.clone(), key.tainted));
    let mut found = x509.chain(keys).filter(|(known, _)| known == id);
    let tainted = found.next().map(|(_, tainted)| tainted);
    assert!(found.next().is_none(), "{id} is there twice");
    tainted
}

#[tokio::test]
async fn every_family_goes_the_whole_way_and_a_restart_changes_nothing() {
    let (dir, clock, run) = started_with(every_family()).await;
    let keys = run.store.list().unwrap().len();
    let mut sequence = run.authorities.bundle().sequence;
    for family in Family::ALL {
        let first = run.signing(family);
        assert_eq!(run.authorities.replaced(family), None, "{family}");

        let made = run.authorities.prepare(family).await.unwrap();
        let second = made.authority_id.clone();
        assert_eq!((made.family, made.state), (family, AuthorityState::Prepared));
        let bundle = run.authorities.bundle();
        assert_eq!(
            published(&bundle, &second),
            Some(false),
            "published before it signs"
        );
        assert!(bundle.sequence > sequence);
        assert_eq!(run.signing(family), first);

        let mut changed = run.authorities.subscribe();
        changed.mark_unchanged();
        let active = run.step(family, Step::Activate, &second).await;
        assert_eq!(
            (active.state, active.activated_at),
            (AuthorityState::Active, Some(clock.now()))
        );
        assert!(
            changed.has_changed().unwrap(),
            "those who hold the signing authority are told"
        );
        assert_eq!(run.signing(family), second);
        assert_eq!(run.state(&first), AuthorityState::Old);
        assert_eq!(run.authorities.replaced(family).unwrap().authority_id, first);
        assert_eq!(
            published(&run.authorities.bundle(), &first),
            Some(false),
            "what it signed is good"
        );

        sequence = run.authorities.bundle().sequence;
        run.step(family, Step::Taint, &first).await;
        let bundle = run.authorities.bundle();
        assert_eq!(
            (published(&bundle, &first), published(&bundle, &second)),
            (Some(true), Some(false))
        );
        assert!(bundle.sequence > sequence, "bundle holders learn of it");
        assert_eq!(run.authorities.replaced(family).unwrap().authority_id, first);

        let held = run.store.list().unwrap().len();
        run.step(family, Step::Revoke, &first).await;
        let after = run.authorities.bundle();
        assert_eq!(
            (published(&after, &first), published(&after, &second)),
            (None, Some(false))
        );
        assert!(after.sequence > bundle.sequence);
        assert_eq!(run.authorities.replaced(family), None);
        let components = made.components().count();
        assert_eq!(
            run.store.list().unwrap().len(),
            held - components,
            "{family}: its key is destroyed"
        );
        sequence = after.sequence;
    }
    assert_eq!(run.store.list().unwrap().len(), keys);
    let (journal, bundle) = (run.authorities.journal(), run.authorities.bundle());
    run.stop().await;

    let run = Run::try_start(dir.path(), &clock, every_family()).await.unwrap();
    assert_eq!(run.changes, []);
    assert_eq!(
        (run.authorities.journal(), run.authorities.bundle()),
        (journal, bundle)
    );
    // What was revoked is forgotten in its time, whose key is gone already.
    clock.advance(49 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    let states: Vec<_> = run
        .authorities
        .journal()
        .iter()
        .map(|record| record.state)
        .collect();
    assert_eq!(states, [AuthorityState::Active; 6]);
    run.stop().await;
}

/// One authority of the family in every state that it can be in.
async fn in_every_state(run: &Run, family: Family) -> Vec<(AuthorityState, String)> {
    let mut ids = vec![run.signing(family)];
    for _ in 0..3 {
        let made = run.authorities.prepare(family).await.unwrap();
        run.step(family, Step::Activate, &made.authority_id).await;
        ids.push(made.authority_id);
    }
    ids.push(run.authorities.prepare(family).await.unwrap().authority_id);
    for id in &ids[..2] {
        run.step(family, Step::Taint, id).await;
    }
    run.step(family, Step::Revoke, &ids[0]).await;
    let states: Vec<_> = ids.into_iter().map(|id| (run.state(&id), id)).collect();
    let expected = [
        AuthorityState::Revoked,
        AuthorityState::Tainted,
        AuthorityState::Old,
        AuthorityState::Active,
        AuthorityState::Prepared,
    ];
    assert_eq!(
        states.iter().map(|(state, _)| *state).collect::<Vec<_>>(),
        expected
    );
    states
}

#[tokio::test]
async fn a_step_out_of_order_is_refused_and_changes_nothing() {
    let (_dir, _clock, run) = started_with(every_family()).await;
    let all = [
        (Family::Classical, in_every_state(&run, Family::Classical).await),
        (Family::Jwt, in_every_state(&run, Family::Jwt).await),
    ];
    let seen = || {
        let keys: Vec<_> = run.store.list().unwrap().into_iter().map(|key| key.id).collect();
        (run.authorities.journal(), run.authorities.bundle(), keys)
    };
    let before = seen();
    for (family, states) in &all {
        for (state, id) in states {
            for step in Step::ALL.into_iter().filter(|step| step.from() != *state) {
                let refused = run.authorities.step(*family, step, id).await.unwrap_err();
                assert!(
                    matches!(refused, CommandError::WrongState { .. }),
                    "{step:?} {state}: {refused}"
                );
                let words = format!("{id} is {state}");
                assert!(refused.to_string().ends_with(&words), "{refused}");
                assert_eq!(seen(), before, "{step:?} {state}");
            }
        }
        // Another family's authority is none of this one's.
        let (_, other) = &all.iter().find(|(other, _)| other != family).unwrap().1[0];
        for id in [other.as_str(), "", "00", &"a".repeat(100_000), "\u{202e}\u{7}"] {
            for step in Step::ALL {
                let refused = run.authorities.step(*family, step, id).await.unwrap_err();
                assert!(
                    matches!(refused, CommandError::Unknown { .. }),
                    "{step:?}: {refused}"
                );
                let text = refused.to_string();
                assert!(text.len() < 1_000 && !text.contains(char::is_control), "{text}");
            }
        }
        assert_eq!(seen(), before);
    }
    run.stop().await;
}

#[tokio::test]
async fn a_family_that_is_not_configured_takes_no_commands() {
    let (_dir, _clock, run) = started().await;
    let before = run.authorities.journal();
    let refused = run.authorities.prepare(Family::Wit).await.unwrap_err();
    assert!(
        matches!(refused, CommandError::NotConfigured(Family::Wit)),
        "{refused}"
    );
    for step in Step::ALL {
        let refused = run.authorities.step(Family::Wit, step, "00").await.unwrap_err();
        assert!(
            matches!(refused, CommandError::NotConfigured(Family::Wit)),
            "{refused}"
        );
    }
    assert_eq!(run.authorities.journal(), before);
    run.stop().await;
}

#[tokio::test]
async fn of_two_prepared_ones_the_second_signs_and_the_first_never_did() {
    let (_dir, clock, run) = started().await;
    let family = Family::Classical;
    let first = run.authorities.prepare(family).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let second = run.authorities.prepare(family).await.unwrap();
    assert_eq!(run.state(&first.authority_id), AuthorityState::Old);
    assert_eq!(run.state(&second.authority_id), AuthorityState::Prepared);
    assert_eq!(
        run.authorities.replaced(family),
        None,
        "it did not sign before the other"
    );
    let refused = run
        .authorities
        .step(family, Step::Activate, &first.authority_id)
        .await;
    assert!(matches!(refused, Err(CommandError::WrongState { .. })));
    run.step(family, Step::Activate, &second.authority_id).await;
    // Whoever does not trust a key that never signed can have it out of the bundle.
    run.step(family, Step::Taint, &first.authority_id).await;
    run.step(family, Step::Revoke, &first.authority_id).await;
    assert_eq!(published(&run.authorities.bundle(), &first.authority_id), None);
    run.stop().await;
}

#[tokio::test]
async fn a_store_that_is_away_keeps_things_as_they_are() {
    let (dir, clock, run) = started().await;
    let family = Family::Classical;
    let waiting = run.authorities.prepare(family).await.unwrap().authority_id;
    let (before, keys) = (run.authorities.journal(), run.store.list().unwrap().len());

    run.store.go_away(true);
    let refused = run.authorities.prepare(family).await.unwrap_err();
    assert!(matches!(refused, CommandError::Failed(_)), "{refused}");
    let refused = run
        .authorities
        .step(family, Step::Activate, &waiting)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, CommandError::Failed(_)),
        "nobody signs whose key is not there: {refused}"
    );
    run.store.go_away(false);
    assert_eq!(run.authorities.journal(), before);
    assert_eq!(run.store.list().unwrap().len(), keys);

    // A revocation counts at once; the key that could not be destroyed is, at the next start.
    let replaced = run.signing(family);
    run.step(family, Step::Activate, &waiting).await;
    run.step(family, Step::Taint, &replaced).await;
    run.store.go_away(true);
    let failed = run
        .authorities
        .step(family, Step::Revoke, &replaced)
        .await
        .unwrap_err();
    assert!(matches!(failed, CommandError::Failed(_)), "{failed}");
    run.store.go_away(false);
    assert_eq!(published(&run.authorities.bundle(), &replaced), None);
    assert_eq!(run.store.list().unwrap().len(), keys);
    run.stop().await;
    let run = Run::start(dir.path(), &clock).await;
    assert_eq!(run.store.list().unwrap().len(), keys - 1);
    assert_eq!(run.state(&replaced), AuthorityState::Revoked);
    run.stop().await;
}

#[tokio::test]
async fn an_authority_that_waited_too_long_is_not_activated() {
    let (_dir, clock, run) = started().await;
    let waiting = run.authorities.prepare(Family::Jwt).await.unwrap().authority_id;
    clock.advance(25 * HOUR);
    let refused = run
        .authorities
        .step(Family::Jwt, Step::Activate, &waiting)
        .await
        .unwrap_err();
    assert!(matches!(refused, CommandError::Expired { .. }), "{refused}");
    assert_eq!(run.state(&waiting), AuthorityState::Prepared);
    // Time does what the command could not.
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.state(&waiting), AuthorityState::Old);
    run.stop().await;
}

/// What signs on time goes on from what was done by command.
#[tokio::test]
async fn time_and_commands_go_together() {
    let (_dir, clock, run) = started().await;
    let family = Family::MlDsa;
    let prepared = run.authorities.prepare(family).await.unwrap().authority_id;
    clock.advance(12 * HOUR);
    let changes = run.authorities.rotate_due().await.unwrap();
    assert!(
        changes.iter().all(|change| change.family != family),
        "what was prepared by command is the successor: {changes:?}"
    );
    clock.advance(8 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.signing(family), prepared);
    run.stop().await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_named_for_what_it_is() {
    let (_dir, clock, run) = started().await;
    let made = run.authorities.prepare(Family::Classical).await.unwrap();
    let signing = run.signing(Family::Classical);
    *clock.0.lock().unwrap() -= HOUR;
    let activate = run
        .authorities
        .step(Family::Classical, Step::Activate, &made.authority_id);
    let refused = activate.await.unwrap_err();
    assert!(matches!(refused, CommandError::NotYet { .. }), "{refused}");
    assert!(refused.to_string().contains("set the clock"), "{refused}");
    assert_eq!(run.signing(Family::Classical), signing);
    run.stop().await;
}
