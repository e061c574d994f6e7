//! Scripted servers of each protocol, that begin TLS, refuse it, or speak something else.

use std::time::Duration;

use super::*;
use crate::endpoints::script::{Script, Step};

/// What comes of an opening with a server that goes through these steps.
fn meets(opening: Opening, steps: Vec<Step>) -> Result<(), Fault> {
    let server = Script::serve(steps);
    let mut line = Line::open(server.address(), Duration::from_secs(5)).unwrap();
    let outcome = open(opening, &mut line, "example.org");
    drop(line);
    server.join();
    outcome
}

fn hear(text: &str) -> Step {
    Step::Hear(text.as_bytes().to_vec())
}

fn say(text: &str) -> Step {
    Step::Say(text.as_bytes().to_vec())
}

#[test]
fn every_protocol_begins_tls() {
    let conversations: Vec<(Opening, Vec<Step>)> = vec![
        (
            Opening::Smtp,
            vec![
                say("220-mail\r\n220 here\r\n"),
                hear("EHLO symbolon.invalid\r\n"),
                say("250-mail\r\n250-SIZE 1\r\n250 StartTLS\r\n"),
                hear("STARTTLS\r\n"),
                say("220 go\r\n"),
            ],
        ),
        (
            Opening::Imap,
            vec![
                say("* OK here\r\n"),
                hear("a1 STARTTLS\r\n"),
                say("* CAPABILITY X\r\na1 OK go\r\n"),
            ],
        ),
        (
            Opening::Pop3,
            vec![say("+OK\r\n"), hear("STLS\r\n"), say("+OK\r\n")],
        ),
        (
            Opening::Ftp,
            vec![
                say("220-hello\r\n any text\r\n150 users\r\n220 end\r\n"),
                hear("AUTH TLS\r\n"),
                say("234 go\r\n"),
            ],
        ),
        (
            Opening::Ldap,
            vec![
                Step::Hear(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037".to_vec()),
                say("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
            ],
        ),
        (
            Opening::Postgres,
            vec![Step::Hear(vec![0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]), say("S")],
        ),
        (
            Opening::Xmpp,
            vec![
                Step::HearAny,
                say(
                    "<stream:stream><stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
                ),
                hear("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                say("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            ],
        ),
        (
            Opening::MySql,
            vec![Step::Say(mysql_greeting(0xff)), Step::HearAny],
        ),
    ];
    for (opening, steps) in conversations {
        assert_eq!(meets(opening, steps), Ok(()), "{opening:?}");
    }
}

/// A greeting of version 8 whose lower capabilities have this upper byte.
fn mysql_greeting(can: u8) -> Vec<u8> {
    let mut body = b"\x0a8.0.0\0".to_vec();
    body.extend([1, 0, 0, 0]);
    body.extend([b'x'; 8]);
    body.extend([0, 0xff, can, 45, 2, 0]);
    let mut packet = vec![u8::try_from(body.len()).unwrap(), 0, 0, 0];
    packet.extend(body);
    packet
}

#[test]
fn who_does_not_begin_tls_is_a_refusal() {
    let refusals: Vec<(Opening, Vec<Step>)> = vec![
        (
            Opening::Smtp,
            vec![say("220 x\r\n"), Step::HearAny, say("250-x\r\n250 SIZE\r\n")],
        ),
        (Opening::Smtp, vec![say("554 go away\r\n")]),
        (
            Opening::Imap,
            vec![say("* OK x\r\n"), Step::HearAny, say("a1 BAD no\r\n")],
        ),
        (
            Opening::Pop3,
            vec![say("+OK\r\n"), Step::HearAny, say("-ERR\r\n")],
        ),
        // Too many connections.
        (Opening::Imap, vec![say("* BYE busy\r\n")]),
        (Opening::Pop3, vec![say("-ERR busy\r\n")]),
        (
            Opening::Ftp,
            vec![say("220 x\r\n"), Step::HearAny, say("530 no\r\n")],
        ),
        (
            Opening::Ldap,
            vec![
                Step::HearAny,
                say("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"),
            ],
        ),
        (Opening::Postgres, vec![Step::HearAny, say("N")]),
        (Opening::MySql, vec![Step::Say(mysql_greeting(0xf7))]),
        (
            Opening::Xmpp,
            vec![
                Step::HearAny,
                say("<stream:stream><stream:features></stream:features>"),
            ],
        ),
    ];
    for (opening, steps) in refusals {
        let outcome = meets(opening, steps);
        assert!(
            matches!(outcome, Err(Fault::Refused(_))),
            "{opening:?}: {outcome:?}"
        );
    }
}

#[test]
fn who_speaks_something_else_is_told_so() {
    for opening in [Opening::Smtp, Opening::Imap, Opening::Pop3, Opening::Ftp] {
        let outcome = meets(opening, vec![say("HTTP/1.1 400 Bad Request\r\n")]);
        assert!(
            matches!(outcome, Err(Fault::Other(_))),
            "{opening:?}: {outcome:?}"
        );
    }
    for opening in [Opening::Ldap, Opening::Postgres, Opening::MySql] {
        let outcome = meets(
            opening,
            vec![Step::Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(4))],
        );
        assert!(
            matches!(outcome, Err(Fault::Other(_))),
            "{opening:?}: {outcome:?}"
        );
    }
    let endless = vec![Step::Say([b'x'; LONGEST + 10].to_vec())];
    assert!(matches!(meets(Opening::Smtp, endless), Err(Fault::Other(_))));
}
