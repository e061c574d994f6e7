//! Files that are one ASN.1 object, or several certificates one after the other.

use super::asn1::{self, INTEGER, Reader, SEQUENCE};
use super::{keys, pkcs7, pkcs12, spki, x509};
use crate::inventory::{AssetId, Fragment, Occurrence, Reason};
use crate::scan::{File, Piece, Scanner, Trigger};

/// Most objects in one file.
const MAX_OBJECTS: usize = 100_000;

/// What is in binary ASN.1: certificates, requests, revocation lists, keys, PKCS#7, PKCS#12.
#[derive(Debug)]
pub struct Der;

/// Extensions of files that should hold such an object: one that holds none is worth a word.
const EXTENSIONS: [&str; 16] = [
    "cer", "crl", "crt", "csr", "der", "p10", "p12", "p7b", "p7c", "p7m", "p7s", "p8", "pfx", "pk8", "req",
    "spc",
];

impl Scanner for Der {
    fn name(&self) -> &'static str {
        "asn1"
    }

    fn version(&self) -> u32 {
        4
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::Magic(&[0x30, 0x80]),
            Trigger::Magic(&[0x30, 0x81]),
            Trigger::Magic(&[0x30, 0x82]),
            Trigger::Magic(&[0x30, 0x83]),
            // Keys on elliptic curves are shorter than 128 bytes.
            Trigger::Extension("der"),
            Trigger::Extension("p8"),
            Trigger::Extension("pk8"),
            Trigger::Extension("key"),
            Trigger::Extension("pub"),
            Trigger::Extension("cer"),
            Trigger::Extension("crt"),
            Trigger::Extension("csr"),
            Trigger::Extension("p12"),
            Trigger::Extension("pfx"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        if file.bytes.first() != Some(&SEQUENCE) {
            return;
        }
        let mut rest = file.bytes;
        let mut objects = 0;
        while objects < MAX_OBJECTS {
            let Some(element) = asn1::element(rest).filter(|element| element.tag == SEQUENCE) else {
                break;
            };
            let offset = file.bytes.len() - rest.len();
            if file.budget.is_spent() {
                let what = format!("what is ASN.1 from byte {offset} on");
                return found.unread(Reason::TimedOut, None, what);
            }
            let here = here(file, offset, found);
            if object(element.whole, here, found).is_none() {
                break;
            }
            objects += 1;
            rest = rest.get(element.whole.len()..).unwrap_or_default();
        }
        // White space after the last object is common, and no matter.
        let rest = rest.trim_ascii();
        let named = EXTENSIONS.contains(&file.extension().as_str());
        if !rest.is_empty() && (objects > 0 || named) {
            let offset = file.bytes.len() - rest.len();
            match asn1::element(rest) {
                None => {
                    let what = format!("from byte {offset} on it is cut off or damaged");
                    found.unread(Reason::Malformed, None, what);
                }
                Some(_) => {
                    let what =
                        format!("what begins at byte {offset} is ASN.1, but nothing that is known here");
                    found.unread(Reason::Unsupported, None, what);
                }
            }
        }
    }
}

fn here(file: &File<'_>, offset: usize, found: &Fragment) -> Occurrence {
    let here = found.here().access(file.access);
    if offset == 0 {
        here
    } else {
        here.offset(offset as u64)
    }
}

/// Adds the object that these bytes are, whatever it is.
pub(crate) fn object(der: &[u8], here: Occurrence, found: &mut Fragment) -> Option<AssetId> {
    let mut inside = Reader::new(der).enter(SEQUENCE)?;
    let place = format!("offset {}", here.offset.unwrap_or_default());
    match inside.peek()? {
        // A number first: a private key, or PKCS#12.
        INTEGER => pkcs12::read(der, here.clone(), found).or_else(|| {
            if let Some(public) = spki::pkcs1(der) {
                return Some(public.add("PKCS#1", without_access(here), found));
            }
            if let Some(bits) = spki::dh_bits(der) {
                let group = crate::algorithm::sized("FFDHE", Some(bits));
                return Some(found.algorithm(group, without_access(here)));
            }
            let held = keys::pkcs8(der)
                .or_else(|| keys::pkcs1(der))
                .or_else(|| keys::sec1(der))
                .or_else(|| keys::dsa(der))?;
            Some(held.add(&place, here, found))
        }),
        asn1::OID => pkcs7::read(der, here, found),
        SEQUENCE => {
            let public = is_spki(&mut inside).then(|| spki::read(der)).flatten();
            if let Some(key) = public {
                return Some(key.add("SPKI", here, found));
            }
            if x509::is_certificate(der) {
                return x509::certificate(der, without_access(here), found);
            }
            x509::request(der, without_access(here.clone()), found)
                .or_else(|| x509::revocation_list(der, without_access(here.clone()), found))
                .or_else(|| Some(keys::encrypted_pkcs8(der)?.add(&place, here, found)))
        }
        _ => None,
    }
}

/// Who may read a file matters for secrets alone.
fn without_access(mut here: Occurrence) -> Occurrence {
    here.access = None;
    here
}

fn is_spki(inside: &mut Reader<'_>) -> bool {
    inside.element();
    inside.peek() == Some(asn1::BIT_STRING) && inside.element().is_some() && inside.rest().is_empty()
}
