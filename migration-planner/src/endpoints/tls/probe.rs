//! One question to a server: a hello, and what comes back.

use symbolon_crypto::random;

use super::answer::{Exchange, ServerHello, chain};
use super::codes::Version;
use super::decode::{Decoder, Said};
use super::hello::Hello;
use crate::endpoints::line::{Fault, Line};
use crate::endpoints::starttls::{self, Opening};
use crate::endpoints::visit::Visit;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) version: Version,
    pub(crate) suites: &'a [u16],
    pub(crate) groups: &'a [u16],
    pub(crate) schemes: &'a [u16],
    pub(crate) shares: &'a [(u16, Vec<u8>)],
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// The server goes on.
    Flight(Box<Flight>),
    /// The server says no.
    Alert(u8),
    /// Neither.
    Fault(Fault),
}

/// A ServerHello, and up to TLS 1.2 what follows it in the clear.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Flight {
    pub(crate) hello: ServerHello,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) exchange: Option<Exchange>,
    /// A certificate was asked of us.
    pub(crate) asks_client: bool,
    /// The flight did not come to its end.
    pub(crate) cut: bool,
    /// The alert that ended it.
    pub(crate) alert: Option<u8>,
}

/// Opens a connection up to where TLS begins.
pub(crate) fn connect(visit: &mut Visit<'_>, opening: Opening) -> Result<Line, Fault> {
    let mut line = visit.open()?;
    starttls::open(opening, &mut line, &visit.address.host)?;
    Ok(line)
}

/// Asks, on a connection of its own.
pub(crate) fn ask(visit: &mut Visit<'_>, opening: Opening, question: &Question<'_>) -> Answer {
    let mut bytes = [0; 64];
    if random::fill(&mut bytes).is_err() {
        return Answer::Fault(Fault::Other("this system gives no random bytes".to_owned()));
    }
    let (mut hello_random, mut session) = ([0; 32], [0; 32]);
    for (place, byte) in hello_random.iter_mut().chain(&mut session).zip(bytes) {
        *place = byte;
    }
    let mut line = match connect(visit, opening) {
        Ok(line) => line,
        Err(fault) => return Answer::Fault(fault),
    };
    let hello = Hello {
        version: question.version,
        suites: question.suites,
        groups: question.groups,
        schemes: question.schemes,
        shares: question.shares,
        server_name: visit.address.server_name.as_deref(),
        random: hello_random,
        session,
    };
    match line.send(&hello.record()) {
        Ok(()) => listen(&mut line),
        Err(fault) => Answer::Fault(fault),
    }
}

/// Reads until the server has said what it says in the clear.
fn listen(line: &mut Line) -> Answer {
    let mut decoder = Decoder::default();
    let mut flight: Option<Box<Flight>> = None;
    let mut buffer = vec![0; 8 << 10];
    loop {
        let said = match decoder.next() {
            Ok(Some(said)) => said,
            Ok(None) => match line.receive(&mut buffer) {
                Ok(count) => {
                    decoder.push(buffer.get(..count).unwrap_or_default());
                    continue;
                }
                Err(fault) => return ended(flight, fault),
            },
            Err(not_tls) => {
                let fault = Fault::Other(format!("the answer is not TLS: {}", not_tls.0));
                return ended(flight, fault);
            }
        };
        match said {
            Said::Alert { fatal: false, code } if code != 0 => {}
            Said::Alert { code, .. } => match flight {
                Some(mut flight) => {
                    flight.alert = Some(code);
                    return ended(Some(flight), Fault::Closed);
                }
                None => return Answer::Alert(code),
            },
            Said::Opaque => {
                return ended(
                    flight,
                    Fault::Other("the answer to a hello is encrypted".to_owned()),
                );
            }
            Said::Handshake(kind, body) => match take(&mut flight, kind, &body) {
                Some(true) => return ended_well(flight),
                Some(false) => {}
                None => {
                    let fault = Fault::Other(format!("a damaged handshake message of type {kind}"));
                    return ended(flight, fault);
                }
            },
        }
    }
}

/// Takes a message in; whether it was the last in the clear. `None` when it is damaged or out of place.
fn take(flight: &mut Option<Box<Flight>>, kind: u8, body: &[u8]) -> Option<bool> {
    match (kind, flight) {
        // HelloRequest.
        (0, _) => Some(false),
        (2, flight @ None) => {
            let hello = ServerHello::read(body)?;
            let last = hello.version >= Version::Tls13.code();
            *flight = Some(Box::new(Flight {
                hello,
                chain: Vec::new(),
                exchange: None,
                asks_client: false,
                cut: false,
                alert: None,
            }));
            Some(last)
        }
        (11, Some(flight)) => {
            flight.chain = chain(body)?;
            Some(false)
        }
        (12, Some(flight)) => {
            flight.exchange = Some(Exchange::read(body, flight.hello.suite, flight.hello.version)?);
            Some(false)
        }
        (13, Some(flight)) => {
            flight.asks_client = true;
            Some(false)
        }
        (14, Some(_)) => Some(true),
        (_, Some(_)) => Some(false),
        (_, None) => None,
    }
}

fn ended_well(flight: Option<Box<Flight>>) -> Answer {
    flight.map_or(Answer::Fault(Fault::Closed), Answer::Flight)
}

/// What was said before something went wrong counts.
fn ended(flight: Option<Box<Flight>>, fault: Fault) -> Answer {
    match flight {
        Some(mut flight) => {
            flight.cut = true;
            Answer::Flight(flight)
        }
        None => Answer::Fault(fault),
    }
}
