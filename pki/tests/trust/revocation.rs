//! Chains with revocation lists: who is refused, when a list is believed, and when it is missed.

use std::time::SystemTime;

use der::{Decode as _, Encode as _};

use crate::lists::{DISTRIBUTION_POINT, ListDraft, extension, reason, time};
use crate::support::{Ca, HOUR, bundles, now};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::crl::{Crl, CrlSet, RevocationReason};
use symbolon_pki::encode::whole;
use symbolon_pki::key::Half;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{
    ChainError, ChainReason, Revocation, RevocationMode, Role, VerifiedSvid, VerifyOptions,
    verify_x509_svid_with,
};
use x509_cert::ext::pkix::KeyUsages;

const SUITE: Suite = Suite::MlDsa44EcdsaP256;

fn verify(
    chain: &[Certificate],
    root: &Ca,
    mode: RevocationMode,
    lists: &[Crl],
    at: SystemTime,
) -> Result<VerifiedSvid, ChainError> {
    let mut options = VerifyOptions::default();
    options.revocation = Revocation::new(mode, CrlSet::new(lists.to_vec()).unwrap());
    verify_x509_svid_with(chain, &bundles(&[&root.certificate]), at, &options)
}

/// A root, an intermediate and a leaf of the serial numbers 1, 9 and 42.
fn chain() -> (Ca, Ca, [Certificate; 2]) {
    let root = Ca::root(SUITE);
    let middle = root.intermediate(SUITE, |draft| draft.serial = vec![9]);
    let chain = [middle.leaf(SUITE, |_| ()), middle.certificate.clone()];
    (root, middle, chain)
}

#[test]
fn whoever_is_on_the_list_of_his_issuer_is_refused() {
    let (root, middle, chain) = chain();
    let clean = [
        ListDraft::of(&root).sign(&root),
        ListDraft::of(&middle).sign(&middle),
    ];
    let leaf_gone = ListDraft::of(&middle).revoke(&[42], &[reason(1)]).sign(&middle);
    let middle_gone = ListDraft::of(&root).revoke(&[9], &[reason(2)]).sign(&root);
    // The same serial number of another issuer is another certificate.
    let other = ListDraft::of(&root).revoke(&[42], &[]).sign(&root);

    use RevocationMode::{IfPresent, Off, Require};
    for mode in [Off, IfPresent, Require] {
        assert!(verify(&chain, &root, mode, &clean, now()).is_ok(), "{mode}");
        let others = [other.clone(), clean[1].clone()];
        assert!(verify(&chain, &root, mode, &others, now()).is_ok(), "{mode}");
        for (lists, place, role, why) in [
            (
                [clean[0].clone(), leaf_gone.clone()],
                0,
                Role::Leaf,
                RevocationReason::KeyCompromise,
            ),
            (
                [middle_gone.clone(), clean[1].clone()],
                1,
                Role::Intermediate,
                RevocationReason::CaCompromise,
            ),
        ] {
            let got = verify(&chain, &root, mode, &lists, now());
            if mode == Off {
                assert!(got.is_ok());
                continue;
            }
            let error = got.unwrap_err();
            assert_eq!((error.certificate, error.role), (place, role), "{error}");
            let expected = ChainReason::Revoked {
                at: now() - HOUR / 2,
                reason: why,
                number: "7".into(),
            };
            assert_eq!(*error.reason, expected);
            assert!(error.to_string().contains(why.name()), "{error}");
        }
    }
}

#[test]
fn a_required_list_must_be_there_in_date_and_of_the_right_scope() {
    use RevocationMode::{IfPresent, Require};
    let (root, middle, chain) = chain();
    let root_list = ListDraft::of(&root).sign(&root);
    let list = ListDraft::of(&middle).sign(&middle);
    let reason_of = |mode, lists: &[Crl], at| verify(&chain, &root, mode, lists, at).unwrap_err().reason;

    // None for the leaf; none for the intermediate.
    assert_eq!(
        *reason_of(Require, std::slice::from_ref(&root_list), now()),
        ChainReason::NoCrl
    );
    assert_eq!(
        *reason_of(Require, std::slice::from_ref(&list), now()),
        ChainReason::NoCrl
    );
    assert!(verify(&chain, &root, IfPresent, &[], now()).is_ok());

    // Out of date from the moment at which the next one is due.
    let both = [root_list.clone(), list];
    let mut short = ListDraft::of(&middle);
    short.next_update = time(now() + HOUR / 2);
    let short = [root_list.clone(), short.sign(&middle)];
    assert!(verify(&chain, &root, Require, &both, now() + HOUR / 2).is_ok());
    let due = now() + HOUR / 2;
    assert_eq!(
        *reason_of(Require, &short, due),
        ChainReason::CrlOutOfDate {
            number: "7".into(),
            next_update: due,
            now: due
        }
    );
    assert!(verify(&chain, &root, IfPresent, &short, due).is_ok());
    // What an old list says of somebody still holds.
    let mut old = ListDraft::of(&middle).revoke(&[42], &[]);
    old.next_update = time(due);
    let old = [root_list.clone(), old.sign(&middle)];
    assert!(matches!(
        *reason_of(IfPresent, &old, due),
        ChainReason::Revoked { .. }
    ));

    // Not made yet.
    let mut future = ListDraft::of(&middle);
    future.this_update = time(now() + HOUR / 2);
    let future = [root_list.clone(), future.sign(&middle)];
    assert_eq!(*reason_of(Require, &future, now()), ChainReason::NoCrl);

    // A list of authorities' certificates says nothing of a leaf.
    let mut scoped = ListDraft::of(&middle).revoke(&[42], &[]);
    let content = [0x30, 3, 0x82, 1, 0xff];
    scoped
        .extensions
        .push(extension(DISTRIBUTION_POINT, true, &content));
    let scoped = [root_list, scoped.sign(&middle)];
    assert_eq!(*reason_of(Require, &scoped, now()), ChainReason::NoCrl);
    assert!(verify(&chain, &root, IfPresent, &scoped, now()).is_ok());
}

#[test]
fn of_two_lists_the_newer_one_counts() {
    let (root, middle, chain) = chain();
    let root_list = ListDraft::of(&root).sign(&root);
    let held = ListDraft::of(&middle).revoke(&[42], &[reason(6)]);
    let clean = ListDraft::of(&middle);
    for (old, new, refused) in [
        (held.clone().number(&[9]), clean.clone().number(&[10]), false),
        (clean.clone().number(&[9]), held.clone().number(&[10]), true),
        // Longer is larger: 255 and 256.
        (held.number(&[0, 0xff]), clean.number(&[1, 0]), false),
    ] {
        let (old, new) = (old.sign(&middle), new.sign(&middle));
        for lists in [
            [root_list.clone(), old.clone(), new.clone()],
            [root_list.clone(), new.clone(), old.clone()],
        ] {
            let got = verify(&chain, &root, RevocationMode::Require, &lists, now());
            assert_eq!(got.is_err(), refused);
        }
    }
}

#[test]
fn numbers_are_compared_within_a_scope() {
    use RevocationMode::{IfPresent, Require};
    let (root, middle, chain) = chain();
    let root_list = ListDraft::of(&root).sign(&root);
    let users = |list: ListDraft| {
        let mut list = list;
        let content = [0x30, 3, 0x81, 1, 0xff];
        list.extensions
            .push(extension(DISTRIBUTION_POINT, true, &content));
        list
    };
    let outdated = |list: ListDraft| {
        let mut list = list;
        list.next_update = time(now() - HOUR / 2);
        list
    };
    // The issuer has begun to number anew when it split its list, and the old one is still about.
    let old = outdated(ListDraft::of(&middle).number(&[0x7f, 0]));
    let gone = users(ListDraft::of(&middle).revoke(&[42], &[reason(1)]).number(&[1]));
    let clean = users(ListDraft::of(&middle).number(&[1]));
    let verdict = |mode, lists: [&ListDraft; 2]| {
        let [one, other] = lists.map(|list| list.sign(&middle));
        let lists = [root_list.clone(), one, other];
        verify(&chain, &root, mode, &lists, now()).map_err(|error| *error.reason)
    };
    for mode in [IfPresent, Require] {
        for lists in [[&old, &gone], [&gone, &old]] {
            let refused = verdict(mode, lists).unwrap_err();
            assert!(
                matches!(&refused, ChainReason::Revoked { number, .. } if number == "1"),
                "{mode}: {refused}"
            );
        }
        // One that is in date is enough.
        assert!(verdict(mode, [&old, &clean]).is_ok(), "{mode}");
    }
    // Whoever is on either of them is refused.
    let old_says_so = outdated(ListDraft::of(&middle).revoke(&[42], &[]).number(&[0x7f, 0]));
    assert!(matches!(
        verdict(IfPresent, [&old_says_so, &clean]),
        Err(ChainReason::Revoked { .. })
    ));
    assert!(matches!(
        verdict(Require, [&old, &outdated(clean)]),
        Err(ChainReason::CrlOutOfDate { .. })
    ));
}

#[test]
fn a_list_must_be_signed_by_the_issuer_and_he_must_be_allowed_to() {
    let (root, middle, chain) = chain();
    let root_list = ListDraft::of(&root).sign(&root);
    // In the issuer's name, by somebody else's key; and with one half spoilt.
    let forged = ListDraft::of(&middle).number(&[99]);
    let stranger = Ca {
        certificate: middle.certificate.clone(),
        signer: Ca::root(SUITE).signer,
    };
    let mut der = ListDraft::of(&middle).der(&middle);
    *der.last_mut().unwrap() ^= 1;
    for mode in [RevocationMode::IfPresent, RevocationMode::Require] {
        let lists = [root_list.clone(), forged.sign(&stranger)];
        let error = verify(&chain, &root, mode, &lists, now()).unwrap_err();
        assert_eq!(error.certificate, 0, "{error}");
        assert!(
            matches!(*error.reason, ChainReason::CrlSignature { .. }),
            "{error}"
        );
        assert_eq!(error.half(), Some(Half::Both));

        let lists = [root_list.clone(), Crl::from_der(&der).unwrap()];
        let error = verify(&chain, &root, mode, &lists, now()).unwrap_err();
        assert_eq!(error.half(), Some(Half::Classical), "{error}");
    }

    let root = Ca::root(SUITE);
    let middle = root.intermediate(SUITE, |draft| draft.usage(true, KeyUsages::KeyCertSign));
    let chain = [middle.leaf(SUITE, |_| ()), middle.certificate.clone()];
    let lists = [
        ListDraft::of(&root).sign(&root),
        ListDraft::of(&middle).sign(&middle),
    ];
    let error = verify(&chain, &root, RevocationMode::IfPresent, &lists, now()).unwrap_err();
    assert_eq!(*error.reason, ChainReason::CrlIssuer);
}

#[test]
fn modes_read_back() {
    for mode in RevocationMode::ALL {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    assert!("always".parse::<RevocationMode>().is_err());
}

/// RFC 5280, section 7.1: the same name can be written in more ways than one.
#[test]
fn a_list_is_its_issuers_however_it_spells_his_name() {
    use RevocationMode::{IfPresent, Require};
    let ca = Ca::root(SUITE);
    let chain = [ca.leaf(SUITE, |_| ())];
    let parts = |der: &[u8]| {
        let name = x509_cert::name::Name::from_der(der).unwrap();
        name.iter()
            .map(|attribute| (attribute.oid, attribute.value.clone()))
            .collect::<Vec<_>>()
    };
    let named = |change: &dyn Fn(&str) -> (u8, String)| {
        let parts: Vec<Vec<u8>> = parts(ca.certificate.subject_der())
            .into_iter()
            .map(|(oid, value)| {
                let (tag, text) = change(std::str::from_utf8(value.value()).unwrap());
                let attribute = whole(0x30, &[&oid.to_der().unwrap(), &whole(tag, &[text.as_bytes()])]);
                whole(0x31, &[&attribute])
            })
            .collect();
        let mut draft = ListDraft::of(&ca).revoke(&[42], &[reason(1)]);
        draft.issuer = whole(0x30, &[&parts.concat()]);
        draft.sign(&ca)
    };
    const PRINTABLE: u8 = 0x13;
    const UTF8: u8 = 0x0c;
    for list in [
        named(&|text| (UTF8, text.to_owned())),
        named(&|text| (PRINTABLE, text.to_lowercase())),
        named(&|text| (UTF8, format!("  {} ", text.to_lowercase().replace(' ', "   ")))),
    ] {
        assert_ne!(list.issuer_der(), ca.certificate.subject_der());
        let error = verify(&chain, &ca, IfPresent, &[list], now()).unwrap_err();
        assert!(matches!(*error.reason, ChainReason::Revoked { .. }), "{error}");
    }
    // Another name is another's, whoever's key identifier stands beside it.
    let other = named(&|text| (UTF8, format!("{text} Works")));
    assert!(verify(&chain, &ca, IfPresent, std::slice::from_ref(&other), now()).is_ok());
    let error = verify(&chain, &ca, Require, &[other], now()).unwrap_err();
    assert_eq!(*error.reason, ChainReason::NoCrl);
}
