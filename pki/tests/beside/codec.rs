//! What an alternative signature is over, held against a second reading by `x509-cert`.

use der::{Decode, Encode};
use proptest::prelude::*;
use symbolon_pki::catalyst::{
    ALTERNATIVE_SIGNATURE, append_crl_signature, append_signature, pre_tbs, pre_tbs_crl, strip_signature,
};
use symbolon_pki::encode::whole;
use x509_cert::ext::Extension;
use x509_cert::name::RdnSequence;

use crate::bit_string;

/// An Extension as a test makes it.
#[derive(Clone, Debug)]
struct Made {
    arc: u8,
    critical: bool,
    content: Vec<u8>,
}

impl Made {
    fn der(&self) -> Vec<u8> {
        let oid = whole(0x06, &[&[0x55, 0x1d, self.arc]]);
        let critical: &[u8] = if self.critical { &[1, 1, 0xff] } else { &[] };
        whole(0x30, &[&oid, critical, &whole(0x04, &[&self.content])])
    }
}

/// Extensions with different OIDs, among which altSignatureValue may be.
fn extensions() -> impl Strategy<Value = Vec<Made>> {
    let arcs =
        proptest::sample::subsequence(vec![14_u8, 15, 17, 19, 35, 37, 72, 73, 74, 99], 1..10).prop_shuffle();
    let contents = proptest::collection::vec(
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300)),
        10,
    );
    (arcs, contents).prop_map(|(arcs, contents)| {
        let made = |(arc, (critical, content))| Made {
            arc,
            critical,
            content,
        };
        arcs.into_iter().zip(contents).map(made).collect()
    })
}

fn list(extensions: &[Made]) -> Vec<u8> {
    let list: Vec<_> = extensions.iter().flat_map(Made::der).collect();
    whole(0x30, &[&list])
}

const VERSION_3: &[u8] = &[0xa0, 3, 2, 1, 2];
const ALGORITHM: &[u8] = &[
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];
const EMPTY: &[u8] = &[0x30, 0];

/// The fields between the algorithm and the extensions, which only have to be there.
fn middle(filler: &[u8]) -> Vec<u8> {
    let validity = whole(0x30, &[b"\x17\x0d260101000000Z", b"\x17\x0d270101000000Z"]);
    let key = whole(0x30, &[ALGORITHM, &bit_string(filler)]);
    [EMPTY, &validity, EMPTY, &key].concat()
}

fn tbs(serial: u8, filler: &[u8], extensions: &[Made]) -> Vec<u8> {
    let serial = [2, 1, serial];
    let list = whole(0xa3, &[&list(extensions)]);
    whole(0x30, &[VERSION_3, &serial, ALGORITHM, &middle(filler), &list])
}

/// The same by way of `x509-cert`: every field decoded, and the wanted ones encoded again.
fn second_opinion(tbs: &[u8]) -> Vec<u8> {
    let parsed = x509_cert::TbsCertificate::from_der(tbs).unwrap();
    let kept: Vec<Extension> = parsed
        .extensions()
        .unwrap()
        .iter()
        .filter(|extension| extension.extn_id != ALTERNATIVE_SIGNATURE)
        .cloned()
        .collect();
    let empty: RdnSequence = RdnSequence::default();
    assert!(empty.is_empty());
    let fields = [
        VERSION_3.to_vec(),
        parsed.serial_number().to_der().unwrap(),
        parsed.issuer().to_der().unwrap(),
        parsed.validity().to_der().unwrap(),
        parsed.subject().to_der().unwrap(),
        parsed.subject_public_key_info().to_der().unwrap(),
        whole(0xa3, &[&kept.to_der().unwrap()]),
    ];
    whole(0x30, &[&fields.concat()])
}

proptest! {
    #[test]
    fn what_is_signed_is_what_a_second_reading_finds(
        serial in 1_u8..0x80,
        filler in proptest::collection::vec(any::<u8>(), 0..200),
        extensions in extensions(),
    ) {
        let tbs = tbs(serial, &filler, &extensions);
        prop_assert_eq!(pre_tbs(&tbs).unwrap(), second_opinion(&tbs));
    }

    #[test]
    fn a_signature_goes_in_and_comes_out_and_changes_nothing_that_is_signed(
        filler in proptest::collection::vec(any::<u8>(), 0..200),
        extensions in extensions(),
        signature in proptest::collection::vec(any::<u8>(), 0..5000),
    ) {
        let with = tbs(1, &filler, &extensions);
        let without: Vec<_> = extensions.into_iter().filter(|one| one.arc != 74).collect();
        let without = tbs(1, &filler, &without);
        prop_assert_eq!(strip_signature(&with).unwrap(), without.clone());
        let sealed = append_signature(&with, &signature).unwrap();
        prop_assert_eq!(strip_signature(&sealed).unwrap(), without.clone());
        prop_assert_eq!(pre_tbs(&sealed).unwrap(), pre_tbs(&without).unwrap());
        // It stands last, and holds the signature.
        let parsed = x509_cert::TbsCertificate::from_der(&sealed).unwrap();
        let last = parsed.extensions().unwrap().last().unwrap();
        prop_assert_eq!(last.extn_id, ALTERNATIVE_SIGNATURE);
        prop_assert!(!last.critical);
        prop_assert_eq!(last.extn_value.as_bytes(), &bit_string(&signature)[..]);
    }

    #[test]
    fn the_same_of_crls(
        extensions in extensions(),
        signature in proptest::collection::vec(any::<u8>(), 0..5000),
        revoked in proptest::bool::ANY,
    ) {
        let crl = |algorithm: &[u8], extensions: &[Made]| {
            let revoked: &[u8] = if revoked { EMPTY } else { &[] };
            let list = whole(0xa0, &[&list(extensions)]);
            whole(0x30, &[&[2, 1, 1], algorithm, EMPTY, b"\x17\x0d260101000000Z", revoked, &list])
        };
        let kept: Vec<_> = extensions.iter().filter(|one| one.arc != 74).cloned().collect();
        let whole_crl = crl(ALGORITHM, &extensions);
        prop_assert_eq!(pre_tbs_crl(&whole_crl).unwrap(), crl(&[], &kept));
        let sealed = append_crl_signature(&whole_crl, &signature).unwrap();
        prop_assert_eq!(pre_tbs_crl(&sealed).unwrap(), crl(&[], &kept));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = (pre_tbs(&bytes), pre_tbs_crl(&bytes), strip_signature(&bytes), append_signature(&bytes, &bytes));
    }

    #[test]
    fn nor_does_any_changed_byte(
        extensions in extensions(),
        position in any::<proptest::sample::Index>(),
        bit in 0_u8..8,
        cut in any::<proptest::sample::Index>(),
    ) {
        let good = tbs(1, &[7; 40], &extensions);
        let mut changed = good.clone();
        changed[position.index(good.len())] ^= 1 << bit;
        for bytes in [&changed[..], &good[..cut.index(good.len())]] {
            if let Ok(signed) = pre_tbs(bytes) {
                // What is read is the whole of it: it is signed but for one field and at most one extension.
                prop_assert!(signed.len() < bytes.len());
                prop_assert!(!bytes.is_empty());
            }
        }
        prop_assert!(pre_tbs(&[&good[..], &[0]].concat()).is_err());
    }
}

#[test]
fn what_is_no_version_3_certificate_is_refused() {
    let extensions = [Made {
        arc: 15,
        critical: true,
        content: vec![5, 0],
    }];
    let list = whole(0xa3, &[&list(&extensions)]);
    let serial = [2, 1, 1];
    let middle = middle(&[7]);
    let good = [VERSION_3, &serial, ALGORITHM, &middle, &list];
    pre_tbs(&whole(0x30, &good)).unwrap();
    let without = |left_out: usize| {
        let kept: Vec<_> = good
            .iter()
            .enumerate()
            .filter(|(position, _)| *position != left_out)
            .map(|(_, field)| *field)
            .collect();
        whole(0x30, &kept)
    };
    for (what, tbs) in [
        ("no version", without(0)),
        (
            "no algorithm",
            whole(0x30, &[VERSION_3, &serial, &serial, &middle, &list]),
        ),
        ("no extensions", without(4)),
        (
            "extensions that are none",
            whole(0x30, &[&good[..4].concat(), &[0xa3, 2, 5, 0]]),
        ),
        (
            "an extension without an OID",
            whole(
                0x30,
                &[&good[..4].concat(), &whole(0xa3, &[&whole(0x30, &[EMPTY])])],
            ),
        ),
        ("a set", whole(0x31, &good)),
        ("nothing", Vec::new()),
        ("too little", vec![0x30, 3, 2]),
        ("a length that is not the shortest", {
            let mut out = vec![0x30, 0x83, 0];
            out.extend(u16::try_from(good.concat().len()).unwrap().to_be_bytes());
            out.extend(good.concat());
            out
        }),
    ] {
        assert!(pre_tbs(&tbs).is_err(), "{what}");
    }
}
