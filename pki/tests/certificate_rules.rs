//! The rules for reading a certificate, each broken once by a certificate made by hand.

mod common;

use common::{ByHand, CA_TRUE, FOREIGN, extension, tlv};
use symbolon_pki::certificate::{Certificate, CertificateError, MAX_CERTIFICATE_LEN, SvidError};
use symbolon_pki::key::KeyError;
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::Suite;

#[test]
fn the_one_by_hand_is_good_before_it_is_spoilt() {
    let good = ByHand::new().read().unwrap();
    assert!(good.is_ca());
    assert_eq!(good.signature(), [1, 2, 3]);
    assert_eq!(good.issuer(), "");
}

#[test]
fn serials_are_bounded() {
    let with = |serial: &[u8]| ByHand {
        serial: serial.to_vec(),
        ..ByHand::new()
    };
    assert!(with(&[0x7f; 20]).read().is_ok());
    assert_eq!(with(&[0]).read().unwrap().serial_decimal(), "0");
    assert_eq!(
        with(&[0x80]).refusal(),
        "the certificate's serial number is negative"
    );
    assert_eq!(
        with(&[0x7f; 21]).refusal(),
        "the certificate's serial number has 21 octets, more than 20"
    );
    // The unsigned number has 20 octets, the INTEGER 21.
    assert!(
        with(&[&[0u8][..], &[0xff; 20]].concat())
            .refusal()
            .contains("21 octets")
    );
    assert!(with(&[0, 1]).refusal().starts_with("not a DER certificate"));
    assert!(with(&[]).refusal().starts_with("not a DER certificate"));
}

#[test]
fn only_version_3_is_read() {
    let v2 = ByHand {
        version: vec![0xa0, 0x03, 0x02, 0x01, 0x01],
        ..ByHand::new()
    };
    assert_eq!(v2.refusal(), "the certificate has X.509 version 2, not 3");
    let v1 = ByHand {
        version: vec![],
        ..ByHand::new()
    };
    assert_eq!(v1.refusal(), "the certificate has X.509 version 1, not 3");
}

#[test]
fn the_two_signature_algorithms_must_be_the_same_and_bare() {
    let sha384 = Suite::EcdsaP384.signature_algorithm_der().to_vec();
    let two = ByHand {
        outer: sha384,
        ..ByHand::new()
    };
    assert_eq!(
        two.refusal(),
        "the certificate names two signature algorithms, 1.2.840.10045.4.3.2 inside and 1.2.840.10045.4.3.3 outside"
    );
    for suite in Suite::DEFAULTS {
        let bare = suite.signature_algorithm_der().to_vec();
        let good = ByHand {
            inner: bare.clone(),
            outer: bare.clone(),
            ..ByHand::new()
        };
        assert_eq!(good.read().unwrap().signature_suite(), Some(suite));
        let with_null = tlv(0x30, &[&bare[2..], &[0x05, 0x00]]);
        let spoilt = ByHand {
            inner: with_null.clone(),
            outer: with_null,
            ..ByHand::new()
        };
        assert!(
            spoilt
                .refusal()
                .ends_with("has wrong parameters: they must be absent"),
            "{suite}"
        );
    }
}

#[test]
fn extensions_are_read_strictly() {
    let with = |extensions: &[Vec<u8>]| ByHand {
        extensions: extensions.to_vec(),
        ..ByHand::new()
    };
    let ca = extension(19, Some(0xff), CA_TRUE);
    assert_eq!(
        with(&[ca.clone(), ca]).refusal(),
        "the certificate has the extension 2.5.29.19 twice"
    );

    // Encodings that mean something but are not the one that DER allows.
    let not_der = "the certificate is not in DER: it would be encoded differently";
    assert_eq!(with(&[extension(19, Some(0x00), CA_TRUE)]).refusal(), not_der);
    let explicit_false = extension(19, Some(0xff), &[0x30, 0x03, 0x01, 0x01, 0x00]);
    assert!(
        with(&[explicit_false])
            .refusal()
            .contains("basicConstraints extension is wrong")
    );
    let trailing = extension(19, Some(0xff), &[CA_TRUE, &[0x05, 0x00]].concat());
    assert!(
        with(&[trailing])
            .refusal()
            .contains("basicConstraints extension is wrong")
    );
    // Key usage with a trailing zero bit, which a named bit list does not have.
    let loose_bits = extension(15, Some(0xff), &[0x03, 0x02, 0x06, 0x80]);
    assert!(
        with(&[loose_bits])
            .refusal()
            .contains("keyUsage extension is wrong")
    );

    let path_on_leaf = extension(19, Some(0xff), &[0x30, 0x03, 0x02, 0x01, 0x00]);
    assert!(with(&[path_on_leaf]).refusal().contains("limits the path"));

    // Policy mappings are not processed, so the verifier must hear of them; the same non-critical is passed over.
    let constraints = [0x30, 0x00];
    let critical = with(&[extension(33, Some(0xff), &constraints)]).read().unwrap();
    assert_eq!(
        critical.unprocessed_critical_extensions(),
        ["2.5.29.33".parse().unwrap()]
    );
    let lenient = with(&[extension(33, None, &constraints)]).read().unwrap();
    assert!(lenient.unprocessed_critical_extensions().is_empty());

    let many: Vec<_> = (40..110).map(|end| extension(end, None, &constraints)).collect();
    assert_eq!(
        with(&many).refusal(),
        "the certificate has 70 extensions, more than 64"
    );
}

#[test]
fn key_identifiers_of_other_lengths_are_kept_as_bytes() {
    let long = ByHand {
        extensions: vec![extension(14, None, &tlv(4, &[&[7; 32]]))],
        ..ByHand::new()
    }
    .read()
    .unwrap();
    assert_eq!(long.skid(), None);
    assert_eq!(long.skid_bytes(), Some(&[7; 32][..]));
    let usual = ByHand {
        extensions: vec![extension(14, None, &tlv(4, &[&[7; 20]]))],
        ..ByHand::new()
    };
    assert_eq!(usual.read().unwrap().skid(), Skid::from_bytes(&[7; 20]).as_ref());
}

#[test]
fn dates_before_2050_must_be_utc_times() {
    let generalized = ByHand {
        not_before: tlv(0x18, &[b"20260101000000Z"]),
        ..ByHand::new()
    };
    assert_eq!(
        generalized.refusal(),
        "the certificate is not in DER: it would be encoded differently"
    );
}

#[test]
fn spiffe_ids_are_one_and_canonical() {
    let names = |uris: &[&str]| {
        let names: Vec<_> = uris.iter().map(|uri| tlv(0x86, &[uri.as_bytes()])).collect();
        let content = tlv(0x30, &[&names.concat()]);
        ByHand {
            extensions: vec![extension(17, None, &content)],
            ..ByHand::new()
        }
        .read()
        .unwrap()
        .spiffe_id()
    };
    assert_eq!(names(&["spiffe://example.org/a"]).unwrap().path(), "/a");
    assert_eq!(
        names(&["spiffe://example.org/a", "https://example.org"]),
        Err(SvidError::ManyUris { count: 2 })
    );
    for uri in [
        "https://example.org",
        "spiffe://Example.org/a",
        "spiffe://example.org/a/",
        "spiffe:///a",
    ] {
        assert!(matches!(names(&[uri]), Err(SvidError::NotSpiffe { .. })), "{uri}");
    }
}

#[test]
fn bits_and_bytes_that_do_not_belong_are_refused() {
    let odd_bits = ByHand {
        signature: vec![4, 0x10],
        ..ByHand::new()
    };
    assert_eq!(
        odd_bits.refusal(),
        "the certificate's signature is not a whole number of bytes"
    );
    let mut odd_key = ByHand::new();
    odd_key.key = tlv(
        0x30,
        &[
            &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71],
            &tlv(3, &[&[3], &[9; 57]]),
        ],
    );
    assert_eq!(
        odd_key.refusal(),
        "the certificate's public key is not a whole number of octets"
    );
    let mut trailing = FOREIGN.leaf.clone();
    trailing.push(0);
    assert!(matches!(
        Certificate::from_der(&trailing),
        Err(CertificateError::Malformed(_))
    ));
    let huge = vec![0x30; MAX_CERTIFICATE_LEN + 1];
    assert!(matches!(
        Certificate::from_der(&huge),
        Err(CertificateError::TooLong { .. })
    ));
}

#[test]
fn a_part_of_a_name_has_an_attribute() {
    let attribute = tlv(0x30, &[&[0x06, 0x03, 0x55, 0x04, 0x0a], &tlv(0x13, &[b"A"])]);
    let with = |parts: &[&[u8]]| ByHand {
        name: tlv(0x30, parts),
        ..ByHand::new()
    };
    let part = tlv(0x31, &[&attribute]);
    assert_eq!(with(&[&part]).read().unwrap().issuer(), "O=A");
    for wrong in [with(&[&tlv(0x31, &[])]), with(&[&part, &tlv(0x31, &[])])] {
        assert!(wrong.refusal().starts_with("not a DER certificate"));
    }
}

#[test]
fn a_bad_key_is_a_fact_about_the_certificate_not_an_error_of_it() {
    // A P-256 key whose point is not on the curve, since its last bit is another.
    let mut off_curve = ByHand::new();
    *off_curve.key.last_mut().unwrap() ^= 1;
    let certificate = off_curve.read().unwrap();
    assert!(matches!(certificate.subject_key(), Err(KeyError::Component(_))));

    let mut unknown = ByHand::new();
    unknown.key = tlv(
        0x30,
        &[
            &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71],
            &tlv(3, &[&[0], &[9; 57]]),
        ],
    );
    let certificate = unknown.read().unwrap();
    assert_eq!(
        certificate.subject_key(),
        Err(&KeyError::UnknownAlgorithm("1.3.101.113".parse().unwrap()))
    );
}
