//! An upstream whose answers are as wrong as a test wants them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_ca::datastore::{AppendedAuthorities, AuthorityKind};
use symbolon_ca::upstream::{Answer, MintOrder, Minted, Upstream, UpstreamBundle, UpstreamError};
use symbolon_crypto::random;
use symbolon_issuance::{Authority, IntermediateRequest, Serial, prepare_intermediate};
use symbolon_pki::bundle::{JwtAuthority, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::suite::Suite;
use tokio::sync::{Semaphore, watch};

use crate::root::Root;

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
    /// How many keys it says that it takes.
    pub(crate) most_keys: Mutex<Option<usize>>,
    /// How often it said nothing until it is let go on.
    pub(crate) hung: watch::Sender<usize>,
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
            most_keys: Mutex::default(),
            hung: watch::Sender::new(0),
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
        self.hung.send_modify(|times| *times += 1);
        self.gate.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl Upstream for Stand {
    fn kind(&self) -> &'static str {
        "stand-in"
    }

    fn most_keys(&self) -> Option<usize> {
        *self.most_keys.lock().unwrap()
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
        if *self.mood.lock().unwrap() == Mood::Hangs {
            self.is_let_go_on().await;
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
