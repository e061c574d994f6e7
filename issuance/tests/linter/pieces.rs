//! Taking a TBSCertificate to pieces, changing one, and putting it together again.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};
use symbolon_pki::encode::element;

// Positions of the fields of a TBSCertificate.
pub(crate) const SERIAL: usize = 1;
pub(crate) const ALGORITHM: usize = 2;
pub(crate) const ISSUER: usize = 3;
pub(crate) const VALIDITY: usize = 4;
pub(crate) const SUBJECT: usize = 5;
pub(crate) const SPKI: usize = 6;

// Positions of an SVID's extensions, in the order in which we write them.
pub(crate) const KEY_USAGE: usize = 0;
pub(crate) const BASIC_CONSTRAINTS: usize = 2;
pub(crate) const AUTHORITY_KEY_IDENTIFIER: usize = 3;
pub(crate) const SUBJECT_KEY_IDENTIFIER: usize = 4;
pub(crate) const SUBJECT_ALT_NAME: usize = 5;

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, tag, content);
    out
}

pub(crate) fn parts(content: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = SliceReader::new(content).unwrap();
    let mut parts = Vec::new();
    while !reader.is_finished() {
        parts.push(reader.tlv_bytes().unwrap().to_vec());
    }
    parts
}

pub(crate) fn content(element: &[u8]) -> Vec<u8> {
    AnyRef::from_der(element).unwrap().value().to_vec()
}

/// A TBSCertificate taken to pieces.
#[derive(Clone)]
pub(crate) struct Pieces {
    pub(crate) fields: Vec<Vec<u8>>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Pieces {
    pub(crate) fn of(tbs: &[u8]) -> Self {
        let mut fields = parts(&content(tbs));
        let list = content(&fields.pop().unwrap());
        Self {
            fields,
            extensions: parts(&content(&list)),
        }
    }

    pub(crate) fn tbs(&self) -> Vec<u8> {
        let list = tlv(0x30, &self.extensions.concat());
        tlv(0x30, &[self.fields.concat(), tlv(0xa3, &list)].concat())
    }

    /// Replaces the value of an extension (the content of its OCTET STRING).
    pub(crate) fn set(&mut self, extension: usize, value: &[u8]) {
        let mut fields = parts(&content(&self.extensions[extension]));
        fields.pop();
        fields.push(tlv(4, value));
        self.extensions[extension] = tlv(0x30, &fields.concat());
    }

    pub(crate) fn names(&mut self, names: &[(u8, &str)]) {
        let names: Vec<_> = names
            .iter()
            .flat_map(|(tag, text)| tlv(*tag, text.as_bytes()))
            .collect();
        self.set(SUBJECT_ALT_NAME, &tlv(0x30, &names));
    }

    pub(crate) fn times(&mut self, begins: &[u8], ends: &[u8]) {
        let time = |text: &[u8]| tlv(if text.len() == 13 { 0x17 } else { 0x18 }, text);
        self.fields[VALIDITY] = tlv(0x30, &[time(begins), time(ends)].concat());
    }
}

/// A name of attributes with one-byte types under 2.5.4.
pub(crate) fn name(attributes: &[(u8, u8, &str)]) -> Vec<u8> {
    let rdns = attributes.iter().flat_map(|(oid, tag, text)| {
        let attribute = [tlv(6, &[0x55, 4, *oid]), tlv(*tag, text.as_bytes())].concat();
        tlv(0x31, &tlv(0x30, &attribute))
    });
    tlv(0x30, &rdns.collect::<Vec<_>>())
}
