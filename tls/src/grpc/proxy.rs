//! What a proxy says of the client whose connection it hands on: the PROXY protocol, versions 1 and 2, of HAProxy and the
//! balancers of clouds (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! It is said in front of everything else, by nobody who is known to have said it; so it is heard from the addresses that
//! are configured, and from nobody else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::network::IpNetwork;

/// What version 2 begins with (section 2.2).
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with (section 2.1).
const WORD: &[u8] = b"PROXY ";
/// Longest line of version 1, its end included (section 2.1).
const MAX_LINE: usize = 107;
/// Longest that is read of what follows the head of version 2: addresses, and what else a proxy tells.
const MAX_REST: usize = 4096;

/// From where proxies are heard, and whether they have to speak.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Arc<[IpNetwork]>,
    may_be_silent: bool,
}

/// Each connection from these networks has to begin with a header. The protocol demands that of receivers (section 2): one
/// that guesses takes from a client what its proxy did not say.
impl FromIterator<IpNetwork> for TrustedProxies {
    fn from_iter<T: IntoIterator<Item = IpNetwork>>(networks: T) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            may_be_silent: false,
        }
    }
}

impl TrustedProxies {
    /// The same, where a connection without a header counts as its sender's own. That is safe only as long as nobody in these
    /// networks hands on connections as they are, whose clients could then write a header themselves.
    #[must_use]
    pub fn or_silent(self) -> Self {
        Self {
            may_be_silent: true,
            ..self
        }
    }

    pub(super) fn have(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    pub(super) fn may_be_silent(&self) -> bool {
        self.may_be_silent
    }
}

/// Whether this is how a proxy begins, and no client.
pub(super) fn is_beginning(first: u8) -> bool {
    first == SIGNATURE[0] || first == WORD[0]
}

/// Reads what a proxy says, and nothing behind it. `None` if it speaks for itself, or does not know the client.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn read(tcp: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, &'static str> {
    let broken = |_| "its connection broke within a PROXY header";
    // Neither version is shorter than the head of version 2: "PROXY UNKNOWN\r\n" has 15 bytes, and anything else more.
    let mut head = [0; 15];
    tcp.read_exact(&mut head).await.map_err(broken)?;
    if head.starts_with(WORD) {
        let mut line = head.to_vec();
        while !line.ends_with(b"\r\n") {
            if line.len() == MAX_LINE {
                return Err("its PROXY line is too long");
            }
            line.push(tcp.read_u8().await.map_err(broken)?);
        }
        return of_line(&line);
    }
    let [signature @ .., command, kind, high] = head;
    if signature != SIGNATURE {
        return Err("it speaks neither TLS nor the PROXY protocol");
    }
    let low = tcp.read_u8().await.map_err(broken)?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_REST {
        return Err("its PROXY header is too long");
    }
    let mut rest = vec![0; len];
    tcp.read_exact(&mut rest).await.map_err(broken)?;
    of_header(command, kind, &rest)
}

/// Version 1: a line.
fn of_line(line: &[u8]) -> Result<Option<SocketAddr>, &'static str> {
    let wrong = "its PROXY line cannot be read";
    let line = std::str::from_utf8(line).map_err(|_| wrong)?;
    let line = line.strip_suffix("\r\n").ok_or(wrong)?;
    let words: Vec<_> = line.split(' ').collect();
    let (source, port) = match words[..] {
        ["PROXY", "UNKNOWN", ..] => return Ok(None),
        ["PROXY", "TCP4", source, destination, port, own_port] => {
            let source: Ipv4Addr = source.parse().map_err(|_| wrong)?;
            let _: Ipv4Addr = destination.parse().map_err(|_| wrong)?;
            let _: u16 = own_port.parse().map_err(|_| wrong)?;
            (IpAddr::from(source), port)
        }
        ["PROXY", "TCP6", source, destination, port, own_port] => {
            let source: Ipv6Addr = source.parse().map_err(|_| wrong)?;
            let _: Ipv6Addr = destination.parse().map_err(|_| wrong)?;
            let _: u16 = own_port.parse().map_err(|_| wrong)?;
            (IpAddr::from(source), port)
        }
        _ => return Err(wrong),
    };
    Ok(Some((source, port.parse().map_err(|_| wrong)?).into()))
}

/// Version 2: the command, the family with its protocol, and what follows.
fn of_header(command: u8, kind: u8, rest: &[u8]) -> Result<Option<SocketAddr>, &'static str> {
    /// Version 2 with the commands LOCAL and PROXY.
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    /// TCP over IPv4 and over IPv6.
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    let short = "its PROXY header is too short";
    match (command, kind) {
        // Its own connection, as for a check whether anybody is there.
        (LOCAL, _) => Ok(None),
        (PROXY, TCP4) => {
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *rest.first_chunk().ok_or(short)?;
            let port = u16::from_be_bytes([high, low]);
            Ok(Some((Ipv4Addr::new(a, b, c, d), port).into()))
        }
        (PROXY, TCP6) => {
            let addresses: &[u8; 36] = rest.first_chunk().ok_or(short)?;
            let source: [u8; 16] = *addresses.first_chunk().ok_or(short)?;
            let [.., high, low, _, _] = *addresses;
            let port = u16::from_be_bytes([high, low]);
            Ok(Some((Ipv6Addr::from(source), port).into()))
        }
        // Of what has no address that means something here, or that it does not tell.
        (PROXY, _) => Ok(None),
        _ => Err("its PROXY header is of another version, or commands what there is not"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn heard(said: &[u8]) -> (Result<Option<SocketAddr>, &'static str>, Vec<u8>) {
        let mut rest = said;
        let outcome = read(&mut rest).await;
        (outcome, rest.to_vec())
    }

    fn version_2(command: u8, kind: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, kind], &len, rest].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x1f, 0x91];

    fn v6() -> Vec<u8> {
        let ip = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
        [
            &ip("2001:db8::7")[..],
            &ip("2001:db8::1"),
            &[0x30, 0x39, 0x1f, 0x91],
        ]
        .concat()
    }

    #[tokio::test]
    async fn both_versions_are_read_and_nothing_behind_them() {
        let v4 = Some("192.0.2.7:12345".parse().unwrap());
        let six = Some("[2001:db8::7]:12345".parse().unwrap());
        for (said, expected) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 8081\r\n".to_vec(), v4),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 8081\r\n".to_vec(), six),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (version_2(0x21, 0x11, &V4), v4),
            // With more that it tells.
            (version_2(0x21, 0x11, &[&V4[..], &[0x04, 0, 1, 0]].concat()), v4),
            (version_2(0x21, 0x21, &v6()), six),
            (version_2(0x20, 0x00, &[]), None),
            (version_2(0x20, 0x11, &V4), None),
            (version_2(0x21, 0x00, &[]), None),
            (version_2(0x21, 0x31, &[0; 216]), None),
        ] {
            let with_more = [&said[..], &[22, 3, 1]].concat();
            let (outcome, rest) = heard(&with_more).await;
            assert_eq!(outcome, Ok(expected), "{}", said.escape_ascii());
            assert_eq!(rest, [22, 3, 1], "{}", said.escape_ascii());
        }
    }

    #[tokio::test]
    async fn what_is_neither_is_refused() {
        for said in [
            &b"PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n"[..],
            b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 8081 9\r\n",
            b"PROXY TCP4 2001:db8::7 10.0.0.1 12345 8081\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 8081\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 8081\n",
            b"PROXY TCP5 192.0.2.7 10.0.0.1 12345 8081\r\n",
            b"PROXYTCP4 192.0.2.7 10.0.0.1 12345 8081\r\n",
            b"POST / HTTP/1.1\r\n\r\n",
            b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\0",
            &[b'P'; 200],
            &[&b"PROXY "[..], &[b'x'; 200]].concat(),
            &version_2(0x11, 0x11, &V4),
            &version_2(0x22, 0x11, &V4),
            &version_2(0x21, 0x11, &V4[..11]),
            &version_2(0x21, 0x21, &v6()[..35]),
            &version_2(0x21, 0x11, &[0; 4097]),
            &version_2(0x21, 0x11, &V4)[..20],
        ] {
            let (outcome, _) = heard(said).await;
            assert!(outcome.is_err(), "{}: {outcome:?}", said.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_read_or_refused(said: Vec<u8>, command: u8, kind: u8, rest: Vec<u8>) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(heard(&said));
            let _ = runtime.block_on(heard(&version_2(command, kind, &rest)));
            let _ = of_line(&said);
        }
    }
}
