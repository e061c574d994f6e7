//! Ed448's keys and signatures have one form.

use symbolon_crypto::{Component, HeldKey, KeyError, PublicKey, SoftwareKey};

use crate::{key, sign, verifies};

/// Little-endian bytes of Ed448's group order.
const ED448_ORDER: [u8; 57] = {
    let low = [
        0xf3, 0x44, 0x58, 0xab, 0x92, 0xc2, 0x78, 0x23, 0x55, 0x8f, 0xc5, 0x8d, 0x72, 0xc2, 0x6c, 0x21, 0x90,
        0x36, 0xd6, 0xae, 0x49, 0xdb, 0x4e, 0xc4, 0xe9, 0x23, 0xca, 0x7c,
    ];
    let mut order = [0xff; 57];
    let mut at = 0;
    while at < low.len() {
        order[at] = low[at];
        at += 1;
    }
    order[55] = 0x3f;
    order[56] = 0;
    order
};

#[test]
fn ed448_signatures_have_one_form() {
    let key = key(Component::Ed448);
    let signature = sign(&key, b"message");
    // S + L is S for whoever does not look (RFC 8032, section 5.2.7, asks to look).
    let mut carry = 0;
    let mut second = signature.clone();
    for (byte, order) in second[57..].iter_mut().zip(ED448_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(!verifies(key.public_key(), b"message", &second));
    let mut last = signature.clone();
    last[113] = 1;
    assert!(!verifies(key.public_key(), b"message", &last));
    // That a signer can fill the bits that R does not use, and hash what he wrote, is in Wycheproof's cases.
}

#[test]
fn ed448_keys_have_one_encoding_and_no_small_order() {
    // y, little-endian, and the sign of x in the topmost bit of the last byte.
    let point = |y: [u8; 56], last: u8| [&y[..], &[last]].concat();
    let small = |value: u8| {
        let mut y = [0; 56];
        y[0] = value;
        y
    };
    // p = 2^448 - 2^224 - 1.
    let mut p = [0xff; 56];
    p[28] = 0xfe;
    let plus = |value: u8| {
        let mut y = p;
        let mut carry = u16::from(value);
        for byte in &mut y {
            let sum = u16::from(*byte) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        y
    };
    let mut minus_one = p;
    minus_one[0] = 0xfe;
    for (why, y) in [
        ("order 4", small(0)),
        ("the neutral element", small(1)),
        ("order 2", minus_one),
        ("order 4, not reduced", p),
        ("the neutral element, not reduced", plus(1)),
        ("not reduced", plus(2)),
        ("not reduced", [0xff; 56]),
    ] {
        for sign in [0, 0x80] {
            assert!(
                PublicKey::parse(Component::Ed448, &point(y, sign)).is_err(),
                "{why}, {sign}"
            );
        }
    }
    let key = key(Component::Ed448);
    let good = key.public_key().as_bytes();
    for bit in 0..7 {
        let mut bad = good.to_vec();
        bad[56] ^= 1 << bit;
        assert!(
            PublicKey::parse(Component::Ed448, &bad).is_err(),
            "bit {bit} of the last byte"
        );
    }
    for bad in [&good[1..], &[good, &[0]].concat(), &[]] {
        assert!(matches!(
            PublicKey::parse(Component::Ed448, bad),
            Err(KeyError::Length { .. })
        ));
        assert!(matches!(
            SoftwareKey::from_raw(Component::Ed448, bad),
            Err(KeyError::Length { .. })
        ));
    }
}
