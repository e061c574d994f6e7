//! Authorities below an upstream, without a server around them.

use std::sync::Arc;
use std::time::Duration;

use symbolon_ca::authorities::{Authorities, AuthoritiesError, AuthoritySettings, FamilySettings};
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::datastore::{AuthorityState, Datastore};
use symbolon_ca::record::{Limits, Recorder, RecorderTask};
use symbolon_ca::upstream::{NamedUpstream, Upstream};
use symbolon_hsm::{KekSource, KeyStore as _, SoftwareStore, StoreName, Stores};
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock;
use tempfile::TempDir;

use crate::stand::{HOUR, Mood, Stand, UNFIT};
use crate::support::{TestClock, domain};

/// Authorities of two families below one upstream, and one that is below nobody.
pub(crate) struct Run {
    pub(crate) dir: Arc<TempDir>,
    pub(crate) authorities: Arc<Authorities>,
    pub(crate) datastore: Arc<SqliteDatastore>,
    pub(crate) store: Arc<SoftwareStore>,
    _task: RecorderTask,
}

impl Run {
    pub(crate) async fn start(stand: &Arc<Stand>, clock: Arc<TestClock>) -> Result<Self, AuthoritiesError> {
        Self::below("stand", stand.clone(), clock).await
    }

    /// Below an upstream of this name.
    pub(crate) async fn below(
        name: &str,
        upstream: Arc<dyn Upstream>,
        clock: Arc<TestClock>,
    ) -> Result<Self, AuthoritiesError> {
        let named = NamedUpstream {
            name: name.parse().unwrap(),
            upstream,
        };
        Self::on(Arc::new(TempDir::new().unwrap()), Some(named), clock).await
    }

    /// On what is in a directory, below this upstream or below nobody.
    pub(crate) async fn on(
        dir: Arc<TempDir>,
        above: Option<NamedUpstream>,
        clock: Arc<TestClock>,
    ) -> Result<Self, AuthoritiesError> {
        let families = vec![
            (Family::Classical, Suite::EcdsaP256, above.clone()),
            (Family::MlDsa, Suite::MlDsa44, None),
            (Family::Jwt, Suite::EcdsaP256, above),
        ];
        Self::with(dir, families, clock).await
    }

    /// On what is in a directory, with these families, each below an upstream or below nobody.
    pub(crate) async fn with(
        dir: Arc<TempDir>,
        families: Vec<(Family, Suite, Option<NamedUpstream>)>,
        clock: Arc<TestClock>,
    ) -> Result<Self, AuthoritiesError> {
        let datastore = Arc::new(SqliteDatastore::open(&dir.path().join("db")).await.unwrap());
        let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
        let kek = KekSource::KeyFile(dir.path().join("kek"));
        let store = Arc::new(SoftwareStore::open(&dir.path().join("keys"), &kek).unwrap());
        let name = StoreName::parse("software").unwrap();
        let mut stores = Stores::new();
        stores.add(name.clone(), store.clone()).unwrap();
        let families = families
            .into_iter()
            .map(|(family, suite, upstream)| FamilySettings {
                upstream,
                ..FamilySettings::new(family, suite, vec![name.clone()])
            })
            .collect();
        let settings = AuthoritySettings {
            trust_domain: domain(),
            server_name: "main".to_owned(),
            ttl: 24 * HOUR,
            families,
        };
        let (authorities, _) = Authorities::open(
            settings,
            Arc::new(stores),
            datastore.clone() as Arc<dyn Datastore>,
            recorder,
            clock.clone() as Arc<dyn Clock>,
        )
        .await?;
        Ok(Self {
            dir,
            authorities,
            datastore,
            store,
            _task: task,
        })
    }

    /// Ends, and gives what is left on disk.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        let Self {
            dir,
            authorities,
            datastore,
            _task: task,
            ..
        } = self;
        drop(authorities);
        task.shutdown().await.unwrap();
        datastore.close().await;
        dir
    }

    pub(crate) fn active(&self) -> String {
        self.authorities
            .active(Family::Classical)
            .unwrap()
            .authority_id()
            .to_string()
    }

    pub(crate) fn in_state(&self, state: AuthorityState) -> usize {
        let journal = self.authorities.journal();
        journal
            .iter()
            .filter(|it| it.state == state && it.family == Family::Classical)
            .count()
    }

    pub(crate) fn state(&self, authority_id: &str) -> AuthorityState {
        let journal = self.authorities.journal();
        let found = journal.iter().find(|it| it.authority_id == authority_id);
        found.unwrap().state
    }

    /// Whether the bundle has a root of this id, and if so, whether it is tainted.
    pub(crate) fn root(&self, id: &str) -> Option<bool> {
        let bundle = self.authorities.bundle();
        let mut roots = bundle.x509_authorities.iter();
        roots.find(|it| it.id().to_string() == id).map(|it| it.tainted)
    }

    /// Looks at what is above, then at what is due.
    pub(crate) async fn tick(&self) {
        self.authorities.follow_upstreams().await;
        self.authorities.rotate_due().await.unwrap();
    }
}

/// An error with everything below it.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Fails a test that would hang.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .unwrap_or_else(|_| panic!("nothing happened for a minute"))
}

/// Every unfit answer is refused with its reason, and changes nothing.
pub(crate) async fn refuses_what_is_unfit(run: &Run, stand: &Stand) {
    let (before, keys) = (run.active(), run.store.list().unwrap().len());
    for (mood, reason) in UNFIT.into_iter().chain([(Mood::Silent, "nobody answers")]) {
        stand.is(mood);
        let refused = run.authorities.prepare(Family::Classical).await.unwrap_err();
        assert!(told(&refused).contains(reason), "{mood:?}: {}", told(&refused));
        assert_eq!(run.active(), before, "{mood:?}");
        assert_eq!(run.in_state(AuthorityState::Prepared), 0, "{mood:?}");
        assert_eq!(
            run.store.list().unwrap().len(),
            keys,
            "{mood:?}: no key is left behind"
        );
    }
    stand.is(Mood::Well);
    run.authorities.prepare(Family::Classical).await.unwrap();
    assert_eq!(run.in_state(AuthorityState::Prepared), 1);
}
