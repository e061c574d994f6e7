//! An upstream whose answers are as wrong as a test wants them, and authorities below it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_ca::authorities::{Authorities, AuthoritiesError, AuthoritySettings, FamilySettings};
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::datastore::{AppendedAuthorities, AuthorityKind, AuthorityState, Datastore};
use symbolon_ca::record::{Limits, Recorder, RecorderTask};
use symbolon_ca::upstream::{
    Answer, MintOrder, Minted, NamedUpstream, Upstream, UpstreamBundle, UpstreamError,
};
use symbolon_crypto::random;
use symbolon_hsm::{KekSource, KeyStore as _, SoftwareStore, StoreName, Stores};
use symbolon_issuance::{Authority, IntermediateRequest, Serial, prepare_intermediate};
use symbolon_pki::bundle::{JwtAuthority, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::time::Clock;
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};

use crate::root::Root;
use crate::support::{TestClock, domain};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// What the stand-in does with orders.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    Well,
    /// Says that nobody answers.
    Silent,
    /// Says nothing until it is let go on.
    Hangs,
    OtherKey,
    OtherDomain,
    Ended,
    Future,
    Short(Duration),
    OtherRoot,
    /// Under a root that allows nothing below what it certified, or not even that.
    PathLength,
    NoRoot,
    NoIntermediates,
}

/// What is wrong with a certificate, and a word of the reason for which it is refused.
pub(crate) const UNFIT: [(Mood, &str); 10] = [
    (Mood::OtherKey, "key"),
    (Mood::OtherDomain, "elsewhere.org"),
    (Mood::Ended, "ended"),
    (Mood::Future, "begins"),
    (Mood::Short(Duration::from_secs(30)), "too early"),
    (Mood::Short(Duration::from_secs(6 * 3600)), "to replace"),
    (Mood::OtherRoot, "would not be believed"),
    (Mood::PathLength, "allows 0 intermediate"),
    (Mood::NoRoot, "no root"),
    (Mood::NoIntermediates, "no certificate"),
];

/// An upstream whose answers are as wrong as a test wants them.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) mood: Mutex<Mood>,
    pub(crate) roots: Mutex<Vec<X509Authority>>,
    pub(crate) published: Mutex<Vec<JwtAuthority>>,
    /// The keys that it does not believe any more, whoever publishes them.
    pub(crate) distrusted: Mutex<BTreeSet<String>>,
    /// How often it was asked to certify something.
    pub(crate) asked: watch::Sender<usize>,
    /// How often it was asked for its bundle.
    pub(crate) bundles: watch::Sender<usize>,
    /// Whether it keeps its bundle, as it is now, until it is let go on.
    pub(crate) keeps_bundle: Mutex<bool>,
    /// Lets it go on.
    pub(crate) gate: Semaphore,
    signer: Mutex<Arc<Signing>>,
}

#[derive(Debug)]
struct Signing {
    certificate: Certificate,
    authority: Authority,
    other: Certificate,
    strict: Certificate,
}

impl Signing {
    fn new(root: &Root, other: &Root, now: SystemTime) -> Arc<Self> {
        Arc::new(Self {
            certificate: root.certificate.clone(),
            authority: Authority::new(root.certificate.clone(), root.signer()).unwrap(),
            other: other.certificate.clone(),
            strict: root.twin(Some(0), now).certificate,
        })
    }
}

impl Stand {
    pub(crate) fn new(now: SystemTime) -> Arc<Self> {
        let root = Root::new(Suite::EcdsaP256, now - 40 * HOUR);
        Self::below(&root, now)
    }

    pub(crate) fn below(root: &Root, now: SystemTime) -> Arc<Self> {
        let other = Root::new(Suite::EcdsaP256, now);
        Arc::new(Self {
            mood: Mutex::new(Mood::Well),
            roots: Mutex::new(vec![X509Authority::new(root.certificate.clone())]),
            published: Mutex::default(),
            distrusted: Mutex::default(),
            asked: watch::Sender::new(0),
            bundles: watch::Sender::new(0),
            keeps_bundle: Mutex::new(false),
            gate: Semaphore::new(0),
            signer: Mutex::new(Signing::new(root, &other, now - 40 * HOUR)),
        })
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Signs with another root from now on; whether the old one is still its own is the test's to say.
    pub(crate) fn replace(&self, root: &Root, now: SystemTime) {
        *self.signer.lock().unwrap() = Signing::new(root, &Root::new(Suite::EcdsaP256, now), now);
        self.roots
            .lock()
            .unwrap()
            .push(X509Authority::new(root.certificate.clone()));
    }

    pub(crate) fn root(&self) -> Certificate {
        self.signer.lock().unwrap().certificate.clone()
    }

    pub(crate) fn times_asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// The ids of the keys that were published.
    pub(crate) fn key_ids(&self) -> Vec<String> {
        let published = self.published.lock().unwrap();
        published.iter().map(|key| key.key_id.clone()).collect()
    }

    async fn is_let_go_on(&self) {
        self.gate.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl Upstream for Stand {
    fn kind(&self) -> &'static str {
        "stand-in"
    }

    async fn mint(&self, order: &MintOrder) -> Result<Answer, UpstreamError> {
        let mood = *self.mood.lock().unwrap();
        self.asked.send_modify(|times| *times += 1);
        match mood {
            Mood::Silent => return Err(UpstreamError::Unavailable("nobody answers".to_owned())),
            Mood::Hangs => self.is_let_go_on().await,
            _ => {}
        }
        let signing = Arc::clone(&self.signer.lock().unwrap());
        let csr = Csr::from_der(&order.csr).unwrap();
        assert_eq!(
            csr.spiffe_id().unwrap().unwrap().to_string(),
            "spiffe://example.org"
        );
        let other = PrivateKey::generate(Suite::EcdsaP256)
            .unwrap()
            .public_key()
            .unwrap();
        let other = SubjectKey::Suite(other);
        let elsewhere = TrustDomain::new("elsewhere.org").unwrap();
        let foreign = Root::with(Suite::EcdsaP256, None, &elsewhere, None, 9000 * HOUR, order.now);
        let foreign_authority = Authority::new(foreign.certificate.clone(), foreign.signer()).unwrap();
        let (authority, root) = match mood {
            Mood::OtherDomain => (&foreign_authority, foreign.certificate.clone()),
            _ => (&signing.authority, signing.certificate.clone()),
        };
        let now = match mood {
            Mood::Ended => order.now - 30 * HOUR,
            Mood::Future => order.now + HOUR,
            _ => order.now,
        };
        let request = IntermediateRequest {
            key: if mood == Mood::OtherKey { &other } else { csr.key() },
            alternative: None,
            ttl: match mood {
                Mood::Short(ttl) => ttl,
                _ => order.ttl,
            },
            path_len: None,
            serial: Serial::random(random::fill).unwrap(),
            now,
        };
        let linted = prepare_intermediate(authority, &request);
        let linted = linted.map_err(|error| UpstreamError::Refused(error.to_string()))?;
        let issued = linted.sign(authority).unwrap();
        let own = Certificate::from_der(issued.der()).unwrap();
        Ok(Answer::Minted(Minted {
            chain: match mood {
                Mood::NoIntermediates => vec![],
                _ => vec![own],
            },
            roots: match mood {
                Mood::OtherRoot => vec![signing.other.clone()],
                Mood::PathLength => vec![signing.strict.clone()],
                Mood::NoRoot => vec![],
                _ => vec![root],
            },
        }))
    }

    async fn publish(&self, kind: AuthorityKind, key: &JwtAuthority) -> Result<(), UpstreamError> {
        if *self.mood.lock().unwrap() == Mood::Silent {
            return Err(UpstreamError::Unavailable("nobody answers".to_owned()));
        }
        assert_eq!(kind, AuthorityKind::Jwt);
        if self.distrusted.lock().unwrap().contains(&key.key_id) {
            return Err(UpstreamError::Distrusted("it was revoked".to_owned()));
        }
        self.published.lock().unwrap().push(key.clone());
        Ok(())
    }

    async fn bundle(&self) -> Result<Option<UpstreamBundle>, UpstreamError> {
        if *self.mood.lock().unwrap() == Mood::Silent {
            return Err(UpstreamError::Unavailable("nobody answers".to_owned()));
        }
        let bundle = UpstreamBundle {
            authorities: AppendedAuthorities {
                x509: self.roots.lock().unwrap().clone(),
                jwt: self.published.lock().unwrap().clone(),
                wit: Vec::new(),
            },
            is_all: true,
        };
        let keeps = *self.keeps_bundle.lock().unwrap();
        self.bundles.send_modify(|times| *times += 1);
        if keeps {
            self.is_let_go_on().await;
        }
        Ok(Some(bundle))
    }
}

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
        let datastore = Arc::new(SqliteDatastore::open(&dir.path().join("db")).await.unwrap());
        let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
        let kek = KekSource::KeyFile(dir.path().join("kek"));
        let store = Arc::new(SoftwareStore::open(&dir.path().join("keys"), &kek).unwrap());
        let name = StoreName::parse("software").unwrap();
        let mut stores = Stores::new();
        stores.add(name.clone(), store.clone()).unwrap();
        let family = |family, suite, upstream| FamilySettings {
            upstream,
            ..FamilySettings::new(family, suite, vec![name.clone()])
        };
        let settings = AuthoritySettings {
            trust_domain: domain(),
            server_name: "main".to_owned(),
            ttl: 24 * HOUR,
            families: vec![
                family(Family::Classical, Suite::EcdsaP256, above.clone()),
                family(Family::MlDsa, Suite::MlDsa44, None),
                family(Family::Jwt, Suite::EcdsaP256, above),
            ],
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
