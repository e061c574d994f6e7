//! Revocation lists: what is read, what is refused as malformed or as more than this library reads, each for its reason.

use crate::lists::{
    AUTHORITY_KEY, CERTIFICATE_ISSUER, CRL_NUMBER, DELTA_INDICATOR, DISTRIBUTION_POINT, INVALIDITY_DATE,
    ListDraft, REASON_CODE, entry, extension, reason, time,
};
use crate::support::{Ca, HOUR, now, subject_key};
use proptest::prelude::*;
use proptest::sample::Index;
use symbolon_pki::crl::{Crl, CrlScope, CrlSet, MAX_CRL_LEN, MAX_CRLS, RevocationReason};
use symbolon_pki::encode::whole;
use symbolon_pki::key::Half;
use symbolon_pki::suite::Suite;

fn refusal(der: &[u8]) -> String {
    Crl::from_der(der).unwrap_err().to_string()
}

/// Why a list that `change` spoilt is refused.
fn bad(change: impl FnOnce(&mut ListDraft)) -> String {
    let ca = Ca::root(Suite::Ed25519);
    let mut draft = ListDraft::of(&ca);
    change(&mut draft);
    refusal(&draft.der(&ca))
}

#[test]
fn a_list_is_read_back_with_what_it_says() {
    for suite in [Suite::EcdsaP256, Suite::MlDsa65, Suite::MlDsa65EcdsaP256] {
        let ca = Ca::root(suite);
        let since = extension(INVALIDITY_DATE, false, b"\x18\x0f20261101000000Z");
        let list = ListDraft::of(&ca)
            .revoke(&[0x2a], &[reason(1), since])
            .revoke(&[0x00, 0x81], &[])
            .revoke(&[0x05], &[reason(5)])
            .number(&[0x00, 0xff])
            .sign(&ca);
        list.verify_signature(&subject_key(&ca.signer)).unwrap();
        assert_eq!(list.issuer_der(), ca.certificate.subject_der());
        assert_eq!(list.issuer(), ca.certificate.subject());
        assert_eq!(list.akid_bytes(), ca.certificate.skid_bytes().unwrap());
        assert_eq!(
            (list.number(), list.number_decimal().as_str()),
            (&[0xff][..], "255")
        );
        assert_eq!(list.scope(), CrlScope::All);
        assert_eq!(
            (list.this_update(), list.next_update()),
            (now() - HOUR, now() + HOUR)
        );
        assert_eq!(list.entries().len(), 3);
        let compromised = list.revocation_of(&[0x2a]).unwrap();
        assert_eq!(compromised.reason, RevocationReason::KeyCompromise);
        assert_eq!(compromised.revoked_at, now() - HOUR / 2);
        assert!(compromised.invalid_since.unwrap() < compromised.revoked_at);
        let other = list.revocation_of(&[0x00, 0x81]).unwrap();
        assert_eq!(
            (other.reason, other.invalid_since),
            (RevocationReason::Unspecified, None)
        );
        assert!(list.revocation_of(&[0x2b]).is_none());
        assert!(list.revocation_of(&[0x81]).is_none());
    }
}

#[test]
fn every_reason_has_the_number_of_rfc_5280() {
    let ca = Ca::root(Suite::Ed25519);
    for code in 0..=11_u8 {
        let der = ListDraft::of(&ca).revoke(&[1], &[reason(code)]).der(&ca);
        match RevocationReason::from_code(code) {
            Some(expected) => {
                assert_eq!(expected.code(), code);
                assert_eq!(Crl::from_der(&der).unwrap().entries()[0].reason, expected);
            }
            None => assert!(refusal(&der).contains(&format!("reason code {code}")), "{code}"),
        }
    }
    // removeFromCRL is a delta's, and 7 is nobody's.
    assert!(
        [7, 8, 11]
            .iter()
            .all(|code| RevocationReason::from_code(*code).is_none())
    );
}

#[test]
fn malformed_lists_are_refused_each_for_its_reason() {
    type Change = fn(&mut ListDraft);
    let cases: [(Change, &str); 31] = [
        (|d| d.version = vec![2, 1, 0], "not of version 2"),
        (|d| d.version = Vec::new(), "not of version 2"),
        (|d| d.version = vec![2, 2, 0, 1], "not a DER"),
        (
            |d| d.algorithm = Suite::EcdsaP256.signature_algorithm_der().to_vec(),
            "one signature algorithm inside and another outside",
        ),
        (|d| d.issuer = vec![0x30, 0], "issuer has no name"),
        (
            |d| d.next_update = Vec::new(),
            "does not say when the next one is due",
        ),
        (|d| d.next_update = d.this_update.clone(), "not after this one"),
        (
            |d| d.this_update = b"\x18\x0f20260101000000Z".to_vec(),
            "thisUpdate is not written as RFC 5280 asks",
        ),
        (
            |d| d.next_update = b"\x18\x0f20490101000000Z".to_vec(),
            "nextUpdate is not written as RFC 5280 asks",
        ),
        (|d| d.this_update = b"\x17\x0b2601010000Z".to_vec(), "not a DER"),
        (|d| d.entries = Some(Vec::new()), "empty list of certificates"),
        (|d| *d = d.clone().revoke(&[0x81], &[]), "negative or longer"),
        (|d| *d = d.clone().revoke(&[1; 21], &[]), "negative or longer"),
        (|d| *d = d.clone().revoke(&[0, 1], &[]), "not a DER"),
        (|d| *d = d.clone().revoke(&[], &[]), "not a DER"),
        (
            |d| *d = d.clone().revoke(&[5], &[]).revoke(&[6], &[]).revoke(&[5], &[]),
            "serial number 05 twice",
        ),
        (
            |d| *d = d.clone().revoke(&[5], &[reason(1), reason(1)]),
            "extension 2.5.29.21 twice",
        ),
        (
            |d| {
                *d = d
                    .clone()
                    .revoke(&[5], &[extension(REASON_CODE, false, &[0x0a, 2, 0, 1])]);
            },
            "reasonCode extension is wrong",
        ),
        (
            |d| {
                *d = d
                    .clone()
                    .revoke(&[5], &[extension(REASON_CODE, false, &[2, 1, 1])]);
            },
            "not a DER",
        ),
        (
            |d| {
                *d = d
                    .clone()
                    .revoke(&[5], &[extension(CERTIFICATE_ISSUER, true, &[0x30, 0])]);
            },
            "one of several issuers",
        ),
        (
            |d| *d = d.clone().revoke(&[5], &[extension(&[0x2a, 3], true, &[5, 0])]),
            "critical extension 1.2.3,",
        ),
        (
            |d| {
                d.entries = Some(vec![
                    [&entry(&[5], &[reason(1)])[..], &[]].concat(),
                    vec![0x30, 0],
                ]);
            },
            "not a DER",
        ),
        (|d| d.replace(CRL_NUMBER, None), "no cRLNumber"),
        (|d| d.replace(AUTHORITY_KEY, None), "no authorityKeyIdentifier"),
        (
            |d| d.replace(AUTHORITY_KEY, Some(&[0x30, 0])),
            "no authorityKeyIdentifier",
        ),
        (
            |d| d.replace(CRL_NUMBER, Some(&[2, 1, 0x80])),
            "number is negative or longer",
        ),
        (
            |d| d.replace(CRL_NUMBER, Some(&whole(2, &[&[1; 21]]))),
            "number is negative or longer",
        ),
        (
            |d| d.extensions.push(extension(DELTA_INDICATOR, true, &[2, 1, 6])),
            "is a delta",
        ),
        (
            |d| d.extensions.push(extension(&[0x2a, 3], true, &[5, 0])),
            "critical extension 1.2.3,",
        ),
        (
            |d| d.extensions.push(extension(CRL_NUMBER, false, &[2, 1, 8])),
            "extension 2.5.29.20 twice",
        ),
        (
            |d| {
                d.extensions
                    .extend((0..16).map(|i| extension(&[0x2a, i], false, &[5, 0])));
            },
            "more than 16 extensions",
        ),
    ];
    for (index, (change, expected)) in cases.into_iter().enumerate() {
        let found = bad(change);
        assert!(found.contains(expected), "case {index}: {found}");
    }
    // FALSE, the default, spelled out.
    let spelled = whole(0x30, &[&whole(6, &[CRL_NUMBER]), &[1, 1, 0], &[4, 3, 2, 1, 9]]);
    let found = bad(|draft| draft.extensions[1] = spelled);
    assert!(found.contains("not a DER"), "{found}");
}

#[test]
fn what_limits_a_lists_scope_is_understood_or_refused() {
    let ca = Ca::root(Suite::Ed25519);
    let with = |critical, content: &[u8]| {
        let mut draft = ListDraft::of(&ca);
        draft
            .extensions
            .push(extension(DISTRIBUTION_POINT, critical, &whole(0x30, &[content])));
        Crl::from_der(&draft.der(&ca))
    };
    assert_eq!(
        with(true, &[0x81, 1, 0xff]).unwrap().scope(),
        CrlScope::UserCertificates
    );
    assert_eq!(
        with(true, &[0x82, 1, 0xff]).unwrap().scope(),
        CrlScope::AuthorityCertificates
    );
    let uri = whole(0x86, &[b"http://a.example/1"]);
    let point = whole(0xa0, &[&whole(0xa0, &[&uri])]);
    for (critical, content, expected) in [
        (false, &[0x81, 1, 0xff][..], "it is not critical"),
        (true, &[], "it says nothing"),
        (true, &[0x81, 1, 0xff, 0x82, 1, 0xff], "two things"),
        (true, &[0x83, 2, 6, 0x40], "one of some reasons"),
        (true, &[0x84, 1, 0xff], "one of several issuers"),
        (true, &[0x85, 1, 0xff], "attribute certificates"),
        (true, &point, "distribution point's"),
        (true, &[0x81, 1, 0], "not in DER"),
        (true, &[0x81, 1, 1], "issuingDistributionPoint extension is wrong"),
    ] {
        let found = with(critical, content).unwrap_err().to_string();
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn cut_lengthened_or_swapped_bytes_are_refused() {
    let ca = Ca::root(Suite::MlDsa65EcdsaP256);
    let der = ListDraft::of(&ca).revoke(&[5], &[reason(4)]).der(&ca);
    for len in (0..der.len()).step_by(7) {
        assert!(Crl::from_der(&der[..len]).is_err(), "{len}");
    }
    assert!(Crl::from_der(&[&der[..], &[0]].concat()).is_err());
    assert!(refusal(&vec![0x30; MAX_CRL_LEN + 1]).contains("more than the"));

    let key = subject_key(&ca.signer);
    let mut broken = der.clone();
    *broken.last_mut().unwrap() ^= 1;
    let error = Crl::from_der(&broken)
        .unwrap()
        .verify_signature(&key)
        .unwrap_err();
    assert_eq!(error.half(), Some(Half::Classical), "{error}");
    let mut broken = der.clone();
    let start = der.len() - Crl::from_der(&der).unwrap().signature().len();
    broken[start + 8] ^= 1;
    let error = Crl::from_der(&broken)
        .unwrap()
        .verify_signature(&key)
        .unwrap_err();
    assert_eq!(error.half(), Some(Half::PostQuantum), "{error}");
}

#[test]
fn times_after_2049_are_generalized() {
    let ca = Ca::root(Suite::Ed25519);
    let mut draft = ListDraft::of(&ca);
    draft.next_update = b"\x18\x0f20500101000000Z".to_vec();
    assert!(Crl::from_der(&draft.der(&ca)).is_ok());
    assert_eq!(time(now())[0], 0x17);
}

#[test]
fn a_set_is_bounded() {
    let ca = Ca::root(Suite::Ed25519);
    let list = ListDraft::of(&ca).sign(&ca);
    assert!(CrlSet::new(vec![list.clone(); MAX_CRLS]).is_ok());
    assert!(CrlSet::new(vec![list; MAX_CRLS + 1]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever bit is flipped: the list is refused, or its signature is.
    #[test]
    fn no_flipped_bit_is_overlooked(place in any::<Index>(), bit in 0_u8..8) {
        thread_local! {
            static LIST: (Ca, Vec<u8>) = {
                let ca = Ca::root(Suite::Ed25519);
                let der = ListDraft::of(&ca).revoke(&[5], &[reason(4)]).der(&ca);
                (ca, der)
            };
        }
        LIST.with(|(ca, der)| {
            let mut der = der.clone();
            let at = place.index(der.len());
            der[at] ^= 1 << bit;
            if let Ok(list) = Crl::from_der(&der) {
                prop_assert!(list.verify_signature(&subject_key(&ca.signer)).is_err(), "byte {at}");
            }
            Ok(())
        })?;
    }

    /// No bytes make the reader panic.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let _ = Crl::from_der(&bytes);
    }
}
