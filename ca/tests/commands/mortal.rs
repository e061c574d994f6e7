//! A process that is killed at a point of what it does: before and after each transaction of the journal, at each use of a
//! key store or of an upstream in between, and after each command.

use std::fmt::Debug;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use symbolon_crypto::{HeldKey, MlDsaContext, PublicKey, SignError};
use symbolon_hsm::{KeyId, KeyInfo, KeyStore, StoreError, Unsupported};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::*;

const DIR: &str = "SYMBOLON_TEST_AUTHORITIES_DIR";
const POINT: &str = "SYMBOLON_TEST_AUTHORITIES_POINT";

/// The file with the time by the victim's clock, once that has moved.
const CLOCK: &str = "clock";
/// The file with the points that the victim came to, one on a line, if it came to its end.
const POINTS: &str = "points";

/// Kills the process when it comes to the point of this number. Number 0 is never come to.
#[derive(Debug)]
pub(super) struct Fate {
    at: usize,
    passed: AtomicUsize,
    names: Mutex<Vec<String>>,
}

impl Fate {
    pub(super) fn point(&self, name: &str) {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
            // Until the signal is there, nothing more is done.
            loop {
                std::thread::park();
            }
        }
        self.names.lock().unwrap().push(name.to_owned());
    }
}

#[derive(Debug)]
struct Mortal {
    store: SoftwareStore,
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
        self.fate.point("store: sign");
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
        self.fate.point("store: before a key is made");
        let (info, key) = self.store.generate(component, label)?;
        self.fate.point("store: after a key was made");
        Ok((info, self.key(key)))
    }
    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        self.fate.point("store: open");
        self.store.open(id).map(|key| self.key(key))
    }
    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        self.fate.point("store: list");
        self.store.list()
    }
    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        self.fate.point("store: before a key is destroyed");
        self.store.destroy(id)?;
        self.fate.point("store: after a key was destroyed");
        Ok(())
    }
}

/// Dies where something is told: the journal is, at each of its transactions.
struct MortalLog(Arc<Fate>);

impl<S: Subscriber> Layer<S> for MortalLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        let is_told = |of: &str| target == of || target.starts_with(&format!("{of}::"));
        if is_told("symbolon_ca::authorities") || is_told("symbolon_ca::migration") {
            let mut words = Words(String::new());
            event.record(&mut words);
            self.0.point(words.0.trim());
        }
    }
}

/// What says of which kind an event is.
struct Words(String);

impl Words {
    fn add(&mut self, field: &Field, value: &str) {
        let name = field.name();
        if ["event", "family", "state", "message", "forgotten", "to"].contains(&name) {
            self.0.push_str(value);
            self.0.push(' ');
        }
    }
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format!("{value:?}"));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }
}

/// What a victim is: where it lives, and when it dies.
pub(super) struct Victim {
    pub(super) dir: PathBuf,
    pub(super) fate: Arc<Fate>,
    pub(super) clock: Arc<TestClock>,
}

impl Victim {
    /// Does this work in this process, if it was started to be a victim.
    pub(super) fn does(work: impl AsyncFnOnce(&Self)) {
        let Some(victim) = Self::of_this_process() else {
            return;
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(work(&victim));
        victim.lived();
    }

    /// This process, if it was started to be one.
    fn of_this_process() -> Option<Self> {
        let (dir, point) = (std::env::var_os(DIR)?, std::env::var(POINT).ok()?);
        let fate = Arc::new(Fate {
            at: point.parse().unwrap(),
            passed: AtomicUsize::new(0),
            names: Mutex::default(),
        });
        tracing_subscriber::registry()
            .with(MortalLog(fate.clone()))
            .init();
        Some(Self {
            dir: dir.into(),
            fate,
            clock: TestClock::new(),
        })
    }

    pub(super) fn point(&self, name: &str) {
        self.fate.point(name);
    }

    /// The stores that tests have, which die at each use.
    pub(super) fn stores(&self) -> Stores {
        let kek = KekSource::KeyFile(self.dir.join("kek"));
        let mut stores = Stores::new();
        for (name, place) in [(store_name(), "keys"), (spare_name(), "spare")] {
            let store = Mortal {
                store: SoftwareStore::open(&self.dir.join(place), &kek).unwrap(),
                fate: self.fate.clone(),
            };
            stores.add(name, Arc::new(store)).unwrap();
        }
        stores
    }

    /// Whoever goes on from here does so later, not earlier.
    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        let seconds = unix_seconds(self.clock.now());
        fs::write(self.dir.join(CLOCK), seconds.to_string()).unwrap();
    }

    /// It came to its end.
    fn lived(self) {
        let names = self.fate.names.lock().unwrap().join("\n");
        fs::write(self.dir.join(POINTS), names).unwrap();
    }
}

/// One server's authorities, whose stores are mortal.
pub(super) struct Mortals {
    pub(super) authorities: Arc<Authorities>,
    pub(super) datastore: Arc<SqliteDatastore>,
    recorder: Recorder,
    task: RecorderTask,
}

impl Mortals {
    pub(super) async fn start(victim: &Victim, settings: AuthoritySettings) -> Self {
        let datastore = Arc::new(SqliteDatastore::open(&victim.dir.join("db")).await.unwrap());
        let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
        let (authorities, _) = Authorities::open(
            settings,
            Arc::new(victim.stores()),
            datastore.clone() as Arc<dyn Datastore>,
            recorder.clone(),
            victim.clock.clone() as Arc<dyn Clock>,
        )
        .await
        .unwrap();
        Self {
            authorities,
            datastore,
            recorder,
            task,
        }
    }

    pub(super) async fn stop(self) {
        drop((self.authorities, self.recorder));
        self.task.shutdown().await.unwrap();
        self.datastore.close().await;
    }
}

/// The points that a victim comes to if it dies at this one; `None` if it was killed, and not merely failed.
pub(super) fn run_until(victim: &str, dir: &Path, point: usize) -> Option<Vec<String>> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", victim, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(POINT, point.to_string())
        .output()
        .unwrap();
    let points = fs::read_to_string(dir.join(POINTS)).ok();
    let kill = rustix::process::Signal::KILL.as_raw();
    match &points {
        Some(_) => assert!(output.status.success(), "{output:?}"),
        None => assert_eq!(output.status.signal(), Some(kill), "{output:?}"),
    }
    points.map(|points| points.lines().map(ToOwned::to_owned).collect())
}

/// The clock as the one who died here left it.
pub(super) fn clock_of(dir: &Path) -> Arc<TestClock> {
    let clock = TestClock::new();
    if let Ok(seconds) = fs::read_to_string(dir.join(CLOCK)) {
        *clock.0.lock().unwrap() = from_unix_seconds(seconds.parse().unwrap()).unwrap();
    }
    clock
}

/// Has a victim die at each of its points, and looks at what is left each time.
pub(super) fn at_each_point(victim: &str, mut look: impl FnMut(&Path, usize)) -> Vec<String> {
    let whole = TempDir::new().unwrap();
    let points = run_until(victim, whole.path(), 0).unwrap();
    for (point, name) in (1..).zip(&points) {
        println!("killed at point {point} of {}: {name}", points.len());
        let dir = TempDir::new().unwrap();
        assert_eq!(
            run_until(victim, dir.path(), point),
            None,
            "the victim comes to point {point}"
        );
        look(dir.path(), point);
    }
    points
}
