//! SSH servers that misbehave, and one that behaves as far as the reply.

use std::time::Duration;

use super::packet::{KEX_REPLY, KEXINIT, put};
use super::*;
use crate::endpoints::script::{Script, Step};
use crate::endpoints::testing::{contact, only_note};
use crate::inventory::Detail;

fn packet(payload: &[u8]) -> Vec<u8> {
    let mut packet = u32::try_from(payload.len() + 5).unwrap().to_be_bytes().to_vec();
    packet.push(4);
    packet.extend(payload);
    packet.extend([0; 4]);
    packet
}

/// A KEXINIT with these methods and host keys, and one of everything else.
fn lists(exchanges: &str, host_keys: &str) -> Vec<u8> {
    let mut payload = vec![KEXINIT];
    payload.extend([7; 16]);
    let rest = [
        "aes128-ctr",
        "aes128-ctr",
        "hmac-sha1",
        "hmac-sha1",
        "none",
        "none",
        "",
        "",
    ];
    for list in [exchanges, host_keys].into_iter().chain(rest) {
        put(&mut payload, list.as_bytes());
    }
    payload.extend([0; 5]);
    packet(&payload)
}

fn banner() -> Step {
    Step::Say(b"welcome\r\nSSH-2.0-Scripted_1\r\n".to_vec())
}

fn reply() -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, b"ssh-ed25519");
    put(&mut blob, &[5; 32]);
    let mut payload = vec![KEX_REPLY];
    put(&mut payload, &blob);
    put(&mut payload, &[1; 32]);
    put(&mut payload, b"signature");
    packet(&payload)
}

#[test]
fn what_is_listed_and_shown_is_reported() {
    let server = Script::serve(vec![
        banner(),
        Step::Say(packet(&[2, 0, 0, 0, 0])),
        Step::Say(lists(
            "curve25519-sha256,kex-strict-s-v00@openssh.com",
            "ssh-ed25519",
        )),
        Step::HearAny,
        Step::Say(reply()),
        Step::Hold,
    ]);
    let found = contact("ssh", server.address());
    server.join();
    assert_eq!(found.unread_entries(), []);
    let service = found
        .assets()
        .iter()
        .find(|asset| matches!(asset.detail, Detail::Service(_)))
        .unwrap();
    assert_eq!(
        service.facts_of("classical-fallback").collect::<Vec<_>>(),
        ["accepted"]
    );
    assert_eq!(
        service.facts_of("software").collect::<Vec<_>>(),
        ["SSH-2.0-Scripted_1"]
    );
    assert_eq!(service.exposure.as_deref(), Some("local"));
    let key = crate::files::spki::of_raw("1.3.101.112", &[5; 32])
        .unwrap()
        .sha256();
    let presented = found.assets().iter().find(|asset| match &asset.detail {
        Detail::Key(detail) => detail.spki_sha256.as_deref() == Some(&key),
        _ => false,
    });
    let id = presented.unwrap().id();
    assert!(
        found
            .edges()
            .iter()
            .any(|edge| edge.from == *service.id() && edge.role == Role::Presents && edge.to == *id)
    );
    let methods = found.assets().iter().find_map(|asset| match &asset.detail {
        Detail::Protocol(detail) => Some(detail.groups.clone()),
        _ => None,
    });
    assert_eq!(methods.unwrap(), ["curve25519-sha256"]);
}

#[test]
fn what_is_beyond_the_longest_list_is_counted() {
    let many: Vec<String> = (0..600)
        .map(|number| format!("curve25519-{number}@example.org"))
        .collect();
    let exchanges = format!("curve25519-sha256,{},k\u{1},", many.join(","));
    let server = Script::serve(vec![
        banner(),
        Step::Say(lists(&exchanges, "ssh-ed25519")),
        Step::HearAny,
        Step::Say(reply()),
        Step::Hold,
    ]);
    let found = contact("ssh", server.address());
    server.join();
    let notes: Vec<(Reason, &str)> = found
        .unread_entries()
        .iter()
        .map(|unread| (unread.reason, unread.detail.as_str()))
        .collect();
    assert_eq!(
        notes,
        [
            (
                Reason::TooLarge,
                "what the server offers: 101 names beyond the first 500 of a list"
            ),
            (
                Reason::Malformed,
                "what the server offers: 1 entries of its lists are no names"
            ),
        ]
    );
    let listed = found.assets().iter().find_map(|asset| match &asset.detail {
        Detail::Protocol(detail) => Some(detail.groups.len()),
        _ => None,
    });
    assert_eq!(listed, Some(500));
}

#[test]
fn a_server_without_classical_methods_is_asked_and_refuses() {
    let server = Script::serve(vec![
        banner(),
        Step::Say(lists("mlkem768x25519-sha256", "ssh-ed25519")),
        Step::HearAny,
        Step::Say(packet(b"\x01\0\0\0\x03\0\0\0\x0dno match, sir\0\0\0\0")),
        Step::Hold,
    ]);
    let found = contact("ssh", server.address());
    server.join();
    let service = found
        .assets()
        .iter()
        .find(|asset| matches!(asset.detail, Detail::Service(_)))
        .unwrap();
    assert_eq!(
        service.facts_of("classical-fallback").collect::<Vec<_>>(),
        ["refused"]
    );
    // Nor did the exchange that it lists come about.
    assert_eq!(service.facts_of("pq-group").count(), 0);
    let (reason, note) = only_note(&found);
    assert_eq!(reason, Reason::Refused);
    assert!(note.contains("no match, sir"), "{note}");
}

fn facts(found: &Fragment, name: &str) -> Vec<String> {
    let mut assets = found.assets().iter();
    let service = assets
        .find(|asset| matches!(asset.detail, Detail::Service(_)))
        .unwrap();
    service.facts_of(name).map(str::to_owned).collect()
}

/// OpenSSH drops some of those who come while many are coming (MaxStartups), and says nothing.
#[test]
fn who_is_not_let_in_is_not_refused_for_what_it_would_have_asked() {
    let lets_in = |rest: Vec<Step>| {
        let list = lists("mlkem768x25519-sha256", "ssh-ed25519");
        [vec![banner(), Step::Say(list)], rest].concat()
    };
    let served = || lets_in(vec![Step::HearAny, Step::Say(reply()), Step::Hold]);
    for turned_away in [vec![], vec![Step::Say(b"Not allowed at this time\r\n".to_vec())]] {
        let server = Script::in_turn(vec![lets_in(vec![Step::Hold]), served(), turned_away]);
        let found = contact("ssh", server.address());
        server.join();
        assert_eq!(facts(&found, "classical-fallback"), ["not-tested"]);
        assert_eq!(facts(&found, "pq-group"), ["mlkem768x25519-sha256"]);
        assert_eq!(only_note(&found).0, Reason::Refused);
    }
}

#[test]
fn a_method_that_nobody_knows_is_not_taken_for_a_post_quantum_one() {
    let server = Script::serve(vec![
        banner(),
        Step::Say(lists("mlkem768x25519-sha256,secret@example.org", "ssh-ed25519")),
        Step::HearAny,
    ]);
    let found = contact("ssh", server.address());
    server.join();
    assert_eq!(facts(&found, "classical-fallback"), ["not-tested"]);
    let mut notes = found.unread_entries().iter();
    assert!(notes.any(|note| note.detail.contains("secret@example.org")));
}

#[test]
fn a_wrong_guess_is_passed_over_and_marks_are_no_methods() {
    let mut list = lists(
        "diffie-hellman-group14-sha256,curve25519-sha256,kexguess2@matt.ucc.asn.au",
        "ssh-ed25519",
    );
    // The last of the payload but for the padding: the guess, and the reserved number.
    let guess = list.len() - 4 - 5;
    list[guess] = 1;
    let server = Script::serve(vec![
        banner(),
        Step::Say([list, packet(&[30, 1, 2, 3])].concat()),
        Step::HearAny,
        Step::Say(reply()),
        Step::Hold,
    ]);
    let found = contact("ssh", server.address());
    server.join();
    assert_eq!(found.unread_entries(), []);
    assert_eq!(facts(&found, "classical-fallback"), ["accepted"]);
    let methods = found.assets().iter().find_map(|asset| match &asset.detail {
        Detail::Protocol(detail) => Some(detail.groups.clone()),
        _ => None,
    });
    assert_eq!(
        methods.unwrap(),
        ["diffie-hellman-group14-sha256", "curve25519-sha256"]
    );
}

#[test]
fn who_does_not_speak_ssh_ends_as_a_reason() {
    let endless = b"one more line\n".to_vec();
    let huge = [&[0xff_u8; 4][..], &[0; 64]].concat();
    for (steps, reason, words) in [
        (
            vec![Step::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())],
            Reason::Malformed,
            "not SSH",
        ),
        (
            vec![Step::Say(b"SSH-1.5-old\r\n".to_vec())],
            Reason::Malformed,
            "another version",
        ),
        (vec![], Reason::Refused, "closes the connection"),
        (vec![Step::Flood(endless)], Reason::Malformed, "not SSH"),
        (
            vec![Step::Flood(vec![b'x'; 1024])],
            Reason::Malformed,
            "line without an end",
        ),
        (
            vec![banner(), Step::Say(huge)],
            Reason::Malformed,
            "impossible length",
        ),
        (
            vec![banner(), Step::Say(packet(&[KEXINIT, 1, 2, 3]))],
            Reason::Malformed,
            "damaged list",
        ),
        (
            vec![banner(), Step::Flood(packet(&[2, 0, 0, 0, 0]))],
            Reason::Malformed,
            "says nothing",
        ),
        (vec![Step::Hold], Reason::TimedOut, "does not finish"),
        (
            vec![Step::Drip(vec![b'S'; 4096], Duration::from_millis(20))],
            Reason::TimedOut,
            "does not finish",
        ),
        (
            vec![
                banner(),
                Step::Say(packet(b"\x01\0\0\0\x02\0\0\0\x04busy\0\0\0\0")),
            ],
            Reason::Refused,
            "busy",
        ),
    ] {
        let server = Script::serve(steps.clone());
        let found = contact("ssh", server.address());
        server.join();
        assert!(found.assets().is_empty(), "{steps:?}");
        let (why, text) = only_note(&found);
        assert_eq!(why, reason, "{text}");
        assert!(text.contains(words), "{text}");
    }
}
