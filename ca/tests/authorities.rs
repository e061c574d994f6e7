//! The life of authorities under a clock that the test sets, on a real datastore and a real key store.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_ca::authorities::{
    Authorities, AuthoritiesError, AuthoritySettings, Change, ChangeKind, FamilySettings,
};
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::datastore::{AuthorityState, CertificateStore, Datastore};
use symbolon_ca::issuer::{Companion, IssueError, Issuer, JwtOrder, X509Order};
use symbolon_ca::record::{Limits, Recorder, RecorderTask};
use symbolon_crypto::Component;
use symbolon_hsm::{KekSource, KeyLabel, KeyStore as _, SoftwareStore, StoreName, Stores};
use symbolon_issuance::SvidProfile;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::time::{Clock, from_unix_seconds, unix_seconds};
use symbolon_pki::verify::verify_x509_svid;
use tempfile::TempDir;

mod commands;
mod due;
#[path = "upstream/kept.rs"]
mod kept;
mod stubborn;

use crate::stubborn::Stubborn;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct TestClock(Mutex<SystemTime>);

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        )))
    }

    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// One run of a server's authorities on a directory.
struct Run {
    authorities: Arc<Authorities>,
    changes: Vec<Change>,
    datastore: Arc<SqliteDatastore>,
    recorder: Recorder,
    task: RecorderTask,
    store: Arc<Stubborn>,
    /// Another one, in which nothing is by the settings.
    spare: Arc<Stubborn>,
}

impl Run {
    async fn start(dir: &Path, clock: &Arc<TestClock>) -> Self {
        Self::try_start(dir, clock, settings(Suite::EcdsaP256))
            .await
            .unwrap()
    }

    async fn try_start(
        dir: &Path,
        clock: &Arc<TestClock>,
        settings: AuthoritySettings,
    ) -> Result<Self, AuthoritiesError> {
        let datastore = Arc::new(SqliteDatastore::open(&dir.join("db")).await.unwrap());
        let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
        let kek = KekSource::KeyFile(dir.join("kek"));
        // The P-384 key stands for one on a token that goes away.
        let store = Stubborn::new(
            SoftwareStore::open(&dir.join("keys"), &kek).unwrap(),
            Component::EcdsaP384Sha384,
        );
        let spare = SoftwareStore::open(&dir.join("spare"), &kek).unwrap();
        let spare = Stubborn::new(spare, Component::EcdsaP384Sha384);
        let mut stores = Stores::new();
        stores.add(store_name(), store.clone()).unwrap();
        stores.add(spare_name(), spare.clone()).unwrap();
        let (authorities, changes) = Authorities::open(
            settings,
            Arc::new(stores),
            datastore.clone() as Arc<dyn Datastore>,
            recorder.clone(),
            clock.clone() as Arc<dyn Clock>,
        )
        .await?;
        Ok(Self {
            authorities,
            changes,
            datastore,
            recorder,
            task,
            store,
            spare,
        })
    }

    async fn stop(self) {
        drop((self.authorities, self.recorder));
        self.task.shutdown().await.unwrap();
        self.datastore.close().await;
    }

    fn kinds(&self) -> BTreeSet<&'static str> {
        self.changes.iter().map(|change| kind(change.kind)).collect()
    }

    fn ids(&self) -> Vec<String> {
        [Family::Classical, Family::MlDsa, Family::Composite]
            .map(|family| {
                self.authorities
                    .active(family)
                    .unwrap()
                    .authority_id()
                    .to_string()
            })
            .to_vec()
    }
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Prepared => "prepared",
        ChangeKind::Activated => "activated",
        ChangeKind::Rotated => "rotated",
        ChangeKind::ReplacedExpired => "replaced",
        ChangeKind::Tainted => "tainted",
        ChangeKind::Revoked => "revoked",
        ChangeKind::Forgotten => "forgotten",
    }
}

fn store_name() -> StoreName {
    StoreName::parse("software").unwrap()
}

fn spare_name() -> StoreName {
    StoreName::parse("spare").unwrap()
}

fn settings(classical: Suite) -> AuthoritySettings {
    let family = |family, suite| FamilySettings::new(family, suite, vec![store_name()]);
    AuthoritySettings {
        trust_domain: TrustDomain::new("example.org").unwrap(),
        server_name: "main".to_owned(),
        ttl: 24 * HOUR,
        families: vec![
            family(Family::Classical, classical),
            family(Family::MlDsa, Suite::MlDsa65),
            family(Family::Composite, Suite::MlDsa65EcdsaP256),
            family(Family::Jwt, Suite::EcdsaP256),
        ],
    }
}

#[tokio::test]
async fn a_new_server_makes_every_family_and_a_later_one_finds_them() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let first = Run::start(dir.path(), &clock).await;
    assert_eq!(first.kinds(), BTreeSet::from(["activated", "prepared"]));
    assert_eq!(
        first.changes.len(),
        8,
        "each of four families is prepared and activated"
    );
    let (ids, bundle) = (first.ids(), first.authorities.bundle());
    assert_eq!(bundle.x509_authorities.len(), 3);
    assert_eq!(bundle.jwt_authorities.len(), 1);
    first.stop().await;

    clock.advance(HOUR);
    let second = Run::start(dir.path(), &clock).await;
    assert_eq!((second.ids(), second.changes.len()), (ids, 0));
    assert_eq!(
        second.authorities.bundle().sequence,
        bundle.sequence,
        "nothing was published anew"
    );
    second.stop().await;
}

#[tokio::test]
async fn a_clock_before_the_authoritys_beginning_is_refused_and_changes_nothing() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::start(dir.path(), &clock).await;
    let ids = run.ids();
    run.stop().await;

    let earlier = TestClock::new();
    *earlier.0.lock().unwrap() -= HOUR;
    let Err(error) = Run::try_start(dir.path(), &earlier, settings(Suite::EcdsaP256)).await else {
        panic!("the clock is wrong")
    };
    assert!(matches!(error, AuthoritiesError::ClockInThePast { .. }));
    assert!(error.to_string().ends_with("set the clock"), "{error}");

    let run = Run::start(dir.path(), &clock).await;
    assert_eq!((run.ids(), run.changes.len()), (ids, 0));
    run.stop().await;
}

#[tokio::test]
async fn a_key_that_no_journal_line_names_is_destroyed_and_a_strangers_is_not() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::start(dir.path(), &clock).await;
    let orphan = KeyLabel::of("example.org", "main", "classical", Component::EcdsaP256Sha256).unwrap();
    let stranger = KeyLabel::of("example.org", "other", "classical", Component::EcdsaP256Sha256).unwrap();
    let (orphan, _) = run.store.generate(Component::EcdsaP256Sha256, &orphan).unwrap();
    let (stranger, _) = run.store.generate(Component::EcdsaP256Sha256, &stranger).unwrap();
    run.stop().await;

    let run = Run::start(dir.path(), &clock).await;
    let ids: Vec<_> = run.store.list().unwrap().into_iter().map(|key| key.id).collect();
    assert!(!ids.contains(&orphan.id) && ids.contains(&stranger.id));
    assert_eq!(ids.len(), 6);
    run.stop().await;
}

#[tokio::test]
async fn a_suite_of_another_family_is_refused_before_any_key_is_made() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let Err(error) = Run::try_start(dir.path(), &clock, settings(Suite::MlDsa65)).await else {
        panic!("ML-DSA is not classical")
    };
    assert!(
        error
            .to_string()
            .contains("choose one of ecdsa-p256, ecdsa-p384, ed25519"),
        "{error}"
    );
}

fn order(key: &PrivateKey, path: &str) -> X509Order {
    X509Order {
        profile: SvidProfile::Workload,
        spiffe_id: format!("spiffe://example.org{path}").parse().unwrap(),
        key: SubjectKey::Suite(key.public_key().unwrap()),
        companion: Companion::None,
        dns_names: Vec::new(),
        ttl: HOUR,
        ends_by: None,
        entry_id: Some("entry-1".to_owned()),
        agent_id: None,
    }
}

/// An order's lifetime was counted when it was placed; what is signed later ends no later for it.
#[tokio::test]
async fn what_is_signed_late_ends_in_time() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::start(dir.path(), &clock).await;
    let issuer = Issuer::new(run.authorities.clone(), run.recorder.clone(), clock.clone(), 1).unwrap();
    let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
    let end = from_unix_seconds(unix_seconds(clock.now()) + 10).unwrap();
    let bounded = X509Order {
        ends_by: Some(end),
        ..order(&key, "/web")
    };
    let issued = issuer.issue(vec![bounded]).await.remove(0).unwrap();
    assert_eq!(issued.not_after, end);
    let token = JwtOrder {
        spiffe_id: "spiffe://example.org/web".parse().unwrap(),
        audience: vec!["db".to_owned()],
        ttl: HOUR,
        ends_by: Some(end),
        has_id: false,
    };
    assert_eq!(issuer.mint_jwt(token).await.unwrap().expires_at, end);
    drop(issuer);
    run.stop().await;
}

#[tokio::test]
async fn a_batch_is_issued_in_order_recorded_and_verifies_and_a_bad_order_hurts_nobody() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::start(dir.path(), &clock).await;
    let issuer = Issuer::new(run.authorities.clone(), run.recorder.clone(), clock.clone(), 2).unwrap();
    let keys: Vec<PrivateKey> = Form::OF_KEYS
        .into_iter()
        .map(|form| PrivateKey::generate(form.default_suite()).unwrap())
        .collect();
    let mut orders: Vec<X509Order> = keys.iter().map(|key| order(key, "/web")).collect();
    orders.insert(1, order(&keys[0], "/spire/server"));

    let issued = issuer.issue(orders).await;
    assert!(
        matches!(&issued[1], Err(IssueError::Issuance(_))),
        "{:?}",
        issued[1]
    );
    for (result, form) in [
        (&issued[0], Form::Classical),
        (&issued[2], Form::MlDsa),
        (&issued[3], Form::Composite),
    ] {
        let svid = result.as_ref().unwrap();
        assert_eq!(svid.form, form);
        let chain: Vec<_> = svid
            .chain
            .iter()
            .map(|der| Certificate::from_der(der).unwrap())
            .collect();
        let verified = verify_x509_svid(&chain, &run.authorities.bundles(), clock.now()).unwrap();
        assert_eq!((verified.form, verified.spiffe_id.path()), (form, "/web"));
        let serial = svid.serial_hex.parse().unwrap();
        let record = run.datastore.certificate(&serial).await.unwrap().unwrap();
        assert_eq!(
            record.der.as_ref(),
            svid.chain.first(),
            "on record before it was handed out"
        );
    }
    drop(issuer);
    run.stop().await;
}

#[tokio::test]
async fn an_authoritys_own_key_is_not_certified_as_a_workloads() {
    let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
    let run = Run::start(dir.path(), &clock).await;
    let issuer = Issuer::new(run.authorities.clone(), run.recorder.clone(), clock.clone(), 1).unwrap();
    let composite = run.authorities.active(Family::Composite).unwrap();
    // Half of the composite authority's key, on its own.
    let half = composite.signer().public_key().components()[0]
        .as_bytes()
        .to_vec();
    let half = symbolon_pki::key::SuitePublicKey::parse(Suite::MlDsa65, &half).unwrap();
    let key = PrivateKey::generate(Suite::MlDsa65).unwrap();
    let stolen = X509Order {
        key: SubjectKey::Suite(half),
        ..order(&key, "/web")
    };
    let issued = issuer.issue(vec![stolen]).await;
    assert!(
        matches!(&issued[0], Err(IssueError::AuthorityKey)),
        "{:?}",
        issued[0]
    );
    let journal = run.authorities.journal();
    assert!(
        journal
            .iter()
            .all(|record| record.state == AuthorityState::Active)
    );
    drop((issuer, composite));
    run.stop().await;
}
