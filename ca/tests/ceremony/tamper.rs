//! A transcript that somebody changed: the first event that is wrong is named, chain mended or not.

use symbolon_ca::ceremony::event::{Event, FIRST, Purpose, What, link};
use symbolon_ca::ceremony::{AuditError, TranscriptError, audit, audit_dir};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Suite;

use crate::support::{Room, plan, planned};

struct Made {
    room: Room,
    root: Certificate,
    events: Vec<Event>,
}

fn made() -> Made {
    let room = Room::new();
    let suite = Suite::MlDsa44EcdsaP256;
    room.csr("site-a", suite);
    room.run(&plan(suite, &planned("site-a")));
    room.csr("site-b", suite);
    room.sign(&["site-b"], &["alice", "carol"]).unwrap();
    let text = std::fs::read_to_string(room.transcript()).unwrap();
    let events = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let root = room.root();
    Made { room, root, events }
}

/// The bytes of events whose chain was made anew, as somebody would do who changed one.
fn chained(events: &[Event]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut previous = FIRST;
    for (number, event) in events.iter().enumerate() {
        let event = Event {
            number: number as u64,
            previous: hex::encode(previous),
            ..event.clone()
        };
        let line = serde_json::to_vec(&event).unwrap();
        previous = link(&line);
        bytes.extend(line);
        bytes.push(b'\n');
    }
    bytes
}

fn at(events: &[Event], wanted: impl Fn(&What) -> bool) -> usize {
    events.iter().position(|event| wanted(&event.what)).unwrap()
}

/// The event that is found wrong, and why.
fn wrong_event(error: &AuditError) -> (u64, String) {
    match error {
        AuditError::Event { number, .. } | AuditError::Transcript(TranscriptError::Event { number, .. }) => {
            (*number, error.to_string())
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_changed_event_breaks_the_chain_or_the_signature() {
    let Made { root, events, .. } = made();
    audit(&chained(&events), &root).unwrap();
    let closings: Vec<usize> = (0..events.len())
        .filter(|at| matches!(events[*at].what, What::SessionClosed(_)))
        .collect();
    assert_eq!(closings.len(), 2);
    for number in 0..events.len() {
        // A second later than it was: nothing else in the event is wrong.
        let mut changed = events.clone();
        let time = &changed[number].time;
        changed[number].time = time.replace("20", "19");
        let unmended: Vec<u8> = changed
            .iter()
            .flat_map(|event| [serde_json::to_vec(event).unwrap(), b"\n".to_vec()].concat())
            .collect();
        let error = audit(&unmended, &root).unwrap_err();
        let closing = closings.iter().copied().find(|at| *at >= number).unwrap();
        let (found, words) = wrong_event(&error);
        let named = if number + 1 < events.len() && closing != number {
            number + 1
        } else {
            number
        };
        assert!(
            found as usize == named || found as usize == number + 1,
            "{number}: {words}"
        );

        // With the chain mended it is the root's signature that does not hold.
        let error = audit(&chained(&changed), &root).unwrap_err();
        let (found, words) = wrong_event(&error);
        assert_eq!(found as usize, closing, "{number}: {words}");
        assert!(words.contains("did not sign"), "{words}");
    }
}

#[test]
fn both_halves_of_the_roots_signature_count() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let Made { root, events, .. } = made();
    let closing = at(&events, |what| matches!(what, What::SessionClosed(_)));
    for (byte, half) in [(10, "post-quantum half"), (usize::MAX, "classical half")] {
        let mut changed = events.clone();
        let What::SessionClosed(closed) = &mut changed[closing].what else {
            panic!("found it a moment ago")
        };
        let mut signature = STANDARD.decode(&closed.signature).unwrap();
        let byte = byte.min(signature.len() - 1);
        signature[byte] ^= 1;
        closed.signature = STANDARD.encode(signature);
        let error = audit(&chained(&changed), &root).unwrap_err();
        let (found, words) = wrong_event(&error);
        assert_eq!(found as usize, closing);
        assert!(words.contains(half), "{words}");
    }
}

#[test]
fn what_does_not_follow_is_named_where_it_stands() {
    let Made { root, events, .. } = made();
    let share = at(&events, |what| matches!(what, What::ShareMade(_)));
    let key = at(&events, |what| matches!(what, What::KeyMade(_)));
    let present = at(&events, |what| matches!(what, What::CustodianPresent(_)));
    let intended = at(&events, |what| matches!(what, What::CertificateIntended(_)));
    let certificate = at(&events, |what| matches!(what, What::CertificateMade(_)));
    let below = at(
        &events,
        |what| matches!(what, What::CertificateMade(made) if made.purpose == Purpose::Intermediate),
    );
    let session = at(&events, |what| matches!(what, What::SessionBegun(_)));
    let without = |number: usize| {
        let mut changed = events.clone();
        changed.remove(number);
        changed
    };
    let with = |number: usize, change: &dyn Fn(&mut What)| {
        let mut changed = events.clone();
        change(&mut changed[number].what);
        changed
    };
    let cases: Vec<(&str, Vec<Event>, usize, &str)> = vec![
        ("the beginning", without(0), 0, "begins with"),
        ("a custodian", without(present), intended - 1, "must be here"),
        ("a share", without(share), share, "next custodian's"),
        ("a key", without(key), key, "another key"),
        ("an intention", without(intended), intended, "intended"),
        ("a certificate", without(certificate), certificate, "was not made"),
        (
            "the session's beginning",
            without(session),
            session,
            "closed before",
        ),
        (
            "the file",
            with(0, &|what| {
                if let What::CeremonyBegun(begun) = what {
                    begun.plan = begun.plan.replace("needed = 2", "needed = 1");
                }
            }),
            0,
            "does not have the hash",
        ),
        (
            "a share's threshold",
            with(share, &|what| {
                if let What::ShareMade(made) = what {
                    made.threshold = 1;
                }
            }),
            share,
            "of which 1 are needed",
        ),
        (
            "a key's hash",
            with(key, &|what| {
                if let What::KeyMade(made) = what {
                    made.spki_sha256 = "00".repeat(32);
                }
            }),
            certificate,
            "not those that were made",
        ),
        (
            "a certificate's hash",
            with(below, &|what| {
                if let What::CertificateMade(made) = what {
                    made.sha256 = "00".repeat(32);
                }
            }),
            below,
            "does not have the hash",
        ),
        (
            "what was to be signed",
            with(intended, &|what| {
                if let What::CertificateIntended(intended) = what {
                    intended.tbs_sha256 = "00".repeat(32);
                }
            }),
            certificate,
            "not what was intended",
        ),
        (
            "a role",
            with(present, &|what| {
                if let What::CustodianPresent(present) = what {
                    present.role = "nobody".to_owned();
                }
            }),
            intended,
            "another role",
        ),
        (
            "whether it was interrupted",
            with(session, &|what| {
                if let What::SessionBegun(begun) = what {
                    begun.after_interruption = true;
                }
            }),
            session,
            "does not say truly",
        ),
    ];
    for (what, changed, number, words) in cases {
        let error = audit(&chained(&changed), &root).unwrap_err();
        let (found, said) = wrong_event(&error);
        assert_eq!(found as usize, number, "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
    }
}

#[test]
fn too_few_custodians_are_found_afterwards_too() {
    let Made { root, events, .. } = made();
    let session = at(&events, |what| matches!(what, What::SessionBegun(_)));
    let mut changed = events.clone();
    changed.remove(session + 1);
    let error = audit(&chained(&changed), &root).unwrap_err();
    let (found, words) = wrong_event(&error);
    assert!(matches!(
        changed[found as usize].what,
        What::CertificateIntended(_)
    ));
    assert!(words.contains("the quorum is 2"), "{words}");
}

#[test]
fn what_was_cut_off_at_the_end_is_missed() {
    let Made { root, events, .. } = made();
    for count in 1..events.len() {
        let short = chained(&events[..count]);
        match audit(&short, &root) {
            // A whole session taken away leaves an earlier state, which was whole: the number of events tells.
            Ok(proven) => assert!(
                matches!(events[count - 1].what, What::SessionClosed(_)),
                "{}",
                proven.events
            ),
            Err(AuditError::Unfinished { after, .. }) => assert_eq!(after as usize, count - 1),
            Err(other) => panic!("{count}: {other}"),
        }
    }
    assert!(matches!(audit(b"", &root).unwrap_err(), AuditError::Empty));
}

#[test]
fn another_root_and_other_files_are_noticed() {
    let Made { room, root, events } = made();
    let other = made();
    let error = audit(&chained(&events), &other.root).unwrap_err();
    assert!(matches!(error, AuditError::OtherRoot { .. }), "{error}");

    let dir = room.dir();
    audit_dir(&dir, &root).unwrap();
    let file = |path: &str| dir.join(path);
    let foreign = std::fs::read(other.room.dir().join("intermediates/site-a.pem")).unwrap();
    for path in [
        "intermediates/site-a.pem",
        "root.pem",
        "ceremony.toml",
        "intermediates/stranger.pem",
    ] {
        let before = std::fs::read(file(path)).ok();
        std::fs::write(file(path), &foreign).unwrap();
        let error = audit_dir(&dir, &root).unwrap_err();
        assert!(
            matches!(&error, AuditError::File { path: named, .. } if named.ends_with(path)),
            "{error}"
        );
        match before {
            Some(before) => std::fs::write(file(path), before).unwrap(),
            None => std::fs::remove_file(file(path)).unwrap(),
        }
    }
    audit_dir(&dir, &root).unwrap();
}
