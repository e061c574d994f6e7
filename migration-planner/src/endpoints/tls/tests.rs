//! Servers that misbehave: each ends as a reason, within its bounds. What real servers answer is proved in `interop/`.

use std::time::Duration;

use crate::endpoints::Settings;
use crate::endpoints::script::{Script, Step};
use crate::endpoints::testing::{QUICK, contact, contact_with, only_note};
use crate::inventory::{Asset, Detail, Fragment, Reason};
use crate::scan::{Budget, Piece, Target};

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3][..], &length, body].concat()
}

fn alert(code: u8) -> Vec<u8> {
    record(21, &[2, code])
}

/// A ServerHello of TLS 1.2 that takes one suite.
fn hello_12(suite: u16) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.push(0);
    body.extend(suite.to_be_bytes());
    body.push(0);
    let length = u8::try_from(body.len()).unwrap();
    record(22, &[&[2, 0, 0, length][..], &body].concat())
}

fn service(found: &Fragment) -> &Asset {
    let mut each = found.assets().iter();
    each.find(|asset| matches!(asset.detail, Detail::Service(_)))
        .unwrap()
}

#[test]
fn who_does_not_speak_tls_ends_as_a_reason() {
    let fragment = record(22, &[2, 4, 0, 1, 0]);
    for (steps, reason, words) in [
        (
            vec![
                Step::HearAny,
                Step::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            ],
            Reason::Malformed,
            "an HTTP answer",
        ),
        (
            vec![Step::Say(b"SSH-2.0-x\r\n".to_vec())],
            Reason::Malformed,
            "an SSH banner",
        ),
        (vec![], Reason::Refused, "closes the connection"),
        (vec![Step::Flood(vec![0x5a; 700])], Reason::Malformed, "not TLS"),
        (
            vec![Step::Say(vec![22, 3, 3, 0xff, 0xff])],
            Reason::Malformed,
            "more than any may have",
        ),
        (
            vec![Step::Flood(fragment)],
            Reason::Malformed,
            "a handshake message of",
        ),
        (
            vec![Step::Flood(record(21, &[1, 112]))],
            Reason::TooLarge,
            "more than",
        ),
        (vec![Step::Hold], Reason::TimedOut, "does not finish"),
        (
            vec![Step::Drip(record(22, &[2; 500]), Duration::from_millis(20))],
            Reason::TimedOut,
            "does not finish",
        ),
        (
            vec![Step::HearAny, Step::Say(alert(40))],
            Reason::Refused,
            "accepts nothing that was offered (TLS 1.3: handshake_failure, TLS 1.2: handshake_failure",
        ),
        (
            vec![Step::HearAny, Step::Say(record(22, &[2, 0, 0, 1, 3]))],
            Reason::Malformed,
            "damaged handshake message",
        ),
    ] {
        let server = Script::serve(steps.clone());
        let found = contact("tls", server.address());
        server.join();
        assert!(found.assets().is_empty(), "{steps:?}");
        let (why, text) = only_note(&found);
        assert_eq!(why, reason, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn what_was_never_offered_is_not_believed() {
    // It answers every hello with TLS 1.2 and one and the same suite, and then says nothing that could be read.
    let server = Script::serve(vec![Step::HearAny, Step::Say(hello_12(0xc02f))]);
    let found = contact("tls", server.address());
    server.join();
    let service = service(&found);
    let mut refused: Vec<&str> = service.facts_of("version-refused").collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            "SSL 3.0 (answers with TLS 1.2)",
            "TLS 1.0 (answers with TLS 1.2)",
            "TLS 1.1 (answers with TLS 1.2)",
            "TLS 1.3 (answers with TLS 1.2)"
        ]
    );
    let notes: Vec<&str> = found
        .unread_entries()
        .iter()
        .map(|note| note.detail.as_str())
        .collect();
    let not_offered =
        |note: &&str| note.contains("TLS 1.2 cipher suites") && note.contains("was not offered");
    assert!(notes.iter().any(not_offered), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("cut off")), "{notes:?}");
}

#[test]
fn who_sheds_load_is_asked_again() {
    // Every other connection is closed at once; TLS 1.2 is asked for by the third.
    let answers = vec![Step::HearAny, Step::Say(hello_12(0xc02f))];
    let server = Script::in_turn(vec![answers, vec![]]);
    let found = contact("tls", server.address());
    server.join();
    let refused: Vec<&str> = service(&found).facts_of("version-refused").collect();
    assert!(refused.contains(&"TLS 1.1 (answers with TLS 1.2)"), "{refused:?}");
    assert!(refused.contains(&"TLS 1.0 (answers with TLS 1.2)"), "{refused:?}");
}

#[test]
fn a_name_leads_to_one_address() {
    let server = Script::serve(vec![Step::HearAny, Step::Say(hello_12(0xc02f))]);
    let port = server.address().port();
    let uri = format!("tls://localhost:{port}");
    let target = Target::parse(&uri, &crate::scan::schemes());
    let mut found = Fragment::at(uri);
    for scanner in crate::endpoints::scanners_with(QUICK) {
        let budget = Budget::starting_now(Duration::from_secs(60));
        scanner.scan(&Piece::Target(&target, budget), &mut found);
    }
    server.join();
    let service = service(&found);
    assert_eq!(service.facts_of("address").collect::<Vec<_>>(), ["127.0.0.1"]);
    assert!(service.facts_of("address-not-contacted").all(|ip| ip == "::1"));
    assert_eq!(service.facts_of("server-name").count(), 0);
}

#[test]
fn no_more_connections_are_made_than_agreed() {
    let steps = vec![Step::HearAny, Step::Say(hello_12(0xc02f))];
    let server = Script::serve(steps);
    let settings = Settings {
        tls_connections: 7,
        ..QUICK
    };
    let found = contact_with(settings, Duration::from_secs(60), "tls", server.address());
    assert_eq!(server.visitors(), 7);
    server.join();
    let last = found.unread_entries().last().unwrap();
    assert_eq!(last.reason, Reason::TooLarge);
    assert!(
        last.detail.contains("7 connections are what one endpoint gets"),
        "{}",
        last.detail
    );
}

#[test]
fn no_time_means_no_contact() {
    let server = Script::serve(vec![Step::Hold]);
    let found = contact_with(QUICK, Duration::ZERO, "tls", server.address());
    assert_eq!(server.visitors(), 0);
    server.join();
    let (reason, text) = only_note(&found);
    assert_eq!(reason, Reason::TimedOut, "{text}");
}

#[test]
fn a_pace_beyond_the_budget_ends_as_timed_out() {
    let server = Script::serve(vec![Step::HearAny, Step::Say(alert(70))]);
    let settings = Settings {
        per_second: 1,
        ..QUICK
    };
    let found = contact_with(settings, Duration::from_millis(900), "tls", server.address());
    assert_eq!(server.visitors(), 1);
    server.join();
    let (reason, text) = only_note(&found);
    assert_eq!(reason, Reason::TimedOut, "{text}");
}

#[test]
fn nothing_is_searched_for() {
    let schemes = crate::scan::schemes();
    for uri in [
        "tls://127.0.0.0/30",
        "https://127.0.0.1:1-1024",
        "smtp://*.example.org",
    ] {
        let target = Target::parse(uri, &schemes);
        let mut found = Fragment::at(uri);
        for scanner in crate::endpoints::scanners() {
            let budget = Budget::starting_now(Duration::from_secs(5));
            scanner.scan(&Piece::Target(&target, budget), &mut found);
        }
        let (reason, text) = only_note(&found);
        assert_eq!(reason, Reason::Unsupported);
        assert!(text.contains("name each endpoint"), "{text}");
    }
}

#[test]
fn nobody_at_home_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let found = contact("tls", port);
    let (reason, text) = only_note(&found);
    assert_eq!(reason, Reason::Unreachable, "{text}");
}

#[test]
fn a_mail_server_without_starttls_is_asked_once() {
    let server = Script::serve(vec![
        Step::Say(b"220 mail\r\n".to_vec()),
        Step::Hear(b"EHLO symbolon.invalid\r\n".to_vec()),
        Step::Say(b"250 mail\r\n".to_vec()),
        Step::Hold,
    ]);
    let found = contact("smtp", server.address());
    assert_eq!(server.visitors(), 1);
    server.join();
    let (reason, text) = only_note(&found);
    assert_eq!(reason, Reason::Refused);
    assert!(text.contains("STARTTLS is not among what it offers"), "{text}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Whatever a server sends, the scan ends, and says why when it found nothing.
    #[test]
    fn any_answer_is_survived(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        shape in 0_u8..4,
    ) {
        let bytes = match shape {
            0 => bytes,
            1 => record(22, &bytes),
            2 => {
                let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                record(22, &[&[2, 0, length[0], length[1]][..], &bytes].concat())
            }
            _ => [hello_12(0xc02f), record(22, &bytes)].concat(),
        };
        let server = Script::serve(vec![Step::HearAny, Step::Say(bytes)]);
        let found = contact("tls", server.address());
        server.join();
        proptest::prop_assert!(!found.unread_entries().is_empty());
    }
}
