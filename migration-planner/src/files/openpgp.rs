//! OpenPGP (RFC 9580): keys, what signs them, how secret keys and messages are protected.

use std::collections::BTreeSet;

use symbolon_crypto::digest::sha256_of;

use super::names::printable;
use super::openpgp_key::{self, Material};
use crate::algorithm::{Algorithm, Function};
use crate::inventory::{
    Asset, AssetId, Detail, Fragment, KeyDetail, KeyKind, MaterialDetail, Occurrence, Protection, Reason,
    Role,
};
use crate::scan::{Piece, Scanner, Trigger};

/// Most packets of one file.
const MAX_PACKETS: usize = 1_000_000;

/// Binary OpenPGP files and GnuPG's key boxes. Armoured ones come by way of the PEM scanner.
#[derive(Debug)]
pub struct OpenPgp;

impl Scanner for OpenPgp {
    fn name(&self) -> &'static str {
        "openpgp"
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::Extension("gpg"),
            Trigger::Extension("pgp"),
            Trigger::Extension("kbx"),
            Trigger::Extension("asc"),
            // Public keys of RSA with 2048, 3072 and 4096 bits, DSA with 1024, EdDSA: old-format header, version 4.
            Trigger::Magic(&[0x99, 0x01, 0x0d, 0x04]),
            Trigger::Magic(&[0x99, 0x01, 0x8d, 0x04]),
            Trigger::Magic(&[0x99, 0x02, 0x0d, 0x04]),
            Trigger::Magic(&[0x99, 0x01, 0xa2, 0x04]),
            Trigger::Magic(&[0x98, 0x33, 0x04]),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let here = found.here().access(file.access);
        if file.bytes.get(8..12) == Some(b"KBXf") {
            return key_box(file.bytes, &here, found);
        }
        // A packet's first byte has its highest bit set; text has not.
        if file.bytes.first().is_some_and(|first| first & 0x80 != 0) {
            packets(file.bytes, &here, found);
        }
    }
}

/// GnuPG's key box: blobs of length, type, version, flags, and where the key block is in them.
fn key_box(bytes: &[u8], here: &Occurrence, found: &mut Fragment) {
    let number = |bytes: &[u8], at: usize| -> Option<usize> {
        let four = bytes.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_be_bytes(four.try_into().ok()?)).ok()
    };
    let mut rest = bytes;
    while let Some(length) = number(rest, 0).filter(|length| *length >= 12) {
        let Some(blob) = rest.get(..length) else {
            return found.unread(Reason::Malformed, None, "the key box is cut off");
        };
        if blob.get(4) == Some(&2) {
            let block = number(blob, 8)
                .zip(number(blob, 12))
                .and_then(|(at, length)| blob.get(at..at.checked_add(length)?));
            match block {
                Some(block) => packets(block, here, found),
                None => found.unread(Reason::Malformed, None, "a key of the key box is damaged"),
            }
        }
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// Adds what a sequence of packets holds.
pub(crate) fn packets(bytes: &[u8], here: &Occurrence, found: &mut Fragment) {
    let mut reading = Reading {
        here: here.clone(),
        primary: None,
        algorithms: BTreeSet::new(),
    };
    let mut rest = bytes;
    for _ in 0..MAX_PACKETS {
        if rest.is_empty() {
            return;
        }
        let Some(packet) = Packet::read(rest) else {
            let at = bytes.len() - rest.len();
            return found.unread(
                Reason::Malformed,
                here.line,
                format!("the OpenPGP data is damaged from byte {at} on"),
            );
        };
        reading.packet(&packet, found);
        rest = rest.get(packet.len..).unwrap_or_default();
    }
    found.unread(
        Reason::TooLarge,
        here.line,
        format!("only the first {MAX_PACKETS} OpenPGP packets are read"),
    );
}

/// A packet: its type, its content as far as it is in one piece, its length with the header.
struct Packet<'a> {
    tag: u8,
    body: &'a [u8],
    len: usize,
}

impl<'a> Packet<'a> {
    /// RFC 9580 §4.2.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first & 0x80 == 0 {
            return None;
        }
        if first & 0x40 != 0 {
            let mut at = 1;
            let mut body: Option<&'a [u8]> = None;
            loop {
                let (header, length, last) = new_length(bytes.get(at..)?)?;
                at += header;
                let end = at.checked_add(length)?;
                let piece = bytes.get(at..end)?;
                // Of a body in pieces the first is enough: it has all that is looked at.
                body = body.or(Some(piece));
                at = end;
                if last {
                    return Some(Self {
                        tag: first & 0x3f,
                        body: body?,
                        len: at,
                    });
                }
            }
        }
        let width = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            // To the end of the file.
            _ => {
                return Some(Self {
                    tag: first >> 2 & 0xf,
                    body: bytes.get(1..)?,
                    len: bytes.len(),
                });
            }
        };
        let length = bytes
            .get(1..1 + width)?
            .iter()
            .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let end = (1 + width).checked_add(length)?;
        Some(Self {
            tag: first >> 2 & 0xf,
            body: bytes.get(1 + width..end)?,
            len: end,
        })
    }
}

/// Length of the length, the length, and whether it is the last piece.
fn new_length(bytes: &[u8]) -> Option<(usize, usize, bool)> {
    let first = usize::from(*bytes.first()?);
    Some(match first {
        0..192 => (1, first, true),
        192..224 => (2, (first - 192) * 256 + usize::from(*bytes.get(1)?) + 192, true),
        255 => {
            let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?);
            (5, usize::try_from(length).ok()?, true)
        }
        _ => (1, 1 << (first & 0x1f), false),
    })
}

struct Reading {
    here: Occurrence,
    /// The primary key that user IDs and subkeys belong to.
    primary: Option<AssetId>,
    /// Signature algorithms of this key so far: a well-signed key has thousands of the same.
    algorithms: BTreeSet<String>,
}

impl Reading {
    fn packet(&mut self, packet: &Packet<'_>, found: &mut Fragment) {
        match packet.tag {
            6 | 14 => self.key(packet, false, packet.tag == 6, found),
            5 | 7 => self.key(packet, true, packet.tag == 5, found),
            2 => self.signature(packet.body, found),
            13 => self.user(packet.body, found),
            1 => {
                // Version, key ID (8 bytes) or fingerprint, algorithm.
                let algorithm = match packet.body.first() {
                    Some(3) => packet.body.get(9),
                    _ => None,
                };
                if let Some(name) = algorithm.and_then(|algorithm| openpgp_key::name(*algorithm)) {
                    self.message(name, found);
                }
            }
            3 => {
                let cipher = packet.body.get(1).and_then(|cipher| openpgp_key::cipher(*cipher));
                self.message(cipher.unwrap_or("OpenPGP-S2K"), found);
            }
            20 => self.message("AES-OCB", found),
            _ => {}
        }
    }

    fn key(&mut self, packet: &Packet<'_>, secret: bool, primary: bool, found: &mut Fragment) {
        let Some(material) = Material::read(packet.body, secret) else {
            let version = packet.body.first().copied().unwrap_or_default();
            let what =
                format!("an OpenPGP key (version {version}) that is damaged or of an unknown algorithm");
            found.unread(Reason::Unsupported, self.here.line, what);
            if primary {
                self.primary = None;
            }
            return;
        };
        let mut here = self.here.clone();
        here.access = here.access.filter(|_| secret);
        let mut public = None;
        for key in &material.keys {
            let id = key.add("OpenPGP", here.clone(), found);
            public = public.or(Some((id, key.sha256())));
        }
        let algorithm = Algorithm::named(&material.algorithm);
        let (id, spki) = match public {
            Some((id, spki)) => (id, Some(spki)),
            None => {
                let detail = KeyDetail {
                    kind: KeyKind::Public,
                    algorithm: Some(algorithm.name.clone()),
                    bits: material.bits,
                    spki_sha256: None,
                    format: "OpenPGP".to_owned(),
                    protection: None,
                };
                let name = format!("{} public key", algorithm.name);
                let identity = sha256_of(&[material.public]);
                let asset = Asset::new(name, Detail::Key(Box::new(detail)), &[b"OpenPGP", &identity]);
                let id = found.add(asset.seen(here.clone()));
                let algorithm = found.algorithm(algorithm.clone(), here.clone());
                found.connect(&id, Role::Uses, &algorithm);
                (id, None)
            }
        };
        match (&self.primary, primary) {
            (Some(above), false) => found.connect(above, Role::Contains, &id),
            _ => {
                self.algorithms.clear();
                self.primary = Some(id.clone());
            }
        }
        if let Some(protection) = material.protection {
            if matches!(protection, Protection::Encrypted { .. }) {
                found.unread(
                    Reason::Encrypted,
                    self.here.line,
                    "an OpenPGP secret key is encrypted",
                );
            }
            let detail = KeyDetail {
                kind: KeyKind::Private,
                algorithm: Some(algorithm.name),
                bits: material.bits,
                spki_sha256: spki,
                format: "OpenPGP".to_owned(),
                protection: Some(protection),
            };
            found.held_key(detail, id.as_str(), here);
        }
    }

    fn signature(&mut self, body: &[u8], found: &mut Fragment) {
        let (key, hash) = match body.first() {
            Some(4..=6) => (body.get(2), body.get(3)),
            Some(2 | 3) => (body.get(15), body.get(16)),
            _ => (None, None),
        };
        let Some((key, hash)) = key.zip(hash) else { return };
        let Some(name) = openpgp_key::signature(*key, *hash) else {
            return;
        };
        if !self.algorithms.insert(name.clone()) {
            return;
        }
        let mut here = self.here.clone();
        here.access = None;
        let algorithm = found.algorithm(Algorithm::named(&name).used_to(&[Function::Verify]), here);
        if let Some(primary) = &self.primary {
            found.connect(primary, Role::SignedWith, &algorithm);
        }
    }

    fn user(&self, body: &[u8], found: &mut Fragment) {
        let Some(primary) = &self.primary else { return };
        let user = printable(&String::from_utf8_lossy(body));
        found.note(primary, "user-id", &user);
    }

    fn message(&self, protected_by: &str, found: &mut Fragment) {
        let mut here = self.here.clone();
        here.access = None;
        let detail = MaterialDetail {
            material: "ciphertext".to_owned(),
            what: "OpenPGP message".to_owned(),
            format: Some("OpenPGP".to_owned()),
            ..MaterialDetail::default()
        };
        let place = here.line.unwrap_or_default().to_string();
        let location = here.location.clone();
        let asset = Asset::new(
            "OpenPGP message",
            Detail::Material(Box::new(detail)),
            &[b"OpenPGP message", location.as_bytes(), place.as_bytes()],
        );
        let id = found.add(asset.seen(here.clone()));
        let algorithm = found.algorithm(Algorithm::named(protected_by).used_to(&[Function::Decrypt]), here);
        found.connect(&id, Role::ProtectedBy, &algorithm);
    }
}
