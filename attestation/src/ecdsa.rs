//! ECDSA signatures: two numbers, or DER (RFC 3279, section 2.2.3).

use symbolon_pki::encode::element;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// The longest number of a signature, in bytes: P-521's.
const MAX_LEN: usize = 66;

/// The DER of two big-endian numbers; `None` when one is too long for any curve.
pub(crate) fn der(r: &[u8], s: &[u8]) -> Option<Vec<u8>> {
    let mut numbers = Vec::new();
    for number in [r, s] {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        let number = number.get(start..)?;
        if number.len() > MAX_LEN {
            return None;
        }
        // A leading zero for what would be negative, and for zero itself.
        let mut content = Vec::with_capacity(number.len() + 1);
        if number.first().is_none_or(|first| first & 0x80 != 0) {
            content.push(0);
        }
        content.extend_from_slice(number);
        element(&mut numbers, INTEGER, &content);
    }
    let mut out = Vec::new();
    element(&mut out, SEQUENCE, &numbers);
    Some(out)
}

/// The two numbers of a DER signature of our own software's, without leading zeros.
pub(crate) fn numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (content, rest) = take(der, SEQUENCE)?;
    let (r, after) = take(content, INTEGER)?;
    let (s, end) = take(after, INTEGER)?;
    let short = |number: &'_ [u8]| number.first() == Some(&0);
    let r = if short(r) { r.get(1..)? } else { r };
    let s = if short(s) { s.get(1..)? } else { s };
    (rest.is_empty() && end.is_empty()).then_some((r, s))
}

/// The content of the first element, and what follows it. Lengths have one byte, or two for P-521.
fn take(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(len, rest)| (usize::from(*len), rest))?,
        _ => return None,
    };
    (found == tag).then_some(())?;
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_der_and_back() {
        for (r, s, expected) in [
            (&[1_u8][..], &[0x80_u8][..], "3007020101020200 80"),
            (&[0, 0, 1], &[0x7f], "300602010102017f"),
        ] {
            let der = der(r, s).unwrap();
            assert_eq!(hex::encode(&der), expected.replace(' ', ""));
        }
        let long = der(&[0xff; 66], &[0x01; 66]).unwrap();
        assert_eq!(numbers(&long).unwrap(), (&[0xff; 66][..], &[0x01; 66][..]));
        assert!(der(&[1; 67], &[1]).is_none() && der(&[1], &[1; 67]).is_none());
        assert_eq!(der(&[], &[0]).unwrap(), [0x30, 6, 2, 1, 0, 2, 1, 0]);
        for wrong in [&[][..], &[0x30], &[0x30, 0], &long[1..], &long[..long.len() - 1]] {
            assert!(numbers(wrong).is_none());
        }
    }
}
