//! A writer of DER for the few structures that are made on the hot path or hold secrets.
//!
//! Everything here is appended to a buffer the caller sized, so that one certificate or key is written without
//! intermediate copies. Reading is left to the `der` crate.

use zeroize::Zeroizing;

/// Length of a DER length field for `len` bytes of content.
const fn length_len(len: usize) -> usize {
    match len {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xff_ffff => 4,
        _ => 5,
    }
}

/// Length of a whole element with `len` bytes of content and a one-byte tag.
pub const fn element_len(len: usize) -> usize {
    1 + length_len(len) + len
}

/// Appends tag and length of an element with `len` bytes of content (below 4 GiB), which the caller appends next.
pub fn header(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    let bytes = (len as u32).to_be_bytes();
    match length_len(len) {
        1 => out.push(len as u8),
        n => {
            out.push(0x80 | (n - 1) as u8);
            out.extend_from_slice(&bytes[bytes.len() - (n - 1)..]);
        }
    }
}

/// Appends an element with the given content.
pub fn element(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// One element over the parts of its content.
pub fn whole(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(element_len(len));
    header(&mut out, tag, len);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// One element over the parts of its content, in a buffer of exactly the right size, wiped when dropped.
pub(crate) fn secret(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let len = parts.iter().map(|part| part.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(element_len(len)));
    header(&mut out, tag, len);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// Appends a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7) over an encoded AlgorithmIdentifier and the key's bits.
pub(crate) fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = key.len() + 1;
    let content = algorithm.len() + element_len(bits);
    let mut out = Vec::with_capacity(element_len(content));
    header(&mut out, 0x30, content);
    out.extend_from_slice(algorithm);
    header(&mut out, 0x03, bits);
    out.push(0);
    out.extend_from_slice(key);
    out
}

#[cfg(test)]
mod tests {
    use der::asn1::OctetString;
    use der::{Decode, Encode};

    use super::*;

    #[test]
    fn lengths_are_minimal_der() {
        for len in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let mut out = Vec::new();
            element(&mut out, 0x04, &vec![7; len]);
            assert_eq!(out.len(), element_len(len));
            let read = OctetString::from_der(&out).unwrap();
            assert_eq!(read.as_bytes().len(), len);
            assert_eq!(read.to_der().unwrap(), out);
        }
    }
}
