//! What is read, and what is not.

use super::*;

/// A P-256 key in a TPM, with these attributes.
fn p256(attributes: u32, scheme: &[u16], point: &[u8]) -> Vec<u8> {
    let numbers = |numbers: &[u16]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    let (x, y) = point[1..].split_at(32);
    [
        &numbers(&[ALG_ECC, ALG_SHA256])[..],
        &attributes.to_be_bytes(),
        &[0, 0],
        &numbers(&[ALG_NULL]),
        &numbers(scheme),
        &numbers(&[CURVE_P256, ALG_NULL, 32]),
        x,
        &[0, 32],
        y,
    ]
    .concat()
}

const ATTESTATION: u32 = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | RESTRICTED | SIGN;

#[test]
fn only_restricted_keys_that_stay_attest() {
    use symbolon_crypto::{Component, HeldKey as _, SoftwareKey};
    let key = SoftwareKey::generate(Component::EcdsaP256Sha256).unwrap();
    let point = key.public_key().as_bytes();
    let parse = |attributes| Public::parse(&p256(attributes, &[ALG_ECDSA, ALG_SHA256], point)).unwrap();
    assert!(parse(ATTESTATION).is_attestation());
    for lacking in [FIXED_TPM, FIXED_PARENT, SENSITIVE_DATA_ORIGIN, RESTRICTED, SIGN] {
        assert!(!parse(ATTESTATION & !lacking).is_attestation(), "{lacking:#x}");
    }
    assert!(!parse(ATTESTATION | DECRYPT).is_attestation());
    assert!(!parse(ATTESTATION).is_endorsement());
    assert!(parse(ATTESTATION & !SIGN | DECRYPT).is_endorsement());
    let bytes = p256(ATTESTATION, &[ALG_ECDSA, ALG_SHA256], point);
    for len in 0..bytes.len() {
        Public::parse(&bytes[..len]).unwrap_err();
    }
    Public::parse(&[&bytes[..], &[0]].concat()).unwrap_err();
    let mut off_the_curve = bytes.clone();
    *off_the_curve.last_mut().unwrap() ^= 1;
    Public::parse(&off_the_curve).unwrap_err();
}

#[test]
fn quotes_say_which_pcrs() {
    let sized = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let quote = [
        &GENERATED.to_be_bytes()[..],
        &ST_ATTEST_QUOTE.to_be_bytes(),
        &sized(b"signer"),
        &sized(b"extra"),
        &[0; 25],
        &[0, 0, 0, 1, 0, 0x0b, 3, 0x81, 0, 1],
        &sized(&[7; 32]),
    ]
    .concat();
    let expected = Attest {
        extra: b"extra".to_vec(),
        attested: Attested::Quote {
            selection: vec![(ALG_SHA256, vec![0, 7, 16])],
            digest: vec![7; 32],
        },
    };
    assert_eq!(Attest::parse(&quote).unwrap(), expected);
    for len in 0..quote.len() {
        Attest::parse(&quote[..len]).unwrap_err();
    }
    let mut other = quote.clone();
    other[0] ^= 1;
    Attest::parse(&other).unwrap_err();
}
