//! What follows from the answers of servers that are busy, narrow or undecided, and what does not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::answer::Cursor;
use crate::endpoints::testing::contact;
use crate::inventory::{Detail, Fragment, ProtocolDetail};

/// What a client offers.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Which connection it is, from 1.
    number: usize,
    length: usize,
    version: u16,
    suites: Vec<u16>,
    groups: Vec<u16>,
    shares: bool,
}

impl Asked {
    fn read(number: usize, record: &[u8]) -> Self {
        let mut cursor = Cursor::new(&record[9..]);
        let mut asked = Self {
            number,
            length: record.len() - 5,
            version: cursor.u16().unwrap(),
            ..Self::default()
        };
        let numbers = |bytes: &[u8]| -> Vec<u16> {
            bytes
                .chunks_exact(2)
                .map(|two| u16::from_be_bytes([two[0], two[1]]))
                .collect()
        };
        cursor.take(32).unwrap();
        cursor.vector8().unwrap();
        asked.suites = numbers(cursor.vector16().unwrap());
        cursor.vector8().unwrap();
        if cursor.is_empty() {
            return asked;
        }
        let mut extensions = Cursor::new(cursor.vector16().unwrap());
        while !extensions.is_empty() {
            let (kind, value) = (extensions.u16().unwrap(), extensions.vector16().unwrap());
            match kind {
                10 => asked.groups = numbers(&value[2..]),
                43 => asked.version = 0x0304,
                51 => asked.shares = value.len() > 2,
                _ => {}
            }
        }
        asked
    }

    /// The first of these that is offered.
    fn first(&self, own: &[u16]) -> Option<u16> {
        own.iter().copied().find(|code| self.suites.contains(code))
    }

    fn first_group(&self, own: &[u16]) -> Option<u16> {
        own.iter().copied().find(|code| self.groups.contains(code))
    }
}

/// A server that answers what a function says, or closes.
struct Server {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn answering(answer: impl Fn(&Asked) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let thread = std::thread::spawn(move || {
            for number in 1.. {
                let (mut stream, _) = listener.accept().unwrap();
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Some(record) = record_of(&mut stream) else {
                    continue;
                };
                let bytes = answer(&Asked::read(number, &record));
                let silence = bytes == SILENCE;
                if !silence && stream.write_all(&bytes).is_err() {
                    continue;
                }
                if silence {
                    // Until the other side has gone.
                    let _ = stream.read(&mut [0; 16]);
                }
            }
        });
        Self {
            address,
            ended,
            thread: Some(thread),
        }
    }

    fn scanned(mut self) -> Fragment {
        let found = contact("tls", self.address);
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address).unwrap());
        self.thread.take().unwrap().join().unwrap();
        found
    }
}

/// Says nothing and stays.
const SILENCE: &[u8] = b"silence";

fn record_of(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    stream.read_exact(&mut record).ok()?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    stream.read_exact(&mut record[5..]).ok()?;
    Some(record)
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3][..], &length, body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    record(22, &[&[kind][..], &length[1..], body].concat())
}

fn alert(code: u8) -> Vec<u8> {
    record(21, &[2, code])
}

fn server_hello(suite: u16, extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.push(0);
    body.extend(suite.to_be_bytes());
    body.push(0);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    message(2, &body)
}

/// A TLS 1.2 server's flight: ServerHello, with a curve a key exchange, ServerHelloDone.
fn flight_12(suite: u16, curve: Option<u16>) -> Vec<u8> {
    let mut flight = server_hello(suite, &[]);
    if let Some(curve) = curve {
        let [high, low] = curve.to_be_bytes();
        flight.extend(message(12, &[3, high, low, 1, 4, 4, 3, 0, 1, 0]));
    }
    flight.extend(message(14, &[]));
    flight
}

/// A TLS 1.3 server's choice of a group.
fn hello_13(suite: u16, group: u16) -> Vec<u8> {
    let [high, low] = group.to_be_bytes();
    server_hello(suite, &[0, 43, 0, 2, 3, 4, 0, 51, 0, 2, high, low])
}

fn facts(found: &Fragment, name: &str) -> Vec<String> {
    let mut assets = found.assets().iter();
    let service = assets.find(|asset| matches!(asset.detail, Detail::Service(_)));
    let service = service.unwrap_or_else(|| panic!("{:?}", found.unread_entries()));
    service.facts_of(name).map(str::to_owned).collect()
}

fn protocol(found: &Fragment, version: &str) -> ProtocolDetail {
    let mut each = found.assets().iter().filter_map(|asset| match &asset.detail {
        Detail::Protocol(detail) if detail.version.as_deref() == Some(version) => Some(detail.clone()),
        _ => None,
    });
    *each.next().unwrap()
}

fn is_noted(found: &Fragment, words: &[&str]) -> bool {
    let mut notes = found.unread_entries().iter();
    notes.any(|note| words.iter().all(|word| note.detail.contains(word)))
}

const HYBRID: u16 = 0x11ec;
const SUITES_12: [u16; 3] = [0xc02f, 0xc030, 0x002f];

#[test]
fn who_begins_to_close_midway_refuses_nothing_by_it() {
    let answer = |asked: &Asked| match asked.first(&SUITES_12) {
        _ if asked.version != 0x0303 => alert(70),
        Some(suite) => flight_12(suite, None),
        None => alert(40),
    };
    let whole = Server::answering(answer).scanned();
    assert_eq!(protocol(&whole, "1.2").suites.len(), 3);
    // The same, but after the two first suites it lets nobody in.
    let found = Server::answering(move |asked| match asked.number {
        8.. => Vec::new(),
        _ => answer(asked),
    })
    .scanned();
    assert_eq!(protocol(&found, "1.2").suites.len(), 2);
    assert!(
        is_noted(&found, &["TLS 1.2 cipher suites", "no longer answers"]),
        "{:?}",
        found.unread_entries()
    );
}

#[test]
fn a_classical_fallback_is_refused_only_by_who_still_answers_something_else() {
    let answer = |asked: &Asked| match asked.first_group(&[HYBRID]) {
        _ if asked.version != 0x0304 => alert(70),
        Some(group) => hello_13(0x1301, group),
        None => Vec::new(),
    };
    let refuses = Server::answering(answer).scanned();
    assert_eq!(facts(&refuses, "classical-fallback"), ["refused"]);
    // Not who has closed its doors by then,
    let gone = Server::answering(move |asked| match asked.number {
        6.. => Vec::new(),
        _ => answer(asked),
    })
    .scanned();
    assert_eq!(facts(&gone, "classical-fallback"), ["not-tested"]);
    assert!(is_noted(&gone, &["classical fallback", "no longer answers"]));
    // nor who now and then closes them,
    let sheds = Server::answering(move |asked| match asked.number {
        2 => Vec::new(),
        _ => answer(asked),
    })
    .scanned();
    assert_eq!(facts(&sheds, "classical-fallback"), ["not-tested"]);
    // nor who is silent when asked for an older version.
    let silent = Server::answering(move |asked| match asked.version {
        0x0304 => match asked.first_group(&[HYBRID]) {
            Some(group) => hello_13(0x1301, group),
            None => alert(40),
        },
        _ => SILENCE.to_vec(),
    })
    .scanned();
    assert_eq!(facts(&silent, "classical-fallback"), ["not-tested"]);
    assert!(is_noted(&silent, &["whether TLS 1.2 is accepted"]));
}

#[test]
fn a_first_connection_that_is_closed_hides_no_version() {
    let found = Server::answering(|asked| match (asked.number, asked.version) {
        (1..=4, _) => Vec::new(),
        (_, 0x0304) if asked.first_group(&[0x1d]).is_some() => hello_13(0x1301, 0x1d),
        (_, 0x0303) => asked
            .first(&SUITES_12)
            .map_or_else(|| alert(40), |suite| flight_12(suite, None)),
        _ => alert(70),
    })
    .scanned();
    assert_eq!(protocol(&found, "1.3").groups, ["x25519"]);
    assert_eq!(facts(&found, "version-refused").len(), 3);
}

#[test]
fn who_answers_no_hello_without_a_key_share_is_surveyed_with_them() {
    let found = Server::answering(|asked| match asked.first_group(&[HYBRID, 0x1d, 0x17]) {
        _ if asked.version != 0x0304 => alert(70),
        Some(group) if asked.shares => match asked.first(&[0x1301, 0x1302]) {
            Some(suite) => hello_13(suite, group),
            None => alert(40),
        },
        _ => alert(47),
    })
    .scanned();
    assert_eq!(facts(&found, "classical-fallback"), ["accepted"]);
    let protocol = protocol(&found, "1.3");
    assert_eq!(protocol.groups, ["X25519MLKEM768", "x25519", "secp256r1"]);
    assert_eq!(protocol.suites.len(), 2);
    assert!(is_noted(&found, &["without a key share", "illegal_parameter"]));
}

#[test]
fn who_cannot_take_a_long_hello_is_offered_what_is_common() {
    for says in [Vec::new(), alert(50)] {
        let found = Server::answering(move |asked| match asked.version {
            _ if asked.suites.len() > 64 || asked.length > 700 => says.clone(),
            0x0303 => asked
                .first(&SUITES_12)
                .map_or_else(|| alert(40), |suite| flight_12(suite, None)),
            0x0304 if !asked.shares => says.clone(),
            0x0304 => asked
                .first_group(&[0x17])
                .map_or_else(|| alert(40), |group| hello_13(0x1301, group)),
            _ => alert(70),
        })
        .scanned();
        let protocol = |version| protocol(&found, version);
        assert_eq!(protocol("1.2").suites.len(), 3);
        assert_eq!(protocol("1.3").groups, ["secp256r1"]);
        for version in ["TLS 1.2", "TLS 1.3"] {
            assert!(is_noted(&found, &[version, "only asked about what is common"]));
        }
    }
}

#[test]
fn a_hello_that_is_taken_back_is_a_no() {
    let found = Server::answering(|asked| match asked.version {
        0x0303 => flight_12(0xc02f, None),
        // As with a certificate of the wrong kind.
        0x0302 => [
            message(2, &[&[3, 2][..], &[9; 32], &[0, 0xc0, 0x13, 0]].concat()),
            alert(40),
        ]
        .concat(),
        _ => alert(70),
    })
    .scanned();
    let refused = facts(&found, "version-refused");
    assert!(
        refused.contains(&"TLS 1.1 (handshake_failure)".to_owned()),
        "{refused:?}"
    );
}

#[test]
fn an_order_that_depends_on_the_client_is_neither_ones() {
    // As Go has it: AES before ChaCha20, unless the client begins with ChaCha20.
    let found = Server::answering(|asked| {
        let own = match asked.suites.first() {
            Some(0x1303) => [0x1303, 0x1301, 0x1302],
            _ => [0x1301, 0x1302, 0x1303],
        };
        match asked.first(&own) {
            Some(suite) if asked.version == 0x0304 && asked.first_group(&[0x1d]).is_some() => {
                hello_13(suite, 0x1d)
            }
            _ => alert(if asked.version == 0x0304 { 40 } else { 70 }),
        }
    })
    .scanned();
    assert_eq!(facts(&found, "suite-order"), ["TLS 1.3: mixed"]);
}

#[test]
fn groups_behind_the_certificates_curve_are_told_not_to_be_seen() {
    // A P-256 certificate, and the server's own order.
    let answer = |own: &[u16], asked: &Asked| match asked.first(&[0xc02b]) {
        _ if asked.version != 0x0303 => alert(70),
        Some(suite) if asked.groups.contains(&0x17) => {
            flight_12(suite, Some(asked.first_group(own).unwrap()))
        }
        _ => alert(40),
    };
    let found = Server::answering(move |asked| answer(&[0x1d, 0x17, 0x18], asked)).scanned();
    assert_eq!(protocol(&found, "1.2").groups, ["x25519", "secp256r1"]);
    assert!(is_noted(
        &found,
        &["TLS 1.2 groups", "takes secp256r1 whatever else is offered"]
    ));
    // Who follows its client has nothing to hide.
    let found = Server::answering(move |asked| {
        let taken: Vec<u16> = asked
            .groups
            .iter()
            .copied()
            .filter(|code| [0x1d, 0x17].contains(code))
            .collect();
        answer(&taken, asked)
    })
    .scanned();
    assert_eq!(protocol(&found, "1.2").groups, ["x25519", "secp256r1"]);
    assert!(!is_noted(&found, &["TLS 1.2 groups"]));
}

#[test]
fn certificates_behind_groups_that_are_not_computed_here_are_told_not_to_be_seen() {
    for (group, name) in [(0x0019, "secp521r1"), (0x001e, "x448"), (0x0101, "ffdhe3072")] {
        let found = Server::answering(move |asked| match asked.first(&[0x1301]) {
            Some(suite) if asked.first_group(&[group]).is_some() => hello_13(suite, group),
            _ => alert(if asked.version == 0x0304 { 40 } else { 70 }),
        })
        .scanned();
        assert_eq!(protocol(&found, "1.3").groups, [name]);
        assert!(is_noted(&found, &["certificates and signature schemes", name]));
    }
}
