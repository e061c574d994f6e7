//! The same of authorities that others certify, of requests that wait, of what others put into the bundle, and of a
//! migration.

use symbolon_ca::authorities::{AuthoritiesError, NOTICE, Rotation};
use symbolon_ca::datastore::{AppendedAuthorities, AuthorityKind, AuthorityStore as _, FederationStore as _};
use symbolon_ca::migration::{Migrations, Scope, Wish, WishedStage};
use symbolon_ca::registrations::Registrations;
use symbolon_pki::bundle::{JwtAuthority, X509Authority};
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::super::mortal::{Mortals, Victim, at_each_point, clock_of};
use super::super::*;
use super::below::Site;

const FAMILIES: [Family; 3] = [Family::Classical, Family::MlDsa, Family::Jwt];

/// What a victim has to have come to, or the test shows less than it says: words of the points.
const STEPS: [&[&str]; 18] = [
    &["authority.journalled", "classical", "prepared"],
    &["authority.journalled", "classical", "active"],
    &["authority.journalled", "classical", "old"],
    &["authority.journalled", "jwt", "tainted"],
    &["authority.journalled", "jwt", "revoked"],
    &["authority.journalled", "ml-dsa", "a certificate is awaited"],
    &["authority.journalled", "ml-dsa", "prepared"],
    &["authority.journalled", "ml-dsa", "active"],
    &["authority.journalled", "ml-dsa", "no certificate is awaited"],
    &["authority.chosen", "ml-dsa"],
    &["authority.journalled", "ml-dsa", "what was chosen is over"],
    &["authority.journalled", "what it has was taken over"],
    &["authority.journalled", "one above", "tainted"],
    &["authority.journalled", "one above", "revoked"],
    &["authority.journalled", "a key of others", "revoked"],
    &["authority.journalled", "forgotten"],
    &["migration.stage_changed", "issue"],
    &["the server above"],
];

/// Not a test of its own: what the test below runs in a process that is killed.
#[test]
#[ignore = "run by the other test, in a process of its own"]
fn victim() {
    Victim::does(command_all);
}

async fn command_all(victim: &Victim) {
    let fate = victim.fate.clone();
    let site = Site::new(&victim.dir, Arc::new(move || fate.point("the server above")));
    let mortals = Mortals::start(victim, site.settings(Suite::MlDsa44)).await;
    let (authorities, clock) = (&mortals.authorities, &victim.clock);
    // What was requested at the start is brought, and signs: there is nobody else.
    take_brought(authorities, &site, clock).await;
    authorities.rotate_due().await.unwrap();
    assert!(authorities.active(Family::MlDsa).is_some());
    for family in [Family::Classical, Family::Jwt] {
        let made = authorities.prepare(family).await.unwrap();
        victim.point("a command was taken");
        let activate = authorities.step(family, Step::Activate, &made.authority_id);
        activate.await.unwrap();
        victim.point("a command was taken");
    }
    for step in [Step::Taint, Step::Revoke] {
        let id = authorities.replaced(Family::Jwt).unwrap().authority_id;
        authorities.step(Family::Jwt, step, &id).await.unwrap();
        victim.point("a command was taken");
    }
    // Another certificate is requested, and given up for one of another suite, which is brought.
    let awaited = authorities.prepare(Family::MlDsa).await.unwrap_err();
    assert!(
        matches!(awaited, CommandError::Failed(AuthoritiesError::Awaited { .. })),
        "{awaited}"
    );
    victim.point("a command was taken");
    let rotation = Rotation {
        suite: Some(Suite::MlDsa65),
        gives_up_request: true,
        ..Rotation::default()
    };
    let done = authorities.rotate(Family::MlDsa, &rotation).await.unwrap();
    assert!(done.is_awaited);
    victim.point("a command was taken");
    take_brought(authorities, &site, clock).await;
    // The server above has another root, and takes the one before it out.
    site.replace_root(clock.now());
    authorities.follow_upstreams().await;
    authorities.rotate_due().await.unwrap();
    victim.advance(NOTICE);
    authorities.rotate_due().await.unwrap();
    distrust_others(victim, &mortals).await;
    migrate(victim, &mortals).await;
    // Everything ends that can.
    victim.advance(49 * HOUR);
    authorities.follow_upstreams().await;
    authorities.rotate_due().await.unwrap();
    mortals.stop().await;
    // The configuration is changed while a request of another suite waits.
    let mortals = Mortals::start(victim, site.settings(Suite::MlDsa44)).await;
    let _ = mortals.authorities.prepare(Family::MlDsa).await;
    mortals.stop().await;
    Mortals::start(victim, site.settings(Suite::MlDsa87))
        .await
        .stop()
        .await;
}

/// Brings what is awaited, and has it looked at until it stands still and is taken.
async fn take_brought(authorities: &Authorities, site: &Site, clock: &TestClock) {
    if site.bring(clock.now()) {
        for _ in 0..2 {
            authorities.take_what_was_brought().await.unwrap();
        }
    }
}

/// What an administrator put into the bundle is tainted and revoked.
async fn distrust_others(victim: &Victim, mortals: &Mortals) {
    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    let key = JwtAuthority::from_spki_der("sibling", &key.public_key().unwrap().spki_der()).unwrap();
    let root = victim.dir.join("above/root.pem");
    let elsewhere = Site::new(&victim.dir.join("elsewhere"), Arc::new(|| {}));
    let other = elsewhere.dir.join("above/root.pem");
    assert_ne!(std::fs::read(&root).unwrap(), std::fs::read(&other).unwrap());
    let other = std::fs::read(&other).unwrap();
    let other = symbolon_pki::pem::certificates(&other).unwrap();
    let root = X509Authority::new(other.into_iter().next().unwrap().unwrap());
    let id = root.id().to_string();
    let added = AppendedAuthorities {
        x509: vec![root],
        jwt: vec![key],
        wit: Vec::new(),
    };
    mortals.datastore.append_authorities(&added).await.unwrap();
    let authorities = &mortals.authorities;
    authorities.publish_appended().await.unwrap();
    for step in [Step::Taint, Step::Revoke] {
        authorities.step_upstream(step, &id).await.unwrap();
        victim.point("a command was taken");
        let stepped = authorities.step_appended(Family::Jwt, step, "sibling");
        stepped.await.unwrap();
        victim.point("a command was taken");
    }
}

fn wish(stage: WishedStage) -> Wish {
    Wish {
        scope: Scope::All,
        target: Some(MigrationTarget::PostQuantum),
        stage,
        force: true,
        reason: "a test".to_owned(),
        dry_run: false,
        quiet: None,
        by: "an operator".to_owned(),
    }
}

async fn migrations(
    authorities: &Arc<Authorities>,
    datastore: &Arc<SqliteDatastore>,
    clock: &Arc<TestClock>,
) -> Arc<Migrations> {
    let datastore: Arc<dyn Datastore> = datastore.clone();
    let registrations = Registrations::open(datastore.clone(), authorities.trust_domain());
    Migrations::open(
        datastore,
        registrations.await.unwrap(),
        authorities.clone(),
        clock.clone(),
        Duration::from_secs(600),
    )
    .await
    .unwrap()
}

/// To two stages, and back.
async fn migrate(victim: &Victim, mortals: &Mortals) {
    let migrations = migrations(&mortals.authorities, &mortals.datastore, &victim.clock).await;
    for stage in [
        WishedStage::To(MigrationStage::Publish),
        WishedStage::To(MigrationStage::Issue),
        WishedStage::Off,
    ] {
        assert!(migrations.change(wish(stage)).await.unwrap().changed);
        victim.point("a command was taken");
    }
}

/// What the journal said when its keeper died.
async fn journal_in(dir: &Path) -> Vec<AuthorityRecord> {
    let datastore = SqliteDatastore::open(&dir.join("db")).await.unwrap();
    let journal = datastore.authorities(None).await.unwrap();
    datastore.close().await;
    journal
}

fn in_state(journal: &[AuthorityRecord], family: Family, state: AuthorityState) -> Vec<&AuthorityRecord> {
    let is_it = |record: &&AuthorityRecord| record.family == family && record.state == state;
    journal.iter().filter(is_it).collect()
}

/// What has to hold of a journal, whenever the process died that kept it.
async fn check(run: &Run, site: &Site, point: usize) {
    let (journal, bundle) = (run.authorities.journal(), run.authorities.bundle());
    let requests = run.datastore.authority_requests().await.unwrap();
    assert!(requests.iter().all(|it| it.family == Family::MlDsa), "{point}");
    let above = site.above.published(AuthorityKind::Jwt);
    for family in FAMILIES {
        let active = in_state(&journal, family, AuthorityState::Active);
        let prepared = in_state(&journal, family, AuthorityState::Prepared);
        let least = usize::from(family != Family::MlDsa);
        assert!((least..=1).contains(&active.len()), "{point}: {family}");
        assert!(prepared.len() <= 1, "{point}: {family}");
        for record in active.into_iter().chain(prepared) {
            let known = match &record.upstream {
                Some(path) => path.root_id.clone(),
                None => record.authority_id.clone(),
            };
            assert_eq!(published(&bundle, &known), Some(false), "{point}: {record:?}");
            let is_above = above.iter().any(|key| key.key_id == record.authority_id);
            assert_eq!(is_above, family == Family::Jwt, "{point}: {record:?}");
            if record.state == AuthorityState::Active {
                assert_eq!(run.signing(family), record.authority_id, "{point}");
            }
        }
    }
    let mut held: Vec<_> = [&run.store, &run.spare]
        .into_iter()
        .flat_map(|store| store.list().unwrap())
        .map(|key| key.id)
        .collect();
    let records = journal.iter();
    let records = records.filter(|record| record.state != AuthorityState::Revoked);
    let keys = records.flat_map(|record| &record.keys);
    for key in keys.chain(requests.iter().flat_map(|request| &request.keys)) {
        assert!(held.contains(&key.key_id), "{point}: {key:?} is lost");
        held.retain(|id| *id != key.key_id);
    }
    assert_eq!(
        held,
        [],
        "{point}: keys that no journal line and no request names"
    );
}

/// Nobody signs who was not published long enough, but where nobody else can.
fn nothing_came_too_early(run: &Run, before: &[AuthorityRecord], now: SystemTime, point: usize) {
    let (journal, bundle) = (run.authorities.journal(), run.authorities.bundle());
    for family in FAMILIES {
        let (was, is) = (
            in_state(before, family, AuthorityState::Active),
            in_state(&journal, family, AuthorityState::Active),
        );
        assert!(was.len() <= 1, "{point}: {family}: two were active at the death");
        let (Some(was), Some(is)) = (was.first(), is.first()) else {
            continue;
        };
        let root = was.upstream.as_ref().map(|path| path.root_id.as_str());
        let stands = root.is_none_or(|root| published(&bundle, root) == Some(false));
        if was.authority_id != is.authority_id && now < was.not_after && stands {
            assert!(is.created_at + NOTICE <= now, "{point}: {is:?}");
        }
    }
}

/// Goes on from what is left until nothing is on its way any more.
async fn go_on(run: &Run, site: &Site, clock: &Arc<TestClock>, point: usize) {
    for _ in 0..3 {
        run.authorities.follow_upstreams().await;
        take_brought(&run.authorities, site, clock).await;
        clock.advance(NOTICE);
        run.authorities.rotate_due().await.unwrap();
    }
    check(run, site, point).await;
    let plan = run.authorities.plan(Family::MlDsa).unwrap();
    let signs = run.authorities.active(Family::MlDsa).unwrap();
    if plan.choice.is_some() {
        assert_eq!(
            signs.suite(),
            plan.wanted.suite,
            "{point}: what was chosen comes about"
        );
    }
    assert_eq!(run.datastore.authority_requests().await.unwrap(), [], "{point}");
}

#[test]
fn what_others_have_a_part_in_is_whole_and_can_be_gone_on_from() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let points = at_each_point("commands::killed::above::victim", |dir, point| {
        let clock = clock_of(dir);
        runtime.block_on(async {
            let site = Site::new(dir, Arc::new(|| {}));
            let before = journal_in(dir).await;
            let settings = site.settings(Suite::MlDsa44);
            let run = Run::try_start(dir, &clock, settings).await.unwrap();
            run.authorities.follow_upstreams().await;
            run.authorities.rotate_due().await.unwrap();
            nothing_came_too_early(&run, &before, clock.now(), point);
            check(&run, &site, point).await;
            go_on(&run, &site, &clock, point).await;
            for family in [Family::Classical, Family::Jwt] {
                let made = run.authorities.prepare(family).await.unwrap();
                run.step(family, Step::Activate, &made.authority_id).await;
            }
            check(&run, &site, point).await;
            // The stage is the one before or the one after, and can be left.
            let migrations = migrations(&run.authorities, &run.datastore, &clock).await;
            let prefer = WishedStage::To(MigrationStage::Prefer);
            assert!(migrations.change(wish(prefer)).await.unwrap().changed, "{point}");
            drop(migrations);
            run.stop().await;
        });
    });
    for step in STEPS {
        assert!(
            points
                .iter()
                .any(|name| step.iter().all(|word| name.contains(word))),
            "the victim does not come to {step:?}: {points:#?}"
        );
    }
}
