//! Encodings and fields, broken one by one.

use symbolon_issuance::lint::rules::{der, fields};

use crate::build::*;
use crate::pieces::{name, tlv};
use crate::seen::Seen;

/// A subject of one attribute with this type and this value.
fn subject(kind: &[u8], value: Vec<u8>) -> impl FnOnce(&mut Cert) {
    let attribute = seq(&[oid(kind), value]);
    move |cert| cert.subject = seq(&[tlv(0x31, &attribute)])
}

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// x500UniqueIdentifier, which may be anything here.
const ANY_KIND: &[u8] = &[0x55, 4, 45];

pub(crate) fn encodings(seen: &mut Seen) {
    seen.input(
        &der::BLOCK,
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    );
    seen.input(
        &der::ENTRY,
        br#"{"keys":[{"use":"x509-svid","kty":"EC","x5c":[]}]}"#,
    );
    seen.input(
        &der::NOT_LINTED,
        b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
    );
    // A key that is encrypted is not damaged either.
    seen.input(
        &der::NOT_LINTED,
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    seen.input(
        &der::NOT_LINTED,
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----\n",
    );

    let good = leaf().der();
    seen.bytes(&der::TRUNCATED, &good[..good.len() - 1]);
    seen.bytes(&der::TRUNCATED, &good[..1]);
    seen.bytes(
        &der::INDEFINITE_LENGTH,
        &[&[0x30, 0x80], &good[4..], &[0, 0]].concat(),
    );
    seen.bytes(&der::TRAILING, &[&good[..], &[0]].concat());
    seen.cert(
        &der::LENGTH,
        leaf().with(|cert| cert.serial = [&[2, 0x81, 16][..], &[0x11; 16]].concat()),
    );
    seen.cert(
        &der::TRAILING,
        leaf().set(SKI, [tlv(4, &[8; 20]), vec![5, 0]].concat()),
    );
    let pieces = tlv(0x2c, &tlv(0x0c, b"leaf"));
    seen.cert(
        &der::CONSTRUCTED_STRING,
        leaf().with(subject(COMMON_NAME, pieces)),
    );
    let deep = (0..40).fold(vec![5, 0], |inner, _| tlv(0x30, &inner));
    seen.cert(&der::DEPTH, leaf().with(subject(ANY_KIND, deep)));
    seen.cert(&der::BOOLEAN, leaf().critical(KU, &[1, 1, 1]));
    seen.cert(
        &der::INTEGER,
        leaf().with(|cert| cert.serial = tlv(2, &[0, 0x11, 0x11])),
    );
    seen.cert(&der::BIT_STRING, leaf().with(subject(ANY_KIND, tlv(3, &[8, 0]))));
    seen.cert(&der::BIT_STRING, leaf().with(subject(ANY_KIND, tlv(3, &[1, 1]))));
    seen.cert(&der::NAMED_BITS, leaf().set(KU, key_usage(&[6, 0x80])));
    seen.cert(&der::NAMED_BITS, leaf().set(KU, key_usage(&[7, 0x80, 0])));
    seen.cert(&der::NULL, leaf().with(subject(ANY_KIND, vec![5, 1, 0])));
    seen.cert(
        &der::OID,
        leaf().with(subject(&[0x55, 0x80, 4], tlv(0x0c, b"leaf"))),
    );
    seen.cert(&der::STRING, leaf().with(subject(COMMON_NAME, tlv(0x13, b"a@b"))));
    seen.cert(
        &der::STRING,
        leaf().with(subject(COMMON_NAME, tlv(0x0c, &[0xff]))),
    );
    seen.cert(
        &der::STRING,
        leaf().set(SAN, alt_names(&[(0x82, "é".as_bytes())])),
    );
    for bad in [
        &b"2611220425Z"[..],
        b"261122042500",
        b"261322042500Z",
        b"260229000000Z",
    ] {
        seen.cert(&der::TIME, leaf().with(|cert| cert.not_after = tlv(0x17, bad)));
    }
    let attribute = |value: &[u8]| seq(&[oid(COMMON_NAME), tlv(0x0c, value)]);
    let unsorted = [attribute(b"b"), attribute(b"a")].concat();
    seen.cert(
        &der::SET_ORDER,
        leaf().with(|cert| cert.subject = seq(&[tlv(0x31, &unsorted)])),
    );
    seen.cert(&der::DEFAULT, leaf().critical(EKU, &[1, 1, 0]));
    seen.cert(&der::DEFAULT, leaf().set(BC, seq(&[vec![1, 1, 0]])));
}

pub(crate) fn fields(seen: &mut Seen) {
    seen.cert(
        &fields::STRUCTURE,
        leaf().with(|cert| cert.after = tlv(0xa7, &[5, 0])),
    );
    seen.bytes(&fields::STRUCTURE, &[0x30, 2, 5, 0]);
    seen.cert(
        &fields::SIGNATURE_ALGORITHMS,
        leaf().with(|cert| cert.outside = Some(algorithm(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], &[]))),
    );
    for version in [Vec::new(), tlv(0xa0, &[2, 1, 1]), tlv(0xa0, &[2, 1, 3])] {
        seen.cert(&fields::VERSION, leaf().with(|cert| cert.version = version));
    }
    for serial in [&[0x80][..], &[0]] {
        seen.cert(
            &fields::SERIAL_POSITIVE,
            leaf().with(|cert| cert.serial = tlv(2, serial)),
        );
    }
    seen.cert(
        &fields::SERIAL_LENGTH,
        leaf().with(|cert| cert.serial = tlv(2, &[0x11; 21])),
    );
    seen.cert(
        &fields::ISSUER_EMPTY,
        leaf().with(|cert| cert.issuer = vec![0x30, 0]),
    );
    seen.cert(
        &fields::TIME_TYPE,
        leaf().with(|cert| cert.not_after = tlv(0x18, b"20261122042500Z")),
    );
    seen.cert(
        &fields::VALIDITY_ORDER,
        leaf().with(|cert| cert.not_after = tlv(0x17, b"251122042500Z")),
    );
    seen.cert(
        &fields::SUBJECT_EMPTY,
        authority().with(|cert| cert.subject = vec![0x30, 0]),
    );
    seen.cert(
        &fields::SUBJECT_OR_SAN,
        leaf().with(|cert| cert.subject = vec![0x30, 0]),
    );
    seen.cert(
        &fields::UNIQUE_ID,
        leaf().with(|cert| cert.between = tlv(0x81, &[0, 1])),
    );

    seen.cert(
        &fields::NAME_STRUCTURE,
        leaf().with(|cert| cert.subject = seq(&[vec![0x31, 0]])),
    );
    for text in ["", &"a".repeat(65)] {
        seen.cert(
            &fields::NAME_LENGTH,
            leaf().with(|cert| cert.subject = name(&[(3, 0x0c, text)])),
        );
    }
    seen.cert(
        &fields::NAME_TYPE,
        leaf().with(|cert| cert.subject = name(&[(3, 0x14, "leaf")])),
    );
    // IA5String is for e-mail addresses and domain components.
    seen.cert(
        &fields::NAME_TYPE,
        leaf().with(|cert| cert.subject = name(&[(3, 0x16, "leaf")])),
    );
    for (tag, country) in [(0x13, "USA"), (0x0c, "US")] {
        seen.cert(
            &fields::COUNTRY,
            leaf().with(|cert| cert.subject = name(&[(6, tag, country)])),
        );
    }
    seen.cert(
        &fields::PRINTABLE_ATTRIBUTE,
        leaf().with(|cert| cert.subject = name(&[(5, 0x0c, "17")])),
    );
}
