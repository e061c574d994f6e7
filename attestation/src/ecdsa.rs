//! ECDSA signatures: two numbers, or DER (RFC 3279, section 2.2.3).

use symbolon_crypto::Component;
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

/// The order of a component's curve, in hex; `None` for what is no ECDSA.
fn order(component: Component) -> Option<&'static str> {
    match component {
        Component::EcdsaP256Sha256 => {
            Some("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
        }
        Component::EcdsaP384Sha384 => Some(
            "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        ),
        Component::EcdsaP521Sha512 => Some(
            "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        ),
        Component::EcdsaBrainpoolP256r1Sha256 => {
            Some("a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7")
        }
        Component::EcdsaBrainpoolP384r1Sha384 => Some(
            "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202e9046565",
        ),
        _ => None,
    }
}

/// The one other signature that is good wherever this one is: with the order less `s` in place of `s`. Whoever has one can
/// make it. `None` for what is no signature of the component's.
pub(crate) fn sibling(component: Component, signature: &[u8]) -> Option<Vec<u8>> {
    let order = hex::decode(order(component)?).ok()?;
    let (r, s) = numbers(signature)?;
    der(r, &less(&order, s)?)
}

/// `from` less `number`, both big-endian, as long as `from`; `None` if that is less than nothing.
fn less(from: &[u8], number: &[u8]) -> Option<Vec<u8>> {
    let missing = from.len().checked_sub(number.len())?;
    let number = std::iter::repeat_n(&0, missing).chain(number);
    let pairs: Vec<(u8, u8)> = from.iter().copied().zip(number.copied()).collect();
    let mut borrowed = false;
    let mut difference: Vec<u8> = Vec::with_capacity(pairs.len());
    for (from, number) in pairs.into_iter().rev() {
        let (once, first) = from.overflowing_sub(number);
        let (twice, second) = once.overflowing_sub(borrowed.into());
        borrowed = first || second;
        difference.push(twice);
    }
    difference.reverse();
    (!borrowed).then_some(difference)
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
    #[test]
    fn subtraction_borrows() {
        assert_eq!(less(&[1, 0, 0], &[1]).unwrap(), [0, 0xff, 0xff]);
        assert_eq!(less(&[7, 5], &[2, 6]).unwrap(), [4, 0xff]);
        assert_eq!(less(&[7], &[7]).unwrap(), [0]);
        assert!(less(&[7], &[8]).is_none() && less(&[7], &[0, 7]).is_none());
    }

    #[test]
    fn a_signature_has_one_sibling_and_both_are_good() {
        use symbolon_crypto::{HeldKey as _, MlDsaContext, SoftwareKey};
        for component in [
            Component::EcdsaP256Sha256,
            Component::EcdsaP384Sha384,
            Component::EcdsaP521Sha512,
            Component::EcdsaBrainpoolP256r1Sha256,
            Component::EcdsaBrainpoolP384r1Sha384,
        ] {
            let key = SoftwareKey::generate(component).unwrap();
            let signature = key.sign(b"message", MlDsaContext::EMPTY).unwrap();
            let other = sibling(component, &signature).unwrap();
            assert_ne!(other, signature);
            key.public_key()
                .verify(b"message", &other, MlDsaContext::EMPTY)
                .unwrap();
            assert_eq!(sibling(component, &other).unwrap(), signature);
        }
        assert!(sibling(Component::Ed25519, &[0; 64]).is_none());
    }
}
