//! SSH before its keys: the banner and packets in the clear (RFC 4253 §4.2, §6), and the lists of what is offered
//! (§7.1).

use symbolon_crypto::random;

use crate::endpoints::line::{Fault, Line};
use crate::endpoints::starttls::printable;
use crate::files::wire::Wire;

/// What we say of ourselves.
const BANNER: &[u8] = b"SSH-2.0-Symbolon_scan\r\n";
/// The longest packet taken; RFC 4253 wants 35000, post-quantum keys want more.
const MAX_PACKET: usize = 128 << 10;
/// The most lines before the banner, and the longest one.
const MAX_LINES: usize = 50;
const MAX_LINE: usize = 4 << 10;
/// The most names in one list.
pub(super) const MAX_NAMES: usize = 500;

pub(super) const DISCONNECT: u8 = 1;
pub(super) const KEXINIT: u8 = 20;
pub(super) const KEX_INIT: u8 = 30;
pub(super) const KEX_REPLY: u8 = 31;

/// Says who we are and hears who the server is.
pub(super) fn banners(line: &mut Line) -> Result<String, Fault> {
    line.send(BANNER)?;
    let mut first = None;
    for _ in 0..MAX_LINES {
        let text = match line.receive_line(MAX_LINE) {
            Ok(text) => text,
            Err(Fault::Closed) => return Err(not_ssh(first.as_deref()).unwrap_or(Fault::Closed)),
            Err(Fault::Slow) => return Err(not_ssh(first.as_deref()).unwrap_or(Fault::Slow)),
            Err(fault) => return Err(fault),
        };
        if text.starts_with("SSH-") {
            return match text.get(4..8) {
                Some("2.0-" | "1.99") => Ok(text.chars().filter(|c| !c.is_control()).take(255).collect()),
                _ => Err(Fault::Other(format!(
                    "the server speaks another version of SSH: {}",
                    printable(&text)
                ))),
            };
        }
        first.get_or_insert(text);
    }
    Err(not_ssh(first.as_deref()).unwrap_or(Fault::Closed))
}

fn not_ssh(first: Option<&str>) -> Option<Fault> {
    let first = first?;
    // What OpenSSH says to whom it turns away unheard.
    if first == "Not allowed at this time" || first == "Exceeded MaxStartups" {
        return Some(Fault::Refused(format!(
            "the server turns us away: {}",
            printable(first)
        )));
    }
    Some(Fault::Other(format!(
        "the answer is not SSH: {}",
        printable(first)
    )))
}

/// Sends a packet.
pub(super) fn send(line: &mut Line, payload: &[u8]) -> Result<(), Fault> {
    line.send(&frame(payload))
}

/// A packet around a payload: padded to eight bytes with at least four (§6).
fn frame(payload: &[u8]) -> Vec<u8> {
    let padding = match (payload.len() + 5) % 8 {
        0 => 8,
        over if over > 4 => 16 - over,
        over => 8 - over,
    };
    let length = u32::try_from(payload.len() + padding + 1).unwrap_or(u32::MAX);
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap_or(8));
    packet.extend(payload);
    // Nothing is secret yet, so the padding need not be random.
    packet.resize(packet.len() + padding, 0);
    packet
}

/// The next packet that says something: its type, and what follows it.
pub(super) fn receive(line: &mut Line) -> Result<(u8, Vec<u8>), Fault> {
    for _ in 0..MAX_LINES {
        let head = line.receive_exact(4)?;
        let length = Wire::new(&head)
            .u32()
            .and_then(|length| usize::try_from(length).ok());
        let length = length
            .filter(|length| (2..=MAX_PACKET).contains(length))
            .ok_or_else(|| {
                Fault::Other("the answer is not SSH: a packet of an impossible length".to_owned())
            })?;
        let body = line.receive_exact(length)?;
        let payload =
            unpad(&body).ok_or_else(|| Fault::Other("an SSH packet that is all padding".to_owned()))?;
        match payload.split_first() {
            // Ignore, unimplemented, debug, extensions: nothing to us.
            Some((2..=4 | 7, _)) => {}
            Some((&DISCONNECT, rest)) => {
                let mut wire = Wire::new(rest);
                wire.u32();
                let why = wire.string().map(String::from_utf8_lossy).unwrap_or_default();
                return Err(Fault::Refused(format!("the server says: {}", printable(&why))));
            }
            Some((kind, rest)) => return Ok((*kind, rest.to_vec())),
            None => return Err(Fault::Other("an empty SSH packet".to_owned())),
        }
    }
    Err(Fault::Other(
        "an SSH server that says nothing in many packets".to_owned(),
    ))
}

fn unpad(body: &[u8]) -> Option<&[u8]> {
    let (padding, rest) = body.split_first()?;
    let length = rest.len().checked_sub(usize::from(*padding))?;
    rest.get(..length).filter(|payload| !payload.is_empty())
}

/// What one side can do: ten lists in a fixed order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Offer {
    pub(super) exchanges: Vec<String>,
    pub(super) host_keys: Vec<String>,
    /// To the server and from it.
    pub(super) ciphers: [Vec<String>; 2],
    pub(super) macs: [Vec<String>; 2],
    pub(super) compressions: [Vec<String>; 2],
    /// A first message of the exchange that it guesses comes at once (RFC 4253 §7).
    pub(super) guesses: bool,
    /// Names beyond the most that are taken of a list.
    pub(super) cut: usize,
    /// Entries that are no names (RFC 4251 §6).
    pub(super) nameless: usize,
}

impl Offer {
    /// Reads a KEXINIT without its type.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(body);
        wire.take(16)?;
        let (mut cut, mut nameless) = (0, 0);
        let mut list = || {
            let mut names = Vec::new();
            for name in wire.text()?.split(',').filter(|name| !name.is_empty()) {
                if name.len() > 128 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                    nameless += 1;
                } else if names.len() == MAX_NAMES {
                    cut += 1;
                } else {
                    names.push(name.to_owned());
                }
            }
            Some(names)
        };
        let (exchanges, host_keys) = (list()?, list()?);
        let mut offer = Self {
            exchanges,
            host_keys,
            ciphers: [list()?, list()?],
            macs: [list()?, list()?],
            compressions: [list()?, list()?],
            ..Self::default()
        };
        // Languages and a zero: nothing to us, but they have to be there.
        list()?;
        list()?;
        (offer.cut, offer.nameless) = (cut, nameless);
        offer.guesses = wire.take(5)?.first().is_some_and(|guesses| *guesses != 0);
        Some(offer)
    }

    /// It as a KEXINIT with its type.
    pub(super) fn write(&self) -> Option<Vec<u8>> {
        let mut cookie = [0; 16];
        random::fill(&mut cookie).ok()?;
        let mut payload = vec![KEXINIT];
        payload.extend(cookie);
        let none = Vec::new();
        let pairs = [&self.ciphers, &self.macs, &self.compressions];
        let lists = [&self.exchanges, &self.host_keys]
            .into_iter()
            .chain(pairs.into_iter().flatten())
            .chain([&none, &none]);
        for list in lists {
            put(&mut payload, list.join(",").as_bytes());
        }
        payload.extend([u8::from(self.guesses), 0, 0, 0, 0]);
        Some(payload)
    }
}

/// A string after its length (RFC 4251 §5).
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_padded_as_they_must_be() {
        for length in 1..64 {
            let packet = frame(&vec![5; length]);
            assert_eq!(packet.len() % 8, 0, "{length}");
            assert!(packet[4] >= 4);
            assert_eq!(unpad(&packet[4..]).unwrap(), vec![5; length]);
        }
        assert_eq!(unpad(&[5, 1, 2]), None);
        assert_eq!(unpad(&[]), None);
    }

    #[test]
    fn an_offer_is_read_as_it_was_written() {
        let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let offer = Offer {
            exchanges: names("mlkem768x25519-sha256,curve25519-sha256"),
            host_keys: names("ssh-ed25519"),
            ciphers: [names("aes128-ctr"), names("aes256-ctr")],
            macs: [names("hmac-sha2-256"), Vec::new()],
            compressions: [names("none"), names("none")],
            ..Offer::default()
        };
        let written = offer.write().unwrap();
        assert_eq!(written[0], KEXINIT);
        assert_eq!(Offer::read(&written[1..]), Some(offer));
        assert_eq!(Offer::read(&written[1..written.len() - 1]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            if let Some(mut offer) = Offer::read(&bytes) {
                // What was left out is not written.
                (offer.cut, offer.nameless) = (0, 0);
                let again = Offer::read(&offer.write().unwrap()[1..]);
                proptest::prop_assert_eq!(again, Some(offer));
            }
            let _ = unpad(&bytes);
        }
    }
}
