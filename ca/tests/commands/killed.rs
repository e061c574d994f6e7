//! A process that is killed while it takes commands: before and after each transaction of the journal, at each use of a
//! key store in between, and after each command.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use symbolon_ca::authorities::{NOTICE, Rotation};
use symbolon_crypto::{HeldKey, MlDsaContext, PublicKey, SignError};
use symbolon_hsm::{KeyId, KeyInfo, KeyStore, StoreError, Unsupported};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::*;

const DIR: &str = "SYMBOLON_TEST_AUTHORITIES_DIR";
/// The file with the time by the victim's clock, once that has moved.
const CLOCK: &str = "clock";
const POINT: &str = "SYMBOLON_TEST_AUTHORITIES_POINT";

/// The families that the victim commands: one with certificates, one without.
const COMMANDED: [Family; 2] = [Family::Classical, Family::Wit];

/// Kills the process when it comes to the point of this number. Number 0 is never come to.
#[derive(Debug)]
struct Fate {
    at: usize,
    passed: AtomicUsize,
}

impl Fate {
    fn point(&self) {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
            // Until the signal is there, nothing more is done.
            loop {
                std::thread::park();
            }
        }
    }
}

#[derive(Debug)]
struct Mortal {
    store: Arc<SoftwareStore>,
    fate: Arc<Fate>,
}

#[derive(Debug)]
struct MortalKey {
    key: Arc<dyn HeldKey>,
    fate: Arc<Fate>,
}

impl HeldKey for MortalKey {
    fn component(&self) -> Component {
        self.key.component()
    }
    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }
    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        self.fate.point();
        self.key.sign(message, context)
    }
}

impl Mortal {
    fn key(&self, key: Arc<dyn HeldKey>) -> Arc<dyn HeldKey> {
        let fate = self.fate.clone();
        Arc::new(MortalKey { key, fate })
    }
}

impl KeyStore for Mortal {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }
    fn offers(&self, component: Component) -> Result<(), Unsupported> {
        self.store.offers(component)
    }
    fn generate(
        &self,
        component: Component,
        label: &KeyLabel,
    ) -> Result<(KeyInfo, Arc<dyn HeldKey>), StoreError> {
        self.fate.point();
        let (info, key) = self.store.generate(component, label)?;
        self.fate.point();
        Ok((info, self.key(key)))
    }
    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        self.fate.point();
        self.store.open(id).map(|key| self.key(key))
    }
    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        self.fate.point();
        self.store.list()
    }
    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        self.fate.point();
        self.store.destroy(id)?;
        self.fate.point();
        Ok(())
    }
}

/// Dies where something is told: the journal is, at each of its transactions.
struct MortalLog(Arc<Fate>);

impl<S: Subscriber> Layer<S> for MortalLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("symbolon_ca::authorities") {
            self.0.point();
        }
    }
}

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
    let (Some(dir), Ok(point)) = (std::env::var_os(DIR), std::env::var(POINT)) else {
        return;
    };
    let fate = Arc::new(Fate {
        at: point.parse().unwrap(),
        passed: AtomicUsize::new(0),
    });
    tracing_subscriber::registry()
        .with(MortalLog(fate.clone()))
        .init();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(command_all(Path::new(&dir), &fate));
    std::fs::write(
        Path::new(&dir).join("points"),
        fate.passed.load(Ordering::SeqCst).to_string(),
    )
    .unwrap();
}

async fn command_all(dir: &Path, fate: &Arc<Fate>) {
    let datastore = Arc::new(SqliteDatastore::open(&dir.join("db")).await.unwrap());
    let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
    let kek = KekSource::KeyFile(dir.join("kek"));
    let mut stores = Stores::new();
    for (name, place) in [(store_name(), "keys"), (spare_name(), "spare")] {
        let store = Mortal {
            store: Arc::new(SoftwareStore::open(&dir.join(place), &kek).unwrap()),
            fate: fate.clone(),
        };
        stores.add(name, Arc::new(store)).unwrap();
    }
    let clock = TestClock::new();
    let (authorities, _) = Authorities::open(
        two_families(),
        Arc::new(stores),
        datastore.clone() as Arc<dyn Datastore>,
        recorder.clone(),
        clock.clone() as Arc<dyn Clock>,
    )
    .await
    .unwrap();
    for family in COMMANDED {
        // One is let go unused, the next signs, and what signed before goes the rest of its way.
        authorities.prepare(family).await.unwrap();
        fate.point();
        let made = authorities.prepare(family).await.unwrap();
        fate.point();
        for step in Step::ALL {
            let id = match step {
                Step::Activate => made.authority_id.clone(),
                Step::Taint | Step::Revoke => replaced(&authorities, family),
            };
            authorities.step(family, step, &id).await.unwrap();
            fate.point();
        }
        // And one that waits gives way to what the family is to be from then on.
        authorities.prepare(family).await.unwrap();
        fate.point();
        authorities.rotate(family, &chosen(family)).await.unwrap();
        fate.point();
        clock.advance(NOTICE);
        // Whoever goes on from here does so later, not earlier.
        std::fs::write(dir.join(CLOCK), unix_seconds(clock.now()).to_string()).unwrap();
        authorities.rotate_due().await.unwrap();
        fate.point();
    }
    drop((authorities, recorder));
    task.shutdown().await.unwrap();
    datastore.close().await;
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

/// How many points the victim comes to if it dies at this one; `None` if it died.
fn run_until(dir: &Path, point: usize) -> Option<usize> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "commands::killed::victim",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DIR, dir)
        .env(POINT, point.to_string())
        .output()
        .unwrap();
    let points = std::fs::read_to_string(dir.join("points")).ok();
    assert_eq!(output.status.success(), points.is_some(), "{output:?}");
    points.map(|points| points.parse().unwrap())
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
    let whole = TempDir::new().unwrap();
    let points = run_until(whole.path(), 0).unwrap();
    assert!(points > 100, "the victim has {points} points");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for point in 1..=points {
        let (dir, clock) = (TempDir::new().unwrap(), TestClock::new());
        assert_eq!(
            run_until(dir.path(), point),
            None,
            "the victim comes to point {point}"
        );
        if let Ok(seconds) = std::fs::read_to_string(dir.path().join(CLOCK)) {
            *clock.0.lock().unwrap() = from_unix_seconds(seconds.parse().unwrap()).unwrap();
        }
        runtime.block_on(async {
            let run = Run::try_start(dir.path(), &clock, two_families()).await.unwrap();
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
    }
}
