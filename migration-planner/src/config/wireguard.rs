//! WireGuard: its one suite, the keys of an interface, and those of its peers. Also systemd-networkd's and
//! NetworkManager's ways to write the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::report::{Names, Service};
use super::text;
use crate::files::spki;
use crate::inventory::{
    AssetId, CipherSuite, Fragment, KeyDetail, KeyKind, Protection, ProtocolDetail, Reason, Role,
};
use crate::scan::{File, Piece, Scanner, Trigger};

/// Configuration of WireGuard.
#[derive(Debug)]
pub struct WireGuard;

const X25519: &str = "1.3.101.110";

impl Scanner for WireGuard {
    fn name(&self) -> &'static str {
        "wireguard"
    }

    fn version(&self) -> u32 {
        2
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::PathContains("/wireguard/"),
            Trigger::Extension("conf"),
            Trigger::Extension("netdev"),
            Trigger::Extension("nmconnection"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        if !matches!(&*file.extension(), "conf" | "netdev" | "nmconnection") || !speaks(file.bytes) {
            return;
        }
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        let mut reading = Reading {
            file,
            interface: None,
            peers: Vec::new(),
            section: Section::Other,
        };
        for line in text::lines(&text) {
            if reading.peers.len() > 10_000 || (line.number % 256 == 0 && file.budget.is_spent()) {
                found.unread(Reason::TooLarge, Some(line.number), "the peers from here on");
                break;
            }
            reading.line(&line.text, line.number, found);
        }
        reading.tell(found);
    }
}

fn speaks(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| memchr::memmem::find(bytes, word).is_some();
    (has(b"PrivateKey") || has(b"private-key") || has(b"PublicKey"))
        && (has(b"[Interface]") || has(b"[WireGuard") || has(b"[wireguard"))
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Section {
    Interface,
    Peer,
    Other,
}

#[derive(Default)]
struct Interface {
    line: u64,
    port: Option<String>,
    key: Option<AssetId>,
    key_file: Option<(String, u64)>,
}

#[derive(Default)]
struct Peer {
    key: Option<AssetId>,
    shared: Option<AssetId>,
    shared_file: Option<(String, u64)>,
    endpoint: Option<String>,
}

struct Reading<'a> {
    file: &'a File<'a>,
    interface: Option<Interface>,
    peers: Vec<Peer>,
    section: Section,
}

impl Reading<'_> {
    fn line(&mut self, text: &str, number: u64, found: &mut Fragment) {
        let plain = text::before_comment(text, '#').trim();
        if plain.is_empty() || plain.starts_with(';') {
            return;
        }
        if let Some(section) = plain.strip_prefix('[') {
            let section = section.trim_end_matches(']').to_ascii_lowercase();
            self.section = match section.as_str() {
                "interface" | "wireguard" => Section::Interface,
                "peer" | "wireguardpeer" => Section::Peer,
                other if other.starts_with("wireguard-peer.") => Section::Peer,
                _ => Section::Other,
            };
            match self.section {
                Section::Interface => {
                    self.interface.get_or_insert_default().line = number;
                }
                Section::Peer => {
                    self.peers.push(Peer::default());
                    // NetworkManager has the key in the name of the section.
                    let written = plain.trim_end_matches(']').split_once("-peer.");
                    if let Some((_, key)) = written {
                        self.peer_key(key, number, found);
                    }
                }
                Section::Other => {}
            }
            return;
        }
        let Some((name, value)) = plain.split_once('=') else {
            if self.section != Section::Other {
                found.unread(Reason::Malformed, Some(number), "a line that assigns nothing");
            }
            return;
        };
        let name: String = name.trim().to_ascii_lowercase().replace('-', "");
        let value = value.trim();
        match (self.section, name.as_str()) {
            (Section::Interface, "privatekey") => {
                if let Some(id) = held(KeyKind::Private, value, "private key", number, self.file, found) {
                    self.interface.get_or_insert_default().key = Some(id);
                }
            }
            (Section::Interface, "privatekeyfile") => {
                self.interface.get_or_insert_default().key_file = Some((value.to_owned(), number));
            }
            (Section::Interface, "listenport") => {
                self.interface.get_or_insert_default().port = Some(value.to_owned());
            }
            (Section::Peer, "publickey") => self.peer_key(value, number, found),
            (Section::Peer, "presharedkey") => {
                let place = format!("preshared key of peer {}", self.peers.len());
                let id = held(KeyKind::Secret, value, &place, number, self.file, found);
                if let Some(peer) = self.peers.last_mut() {
                    peer.shared = id;
                }
            }
            (Section::Peer, "presharedkeyfile") => {
                if let Some(peer) = self.peers.last_mut() {
                    peer.shared_file = Some((value.to_owned(), number));
                }
            }
            (Section::Peer, "endpoint") => {
                if let Some(peer) = self.peers.last_mut() {
                    peer.endpoint = Some(value.to_owned());
                }
            }
            _ => {}
        }
    }

    fn peer_key(&mut self, value: &str, number: u64, found: &mut Fragment) {
        let public = decoded(value).and_then(|bytes| spki::of_raw(X25519, &bytes));
        let Some(public) = public else {
            return found.unread(
                Reason::Malformed,
                Some(number),
                "a public key that is not 32 bytes in base64",
            );
        };
        let here = found
            .here()
            .line(number)
            .symbol(format!("peer {}", self.peers.len()));
        let id = public.add("WireGuard", here, found);
        if let Some(peer) = self.peers.last_mut() {
            peer.key = Some(id);
        }
    }

    fn tell(self, found: &mut Fragment) {
        let Some(interface) = self.interface else { return };
        let name = self
            .file
            .name
            .rsplit_once('.')
            .map_or(self.file.name, |(name, _)| name);
        let mut service = Service::new("WireGuard interface", name, interface.line);
        service.authenticated = Some(true);
        if let Some(port) = &interface.port {
            service.endpoints.insert(format!("wireguard://*:{port}"));
        }
        if let Some((path, line)) = &interface.key_file {
            service.file(Names::Key, path, *line, "PrivateKeyFile");
        }
        let shared = self
            .peers
            .iter()
            .filter(|peer| peer.shared.is_some() || peer.shared_file.is_some())
            .count();
        let words = match shared {
            0 => "no peer",
            all if all == self.peers.len() => "every peer",
            _ => "some peers",
        };
        service.fact("preshared-key", words);
        for peer in &self.peers {
            if let Some(endpoint) = &peer.endpoint {
                service.fact("connects-to", endpoint.clone());
            }
            if let Some((path, line)) = &peer.shared_file {
                service.file(Names::Other, path, *line, "PresharedKeyFile");
            }
        }
        let service = service.tell(found);
        let protocol = found.protocol(suite(), found.here().line(interface.line));
        found.connect(&service, Role::Offers, &protocol);
        if let Some(key) = interface.key {
            found.connect(&service, Role::Presents, &key);
        }
        for peer in self.peers {
            if let Some(key) = peer.key {
                found.connect(&service, Role::Trusts, &key);
            }
            if let Some(key) = peer.shared {
                found.connect(&service, Role::Uses, &key);
            }
        }
    }
}

/// The only one that there is: WireGuard has no versions and no choice.
fn suite() -> ProtocolDetail {
    let algorithms = ["x25519", "ChaCha20-Poly1305", "BLAKE2s-256", "HKDF-BLAKE2s-256"];
    ProtocolDetail {
        protocol: "wireguard".to_owned(),
        suites: vec![CipherSuite {
            name: "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s".to_owned(),
            algorithms: algorithms.map(str::to_owned).to_vec(),
            identifiers: Vec::new(),
        }],
        groups: vec!["x25519".to_owned()],
        ..ProtocolDetail::default()
    }
}

fn decoded(value: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(STANDARD.decode(text::unquoted(value)).ok()?);
    (bytes.len() == 32).then_some(bytes)
}

/// A key in the file: where it is, never what.
fn held(
    kind: KeyKind,
    value: &str,
    place: &str,
    line: u64,
    file: &File<'_>,
    found: &mut Fragment,
) -> Option<AssetId> {
    if value.is_empty() || text::is_template(value) {
        found.unread(
            Reason::Unsupported,
            Some(line),
            format!("the {place} is put in by something else"),
        );
        return None;
    }
    if decoded(value).is_none() {
        found.unread(
            Reason::Malformed,
            Some(line),
            format!("a {place} that is not 32 bytes in base64"),
        );
        return None;
    }
    let detail = KeyDetail {
        kind,
        algorithm: (kind == KeyKind::Private).then(|| "x25519".to_owned()),
        bits: Some(256),
        spki_sha256: None,
        format: "WireGuard".to_owned(),
        protection: Some(Protection::None),
    };
    let here = found.here().line(line).access(file.access);
    Some(found.held_key(detail, place, here))
}

#[cfg(test)]
mod tests;
