//! Writing and cutting DER for bodies that sign what a fuzzer made.

use symbolon_pki::encode::{element, header};
use symbolon_pki::key::SuiteSigner;

pub(super) const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// Something signed, as X.509 writes it: what is signed, with which algorithm, and the signature.
pub(super) fn signed(to_be_signed: &[u8], signer: &SuiteSigner) -> Vec<u8> {
    let signature = signer.sign(to_be_signed).expect("keys of our own sign");
    let mut content = to_be_signed.to_vec();
    content.extend_from_slice(signer.suite().signature_algorithm_der());
    header(&mut content, BIT_STRING, signature.len() + 1);
    content.push(0);
    content.extend_from_slice(&signature);
    let mut out = Vec::new();
    element(&mut out, SEQUENCE, &content);
    out
}

/// What was signed, of something signed.
pub(super) fn to_be_signed(signed: &[u8]) -> Vec<u8> {
    let content = content(signed).expect("a SEQUENCE");
    first(content).expect("an element").to_vec()
}

/// The content of the element that the bytes begin with.
fn content(bytes: &[u8]) -> Option<&[u8]> {
    let first = first(bytes)?;
    let header = match first.get(1)? {
        short @ ..=0x7f => first.len().checked_sub(usize::from(*short))?,
        long => 2 + usize::from(long & 0x7f),
    };
    first.get(header..)
}

/// The element that the bytes begin with, of at most 64 KiB.
pub(super) fn first(bytes: &[u8]) -> Option<&[u8]> {
    let (header, length) = match *bytes.get(1)? {
        short @ ..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(*bytes.get(2)?)),
        0x82 => (4, usize::from(*bytes.get(2)?) << 8 | usize::from(*bytes.get(3)?)),
        _ => return None,
    };
    bytes.get(..header + length)
}
