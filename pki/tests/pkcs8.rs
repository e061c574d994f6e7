//! Private keys that are not what they say: PKCS#8 documents put together by hand, and good ones taken apart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use symbolon_pki::encode::element;
use symbolon_pki::key::{MAX_PKCS8_LEN, Pkcs8Error, PrivateKey, PrivateKeyKind};
use symbolon_pki::suite::Suite;

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
/// `[1] IMPLICIT BIT STRING`: the public key of a OneAsymmetricKey.
const PUBLIC_KEY: u8 = 0x81;

fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, tag, &parts.concat());
    out
}

/// A OneAsymmetricKey with the given private key content, and whatever else after it.
fn document(suite: Suite, content: &[u8], rest: &[u8]) -> Vec<u8> {
    let content = wrap(OCTET_STRING, &[content]);
    wrap(SEQUENCE, &[&[2, 1, 1], suite.key_algorithm_der(), &content, rest])
}

/// The content of the private key field that we write.
fn content(key: &PrivateKey) -> Vec<u8> {
    let der = key.to_pkcs8_der().unwrap();
    let algorithm = key.suite().key_algorithm_der();
    let at = der
        .windows(algorithm.len())
        .position(|part| part == algorithm)
        .unwrap();
    let field = &der[at + algorithm.len()..];
    match field {
        [OCTET_STRING, 0x81, _, content @ ..] => content.to_vec(),
        [OCTET_STRING, len, content @ ..] if *len < 0x80 => content.to_vec(),
        _ => panic!("{suite} is written otherwise", suite = key.suite()),
    }
}

fn refusal(der: &[u8]) -> Pkcs8Error {
    PrivateKey::from_pkcs8_der(der).unwrap_err()
}

#[test]
fn a_public_key_beside_the_private_one_must_be_its_own() {
    for suite in Suite::DEFAULTS {
        let key = PrivateKey::generate(suite).unwrap();
        let (content, public) = (content(&key), key.public_key().unwrap());
        let beside = |unused: u8, bits: &[u8]| {
            PrivateKey::from_pkcs8_der(&document(suite, &content, &wrap(PUBLIC_KEY, &[&[unused], bits])))
        };
        let read = beside(0, public.as_bytes()).unwrap();
        assert_eq!(read.public_key().unwrap(), public, "{suite}");

        let mut changed = public.as_bytes().to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(
            beside(0, &changed).unwrap_err(),
            Pkcs8Error::PublicKeyMismatch,
            "{suite}"
        );
        assert_eq!(
            beside(0, &[]).unwrap_err(),
            Pkcs8Error::PublicKeyMismatch,
            "{suite}"
        );
        // Not a whole number of bytes: it cannot be compared, and is not to be passed over for that.
        *changed.last_mut().unwrap() &= 0xf0;
        assert!(
            matches!(beside(4, &changed), Err(Pkcs8Error::Malformed(_))),
            "{suite}"
        );
    }
}

#[test]
fn what_is_written_reads_back_as_it_was() {
    for suite in Suite::DEFAULTS {
        let key = PrivateKey::generate(suite).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let read = PrivateKey::from_pkcs8_der(&der).unwrap();
        assert_eq!(read.public_key().unwrap(), key.public_key().unwrap(), "{suite}");
        assert_eq!(
            (read.suite(), read.kind(), read.can_be_stored()),
            (suite, key.kind(), true)
        );
        assert_eq!(
            key.kind() == PrivateKeyKind::Seed,
            suite.name().starts_with("ml-dsa"),
            "{suite}"
        );
        assert_eq!(read.to_pkcs8_der().unwrap(), der, "{suite}");
        for end in 0..der.len() {
            assert!(
                PrivateKey::from_pkcs8_der(&der[..end]).is_err(),
                "{suite} cut at {end}"
            );
        }
        assert!(
            PrivateKey::from_pkcs8_der(&[&der[..], &[0]].concat()).is_err(),
            "{suite}"
        );
    }
}

#[test]
fn halves_are_of_the_right_kind_and_length() {
    for suite in Suite::DEFAULTS.into_iter().filter(|suite| suite.is_composite()) {
        let good = content(&PrivateKey::generate(suite).unwrap());
        for end in 0..good.len() {
            assert!(
                PrivateKey::from_pkcs8_der(&document(suite, &good[..end], &[])).is_err(),
                "{suite} {end}"
            );
        }
        assert!(
            PrivateKey::from_pkcs8_der(&document(suite, &[&good[..], &[0]].concat(), &[])).is_err(),
            "{suite}"
        );
        // The halves the other way round.
        let (first, second) = good.split_at(32);
        if second.len() != 32 {
            assert!(PrivateKey::from_pkcs8_der(&document(suite, &[second, first].concat(), &[])).is_err());
        }
    }
    // The traditional half of an ECDSA composite with its public key inside, as a key alone has it: not the draft's form.
    let alone = content(&PrivateKey::generate(Suite::EcdsaP256).unwrap());
    let error = refusal(&document(
        Suite::MlDsa65EcdsaP256,
        &[&[7; 32], &alone[..]].concat(),
        &[],
    ))
    .to_string();
    assert!(
        error.contains("classical half is not in the composite's encoding"),
        "{error}"
    );
}

#[test]
fn curves_and_lengths_must_be_the_algorithms() {
    let p384 = content(&PrivateKey::generate(Suite::EcdsaP384).unwrap());
    assert!(matches!(
        refusal(&document(Suite::EcdsaP256, &p384, &[])),
        Pkcs8Error::Key(_)
    ));
    // A P-256 scalar that names P-384 as its curve.
    let named = wrap(
        SEQUENCE,
        &[
            &[2, 1, 1],
            &wrap(OCTET_STRING, &[&[1; 32]]),
            &wrap(0xa0, &[&[6, 5, 0x2b, 0x81, 4, 0, 0x22]]),
        ],
    );
    let error = refusal(&document(Suite::EcdsaP256, &named, &[])).to_string();
    assert!(error.contains("names another curve"), "{error}");
    // Zero is no scalar.
    let zero = wrap(SEQUENCE, &[&[2, 1, 1], &wrap(OCTET_STRING, &[&[0; 32]])]);
    assert!(matches!(
        refusal(&document(Suite::EcdsaP256, &zero, &[])),
        Pkcs8Error::Key(_)
    ));
    for len in [0, 31, 33] {
        assert!(matches!(
            refusal(&document(Suite::MlDsa65, &wrap(0x80, &[&vec![1; len]]), &[])),
            Pkcs8Error::Key(_)
        ));
    }
}

#[test]
fn documents_that_are_none_are_refused() {
    let suite = Suite::Ed25519;
    let good = document(suite, &wrap(OCTET_STRING, &[&[9; 32]]), &[]);
    PrivateKey::from_pkcs8_der(&good).unwrap();
    let mut version = good.clone();
    version[4] = 2;
    assert_eq!(refusal(&version), Pkcs8Error::Version(2));
    assert_eq!(
        refusal(&vec![0x30; MAX_PKCS8_LEN + 1]),
        Pkcs8Error::TooLong(MAX_PKCS8_LEN + 1)
    );
    // X25519.
    let unknown = wrap(
        SEQUENCE,
        &[
            &[2, 1, 0],
            &[0x30, 5, 6, 3, 0x2b, 0x65, 0x6e],
            &wrap(OCTET_STRING, &[&[9; 34]]),
        ],
    );
    assert!(
        matches!(refusal(&unknown), Pkcs8Error::UnknownAlgorithm(oid) if oid.to_string() == "1.3.101.110")
    );
}

#[test]
fn a_curve_that_is_not_offered_is_no_unknown_algorithm() {
    // id-ecPublicKey with secp256k1, and without any curve; Ed25519 with a NULL.
    let (ec, k1) = (
        &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1],
        &[6, 5, 0x2b, 0x81, 4, 0, 0x0a],
    );
    let scalar = wrap(SEQUENCE, &[&[2, 1, 1], &wrap(OCTET_STRING, &[&[1; 66]])]);
    for (algorithm, oid) in [
        (wrap(SEQUENCE, &[ec, k1]), "1.2.840.10045.2.1"),
        (wrap(SEQUENCE, &[ec]), "1.2.840.10045.2.1"),
        (
            wrap(SEQUENCE, &[&[6, 3, 0x2b, 0x65, 0x70], &[5, 0]]),
            "1.3.101.112",
        ),
    ] {
        let der = wrap(
            SEQUENCE,
            &[&[2, 1, 0], &algorithm, &wrap(OCTET_STRING, &[&scalar])],
        );
        let error = refusal(&der);
        assert!(
            matches!(error, Pkcs8Error::Parameters(found) if found.to_string() == oid),
            "{error}"
        );
    }
}
