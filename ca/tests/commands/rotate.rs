//! What a family signs with, and where its keys are kept, changed by command.

use super::*;
use symbolon_ca::authorities::{NOTICE, Rotation};
use symbolon_ca::datastore::FamilyShape;

pub(crate) fn to(suite: Suite) -> Rotation {
    Rotation {
        suite: Some(suite),
        by: "an operator".to_owned(),
        ..Rotation::default()
    }
}

pub(crate) fn into(stores: &[StoreName]) -> Rotation {
    Rotation {
        stores: stores.to_vec(),
        by: "an operator".to_owned(),
        ..Rotation::default()
    }
}

impl Run {
    pub(crate) fn shape(&self, family: Family) -> FamilyShape {
        let id = self.signing(family);
        let journal = self.authorities.journal();
        let record = journal
            .into_iter()
            .find(|record| record.authority_id == id)
            .unwrap();
        FamilyShape {
            suite: record.suite,
            alternative: record.alternative,
            stores: record.keys.into_iter().map(|key| key.store).collect(),
        }
    }

    fn seen(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let keys = |store: &Stubborn| -> Vec<_> {
            let keys = store.list().unwrap().into_iter();
            keys.map(|key| key.id).collect()
        };
        let plans: Vec<_> = Family::ALL
            .into_iter()
            .filter_map(|family| self.authorities.plan(family))
            .map(|plan| (plan.wanted, plan.choice))
            .collect();
        let authorities = &self.authorities;
        (
            authorities.journal(),
            authorities.bundle(),
            plans,
            keys(&self.store),
            keys(&self.spare),
        )
    }
}

/// For each family something that it is not by the settings.
fn changes() -> Vec<(Family, Rotation)> {
    let spare = [spare_name()];
    let catalyst = Rotation {
        alternative: Some(Suite::MlDsa87),
        ..to(Suite::EcdsaP384)
    };
    vec![
        (Family::Classical, to(Suite::EcdsaP384)),
        (Family::MlDsa, to(Suite::MlDsa87)),
        (Family::Composite, to(Suite::MlDsa87EcdsaP384)),
        (Family::Catalyst, catalyst),
        (Family::Jwt, into(&spare)),
        (Family::Wit, into(&spare)),
    ]
}

#[tokio::test]
async fn every_family_becomes_what_was_chosen_and_stays_it() {
    let (dir, clock, run) = started_with(every_family()).await;
    for (family, rotation) in changes() {
        let before = (run.signing(family), run.shape(family));
        let done = run.authorities.rotate(family, &rotation).await.unwrap();
        let made = done.prepared.unwrap();
        let (_, choice) = done.plan.choice.unwrap();
        assert_eq!(
            (choice.chosen_by.as_str(), &choice.wanted),
            ("an operator", &done.plan.wanted)
        );
        assert_ne!(done.plan.wanted, before.1, "{family}");
        assert_eq!(done.plan.activates_at, Some(clock.now() + NOTICE));
        // It is published, and does not sign before everybody has had time to ask.
        assert_eq!(
            published(&run.authorities.bundle(), &made.authority_id),
            Some(false)
        );
        clock.advance(NOTICE - Duration::from_secs(1));
        assert_eq!(run.authorities.rotate_due().await.unwrap(), []);
        assert_eq!(run.signing(family), before.0);
        clock.advance(Duration::from_secs(1));
        let changes = run.authorities.rotate_due().await.unwrap();
        assert_eq!(
            changes.iter().map(|change| change.kind).collect::<Vec<_>>(),
            [ChangeKind::Rotated]
        );
        assert_eq!(run.signing(family), made.authority_id);
        assert_eq!(run.shape(family), choice.wanted);
        assert_eq!(
            published(&run.authorities.bundle(), &before.0),
            Some(false),
            "what it signed is good"
        );
        assert_eq!(run.authorities.plan(family).unwrap().activates_at, None);
        assert_eq!(run.authorities.rotate_due().await.unwrap(), []);
    }
    let chosen: Vec<_> = changes().iter().map(|(family, _)| run.shape(*family)).collect();
    let shapes = |run: &Run| -> Vec<_> { changes().iter().map(|(family, _)| run.shape(*family)).collect() };
    run.stop().await;

    // Restarts and rotations in time keep it.
    let run = Run::try_start(dir.path(), &clock, every_family()).await.unwrap();
    assert_eq!((shapes(&run), &run.changes), (chosen.clone(), &Vec::new()));
    for _ in 0..2 {
        clock.advance(25 * HOUR);
        run.authorities.rotate_due().await.unwrap();
        assert_eq!(shapes(&run), chosen);
    }
    run.stop().await;
    clock.advance(25 * HOUR);
    let run = Run::try_start(dir.path(), &clock, every_family()).await.unwrap();
    assert_eq!(
        shapes(&run),
        chosen,
        "also of what has to be replaced at the start"
    );
    run.stop().await;
}

#[tokio::test]
async fn a_choice_is_over_when_the_configuration_changes_and_does_not_come_back() {
    let (dir, clock, run) = started_with(every_family()).await;
    for family in [Family::Composite, Family::MlDsa] {
        let (_, rotation) = changes().into_iter().find(|(other, _)| *other == family).unwrap();
        run.authorities.rotate(family, &rotation).await.unwrap();
    }
    clock.advance(NOTICE);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.shape(Family::Composite).suite, Suite::MlDsa87EcdsaP384);
    run.stop().await;

    let with = |suite| {
        let mut settings = every_family();
        let composite = settings
            .families
            .iter_mut()
            .find(|f| f.family == Family::Composite);
        composite.unwrap().suite = suite;
        settings
    };
    let run = Run::try_start(dir.path(), &clock, with(Suite::MlDsa65EcdsaP384))
        .await
        .unwrap();
    let plan = run.authorities.plan(Family::Composite).unwrap();
    assert_eq!((plan.wanted.suite, plan.choice), (Suite::MlDsa65EcdsaP384, None));
    let other = run.authorities.plan(Family::MlDsa).unwrap();
    assert_eq!(
        other.wanted.suite,
        Suite::MlDsa87,
        "another family's choice counts"
    );
    // As ever with the configuration, what signs does so until its time.
    assert_eq!(run.shape(Family::Composite).suite, Suite::MlDsa87EcdsaP384);
    run.stop().await;

    let run = Run::try_start(dir.path(), &clock, every_family()).await.unwrap();
    let plan = run.authorities.plan(Family::Composite).unwrap();
    assert_eq!((plan.wanted.suite, plan.choice), (Suite::MlDsa65EcdsaP256, None));
    clock.advance(25 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.shape(Family::Composite).suite, Suite::MlDsa65EcdsaP256);
    run.stop().await;

    // A family that is away and comes back begins with the configuration, too.
    let mut without = every_family();
    without.families.retain(|family| family.family != Family::MlDsa);
    Run::try_start(dir.path(), &clock, without)
        .await
        .unwrap()
        .stop()
        .await;
    let run = Run::try_start(dir.path(), &clock, every_family()).await.unwrap();
    assert_eq!(
        run.authorities.plan(Family::MlDsa).unwrap().wanted.suite,
        Suite::MlDsa65
    );
    run.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_the_reason_and_nothing_changes() {
    let (_dir, _clock, run) = started().await;
    let elsewhere = StoreName::parse("nowhere").unwrap();
    let before = run.seen();
    let alternative = Rotation {
        alternative: Some(Suite::MlDsa65),
        ..to(Suite::EcdsaP384)
    };
    for (family, rotation, words) in [
        (
            Family::Classical,
            to(Suite::MlDsa65),
            "cannot sign with ml-dsa-65; choose one of",
        ),
        (Family::MlDsa, to(Suite::MlDsa65EcdsaP256), "cannot sign with"),
        (Family::Jwt, to(Suite::EcdsaP384), "choose one of ecdsa-p256"),
        (Family::Classical, alternative, "cannot have an alternative key"),
        (
            Family::Classical,
            into(&[elsewhere]),
            "a store that is not configured",
        ),
        (
            Family::Classical,
            into(&[store_name(), spare_name()]),
            "1 components, and names 2 stores",
        ),
        (Family::Classical, to(Suite::EcdsaP256), "signs with that already"),
        (
            Family::Composite,
            into(&[store_name(), store_name()]),
            "signs with that already",
        ),
        (Family::Wit, to(Suite::EcdsaP256), "no wit authorities"),
    ] {
        let refused = run.authorities.rotate(family, &rotation).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{words}: {refused}");
        assert!(!matches!(refused, CommandError::Failed(_)), "{refused}");
        assert_eq!(run.seen(), before, "{words}");
    }
    // A store that does not make such a key now, though it offers to.
    run.store.refuse(true);
    let refused = run
        .authorities
        .rotate(Family::Classical, &to(Suite::EcdsaP384))
        .await;
    assert!(matches!(refused, Err(CommandError::Failed(_))));
    assert_eq!(run.seen(), before);
    // Of two components the first is made already when the second fails.
    let rotation = to(Suite::MlDsa87EcdsaP384);
    let refused = run.authorities.rotate(Family::Composite, &rotation).await;
    assert!(matches!(refused, Err(CommandError::Failed(_))));
    assert_eq!(run.seen(), before, "the half that was made is destroyed");
    run.store.refuse(false);

    run.authorities
        .rotate(Family::Composite, &rotation)
        .await
        .unwrap();
    let on_its_way = run.seen();
    let again = run
        .authorities
        .rotate(Family::Composite, &rotation)
        .await
        .unwrap_err();
    assert!(again.to_string().contains("on its way"), "{again}");
    assert_eq!(run.seen(), on_its_way);
    run.stop().await;
}

#[tokio::test]
async fn a_choice_is_taken_back_by_choosing_what_signs() {
    let (_dir, clock, run) = started().await;
    let family = Family::Classical;
    let signing = run.signing(family);
    let done = run
        .authorities
        .rotate(family, &to(Suite::EcdsaP384))
        .await
        .unwrap();
    let waiting = done.prepared.unwrap().authority_id;
    let back = run
        .authorities
        .rotate(family, &to(Suite::EcdsaP256))
        .await
        .unwrap();
    assert!(back.prepared.is_none());
    assert_eq!(run.state(&waiting), AuthorityState::Old);
    clock.advance(NOTICE);
    assert_eq!(run.authorities.rotate_due().await.unwrap(), []);
    assert_eq!(run.signing(family), signing);
    run.stop().await;
}
