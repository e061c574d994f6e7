//! The making of a catalyst authority takes two keys in two stores and two signatures. Wherever between them the process
//! dies, the next start has whole authorities alone, and the stores have no keys but theirs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a victim speaks on its standard output"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;
use symbolon_ca::authorities::{Authorities, AuthoritySettings, FamilySettings};
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::datastore::{AuthorityState, Datastore};
use symbolon_ca::record::{Limits, Recorder, RecorderTask};
use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey, SignError};
use symbolon_hsm::{
    KekSource, KeyId, KeyInfo, KeyLabel, KeyStore, SoftwareStore, StoreError, StoreName, Stores, Unsupported,
};
use symbolon_pki::catalyst::verify_alternative;
use symbolon_pki::key::component_spki_hash;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock;
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

/// What tells a victim where to work and where to stop.
const VICTIM_DIR: &str = "SYMBOLON_TEST_VICTIM_DIR";
const VICTIM_STOP: &str = "SYMBOLON_TEST_VICTIM_STOP";
const VICTIM_TASK: &str = "SYMBOLON_TEST_VICTIM_TASK";
/// What a victim says when it has come there.
const STOPPED: &str = "stopped here";

/// Where the making of an authority stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stop {
    /// The native key is made, the alternative one is not.
    BeforeSecondKey,
    /// Both are made, and nobody but the store knows of the second.
    AfterSecondKey,
    /// The certificate is recorded as one that is to be signed, and the alternative key is about to.
    Signing,
}

impl Stop {
    const ALL: [Self; 3] = [Self::BeforeSecondKey, Self::AfterSecondKey, Self::Signing];
}

/// Which authority is being made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Task {
    /// The first one of the server.
    First,
    /// The successor of one that signs.
    Successor,
}

impl Task {
    const ALL: [Self; 2] = [Self::First, Self::Successor];
}

/// Says that this is the place, and stays there until the process is killed.
fn stop() -> ! {
    println!("\n{STOPPED}");
    loop {
        std::thread::park();
    }
}

/// A store of alternative keys that stops, once it is armed.
#[derive(Debug)]
struct Fatal {
    store: SoftwareStore,
    at: Option<Stop>,
    armed: AtomicBool,
}

impl Fatal {
    fn is_at(&self, place: Stop) -> bool {
        self.at == Some(place) && self.armed.load(Ordering::Relaxed)
    }
}

/// A key that never signs.
#[derive(Debug)]
struct FatalKey(Arc<dyn HeldKey>);

impl HeldKey for FatalKey {
    fn component(&self) -> Component {
        self.0.component()
    }

    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign(&self, _: &[u8], _: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        stop()
    }
}

impl KeyStore for Fatal {
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
        if self.is_at(Stop::BeforeSecondKey) {
            stop();
        }
        let (info, key) = self.store.generate(component, label)?;
        if self.is_at(Stop::AfterSecondKey) {
            stop();
        }
        match self.is_at(Stop::Signing) {
            true => Ok((info, Arc::new(FatalKey(key)))),
            false => Ok((info, key)),
        }
    }

    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        KeyStore::open(&self.store, id)
    }

    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        self.store.list()
    }

    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        self.store.destroy(id)
    }
}

#[derive(Debug)]
struct TestClock(Mutex<SystemTime>);

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// Authorities of the catalyst family, running: native keys in `native`, alternative ones in `alternative`.
struct Run {
    authorities: Arc<Authorities>,
    datastore: Arc<SqliteDatastore>,
    recorder: Recorder,
    task: RecorderTask,
    clock: Arc<TestClock>,
    native: Arc<SoftwareStore>,
    alternative: Arc<Fatal>,
}

fn name(text: &str) -> StoreName {
    StoreName::parse(text).unwrap()
}

impl Run {
    async fn start(dir: &Path, at: Option<Stop>, armed: bool) -> Self {
        let store = |folder: &str| {
            let kek = KekSource::KeyFile(dir.join("kek"));
            SoftwareStore::open(&dir.join(folder), &kek).unwrap()
        };
        let native = Arc::new(store("native"));
        let alternative = Arc::new(Fatal {
            store: store("alternative"),
            at,
            armed: AtomicBool::new(armed),
        });
        let mut stores = Stores::new();
        stores.add(name("native"), native.clone()).unwrap();
        stores.add(name("alternative"), alternative.clone()).unwrap();
        let mut family = FamilySettings::new(
            Family::Catalyst,
            Suite::EcdsaP256,
            vec![name("native"), name("alternative")],
        );
        family.alternative = Some(Suite::MlDsa44);
        let settings = AuthoritySettings {
            trust_domain: TrustDomain::new("example.org").unwrap(),
            server_name: "main".to_owned(),
            ttl: 24 * HOUR,
            families: vec![family],
        };
        let datastore = Arc::new(SqliteDatastore::open(&dir.join("db")).await.unwrap());
        let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let (authorities, _) = Authorities::open(
            settings,
            Arc::new(stores),
            datastore.clone() as Arc<dyn Datastore>,
            recorder.clone(),
            clock.clone() as Arc<dyn Clock>,
        )
        .await
        .unwrap();
        Self {
            authorities,
            datastore,
            recorder,
            task,
            clock,
            native,
            alternative,
        }
    }

    /// Makes the successor that is due after half of the lives.
    async fn make_successor(&self) {
        *self.clock.0.lock().unwrap() += 13 * HOUR;
        self.authorities.rotate_due().await.unwrap();
    }

    /// The states of the authorities, after checking that they and the stores' keys are whole, and each other's.
    fn states(&self) -> Vec<AuthorityState> {
        let journal = self.authorities.journal();
        for record in &journal {
            assert_eq!(record.keys.len(), 2, "{record:?}");
        }
        let named: BTreeSet<_> = journal
            .iter()
            .flat_map(|record| &record.keys)
            .map(|key| (key.store.to_string(), key.spki_sha256))
            .collect();
        let lists = [
            ("native", self.native.list().unwrap()),
            ("alternative", self.alternative.list().unwrap()),
        ];
        let held: BTreeSet<_> = lists
            .iter()
            .flat_map(|(store, keys)| keys.iter().map(|key| (*store, key)))
            .map(|(store, key)| (store.to_owned(), component_spki_hash(&key.public_key)))
            .collect();
        assert_eq!(held, named, "the stores have other keys than the journal");
        let active = self.authorities.active(Family::Catalyst).unwrap();
        verify_alternative(active.certificate(), active.certificate()).unwrap();
        journal.iter().map(|record| record.state).collect()
    }

    async fn end(self) {
        drop((self.authorities, self.recorder));
        self.task.shutdown().await.unwrap();
        self.datastore.close().await;
    }
}

/// Not a test of its own: what the test below runs in a process that it kills.
#[tokio::test]
#[ignore = "run by the other test, in a process of its own"]
async fn victim() {
    let Some(dir) = std::env::var_os(VICTIM_DIR).map(PathBuf::from) else {
        return;
    };
    let told = |variable: &str| std::env::var(variable).unwrap();
    let at = Stop::ALL
        .into_iter()
        .find(|stop| format!("{stop:?}") == told(VICTIM_STOP));
    let is_first = told(VICTIM_TASK) == format!("{:?}", Task::First);
    let run = Run::start(&dir, at, is_first).await;
    run.alternative.armed.store(true, Ordering::Relaxed);
    run.make_successor().await;
    panic!("it was to stop at {at:?}");
}

/// Lets a victim work in `dir` until it stops, and kills it there with SIGKILL.
fn kill(dir: &Path, at: Stop, task: Task) {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "victim",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(VICTIM_DIR, dir)
        .env(VICTIM_STOP, format!("{at:?}"))
        .env(VICTIM_TASK, format!("{task:?}"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(victim.stdout.take().unwrap());
    let has_stopped = output.lines().any(|line| line.unwrap() == STOPPED);
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert!(has_stopped, "the victim ended before {at:?}");
}

#[tokio::test]
async fn an_authority_is_whole_or_gone_wherever_its_making_is_killed() {
    for at in Stop::ALL {
        for task in Task::ALL {
            let scratch = TempDir::new().unwrap();
            let dir = scratch.path();
            if task == Task::Successor {
                Run::start(dir, None, false).await.end().await;
            }
            // Twice: what the first left must not be in the way of the second.
            kill(dir, at, task);
            kill(dir, at, task);

            let run = Run::start(dir, None, false).await;
            assert_eq!(run.states(), [AuthorityState::Active], "{task:?} at {at:?}");
            run.make_successor().await;
            assert_eq!(
                run.states(),
                [AuthorityState::Active, AuthorityState::Prepared],
                "{task:?} at {at:?}"
            );
            run.end().await;
        }
    }
}
