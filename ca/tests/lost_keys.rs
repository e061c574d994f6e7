//! Keys that are not where the journal says: a store that leads to another token, a key that somebody destroyed, a
//! token that is away while authorities are made.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_ca::authorities::{
    Authorities, AuthoritiesError, AuthoritySettings, FamilySettings, NOTICE, Step,
};
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::datastore::{AuthorityRecord, AuthorityState, AuthorityStore as _, Datastore};
use symbolon_ca::record::{Limits, Recorder, RecorderTask};
use symbolon_crypto::Component;
use symbolon_hsm::{KekSource, KeyStore as _, SoftwareStore, StoreName, Stores};
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock;
use tempfile::TempDir;

mod stubborn;

use crate::stubborn::Stubborn;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct TestClock(Mutex<SystemTime>);

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// A server's directory, its clock, and which folders its two stores lead to.
struct Site {
    dir: TempDir,
    clock: Arc<TestClock>,
}

/// Its authorities, running: classical and composite ones with ECDSA in `a-token`, ML-DSA in `files`.
struct Run {
    authorities: Arc<Authorities>,
    datastore: Arc<SqliteDatastore>,
    recorder: Recorder,
    task: RecorderTask,
    token: Arc<Stubborn>,
    files: Arc<Stubborn>,
}

fn name(text: &str) -> StoreName {
    StoreName::parse(text).unwrap()
}

fn store(dir: &Path, folder: &str) -> Arc<Stubborn> {
    let kek = KekSource::KeyFile(dir.join("kek"));
    let store = SoftwareStore::open(&dir.join(folder), &kek).unwrap();
    Stubborn::new(store, Component::EcdsaP256Sha256)
}

fn settings() -> AuthoritySettings {
    let family = |family, suite, stores: &[&str]| {
        let stores = stores.iter().map(|text| name(text)).collect();
        FamilySettings::new(family, suite, stores)
    };
    AuthoritySettings {
        trust_domain: TrustDomain::new("example.org").unwrap(),
        server_name: "main".to_owned(),
        ttl: 24 * HOUR,
        families: vec![
            family(Family::Classical, Suite::EcdsaP256, &["a-token"]),
            family(Family::MlDsa, Suite::MlDsa65, &["files"]),
            family(Family::Composite, Suite::MlDsa65EcdsaP256, &["files", "a-token"]),
            family(Family::Jwt, Suite::EcdsaP256, &["a-token"]),
        ],
    }
}

impl Site {
    fn new() -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Self {
            dir: TempDir::new().unwrap(),
            clock: Arc::new(TestClock(Mutex::new(now))),
        }
    }

    fn advance(&self, by: Duration) {
        *self.clock.0.lock().unwrap() += by;
    }

    /// Starts with `a-token` leading to the keys in this folder.
    async fn start(&self, token: &str) -> Result<Run, AuthoritiesError> {
        let datastore = Arc::new(SqliteDatastore::open(&self.dir.path().join("db")).await.unwrap());
        let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
        let (token, files) = (store(self.dir.path(), token), store(self.dir.path(), "files"));
        let mut stores = Stores::new();
        stores.add(name("a-token"), token.clone()).unwrap();
        stores.add(name("files"), files.clone()).unwrap();
        let (authorities, _) = Authorities::open(
            settings(),
            Arc::new(stores),
            datastore.clone() as Arc<dyn Datastore>,
            recorder.clone(),
            self.clock.clone() as Arc<dyn Clock>,
        )
        .await?;
        Ok(Run {
            authorities,
            datastore,
            recorder,
            task,
            token,
            files,
        })
    }

    async fn journal(&self) -> Vec<AuthorityRecord> {
        let datastore = SqliteDatastore::open(&self.dir.path().join("db")).await.unwrap();
        let journal = datastore.authorities(None).await.unwrap();
        datastore.close().await;
        journal
    }
}

impl Run {
    async fn stop(self) {
        drop((self.authorities, self.recorder));
        self.task.shutdown().await.unwrap();
        self.datastore.close().await;
    }

    fn record(&self, family: Family, state: AuthorityState) -> AuthorityRecord {
        let journal = self.authorities.journal();
        let found = |record: &AuthorityRecord| record.family == family && record.state == state;
        journal.into_iter().find(found).unwrap()
    }

    fn signing(&self, family: Family) -> String {
        self.authorities
            .active(family)
            .unwrap()
            .authority_id()
            .to_string()
    }
}

#[tokio::test]
async fn a_store_that_leads_to_another_token_stays_as_it_is() {
    let site = Site::new();
    site.start("token").await.unwrap().stop().await;
    // Successors are due, and would be made in the wrong place.
    site.advance(13 * HOUR);
    let before = site.journal().await;
    let Err(error) = site.start("another").await else {
        panic!("its keys are elsewhere")
    };
    assert!(matches!(error, AuthoritiesError::Store { .. }), "{error}");
    assert_eq!(site.journal().await, before);
    let another = store(site.dir.path(), "another");
    assert_eq!(another.list().unwrap(), [], "nothing was made there");

    // What has expired needs no key: a token that is lost for good is no reason to be down for good.
    site.advance(24 * HOUR);
    let run = site.start("another").await.unwrap();
    assert_eq!(run.token.list().unwrap().len(), 3);
    run.stop().await;
}

#[tokio::test]
async fn what_has_lost_its_key_while_it_waited_never_signs() {
    let site = Site::new();
    let run = site.start("token").await.unwrap();
    site.advance(13 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    let waiting = run.record(Family::Classical, AuthorityState::Prepared);
    run.token.destroy(&waiting.keys[0].key_id).unwrap();

    let signing = run.signing(Family::Classical);
    site.advance(8 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    let next = run.record(Family::Classical, AuthorityState::Prepared);
    assert_ne!(next.authority_id, waiting.authority_id);
    assert_eq!(
        run.signing(Family::Classical),
        signing,
        "the next one has yet to be known to anybody"
    );
    site.advance(NOTICE - Duration::from_secs(1));
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.signing(Family::Classical), signing);
    site.advance(Duration::from_secs(1));
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(
        run.signing(Family::Classical),
        next.authority_id,
        "and it can sign"
    );
    run.stop().await;
    site.start("token").await.unwrap().stop().await;
}

#[tokio::test]
async fn a_token_that_is_away_when_a_successor_is_due_costs_no_authority() {
    let site = Site::new();
    let run = site.start("token").await.unwrap();
    site.advance(13 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    let waiting = run.record(Family::Classical, AuthorityState::Prepared);
    let signing = run.signing(Family::Classical);

    site.advance(8 * HOUR);
    run.token.go_away(true);
    run.authorities.rotate_due().await.unwrap_err();
    let active = run.record(Family::Classical, AuthorityState::Active);
    assert_eq!(
        (&active.authority_id, &signing),
        (&signing, &run.signing(Family::Classical))
    );
    run.token.go_away(false);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(
        run.signing(Family::Classical),
        waiting.authority_id,
        "it has waited"
    );
    run.stop().await;
}

#[tokio::test]
async fn halves_that_were_made_in_vain_are_destroyed_while_the_other_store_is_away() {
    let site = Site::new();
    let run = site.start("token").await.unwrap();
    let keys = run.files.list().unwrap().len();
    run.token.go_away(true);
    site.advance(13 * HOUR);
    for _ in 0..3 {
        run.authorities.rotate_due().await.unwrap_err();
    }
    // The ML-DSA family's successor, and no half of a composite.
    assert_eq!(run.files.list().unwrap().len(), keys + 1);
    run.stop().await;
}

#[tokio::test]
async fn a_store_that_lacks_one_of_its_keys_is_unwell() {
    let site = Site::new();
    let run = site.start("token").await.unwrap();
    assert!(run.authorities.unwell_stores().await.is_empty());
    // Not the first of the token's keys: each is asked for.
    let jwt = run.record(Family::Jwt, AuthorityState::Active);
    run.token.destroy(&jwt.keys[0].key_id).unwrap();
    let unwell = run.authorities.unwell_stores().await;
    let words: Vec<String> = unwell.iter().map(ToString::to_string).collect();
    assert!(
        words.len() == 1 && words[0].starts_with("key store a-token is unwell: no key"),
        "{words:?}"
    );
    run.stop().await;
}

#[tokio::test]
async fn the_key_of_a_revoked_authority_is_destroyed_when_its_token_is_back() {
    let site = Site::new();
    let run = site.start("token").await.unwrap();
    let step = async |step, id: &str| run.authorities.step(Family::Classical, step, id).await;
    let old = run.record(Family::Classical, AuthorityState::Active);
    let made = run.authorities.prepare(Family::Classical).await.unwrap();
    step(Step::Activate, &made.authority_id).await.unwrap();
    step(Step::Taint, &old.authority_id).await.unwrap();
    run.token.go_away(true);
    step(Step::Revoke, &old.authority_id).await.unwrap_err();
    run.record(Family::Classical, AuthorityState::Revoked);
    let is_there = || run.token.store.open(&old.keys[0].key_id).is_ok();
    assert!(is_there());

    run.authorities.rotate_due().await.unwrap_err();
    run.token.go_away(false);
    run.authorities.rotate_due().await.unwrap();
    assert!(!is_there());
    run.stop().await;
}

#[tokio::test]
async fn what_was_activated_signs_though_its_token_goes_away_at_once() {
    let site = Site::new();
    let run = site.start("token").await.unwrap();
    let made = run.authorities.prepare(Family::Classical).await.unwrap();
    run.token.go_away_after(1);
    let step = run
        .authorities
        .step(Family::Classical, Step::Activate, &made.authority_id);
    step.await.unwrap();
    assert_eq!(run.signing(Family::Classical), made.authority_id);

    // On time, too.
    run.token.go_away_after(usize::MAX);
    site.advance(13 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    let waiting = run.record(Family::Classical, AuthorityState::Prepared);
    site.advance(8 * HOUR);
    run.token.go_away_after(1);
    // The next family that has a key there finds the token gone.
    run.authorities.rotate_due().await.unwrap_err();
    assert_eq!(run.signing(Family::Classical), waiting.authority_id);
    run.stop().await;
}

/// The journal may say that another signs, whose key is not to be had: a datastore that took a step and broke down before
/// it said so, and then a token that is away.
#[tokio::test]
async fn what_was_replaced_goes_on_while_it_is_no_worse_than_old() {
    let site = Site::new();
    let run = site.start("token").await.unwrap();
    let before = run.signing(Family::Classical);
    let made = run.authorities.prepare(Family::Classical).await.unwrap();
    let now = site.clock.now();
    run.datastore
        .change_authority_state(&made.authority_id, AuthorityState::Active, now)
        .await
        .unwrap();
    run.token.go_away(true);
    run.authorities.rotate_due().await.unwrap_err();
    assert_eq!(run.signing(Family::Classical), before);

    let taint = run.authorities.step(Family::Classical, Step::Taint, &before);
    taint.await.unwrap_err();
    run.record(Family::Classical, AuthorityState::Tainted);
    assert!(run.authorities.active(Family::Classical).is_none());
    let revoke = run.authorities.step(Family::Classical, Step::Revoke, &before);
    revoke.await.unwrap_err();
    assert!(run.authorities.active(Family::Classical).is_none());

    run.token.go_away(false);
    run.authorities.rotate_due().await.unwrap();
    assert_eq!(run.signing(Family::Classical), made.authority_id);
    run.stop().await;
}
