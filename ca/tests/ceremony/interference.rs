//! What people and machines do to a ceremony's directory and clock between and during sessions.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_ca::ceremony::event::What;
use symbolon_ca::ceremony::policy::PolicyError;
use symbolon_ca::ceremony::{AuditError, CeremonyError, audit_dir, export, run, sign};
use symbolon_pki::suite::Suite;
use symbolon_pki::time::Clock;

use crate::support::{ALL, Room, Script, plan};

/// A clock that stands.
#[derive(Debug)]
struct Stands(SystemTime);

impl Clock for Stands {
    fn now(&self) -> SystemTime {
        self.0
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Refused before anybody is asked for a secret, and with the transcript as it was.
fn refused_at_once(room: &Room, file: &str, clock: Option<Stands>) -> CeremonyError {
    let before = std::fs::read(room.transcript()).unwrap();
    let mut request = room.sign_request(&[file], &["alice", "bob"]);
    if let Some(clock) = clock {
        request.clock = Arc::new(clock);
    }
    let mut script = Script::default();
    let error = sign(&request, &mut script).unwrap_err();
    assert!(script.asked.is_empty() && script.events.is_empty());
    assert_eq!(std::fs::read(room.transcript()).unwrap(), before);
    error
}

#[test]
fn a_clock_outside_the_roots_life_signs_nothing() {
    let room = Room::new();
    room.run(&plan(Suite::Ed25519, ""));
    room.csr("site", Suite::Ed25519);
    let year = Duration::from_secs(365 * 86_400);
    for moment in [SystemTime::UNIX_EPOCH, SystemTime::now() + 11 * year] {
        let error = refused_at_once(&room, "site", Some(Stands(moment)));
        assert!(matches!(error, CeremonyError::Clock { .. }), "{error}");
        assert!(error.to_string().contains("set the clock"), "{error}");
    }
    room.sign(&["site"], &["alice", "bob"]).unwrap();
}

#[test]
fn no_lifetime_is_refused_before_anything_is_written() {
    let room = Room::new();
    room.run(&plan(Suite::Ed25519, ""));
    room.csr("site", Suite::Ed25519);
    for (lifetime, words) in [
        (0, "longer than nothing"),
        (366, "366d, and the policy allows 365d"),
    ] {
        let before = std::fs::read(room.transcript()).unwrap();
        let mut request = room.sign_request(&["site"], &["alice", "bob"]);
        request.requests[0].lifetime = Some(Duration::from_secs(lifetime * 86_400));
        let error = sign(&request, &mut Script::default()).unwrap_err();
        let CeremonyError::Request { source, .. } = &error else {
            panic!("{error}")
        };
        assert!(
            matches!(**source, PolicyError::NoLifetime | PolicyError::Lifetime { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(std::fs::read(room.transcript()).unwrap(), before);
    }
}

#[test]
fn a_certificate_that_lies_there_already_is_not_taken_for_the_one_that_is_signed() {
    let room = Room::new();
    room.csr("one", Suite::Ed25519);
    room.csr("two", Suite::Ed25519);
    room.run(&plan(Suite::Ed25519, ""));
    room.sign(&["one"], &["alice", "bob"]).unwrap();
    let below = room.dir().join("intermediates");
    std::fs::copy(below.join("one.pem"), below.join("two.pem")).unwrap();
    let error = refused_at_once(&room, "two", None);
    assert!(error.to_string().contains("no event tells of it"), "{error}");
    std::fs::remove_file(below.join("two.pem")).unwrap();
    // A transcript from which a session was taken off the end has more certificates beside it than it tells of.
    let whole = std::fs::read_to_string(room.transcript()).unwrap();
    let begun = whole.find("session-begun").unwrap();
    let shorter = &whole[..=whole[..begun].rfind('\n').unwrap()];
    std::fs::write(room.transcript(), shorter).unwrap();
    let error = refused_at_once(&room, "two", None);
    assert!(error.to_string().contains("no event tells of it"), "{error}");
    std::fs::write(room.transcript(), whole).unwrap();

    std::fs::copy(room.dir().join("root.pem"), below.join("one.pem")).unwrap();
    let error = export(&room.dir(), &room.root()).unwrap_err();
    assert!(
        matches!(&error, CeremonyError::Audit(AuditError::File { path, .. }) if path.ends_with("one.pem")),
        "{error}"
    );
    std::fs::remove_file(below.join("one.pem")).unwrap();
    // What a crash left of a file is no stranger, and goes with the next try.
    std::fs::write(below.join("one.pem.new"), b"half").unwrap();
    export(&room.dir(), &room.root()).unwrap();
    assert_eq!(names(&below), ["one.chain.pem", "one.pem"]);
    audit_dir(&room.dir(), &room.root()).unwrap();
}

#[test]
fn people_are_told_the_head_and_what_nobody_has_signed_for() {
    let room = Room::new();
    let made = room.run(&plan(Suite::Ed25519, ""));
    // Somebody writes a session that never was, after the last one that was closed.
    let begun = What::SessionBegun(symbolon_ca::ceremony::event::SessionBegun {
        program: "by hand".to_owned(),
        after_interruption: false,
        bytes_cut: 0,
    });
    let event = symbolon_ca::ceremony::event::Event {
        number: made.audit.events,
        time: "2026-11-22T09:00:00Z".to_owned(),
        previous: made.audit.head.clone(),
        what: begun,
    };
    let mut bytes = std::fs::read(room.transcript()).unwrap();
    bytes.extend(serde_json::to_vec(&event).unwrap());
    bytes.push(b'\n');
    std::fs::write(room.transcript(), bytes).unwrap();

    room.csr("site", Suite::Ed25519);
    let mut script = Script::default();
    sign(&room.sign_request(&["site"], &["alice", "bob"]), &mut script).unwrap();
    let at = |words: &str| script.steps.iter().position(|step| step.contains(words));
    let told = at("broke off after event").unwrap();
    assert!(
        script.steps[told].contains("2026-11-22T09:00:00Z with nobody"),
        "{:?}",
        script.steps
    );
    assert!(told < at("Sign site").unwrap());

    let before = audit_dir(&room.dir(), &room.root()).unwrap();
    room.csr("next", Suite::Ed25519);
    let mut script = Script::default();
    sign(&room.sign_request(&["next"], &["alice", "bob"]), &mut script).unwrap();
    assert!(script.steps.iter().any(|step| step.contains(&before.head)));
    assert!(!script.steps.iter().any(|step| step.contains("broke off")));
}

#[test]
fn an_empty_directory_of_keys_is_not_made_a_store() {
    let room = Room::new();
    room.run(&plan(Suite::Ed25519, ""));
    room.csr("site", Suite::Ed25519);
    let (keys, kept) = (room.dir().join("keys"), room.path().join("kept"));
    std::fs::rename(&keys, &kept).unwrap();
    std::fs::create_dir(&keys).unwrap();
    let error = room.sign(&["site"], &["alice", "bob"]).unwrap_err();
    assert!(matches!(error, CeremonyError::OtherKeys(_)), "{error}");
    assert_eq!(names(&keys), [""; 0]);
}

/// The plan with bob's share in this place.
fn share_at(path: &Path) -> String {
    plan(Suite::Ed25519, "").replace(
        "role = \"role of bob\"",
        &format!("role = \"role of bob\"\nshare = \"{}\"", path.display()),
    )
}

#[test]
fn a_stick_that_is_not_there_is_noticed_before_anything_is_made() {
    let room = Room::new();
    let stick = room.path().join("stick");
    let text = share_at(&stick.join("bob.share"));
    for dry_run in [true, false] {
        let mut request = room.request(&text, &ALL);
        request.dry_run = dry_run;
        let mut script = Script::default();
        let error = run(&request, &mut script).unwrap_err();
        assert!(error.to_string().contains("bob.share"), "{error}");
        assert!(script.asked.is_empty() && !room.dir().exists());
    }
    std::fs::create_dir(&stick).unwrap();
    let mut request = room.request(&text, &ALL);
    request.dry_run = true;
    run(&request, &mut Script::default()).unwrap();
    assert_eq!(names(&stick), [""; 0], "a rehearsal leaves nothing there either");
    request.dry_run = false;
    run(&request, &mut Script::default()).unwrap();
    assert_eq!(names(&stick), ["bob.share"]);
}

#[test]
fn shares_of_a_ceremony_that_failed_are_removed() {
    let room = Room::new();
    let stick = room.path().join("stick");
    std::fs::create_dir(&stick).unwrap();
    // As soon as the shares are written, somebody puts a file where the keys are to be.
    let keys = room.dir().join("keys");
    let mut script = Script {
        on_event: Some(Box::new(move |event| {
            if matches!(&event.what, What::ShareMade(made) if made.custodian.as_str() == "carol") {
                std::fs::write(&keys, b"in the way").unwrap();
            }
        })),
        ..Script::default()
    };
    run(
        &room.request(&share_at(&stick.join("bob.share")), &ALL),
        &mut script,
    )
    .unwrap_err();
    assert!(matches!(
        script.events.last().unwrap().what,
        What::SessionStopped(_)
    ));
    assert_eq!(names(&stick), [""; 0]);
    assert_eq!(names(&room.dir().join("shares")), [""; 0]);
}
