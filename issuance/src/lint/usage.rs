//! The bits of keyUsage.

use std::fmt;

// In the order of RFC 5280, section 4.2.1.3: bit 0 is the leftmost of the first byte.
pub(super) const DIGITAL_SIGNATURE: u16 = 1 << 0;
pub(super) const NON_REPUDIATION: u16 = 1 << 1;
pub(super) const KEY_ENCIPHERMENT: u16 = 1 << 2;
pub(super) const DATA_ENCIPHERMENT: u16 = 1 << 3;
pub(super) const KEY_AGREEMENT: u16 = 1 << 4;
pub(super) const KEY_CERT_SIGN: u16 = 1 << 5;
pub(super) const CRL_SIGN: u16 = 1 << 6;
pub(super) const ENCIPHER_ONLY: u16 = 1 << 7;
pub(super) const DECIPHER_ONLY: u16 = 1 << 8;

const NAMES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

/// Bits in words.
pub(super) struct Names(pub(super) u16);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = NAMES
            .iter()
            .enumerate()
            .filter(|(position, _)| self.0 & (1 << position) != 0)
            .map(|(_, name)| *name)
            .collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(" and "))
    }
}

/// The set bits with bit 0 lowest, and whether the encoding has no trailing zero bits (X.690, section 11.2.2).
/// `content` is that of the BIT STRING.
pub(super) fn named_bits(content: &[u8]) -> (u16, bool) {
    let (unused, bytes) = content
        .split_first()
        .map_or((0, content), |(unused, bytes)| (*unused, bytes));
    let mut bits = 0;
    for (position, byte) in bytes.iter().take(2).enumerate() {
        bits |= u16::from(byte.reverse_bits()) << (8 * position);
    }
    let minimal = match bytes.last() {
        None => unused == 0,
        Some(last) => *last != 0 && last.trailing_zeros() == u32::from(unused),
    };
    (bits, minimal && bytes.len() <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_from_the_left() {
        assert_eq!(named_bits(&[7, 0x80]), (DIGITAL_SIGNATURE, true));
        assert_eq!(named_bits(&[1, 0x06]), (KEY_CERT_SIGN | CRL_SIGN, true));
        assert_eq!(named_bits(&[7, 0, 0x80]), (DECIPHER_ONLY, true));
        assert_eq!(named_bits(&[6, 0x80]), (DIGITAL_SIGNATURE, false));
        assert_eq!(named_bits(&[0]), (0, true));
        assert_eq!(
            Names(KEY_CERT_SIGN | CRL_SIGN).to_string(),
            "keyCertSign and cRLSign"
        );
    }
}
