//! The software store passes the conformance suite, and stores with one fault each do not.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;

use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey, SignError, SoftwareKey};
use symbolon_hsm::conformance::{Outcome, Report, run, run_for, run_with_reopen};
use symbolon_hsm::{
    KekSource, KeyId, KeyInfo, KeyLabel, KeyStore, Passphrase, SoftwareStore, StoreError, Unsupported,
};

fn open(dir: &Path, kek: &KekSource) -> Result<Arc<dyn KeyStore>, StoreError> {
    Ok(Arc::new(SoftwareStore::open(dir, kek)?))
}

/// Everything below `dir`, so that a difference shows.
fn tree(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).expect("read_dir") {
        let path = entry.expect("entry").path();
        names.push(path.display().to_string());
        if path.is_dir() {
            names.extend(tree(&path));
        }
    }
    names.sort();
    names
}

#[test]
fn the_software_store_conforms_under_either_kind_of_key() {
    let passphrase = Passphrase::new(b"correct horse".to_vec().into()).expect("passphrase");
    let scratch = tempfile::tempdir().expect("scratch");
    let kek_file = scratch.path().join("elsewhere/kek");
    for kek in [
        KekSource::KeyFile(kek_file.clone()),
        KekSource::Passphrase(passphrase),
    ] {
        let dir = scratch
            .path()
            .join(format!("store-{}", matches!(kek, KekSource::KeyFile(_))));
        let store = open(&dir, &kek).expect("open");
        let label = KeyLabel::parse("bystander").expect("label");
        store.generate(Component::Ed25519, &label).expect("generate");
        let before = tree(scratch.path());

        let report = run_with_reopen(&*store, &|| open(&dir, &kek));

        assert!(report.passed(), "{report}");
        assert_eq!(report.working(), Component::DEFAULTS);
        // One check names unknown keys and one looks at what is left; eleven run for every component.
        assert_eq!(
            report.checks.len(),
            2 + 11 * Component::DEFAULTS.len(),
            "{report}"
        );
        let not_offered = report
            .checks
            .iter()
            .filter(|c| matches!(c.outcome, Outcome::NotOffered(_)));
        // The mu of the three components that have none.
        assert_eq!(not_offered.count(), 3, "{report}");
        assert_eq!(
            tree(scratch.path()),
            before,
            "the suite left something, or wrote outside the store"
        );
    }
}

/// Of the components outside the hot path those that are quick to make and to sign with: what the others do in a store
/// differs in nothing but the time it takes.
#[test]
fn the_software_store_conforms_for_further_components() {
    const QUICK: [Component; 7] = [
        Component::EcdsaP521Sha512,
        Component::EcdsaBrainpoolP256r1Sha256,
        Component::EcdsaBrainpoolP384r1Sha384,
        Component::Ed448,
        Component::Rsa2048PssSha256,
        Component::Rsa2048Pkcs1Sha256,
        Component::SlhDsaSha2_128f,
    ];
    let scratch = tempfile::tempdir().expect("scratch");
    let kek = KekSource::KeyFile(scratch.path().join("kek"));
    let dir = scratch.path().join("store");
    let store = open(&dir, &kek).expect("open");
    let report = run_for(&*store, &QUICK, Some(&|| open(&dir, &kek)));
    assert!(report.passed(), "{report}");
    assert_eq!(report.working(), QUICK);
    assert!(store.list().expect("list").is_empty());
}

/// Every one is kept and found again; only that is looked at, since most take long to sign.
#[test]
fn the_software_store_keeps_every_component() {
    let scratch = tempfile::tempdir().expect("scratch");
    let kek = KekSource::KeyFile(scratch.path().join("kek"));
    let dir = scratch.path().join("store");
    let store = open(&dir, &kek).expect("open");
    let label = KeyLabel::parse("kept").expect("label");
    let mut made = Vec::new();
    // Each size of RSA once: the other padding has keys of the same form.
    let once = |component: &Component| !component.is_rsa() || component.name().contains("-pss-");
    for component in Component::ALL.into_iter().filter(once) {
        store.offers(component).expect("offered");
        made.push(store.generate(component, &label).expect("generate").0);
    }
    made.sort_by(|one, other| one.id.cmp(&other.id));
    let store = open(&dir, &kek).expect("open again");
    assert_eq!(store.list().expect("list"), made);
    for info in made {
        let key = store.open(&info.id).expect("open the key");
        assert_eq!(*key.public_key(), info.public_key, "{}", info.component);
    }
}

/// One way for a store to be wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    None,
    IgnoresContext,
    RefusesLongMessages,
    WrongMu,
    ReportsAnotherPublicKey,
    ForgetsLabels,
    ForgetsDestroyed,
    SilentAboutUnknown,
    OpensTheFirst,
    ListsTwice,
    ListsUnordered,
    SameIdForSameLabel,
    SignsOnOneThread,
    MakesWhatItDoesNotOffer,
    DestroysAll,
    LosesOnReopen,
}

type Key = (KeyInfo, Arc<FaultyKey>);

/// A store in memory with a fault. What it keeps is shared with whoever reopens it.
#[derive(Clone, Debug)]
struct FaultyStore {
    fault: Fault,
    keys: Arc<Mutex<BTreeMap<KeyId, Key>>>,
    next: Arc<AtomicUsize>,
}

impl FaultyStore {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            keys: Arc::default(),
            next: Arc::default(),
        }
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, BTreeMap<KeyId, Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unknown(&self, id: &KeyId) -> StoreError {
        StoreError::UnknownKey {
            kind: self.kind(),
            id: id.clone(),
        }
    }
}

impl KeyStore for FaultyStore {
    fn kind(&self) -> &'static str {
        "faulty"
    }

    /// Two components suffice to see every fault, and keep this quick.
    fn offers(&self, component: Component) -> Result<(), Unsupported> {
        match component {
            Component::EcdsaP256Sha256 | Component::MlDsa44 => Ok(()),
            _ => Err(Unsupported {
                kind: self.kind(),
                component,
                reason: "not here".to_owned(),
            }),
        }
    }

    fn generate(
        &self,
        component: Component,
        label: &KeyLabel,
    ) -> Result<(KeyInfo, Arc<dyn HeldKey>), StoreError> {
        if self.fault != Fault::MakesWhatItDoesNotOffer {
            self.offers(component)?;
        }
        let new = || SoftwareKey::generate(component).expect("generate");
        let key = new();
        let reported = if self.fault == Fault::ReportsAnotherPublicKey {
            new()
        } else {
            key.clone()
        };
        let number = match self.fault {
            Fault::SameIdForSameLabel => component as usize,
            _ => self.next.fetch_add(1, Ordering::SeqCst),
        };
        let info = KeyInfo {
            id: KeyId::parse(&format!("key-{number:03}")).expect("id"),
            label: label.clone(),
            component,
            public_key: reported.public_key().clone(),
        };
        let mut kept = info.clone();
        if self.fault == Fault::ForgetsLabels {
            kept.label = KeyLabel::parse("a key").expect("label");
        }
        let key = Arc::new(FaultyKey {
            fault: self.fault,
            key,
            maker: std::thread::current().id(),
        });
        self.keys().insert(info.id.clone(), (kept, key.clone()));
        Ok((info, key))
    }

    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        let keys = self.keys();
        let found = match self.fault {
            Fault::OpensTheFirst => {
                let wanted = keys.get(id).map(|(info, _)| info.component);
                keys.values().find(|(info, _)| Some(info.component) == wanted)
            }
            _ => keys.get(id),
        };
        found
            .map(|(_, key)| key.clone() as Arc<dyn HeldKey>)
            .ok_or_else(|| self.unknown(id))
    }

    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        let mut infos: Vec<KeyInfo> = self.keys().values().map(|(info, _)| info.clone()).collect();
        match self.fault {
            Fault::ListsTwice => infos.extend(infos.clone()),
            Fault::ListsUnordered => infos.reverse(),
            _ => {}
        }
        Ok(infos)
    }

    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        match self.fault {
            Fault::ForgetsDestroyed if self.keys().contains_key(id) => Ok(()),
            Fault::SilentAboutUnknown => {
                self.keys().remove(id);
                Ok(())
            }
            Fault::DestroysAll if self.keys().contains_key(id) => {
                self.keys().clear();
                Ok(())
            }
            _ => self.keys().remove(id).map(drop).ok_or_else(|| self.unknown(id)),
        }
    }
}

#[derive(Debug)]
struct FaultyKey {
    fault: Fault,
    key: SoftwareKey,
    maker: ThreadId,
}

impl HeldKey for FaultyKey {
    fn component(&self) -> Component {
        self.key.component()
    }

    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        match self.fault {
            Fault::IgnoresContext => self.key.sign(message, MlDsaContext::EMPTY),
            Fault::RefusesLongMessages if message.len() > 1024 => {
                Err(SignError::Backend("message too long".into()))
            }
            Fault::SignsOnOneThread if std::thread::current().id() != self.maker => {
                Err(SignError::Backend("no session on this thread".into()))
            }
            _ => self.key.sign(message, context),
        }
    }

    fn sign_mu(&self, mu: &[u8; 64]) -> Result<Vec<u8>, SignError> {
        match self.fault {
            Fault::WrongMu => self.key.sign(mu, MlDsaContext::EMPTY),
            _ => self.key.sign_mu(mu),
        }
    }
}

/// The names of the checks that fail for a store with this fault.
fn failures(fault: Fault) -> (Vec<&'static str>, Report) {
    let store = FaultyStore::new(fault);
    let report = run_with_reopen(&store, &|| {
        Ok(match fault {
            Fault::LosesOnReopen => Arc::new(FaultyStore::new(fault)),
            _ => Arc::new(store.clone()),
        })
    });
    let mut names: Vec<_> = report.failures().map(|check| check.name).collect();
    names.sort_unstable();
    names.dedup();
    (names, report)
}

#[test]
fn a_store_without_a_fault_passes() {
    let (names, report) = failures(Fault::None);
    assert!(names.is_empty() && report.passed(), "{report}");
    assert_eq!(report.working(), [Component::EcdsaP256Sha256, Component::MlDsa44]);
    assert!(run(&FaultyStore::new(Fault::None)).passed());
}

#[test]
fn every_fault_is_found_by_the_check_that_is_for_it() {
    for (fault, check) in [
        (Fault::IgnoresContext, "honours the ML-DSA context"),
        (Fault::RefusesLongMessages, "signs messages of any length"),
        (Fault::WrongMu, "signs a precomputed mu"),
        (Fault::ReportsAnotherPublicKey, "generates a key as asked"),
        (Fault::ForgetsLabels, "lists a key as it was made"),
        (Fault::ForgetsDestroyed, "destroys for good"),
        (Fault::SilentAboutUnknown, "names an unknown key"),
        (Fault::OpensTheFirst, "tells keys of one label apart"),
        (Fault::ListsTwice, "lists a key as it was made"),
        (Fault::ListsUnordered, "lists a key as it was made"),
        (Fault::SameIdForSameLabel, "tells keys of one label apart"),
        (Fault::SignsOnOneThread, "signs from many threads at once"),
        (Fault::MakesWhatItDoesNotOffer, "refuses what it does not offer"),
        (Fault::DestroysAll, "destroys for good"),
        (Fault::LosesOnReopen, "has the same keys when opened anew"),
    ] {
        let (names, report) = failures(fault);
        assert!(
            names.contains(&check),
            "{fault:?} was not found by {check:?}:\n{report}"
        );
    }
}
