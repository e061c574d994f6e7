//! A process that is killed while it takes commands, of families that certify themselves.

mod above;
mod below;

use symbolon_ca::authorities::{NOTICE, Rotation};

use super::mortal::{Mortals, Victim, at_each_point, clock_of};
use super::*;

/// The families that the victim commands: one with certificates, one without.
const COMMANDED: [Family; 2] = [Family::Classical, Family::Wit];

/// Few enough that every point can be come to in a test.
fn two_families() -> AuthoritySettings {
    let mut settings = every_family();
    settings
        .families
        .retain(|family| COMMANDED.contains(&family.family));
    settings
}

/// Not a test of its own: what the test below runs in a process that is killed.
#[test]
#[ignore = "run by the other test, in a process of its own"]
fn victim() {
    Victim::does(command_all);
}

async fn command_all(victim: &Victim) {
    let mortals = Mortals::start(victim, two_families()).await;
    let authorities = &mortals.authorities;
    for family in COMMANDED {
        // One is let go unused, the next signs, and what signed before goes the rest of its way.
        authorities.prepare(family).await.unwrap();
        victim.point("a command was taken");
        let made = authorities.prepare(family).await.unwrap();
        victim.point("a command was taken");
        for step in Step::ALL {
            let id = match step {
                Step::Activate => made.authority_id.clone(),
                Step::Taint | Step::Revoke => replaced(authorities, family),
            };
            authorities.step(family, step, &id).await.unwrap();
            victim.point("a command was taken");
        }
        // And one that waits gives way to what the family is to be from then on.
        authorities.prepare(family).await.unwrap();
        victim.point("a command was taken");
        authorities.rotate(family, &chosen(family)).await.unwrap();
        victim.point("a command was taken");
        victim.advance(NOTICE);
        authorities.rotate_due().await.unwrap();
        victim.point("a command was taken");
    }
    mortals.stop().await;
}

/// What a family is to become: a suite of another size, and another store.
fn chosen(family: Family) -> Rotation {
    Rotation {
        suite: Some(chosen_suite(family)),
        stores: vec![spare_name()],
        ..Rotation::default()
    }
}

fn chosen_suite(family: Family) -> Suite {
    match family {
        Family::Classical => Suite::EcdsaP384,
        _ => Suite::EcdsaP256,
    }
}

fn replaced(authorities: &Authorities, family: Family) -> String {
    authorities.replaced(family).unwrap().authority_id
}

/// What has to hold of a journal, whenever the process died that kept it.
fn check(run: &Run, point: usize) {
    let (journal, bundle) = (run.authorities.journal(), run.authorities.bundle());
    let mut held: Vec<_> = [&run.store, &run.spare]
        .into_iter()
        .flat_map(|store| store.list().unwrap())
        .map(|key| key.id)
        .collect();
    for family in COMMANDED {
        let in_state = |state| {
            let is_it = |record: &&AuthorityRecord| record.family == family && record.state == state;
            journal.iter().filter(is_it).count()
        };
        assert_eq!(in_state(AuthorityState::Active), 1, "{point}: {family}");
        assert!(in_state(AuthorityState::Prepared) <= 1, "{point}: {family}");
        assert_eq!(
            published(&bundle, &run.signing(family)),
            Some(false),
            "{point}: {family}"
        );
    }
    for record in &journal {
        let expected = match record.state {
            AuthorityState::Revoked => None,
            state => Some(state == AuthorityState::Tainted),
        };
        assert_eq!(
            published(&bundle, &record.authority_id),
            expected,
            "{point}: {record:?}"
        );
        if record.state != AuthorityState::Revoked {
            for key in &record.keys {
                assert!(held.contains(&key.key_id), "{point}: {record:?} has lost its key");
                held.retain(|id| *id != key.key_id);
            }
        }
    }
    assert_eq!(
        held,
        [],
        "{point}: keys that no journal line names, or that of a revoked one"
    );
}

/// What was chosen and has not come about does so now, in its time and not before; of what was never chosen there is
/// nothing.
async fn is_becoming_what_was_chosen(run: &Run, clock: &Arc<TestClock>, point: usize) {
    let is_chosen = |family| run.authorities.plan(family).unwrap().choice.is_some();
    let stores = |family| -> Vec<StoreName> {
        let id = run.signing(family);
        let mut journal = run.authorities.journal().into_iter();
        let record = journal.find(|record| record.authority_id == id).unwrap();
        record.keys.into_iter().map(|key| key.store).collect()
    };
    let before = COMMANDED.map(|family| run.signing(family));
    clock.advance(NOTICE - Duration::from_secs(1));
    run.authorities.rotate_due().await.unwrap();
    let unchanged = COMMANDED.map(|family| run.signing(family));
    assert_eq!(
        unchanged, before,
        "{point}: nobody signs who was not published long enough"
    );
    clock.advance(Duration::from_secs(1));
    run.authorities.rotate_due().await.unwrap();
    for family in COMMANDED {
        let expected = match is_chosen(family) {
            true => spare_name(),
            false => store_name(),
        };
        assert_eq!(stores(family), [expected], "{point}: {family}");
    }
    check(run, point);
}

#[test]
fn whatever_is_left_is_whole_and_can_be_gone_on_from() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let points = at_each_point("commands::killed::victim", |dir, point| {
        let clock = clock_of(dir);
        runtime.block_on(async {
            let run = Run::try_start(dir, &clock, two_families()).await.unwrap();
            check(&run, point);
            is_becoming_what_was_chosen(&run, &clock, point).await;
            // Every step that was due can be taken now.
            for family in COMMANDED {
                let before = run.signing(family);
                let made = run.authorities.prepare(family).await.unwrap();
                run.step(family, Step::Activate, &made.authority_id).await;
                run.step(family, Step::Taint, &before).await;
                run.step(family, Step::Revoke, &before).await;
            }
            check(&run, point);
            run.stop().await;
        });
    });
    assert!(points.len() > 100, "the victim has {} points", points.len());
}
