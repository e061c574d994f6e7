//! What a ceremony refuses, and that it leaves nothing when it does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use symbolon_ca::ceremony::event::{Event, What};
use symbolon_ca::ceremony::policy::PolicyError;
use symbolon_ca::ceremony::quorum::QuorumError;
use symbolon_ca::ceremony::share::ShareError;
use symbolon_ca::ceremony::{CeremonyError, Plan, audit_dir, run, sign};
use symbolon_pki::key::PrivateKey;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::Clock;

use crate::support::{ALL, Room, Script, name, plan, planned};

/// A refused signing leaves the transcript as it was.
fn refused(room: &Room, files: &[&str], present: &[&str]) -> CeremonyError {
    let before = std::fs::read(room.transcript()).unwrap();
    let error = room.sign(files, present).unwrap_err();
    assert_eq!(std::fs::read(room.transcript()).unwrap(), before, "{error}");
    error
}

fn policy(error: CeremonyError) -> PolicyError {
    match error {
        CeremonyError::Request { source, .. } => *source,
        other => panic!("{other}"),
    }
}

#[test]
fn too_few_twice_or_strangers_make_nothing_and_sign_nothing() {
    let room = Room::new();
    let text = plan(Suite::EcdsaP256, "");
    for (present, wanted) in [
        (vec!["alice", "bob"], QuorumError::Missing(name("carol"))),
        (vec!["alice", "bob", "alice"], QuorumError::Twice(name("alice"))),
        (
            vec!["alice", "bob", "mallory"],
            QuorumError::Unknown(name("mallory")),
        ),
    ] {
        let error = run(&room.request(&text, &present), &mut Script::default()).unwrap_err();
        assert!(
            matches!(&error, CeremonyError::Quorum(found) if *found == wanted),
            "{error}"
        );
        assert!(!room.dir().exists());
    }
    room.run(&text);
    room.csr("site", Suite::EcdsaP256);
    for present in [
        vec!["alice"],
        vec!["alice", "alice"],
        vec!["alice", "mallory"],
        vec![],
    ] {
        let error = refused(&room, &["site"], &present);
        assert!(matches!(error, CeremonyError::Quorum(_)), "{error}");
    }
}

#[test]
fn who_says_no_makes_nothing() {
    let room = Room::new();
    let mut no = Script {
        yes: false,
        ..Script::default()
    };
    let error = run(&room.request(&plan(Suite::EcdsaP256, ""), &ALL), &mut no).unwrap_err();
    assert!(matches!(error, CeremonyError::Declined), "{error}");
    assert!(!room.dir().exists());
}

#[test]
fn nothing_is_ever_overwritten() {
    let room = Room::new();
    let text = plan(Suite::EcdsaP256, "");
    room.run(&text);
    let before = std::fs::read(room.transcript()).unwrap();
    let error = run(&room.request(&text, &ALL), &mut Script::default()).unwrap_err();
    assert!(matches!(error, CeremonyError::Exists(_)), "{error}");
    assert_eq!(std::fs::read(room.transcript()).unwrap(), before);

    // A share that lies where one is to be written.
    let elsewhere = room.path().join("bob.share");
    std::fs::write(&elsewhere, b"of another ceremony").unwrap();
    let text = text.replace("output = \"root\"", "output = \"second\"").replace(
        "role = \"role of bob\"",
        &format!("role = \"role of bob\"\nshare = \"{}\"", elsewhere.display()),
    );
    Plan::parse(&text).unwrap();
    let error = run(&room.request(&text, &ALL), &mut Script::default()).unwrap_err();
    assert!(
        matches!(&error, CeremonyError::Share(ShareError::Exists(path)) if *path == elsewhere),
        "{error}"
    );
    assert!(!room.path().join("second").exists());
    std::fs::remove_file(&elsewhere).unwrap();
    run(&room.request(&text, &ALL), &mut Script::default()).unwrap();
    assert!(elsewhere.exists());
}

#[test]
fn a_wrong_share_is_named_before_it_is_used() {
    let room = Room::new();
    room.run(&plan(Suite::EcdsaP256, ""));
    let other = Room::new();
    other.run(&plan(Suite::EcdsaP256, ""));
    room.csr("site", Suite::EcdsaP256);
    let share = |room: &Room, of: &str| room.dir().join(format!("shares/{of}.share"));
    let own = std::fs::read(share(&room, "bob")).unwrap();

    std::fs::copy(share(&other, "bob"), share(&room, "bob")).unwrap();
    let error = refused(&room, &["site"], &["alice", "bob"]);
    assert!(
        matches!(error, CeremonyError::Share(ShareError::Foreign { .. })),
        "{error}"
    );

    std::fs::copy(share(&room, "carol"), share(&room, "bob")).unwrap();
    let error = refused(&room, &["site"], &["alice", "bob"]);
    assert!(error.to_string().contains("that of carol, not of bob"), "{error}");

    let mut flipped = own.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 4;
    std::fs::write(share(&room, "bob"), &flipped).unwrap();
    let error = refused(&room, &["site"], &["alice", "bob"]);
    assert!(
        matches!(error, CeremonyError::Share(ShareError::Damaged(_))),
        "{error}"
    );

    // The share may be brought from elsewhere.
    let brought = room.path().join("brought");
    std::fs::write(&brought, &own).unwrap();
    let mut request = room.sign_request(&["site"], &["alice", "bob"]);
    request.shares.insert(name("bob"), brought.clone());
    let open = sign(&request, &mut Script::default()).unwrap_err();
    assert!(open.to_string().contains("chmod 600"), "{open}");
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(&brought, std::fs::Permissions::from_mode(0o600)).unwrap();
    sign(&request, &mut Script::default()).unwrap();
}

#[test]
fn a_wrong_passphrase_is_its_custodians() {
    let room = Room::new();
    room.run(&plan(Suite::EcdsaP256, "").replace("\"none\"", "\"passphrase\""));
    room.csr("site", Suite::EcdsaP256);
    let mut script = Script::default();
    script.secrets.insert("carol".to_owned(), "wrong".to_owned());
    let error = sign(&room.sign_request(&["site"], &["bob", "carol"]), &mut script).unwrap_err();
    assert!(
        error.to_string().starts_with("the passphrase of carol"),
        "{error}"
    );
}

#[test]
fn requests_outside_the_policy_are_refused() {
    let room = Room::new();
    let suite = Suite::MlDsa65EcdsaP256;
    let (_, first) = room.csr("first", suite);
    let text = plan(suite, "suites = [\"mldsa65-ecdsa-p256\"]\ncount = 3\n");
    room.run(&(text + &planned("first")));
    let pair = ["alice", "bob"];

    // Its proof of possession is wrong: one bit of the request, wherever it is.
    let (path, _) = room.csr("forged", suite);
    let mut der = pem::certificate_request(&std::fs::read(&path).unwrap()).unwrap();
    let last = der.len() - 1;
    der[last] ^= 1;
    std::fs::write(&path, &der).unwrap();
    let error = policy(refused(&room, &["forged"], &pair));
    assert!(matches!(error, PolicyError::Csr(_)), "{error}");
    assert!(error.to_string().contains("half"), "{error}");

    room.csr_of("renewed", &first, "spiffe://example.org");
    let error = policy(refused(&room, &["renewed"], &pair));
    assert!(
        matches!(&error, PolicyError::KeyInUse { owner, .. } if owner.contains("first")),
        "{error}"
    );

    let key = PrivateKey::generate(suite).unwrap();
    for id in ["spiffe://elsewhere.org", "spiffe://example.org/web"] {
        room.csr_of("elsewhere", &key, id);
        let error = policy(refused(&room, &["elsewhere"], &pair));
        assert!(matches!(error, PolicyError::TrustDomain { .. }), "{error}");
    }
    for other in [Suite::MlDsa87EcdsaP384, Suite::EcdsaP256, Suite::MlDsa65] {
        room.csr("suite", other);
        let error = policy(refused(&room, &["suite"], &pair));
        assert!(matches!(error, PolicyError::Suite { .. }), "{error}");
    }
    // One key in two requests of the same session.
    room.csr_of("twin-a", &key, "spiffe://example.org");
    room.csr_of("twin-b", &key, "spiffe://example.org");
    let error = policy(refused(&room, &["twin-a", "twin-b"], &pair));
    assert!(
        matches!(&error, PolicyError::KeyInUse { owner, .. } if owner.contains("twin-a")),
        "{error}"
    );

    room.csr("long", suite);
    let mut request = room.sign_request(&["long"], &pair);
    request.requests[0].lifetime = Some(Duration::from_secs(366 * 86_400));
    let error = policy(sign(&request, &mut Script::default()).unwrap_err());
    assert!(matches!(error, PolicyError::Lifetime { .. }), "{error}");

    // Another key under a name that is taken.
    room.csr("first", suite);
    let error = policy(refused(&room, &["first"], &pair));
    assert!(matches!(error, PolicyError::Name(_)), "{error}");

    room.csr("second", suite);
    room.csr("third", suite);
    room.csr("fourth", suite);
    let error = policy(refused(&room, &["second", "third", "fourth"], &pair));
    assert!(matches!(error, PolicyError::Count(3)), "{error}");
    room.sign(&["second", "third"], &pair).unwrap();

    let nothing = refused(&room, &[], &pair);
    assert!(matches!(nothing, CeremonyError::NothingToSign), "{nothing}");
}

#[test]
fn half_of_a_key_that_is_in_use_is_enough_to_refuse() {
    use std::sync::Arc;
    use symbolon_crypto::{Component, SoftwareKey};
    use symbolon_pki::csr::CsrBuilder;
    use symbolon_pki::key::SuiteSigner;
    let room = Room::new();
    let half = |component| Arc::new(SoftwareKey::generate(component).unwrap());
    let shared = half(Component::EcdsaP256Sha256);
    for file in ["one", "two"] {
        let keys: Vec<Arc<dyn symbolon_crypto::HeldKey>> =
            vec![half(Component::MlDsa65), Arc::clone(&shared) as _];
        let signer = SuiteSigner::new(Suite::MlDsa65EcdsaP256, keys).unwrap();
        let id = "spiffe://example.org".parse().unwrap();
        let csr = CsrBuilder::new(&signer).spiffe_id(&id).build().unwrap();
        std::fs::write(room.path().join(format!("{file}.csr")), csr).unwrap();
    }
    room.run(&plan(Suite::MlDsa65EcdsaP256, &planned("one")));
    let error = policy(refused(&room, &["two"], &["alice", "bob"]));
    let wanted = PolicyError::KeyInUse {
        what: "ecdsa-p256-sha256".to_owned(),
        owner: "the intermediate one".to_owned(),
    };
    assert_eq!(error, wanted);
}

#[test]
fn a_root_that_may_have_nothing_below_signs_nothing() {
    let room = Room::new();
    room.run(&plan(Suite::EcdsaP256, "").replace("path_length = 1", "path_length = 0"));
    room.csr("site", Suite::EcdsaP256);
    let error = policy(refused(&room, &["site"], &["alice", "bob"]));
    assert!(matches!(error, PolicyError::NothingBelow), "{error}");
}

#[test]
fn keys_of_another_directory_are_not_the_roots() {
    let room = Room::new();
    room.run(&plan(Suite::EcdsaP256, ""));
    room.csr("site", Suite::EcdsaP256);
    let keys = room.dir().join("keys");
    let kept = room.path().join("kept");
    std::fs::rename(&keys, &kept).unwrap();
    let error = refused(&room, &["site"], &["alice", "bob"]);
    assert!(matches!(error, CeremonyError::OtherKeys(_)), "{error}");
    assert!(!keys.exists(), "no new store was made");

    let other = Room::new();
    other.run(&plan(Suite::EcdsaP256, ""));
    std::fs::rename(other.dir().join("keys"), &keys).unwrap();
    let error = refused(&room, &["site"], &["alice", "bob"]);
    assert!(matches!(error, CeremonyError::Store { .. }), "{error}");
    std::fs::remove_dir_all(&keys).unwrap();
    std::fs::rename(&kept, &keys).unwrap();
    room.sign(&["site"], &["alice", "bob"]).unwrap();
}

#[test]
fn two_sessions_at_once_are_one_too_many() {
    let room = Room::new();
    room.run(&plan(Suite::EcdsaP256, ""));
    room.csr("site", Suite::EcdsaP256);
    room.csr("other", Suite::EcdsaP256);
    let dir = room.dir();
    let csr = room.path().join("other.csr");
    let inner = std::cell::RefCell::new(room.sign_request(&["other"], &["alice", "bob"]));
    let script = Script {
        on_event: Some(Box::new(move |_| {
            let request = inner.borrow();
            assert_eq!((&request.dir, &request.requests[0].path), (&dir, &csr));
            let error = sign(&request, &mut Script::default()).unwrap_err();
            assert!(error.to_string().contains("another process"), "{error}");
        })),
        ..Script::default()
    };
    let mut script = script;
    sign(&room.sign_request(&["site"], &["alice", "bob"]), &mut script).unwrap();
    assert!(!script.events.is_empty());
}

/// A clock that leaves the years that certificates can name as soon as it is told to.
#[derive(Debug, Default)]
struct Breaking(AtomicBool);

impl Clock for Breaking {
    fn now(&self) -> SystemTime {
        match self.0.load(Ordering::Relaxed) {
            false => SystemTime::now(),
            true => SystemTime::UNIX_EPOCH - Duration::from_secs(10),
        }
    }
}

/// Breaks the clock at the first event that `when` is true of.
fn breaking(clock: &Arc<Breaking>, when: impl Fn(&What) -> bool + 'static) -> Script {
    let clock = Arc::clone(clock);
    Script {
        on_event: Some(Box::new(move |event| {
            if when(&event.what) {
                clock.0.store(true, Ordering::Relaxed);
            }
        })),
        ..Script::default()
    }
}

fn last_event(room: &Room) -> Event {
    let text = std::fs::read_to_string(room.transcript()).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn a_root_that_fails_half_way_says_so_and_its_keys_are_destroyed() {
    let room = Room::new();
    let clock = Arc::new(Breaking::default());
    let mut request = room.request(&plan(Suite::MlDsa65EcdsaP256, ""), &ALL);
    request.clock = Arc::clone(&clock) as _;
    let mut script = breaking(&clock, |what| matches!(what, What::KeyMade(_)));
    let error = run(&request, &mut script).unwrap_err();
    assert!(matches!(error, CeremonyError::Issuance(_)), "{error}");
    let What::SessionStopped(stopped) = last_event(&room).what else {
        panic!("the session was stopped")
    };
    assert!(stopped.reason.contains("clock"), "{}", stopped.reason);
    assert_eq!(stopped.keys_destroyed.len(), 2);
    let keys = std::fs::read_dir(room.dir().join("keys")).unwrap();
    let keys: Vec<_> = keys.map(|entry| entry.unwrap().path()).collect();
    assert!(keys.iter().all(|path| path.extension().is_none()), "{keys:?}");
    assert!(!room.dir().join("root.pem").exists());
}

#[test]
fn a_signing_that_fails_half_way_is_told_and_the_root_goes_on() {
    let room = Room::new();
    room.run(&plan(Suite::EcdsaP256, ""));
    room.csr("one", Suite::EcdsaP256);
    room.csr("two", Suite::EcdsaP256);
    let clock = Arc::new(Breaking::default());
    let mut request = room.sign_request(&["one", "two"], &["alice", "bob"]);
    request.clock = Arc::clone(&clock) as _;
    let mut script = breaking(&clock, |what| matches!(what, What::CertificateMade(_)));
    let error = sign(&request, &mut script).unwrap_err();
    assert!(matches!(error, CeremonyError::Issuance(_)), "{error}");
    assert!(matches!(last_event(&room).what, What::SessionStopped(_)));
    audit_dir(&room.dir(), &room.root()).unwrap_err();
    room.sign(&["two"], &["carol", "bob"]).unwrap();
    let proven = audit_dir(&room.dir(), &room.root()).unwrap();
    assert_eq!(proven.intermediates.len(), 2);
}
