//! Java keystores: JKS and JCEKS. Aliases and certificates are in the open, keys encrypted in ways of their own.
//!
//! The layout is that of `sun.security.provider.JavaKeyStore` and `com.sun.crypto.provider.JceKeyStore`, all numbers
//! big-endian: magic, version, count, entries of tag, alias and date, and a SHA-1 that only the password checks.

use symbolon_crypto::digest::sha256;

use super::asn1::{Reader, SEQUENCE};
use super::spki::Identifier;
use super::{keys, names, x509};
use crate::algorithm::Algorithm;
use crate::inventory::{
    Asset, AssetId, Detail, Fragment, KeyDetail, KeyKind, MaterialDetail, Occurrence, Protection, Reason,
    Role,
};
use crate::scan::{Piece, Scanner, Trigger};

const JKS: u32 = 0xfeed_feed;
const JCEKS: u32 = 0xcece_cece;
/// Most entries, and most certificates of a chain.
const MAX_ENTRIES: u32 = 100_000;

/// JKS and JCEKS keystores.
#[derive(Debug)]
pub struct JavaKeystore;

impl Scanner for JavaKeystore {
    fn name(&self) -> &'static str {
        "java-keystore"
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::Magic(&[0xfe, 0xed, 0xfe, 0xed]),
            Trigger::Magic(&[0xce, 0xce, 0xce, 0xce]),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let mut cursor = Cursor { rest: file.bytes };
        let (Some(magic), Some(version), Some(count)) = (cursor.u32(), cursor.u32(), cursor.u32()) else {
            return;
        };
        let format = match (magic, version) {
            (JKS, 1 | 2) => "JKS",
            (JCEKS, 1 | 2) => "JCEKS",
            // 0xFEEDFEED alone is a magic of other things, too.
            _ => return,
        };
        let detail = MaterialDetail {
            material: "other".to_owned(),
            what: format!("{format} keystore"),
            format: Some(format.to_owned()),
            ..MaterialDetail::default()
        };
        let name = detail.what.clone();
        let asset = Asset::new(name, Detail::Material(Box::new(detail)), &[&sha256(file.bytes)]);
        let here = found.here().access(file.access);
        let store = found.add(asset.seen(here.clone()));
        let digest = found.algorithm(Algorithm::named("SHA-1"), here.clone());
        found.connect(&store, Role::ProtectedBy, &digest);
        let mut reader = Entries {
            cursor,
            version,
            format,
            store,
            here,
        };
        for number in 0..count.min(MAX_ENTRIES) {
            if file.budget.is_spent() {
                return found.unread(Reason::TimedOut, None, format!("entries from number {number} on"));
            }
            if let Err(problem) = reader.entry(number, found) {
                // Without the length of an entry nobody knows where the next begins.
                return found.unread(
                    problem.0,
                    None,
                    format!("entry {number} of {count}: {}", problem.1),
                );
            }
        }
        if count > MAX_ENTRIES {
            found.unread(
                Reason::TooLarge,
                None,
                format!("it has {count} entries, of which {MAX_ENTRIES} are read"),
            );
        }
    }
}

type Problem = (Reason, &'static str);
const CUT_OFF: Problem = (Reason::Malformed, "it is cut off");

struct Entries<'a> {
    cursor: Cursor<'a>,
    version: u32,
    format: &'static str,
    store: AssetId,
    here: Occurrence,
}

impl Entries<'_> {
    fn entry(&mut self, number: u32, found: &mut Fragment) -> Result<(), Problem> {
        let tag = self.cursor.u32().ok_or(CUT_OFF)?;
        let alias = self.cursor.text().ok_or(CUT_OFF)?;
        self.cursor.take(8).ok_or(CUT_OFF)?; // when it was made
        let here = self.here.clone().symbol(names::printable(&alias));
        match tag {
            1 => {
                let key = self.cursor.block().ok_or(CUT_OFF)?;
                let chain = self.cursor.u32().ok_or(CUT_OFF)?;
                self.key(key, number, &here, found);
                for _ in 0..chain.min(MAX_ENTRIES) {
                    self.certificate(&here, Role::Contains, found)?;
                }
                if chain > MAX_ENTRIES {
                    Err((Reason::TooLarge, "its chain is too long"))
                } else {
                    Ok(())
                }
            }
            2 => self.certificate(&here, Role::Trusts, found),
            3 => {
                let detail = KeyDetail {
                    kind: KeyKind::Secret,
                    algorithm: None,
                    bits: None,
                    spki_sha256: None,
                    format: self.format.to_owned(),
                    protection: Some(Protection::Encrypted {
                        kdf: None,
                        rounds: None,
                        cipher: Some("PBES1-3DES-168-MD5".to_owned()),
                    }),
                };
                let id = found.held_key(detail, &format!("entry {number}"), here);
                found.connect(&self.store, Role::Contains, &id);
                // It is a serialised Java object without a length before it.
                Err((
                    Reason::Encrypted,
                    "it is a secret key; what follows it cannot be found without reading it",
                ))
            }
            _ => Err((Reason::Malformed, "it is neither key nor certificate")),
        }
    }

    fn key(&self, key: &[u8], number: u32, here: &Occurrence, found: &mut Fragment) {
        let mut inside = Reader::new(key).enter(SEQUENCE);
        let protection = match inside.as_mut().and_then(Identifier::read) {
            Some(identifier) => keys::protection(&identifier),
            None => {
                found.unread(
                    Reason::Malformed,
                    None,
                    format!("entry {number}: the key is damaged"),
                );
                Protection::Encrypted {
                    kdf: None,
                    rounds: None,
                    cipher: None,
                }
            }
        };
        let detail = KeyDetail {
            kind: KeyKind::Private,
            algorithm: None,
            bits: None,
            spki_sha256: None,
            format: self.format.to_owned(),
            protection: Some(protection),
        };
        let id = found.held_key(detail, &format!("entry {number}"), here.clone());
        found.connect(&self.store, Role::Contains, &id);
        found.unread(
            Reason::Encrypted,
            None,
            format!("entry {number}: the private key is encrypted"),
        );
    }

    fn certificate(&mut self, here: &Occurrence, role: Role, found: &mut Fragment) -> Result<(), Problem> {
        if self.version == 2 {
            let kind = self.cursor.text().ok_or(CUT_OFF)?;
            if kind != "X.509" && kind != "X509" {
                self.cursor.block().ok_or(CUT_OFF)?;
                found.unread(
                    Reason::Unsupported,
                    None,
                    format!("a certificate of type {}", names::printable(&kind)),
                );
                return Ok(());
            }
        }
        let der = self.cursor.block().ok_or(CUT_OFF)?;
        if let Some(id) = x509::certificate(der, here.clone(), found) {
            found.connect(&self.store, role, &id);
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Two bytes of length and as many of text.
    fn text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        Some(String::from_utf8_lossy(self.take(usize::from(length))?).into_owned())
    }

    /// Four bytes of length and as many of content.
    fn block(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }
}
