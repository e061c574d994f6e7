//! A process that dies at any event leaves a transcript that says where, and nothing that passes for whole.

use std::path::Path;
use std::process::Command;

use symbolon_ca::ceremony::{AuditError, CeremonyError, audit, audit_dir, export, root_of, run, sign};
use symbolon_pki::suite::Suite;

use crate::support::{ALL, Room, Script, plan, planned};

const ROOM: &str = "SYMBOLON_TEST_CEREMONY_ROOM";
const EVENT: &str = "SYMBOLON_TEST_CEREMONY_EVENT";

/// A conductor whose process dies as soon as the event is written.
fn dying_at(number: u64) -> Script {
    Script {
        on_event: Some(Box::new(move |event| {
            if event.number == number {
                std::process::abort();
            }
        })),
        ..Script::default()
    }
}

/// Not a test of its own: what the tests below run in a process that dies.
#[test]
#[ignore = "run by the other tests, in a process of its own"]
fn victim() {
    let (Some(room), Ok(event)) = (std::env::var_os(ROOM), std::env::var(EVENT)) else {
        return;
    };
    let mut script = dying_at(event.parse().unwrap());
    let other = Room::new();
    let base = Path::new(&room);
    if base.join("root").exists() {
        let mut request = other.sign_request(&["later"], &["alice", "bob"]);
        request.dir = base.join("root");
        request.requests[0].path = base.join("later.csr");
        sign(&request, &mut script).unwrap();
    } else {
        let mut request = other.request(&text(), &ALL);
        request.base = base.to_owned();
        run(&request, &mut script).unwrap();
    }
}

fn text() -> String {
    plan(Suite::Ed25519, &planned("site"))
}

fn die(room: &Room, event: u64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "crash::victim",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROOM, room.path())
        .env(EVENT, event.to_string())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert!(room.transcript().exists(), "{output:?}");
}

#[test]
fn no_half_root_is_taken_as_whole() {
    let whole = Room::new();
    whole.csr("site", Suite::Ed25519);
    let events = whole.run(&text()).audit.events;
    let other_root = whole.root();

    for event in 0..events {
        let room = Room::new();
        room.csr("site", Suite::Ed25519);
        die(&room, event);
        assert!(!room.dir().join("root.pem").exists(), "{event}");
        let written = std::fs::read(room.transcript()).unwrap();
        let error = audit(&written, &other_root).unwrap_err();
        // It cannot be begun again over what is there.
        let again = run(&room.request(&text(), &ALL), &mut Script::default()).unwrap_err();
        assert!(matches!(again, CeremonyError::Exists(_)), "{again}");
        room.csr("later", Suite::Ed25519);
        let later = room.sign(&["later"], &["alice", "bob"]);
        if event + 1 < events {
            assert!(
                matches!(&error, AuditError::Unfinished { after, .. } if *after == event),
                "{event}: {error}"
            );
            let later = later.unwrap_err().to_string();
            assert!(later.contains(&format!("after event {event}")), "{later}");
            root_of(&room.dir()).unwrap_err();
            assert_eq!(std::fs::read(room.transcript()).unwrap(), written);
        } else {
            // Everything was signed for; only the files were not written yet.
            assert!(matches!(error, AuditError::OtherRoot { .. }), "{error}");
            later.unwrap();
            let root = root_of(&room.dir()).unwrap();
            export(&room.dir(), &root).unwrap();
            audit_dir(&room.dir(), &root).unwrap();
        }
    }
}

#[test]
fn an_interrupted_signing_is_told_and_covered_by_the_next() {
    let whole = Room::new();
    whole.csr("site", Suite::Ed25519);
    whole.run(&text());
    whole.csr("later", Suite::Ed25519);
    let before = std::fs::read_to_string(whole.transcript())
        .unwrap()
        .lines()
        .count() as u64;
    let events = whole.sign(&["later"], &["alice", "bob"]).unwrap().audit.events;

    for event in before..events - 1 {
        let room = Room::new();
        room.csr("site", Suite::Ed25519);
        room.run(&text());
        let root = room.root();
        room.csr("later", Suite::Ed25519);
        die(&room, event);
        assert!(!room.dir().join("intermediates/later.pem").exists());
        let error = audit_dir(&room.dir(), &root).unwrap_err();
        assert!(
            matches!(error, AuditError::Unfinished { after, .. } if after == event),
            "{error}"
        );

        // The key is taken if its certificate had been made; another is signed in any case.
        let made = std::fs::read_to_string(room.transcript()).unwrap();
        let was_made = made
            .lines()
            .filter(|line| line.contains("certificate-made"))
            .count()
            == 3;
        assert_eq!(
            room.sign(&["later"], &["alice", "bob"]).is_err(),
            was_made,
            "{event}"
        );
        room.csr("another", Suite::Ed25519);
        room.sign(&["another"], &["alice", "bob"]).unwrap();
        let proven = audit_dir(&room.dir(), &root).unwrap();
        let closed: Vec<_> = proven.sessions.iter().map(|session| session.closed).collect();
        assert!(
            closed[0] && !closed[1] && closed[2..].iter().all(|closed| *closed),
            "{closed:?}"
        );
        assert!(
            proven
                .intermediates
                .iter()
                .any(|one| one.name.as_str() == "later")
        );
    }
}

#[test]
fn a_line_cut_off_in_the_middle_is_taken_away_by_the_next_session() {
    let room = Room::new();
    room.csr("site", Suite::Ed25519);
    room.run(&text());
    let root = room.root();
    let mut bytes = std::fs::read(room.transcript()).unwrap();
    let closed = bytes.len();
    bytes.extend_from_slice(b"{\"number\":99,\"ti");
    std::fs::write(room.transcript(), &bytes).unwrap();
    let error = audit_dir(&room.dir(), &root).unwrap_err();
    assert!(matches!(error, AuditError::Unfinished { .. }), "{error}");
    room.csr("later", Suite::Ed25519);
    room.sign(&["later"], &["alice", "bob"]).unwrap();
    let mended = std::fs::read(room.transcript()).unwrap();
    assert_eq!(mended[..closed], bytes[..closed]);
    assert!(String::from_utf8(mended).unwrap().contains("\"bytes_cut\":16"));
    audit_dir(&room.dir(), &root).unwrap();
}
