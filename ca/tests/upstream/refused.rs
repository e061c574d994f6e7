//! What upstreams answer that is not taken, and what becomes of the authority that signs meanwhile.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_ca::authorities::{
    Authorities, AuthoritiesError, AuthoritySettings, ChangeKind, FamilySettings,
};
use symbolon_ca::datastore::sqlite::SqliteDatastore;
use symbolon_ca::datastore::{AuthorityKind, AuthorityState, Datastore, FederationStore as _};
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

use crate::root::Root;
use crate::support::{TestClock, domain};

const HOUR: Duration = Duration::from_secs(3600);

/// What the stand-in does with orders.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    Well,
    Silent,
    OtherKey,
    OtherDomain,
    Ended,
    Future,
    Short(Duration),
    OtherRoot,
    NoRoot,
    NoIntermediates,
}

/// An upstream whose answers are as wrong as a test wants them.
#[derive(Debug)]
struct Stand {
    mood: Mutex<Mood>,
    roots: Mutex<Vec<X509Authority>>,
    published: Mutex<Vec<JwtAuthority>>,
    minted: Mutex<usize>,
    signer: Mutex<Arc<Signing>>,
}

#[derive(Debug)]
struct Signing {
    certificate: Certificate,
    authority: Authority,
    other: Certificate,
}

impl Signing {
    fn new(root: &Root, other: &Root) -> Arc<Self> {
        Arc::new(Self {
            certificate: root.certificate.clone(),
            authority: Authority::new(root.certificate.clone(), root.signer()).unwrap(),
            other: other.certificate.clone(),
        })
    }
}

impl Stand {
    fn new(now: SystemTime) -> Arc<Self> {
        let root = Root::new(Suite::EcdsaP256, now - 40 * HOUR);
        Self::below(&root, now)
    }

    fn below(root: &Root, now: SystemTime) -> Arc<Self> {
        let other = Root::new(Suite::EcdsaP256, now);
        Arc::new(Self {
            mood: Mutex::new(Mood::Well),
            roots: Mutex::new(vec![X509Authority::new(root.certificate.clone())]),
            published: Mutex::default(),
            minted: Mutex::new(0),
            signer: Mutex::new(Signing::new(root, &other)),
        })
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Signs with another root from now on; whether the old one is still its own is the test's to say.
    fn replace(&self, root: &Root, now: SystemTime) {
        *self.signer.lock().unwrap() = Signing::new(root, &Root::new(Suite::EcdsaP256, now));
        self.roots
            .lock()
            .unwrap()
            .push(X509Authority::new(root.certificate.clone()));
    }
}

#[async_trait]
impl Upstream for Stand {
    fn kind(&self) -> &'static str {
        "stand-in"
    }

    async fn mint(&self, order: &MintOrder) -> Result<Answer, UpstreamError> {
        *self.minted.lock().unwrap() += 1;
        let mood = *self.mood.lock().unwrap();
        let signing = Arc::clone(&self.signer.lock().unwrap());
        if mood == Mood::Silent {
            return Err(UpstreamError::Unavailable("nobody answers".to_owned()));
        }
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
        self.published.lock().unwrap().push(key.clone());
        Ok(())
    }

    async fn bundle(&self) -> Result<Option<UpstreamBundle>, UpstreamError> {
        Ok(Some(UpstreamBundle {
            authorities: symbolon_ca::datastore::AppendedAuthorities {
                x509: self.roots.lock().unwrap().clone(),
                jwt: self.published.lock().unwrap().clone(),
                wit: Vec::new(),
            },
            is_all: true,
        }))
    }
}

struct Run {
    dir: TempDir,
    authorities: Arc<Authorities>,
    datastore: Arc<SqliteDatastore>,
    store: Arc<SoftwareStore>,
    _task: RecorderTask,
}

impl Run {
    async fn start(stand: &Arc<Stand>, clock: Arc<TestClock>) -> Result<Self, AuthoritiesError> {
        let dir = TempDir::new().unwrap();
        let datastore = Arc::new(SqliteDatastore::open(&dir.path().join("db")).await.unwrap());
        let (recorder, task) = Recorder::start(datastore.clone(), Limits::default());
        let kek = KekSource::KeyFile(dir.path().join("kek"));
        let store = Arc::new(SoftwareStore::open(&dir.path().join("keys"), &kek).unwrap());
        let name = StoreName::parse("software").unwrap();
        let mut stores = Stores::new();
        stores.add(name.clone(), store.clone()).unwrap();
        let above = NamedUpstream {
            name: "stand".parse().unwrap(),
            upstream: stand.clone(),
        };
        let family = |family| FamilySettings {
            upstream: Some(above.clone()),
            ..FamilySettings::new(family, Suite::EcdsaP256, vec![name.clone()])
        };
        let settings = AuthoritySettings {
            trust_domain: domain(),
            server_name: "main".to_owned(),
            ttl: 24 * HOUR,
            families: vec![family(Family::Classical), family(Family::Jwt)],
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

    fn active(&self) -> String {
        self.authorities
            .active(Family::Classical)
            .unwrap()
            .authority_id()
            .to_string()
    }

    fn in_state(&self, state: AuthorityState) -> usize {
        let journal = self.authorities.journal();
        journal
            .iter()
            .filter(|it| it.state == state && it.family == Family::Classical)
            .count()
    }
}

/// An error with everything below it.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_refused_and_the_old_authority_kept() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let (before, keys) = (run.active(), run.store.list().unwrap().len());
    let moods = [
        (Mood::OtherKey, "key"),
        (Mood::OtherDomain, "elsewhere.org"),
        (Mood::Ended, "ended"),
        (Mood::Future, "begins"),
        (Mood::Short(Duration::from_secs(30)), "too early"),
        (Mood::Short(6 * HOUR), "to replace"),
        (Mood::OtherRoot, "would not be believed"),
        (Mood::NoRoot, "no root"),
        (Mood::NoIntermediates, "no certificate"),
        (Mood::Silent, "nobody answers"),
    ];
    for (mood, reason) in moods {
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
    assert!(run.dir.path().exists());
}

#[tokio::test]
async fn a_chain_that_allows_nothing_below_is_refused() {
    let clock = TestClock::new();
    for (path_len, fits) in [(Some(0), false), (Some(1), true)] {
        let root = Root::with(
            Suite::EcdsaP256,
            None,
            &domain(),
            path_len,
            9000 * HOUR,
            clock.now(),
        );
        let started = Run::start(&Stand::below(&root, clock.now()), clock.clone()).await;
        match started {
            Ok(_) => assert!(fits, "{path_len:?}"),
            Err(error) => assert!(!fits && told(&error).contains("stand"), "{}", told(&error)),
        }
    }
}

#[tokio::test]
async fn a_silent_upstream_is_asked_again_less_and_less_often_and_in_good_time() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let before = run.active();
    stand.is(Mood::Silent);
    let asked = || *stand.minted.lock().unwrap();
    let first = asked();
    clock.advance(12 * HOUR);
    // An hour of looks every ten seconds.
    for _ in 0..360 {
        // It fails when it asks, and for the key that signs tokens likewise.
        let _ = run.authorities.rotate_due().await;
        clock.advance(Duration::from_secs(10));
    }
    assert!(
        (10..=30).contains(&(asked() - first)),
        "{} times",
        asked() - first
    );
    assert_eq!(run.active(), before, "the old one signs on");
    // Half of its life was left when the first was asked for: there is time for it to come back.
    stand.is(Mood::Well);
    clock.advance(Duration::from_secs(300));
    let changes = run.authorities.rotate_due().await.unwrap();
    let prepared = |kind| changes.iter().filter(|change| change.kind == kind).count();
    assert_eq!(prepared(ChangeKind::Prepared), 2, "both families: {changes:?}");
    clock.advance(9 * HOUR);
    run.authorities.rotate_due().await.unwrap();
    assert_ne!(run.active(), before);
}

#[tokio::test]
async fn a_first_start_needs_its_upstream() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    stand.is(Mood::Silent);
    let error = Run::start(&stand, clock).await.err().unwrap();
    assert!(told(&error).contains("nobody answers"), "{}", told(&error));
}

#[tokio::test]
async fn keys_that_sign_tokens_are_published_above_before_they_sign_and_again_when_they_are_lost() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock).await.unwrap();
    let ids = || -> Vec<_> {
        let published = stand.published.lock().unwrap();
        published.iter().map(|key| key.key_id.clone()).collect()
    };
    let own = run.authorities.jwt().unwrap().key_id().to_owned();
    assert_eq!(ids(), std::slice::from_ref(&own));
    let sibling = PrivateKey::generate(Suite::EcdsaP256)
        .unwrap()
        .public_key()
        .unwrap();
    let sibling = JwtAuthority::from_spki_der("sibling", &sibling.spki_der()).unwrap();
    *stand.published.lock().unwrap() = vec![sibling];
    run.authorities.follow_upstreams().await;
    let bundle = run.authorities.bundle();
    assert!(
        bundle.jwt_authority("sibling").is_some(),
        "what others publish there is learnt"
    );
    assert!(bundle.jwt_authority(&own).is_some());
    assert_eq!(
        ids(),
        ["sibling".to_owned(), own],
        "what was lost is published again"
    );
    stand
        .published
        .lock()
        .unwrap()
        .retain(|key| key.key_id != "sibling");
    run.authorities.follow_upstreams().await;
    assert!(
        run.authorities.bundle().jwt_authority("sibling").is_none(),
        "what is gone there is gone here"
    );
}

#[tokio::test]
async fn a_root_that_is_tainted_above_is_left_at_once() {
    let clock = TestClock::new();
    let stand = Stand::new(clock.now());
    let run = Run::start(&stand, clock.clone()).await.unwrap();
    let before = run.active();
    stand.roots.lock().unwrap()[0].tainted = true;
    run.authorities.follow_upstreams().await;
    assert!(run.authorities.bundle().x509_authorities[0].tainted);
    let error = run.authorities.rotate_due().await.unwrap_err();
    assert!(
        told(&error).contains("tainted"),
        "the one above signs with it still: {}",
        told(&error)
    );
    assert_eq!(run.active(), before);

    let next = Root::new(Suite::EcdsaP256, clock.now());
    stand.replace(&next, clock.now());
    clock.advance(Duration::from_secs(20));
    run.authorities.rotate_due().await.unwrap();
    assert_ne!(run.active(), before, "without waiting for its time");
    stand.roots.lock().unwrap().remove(0);
    run.authorities.follow_upstreams().await;
    let left: Vec<_> = run
        .authorities
        .bundle()
        .x509_authorities
        .iter()
        .map(|it| it.id().to_string())
        .collect();
    assert_eq!(
        left,
        [next.id()],
        "what was revoked above is believed nowhere below"
    );
    assert_eq!(run.datastore.upstream_roots().await.unwrap().len(), 1);
}
