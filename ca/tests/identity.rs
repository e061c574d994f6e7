//! The server's own SVIDs under a clock that the test sets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_ca::authorities::{Authorities, Step};
use symbolon_ca::config::ServerConfig;
use symbolon_ca::datastore::Datastore;
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::identity::ServerIdentity;
use symbolon_ca::issuer::Issuer;
use symbolon_ca::record::{Limits, Recorder};
use symbolon_crypto::Component;
use symbolon_hsm::{KekSource, SoftwareStore, StoreName, Stores};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::{Family, Form};
use symbolon_pki::time::Clock;
use symbolon_pki::verify::verify_x509_svid;
use symbolon_tls::IdentitySource;
use tempfile::TempDir;

mod stubborn;

use crate::stubborn::Stubborn;

/// Those that a server presents itself in.
const FORMS: [Form; 4] = [Form::Classical, Form::MlDsa, Form::Composite, Form::Catalyst];

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct TestClock(Mutex<SystemTime>);

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// Form and serial number of each SVID that is presented, all of which must be good at this moment.
fn presented(source: &dyn IdentitySource, now: SystemTime) -> Vec<(Form, String)> {
    let facts = |identity: &Arc<symbolon_tls::SvidIdentity>| {
        let chain: Vec<_> = identity
            .chain()
            .iter()
            .map(|der| Certificate::from_der(der).unwrap())
            .collect();
        let verified = verify_x509_svid(&chain, &source.bundles(), now).unwrap();
        assert_eq!(
            verified.spiffe_id.to_string(),
            "spiffe://example.org/spire/server"
        );
        assert_eq!(verified.form, identity.form());
        (verified.form, chain[0].serial_hex())
    };
    source.identities().iter().map(facts).collect()
}

#[tokio::test]
async fn they_are_renewed_at_half_life_and_when_another_authority_signs() {
    let dir = TempDir::new().unwrap();
    let clock = Arc::new(TestClock(Mutex::new(
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    )));
    let advance = |by: Duration| *clock.0.lock().unwrap() += by;
    let datastore = Arc::new(SqliteDatastore::open(&dir.path().join("db")).await.unwrap());
    let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
    let kek = KekSource::KeyFile(dir.path().join("kek"));
    let mut stores = Stores::new();
    let store = SoftwareStore::open(&dir.path().join("keys"), &kek).unwrap();
    let store = Stubborn::new(store, Component::MlDsa65);
    stores
        .add(StoreName::parse("software").unwrap(), store.clone())
        .unwrap();
    let config = ServerConfig::new(TrustDomain::new("example.org").unwrap(), dir.path());
    let (authorities, _) = Authorities::open(
        config.authority_settings(&stores).unwrap(),
        Arc::new(stores),
        datastore.clone() as Arc<dyn Datastore>,
        recorder.clone(),
        clock.clone(),
    )
    .await
    .unwrap();
    let issuer = Arc::new(Issuer::new(authorities.clone(), recorder, clock.clone(), 1).unwrap());
    let identity = ServerIdentity::open(issuer, HOUR, clock.clone()).await.unwrap();
    let source = identity.source();
    let now = || presented(source.as_ref(), clock.now());

    let first = now();
    assert_eq!(first.iter().map(|(form, _)| *form).collect::<Vec<_>>(), FORMS);
    advance(HOUR / 2 - Duration::from_secs(1));
    identity.renew_due().await.unwrap();
    assert_eq!(now(), first);
    advance(Duration::from_secs(1));
    identity.renew_due().await.unwrap();
    let second = now();
    assert!(
        first
            .iter()
            .zip(&second)
            .all(|(old, new)| old.0 == new.0 && old.1 != new.1),
        "all are new"
    );

    // Twenty hours on, a sixth of the authorities' life is left and their successors sign.
    advance(12 * HOUR);
    authorities.rotate_due().await.unwrap();
    advance(8 * HOUR);
    authorities.rotate_due().await.unwrap();
    identity.renew_due().await.unwrap();
    let third = now();
    advance(Duration::from_secs(60));
    identity.renew_due().await.unwrap();
    assert_eq!(now(), third, "nothing is due");
    assert_eq!(
        source.bundles().iter().next().unwrap().x509_authorities.len(),
        8,
        "the old authorities still count"
    );

    // The families with an ML-DSA key get no successors and end; the classical one goes on by itself.
    store.refuse(true);
    advance(25 * HOUR);
    authorities.rotate_due().await.unwrap_err();
    identity.renew_due().await.unwrap_err();
    let fourth = now();
    assert_eq!(
        fourth.iter().map(|(form, _)| *form).collect::<Vec<_>>(),
        [Form::Classical]
    );
    assert_ne!(fourth[0], third[0]);

    store.refuse(false);
    authorities.rotate_due().await.unwrap();
    identity.renew_due().await.unwrap();
    assert_eq!(now().len(), FORMS.len());

    // What is revoked lets nobody in from then on, though no SVID was renewed since.
    let old = authorities.active(Family::Classical).unwrap();
    let old = old.authority_id().to_string();
    let believed = |id: &str| {
        let bundles = source.bundles();
        let mut authorities = bundles.iter().flat_map(|bundle| &bundle.x509_authorities);
        authorities.any(|authority| authority.id().to_string() == id)
    };
    let made = authorities.prepare(Family::Classical).await.unwrap();
    assert!(believed(&old) && believed(&made.authority_id));
    for (step, id) in [
        (Step::Activate, &made.authority_id),
        (Step::Taint, &old),
        (Step::Revoke, &old),
    ] {
        authorities.step(Family::Classical, step, id).await.unwrap();
    }
    assert!(!believed(&old) && believed(&made.authority_id));
    drop((identity, authorities));
    task.shutdown().await.unwrap();
}
