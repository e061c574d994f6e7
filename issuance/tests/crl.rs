//! Revocation lists: every family makes them, what they say is what was asked, and verifiers act on them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{
    DAY, HOUR, at, authority, authority_of, catalyst_authority, certificate, id, key, now, serial, signer,
    trust_domain,
};
use symbolon_issuance::crl::{CrlError, CrlRequest, Revoked, prepare_crl};
use symbolon_issuance::lint::lint_crl;
use symbolon_issuance::{
    Authority, AuthorityError, BACKDATE, Beside, Serial, SigningError, SvidProfile, SvidRequest, prepare_svid,
};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::crl::{Crl, CrlScope, CrlSet, MAX_CRL_ENTRIES, RevocationReason};
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{
    ChainReason, Policy, Revocation, RevocationMode, VerifyOptions, verify_x509_svid_with,
};

fn authorities() -> Vec<Authority> {
    let mut all: Vec<Authority> = [
        Suite::EcdsaP256,
        Suite::EcdsaP384,
        Suite::MlDsa65,
        Suite::MlDsa65EcdsaP256,
    ]
    .into_iter()
    .map(authority)
    .collect();
    all.push(catalyst_authority(Suite::EcdsaP256, Suite::MlDsa65));
    all
}

fn request(revoked: &[Revoked]) -> CrlRequest<'_> {
    CrlRequest {
        number: 7,
        revoked,
        ttl: HOUR,
        now: now(),
    }
}

fn revoked(serial: Serial, reason: RevocationReason) -> Revoked {
    Revoked {
        serial,
        at: now() - HOUR,
        reason,
        invalid_since: None,
    }
}

/// A workload's certificate, and its serial number.
fn workload(authority: &Authority) -> (Certificate, Serial) {
    let serial = serial();
    let alternative = key(Suite::MlDsa65);
    let beside = match authority.alternative() {
        Some(_) => Beside::Alternative(&alternative),
        None => Beside::Nothing,
    };
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &id("/web"),
        key: &key(authority.suite()),
        beside,
        dns_names: &[],
        ttl: HOUR,
        serial,
        now: now(),
    };
    let issued = prepare_svid(authority, &request)
        .unwrap()
        .sign(authority)
        .unwrap();
    (certificate(&issued), serial)
}

#[test]
fn every_family_makes_lists_that_verifiers_act_on() {
    for authority in authorities() {
        let family = authority.family();
        let (mine, mine_serial) = workload(&authority);
        let (other, _) = workload(&authority);
        let gone = [
            revoked(serial(), RevocationReason::Unspecified),
            revoked(mine_serial, RevocationReason::KeyCompromise),
        ];
        let linted = prepare_crl(&authority, &request(&gone)).unwrap();
        assert_eq!((linted.number(), linted.next_update()), (7, now() + HOUR));
        let before = linted.tbs_der().to_vec();
        let issued = linted.sign(&authority).unwrap();
        // Nothing but a catalyst authority's second signature has come to it.
        let is_catalyst = authority.alternative().is_some();
        assert_eq!(issued.crl().tbs_der() == before, !is_catalyst, "{family}");

        let report = lint_crl(issued.der());
        assert!(report.findings.is_empty(), "{family}: {:?}", report.findings);
        let list = Crl::from_der(issued.der()).unwrap();
        list.verify_signature(authority.certificate().subject_key().unwrap())
            .unwrap();
        assert_eq!(list.scope(), CrlScope::All);
        assert_eq!(list.this_update(), now() - BACKDATE);
        assert_eq!(list.akid_bytes(), authority.authority_id().as_bytes());

        let mut bundle = TrustBundle::new(trust_domain());
        bundle
            .x509_authorities
            .push(X509Authority::new(authority.certificate().clone()));
        let bundles = BundleSet::from(bundle);
        let mut options = match is_catalyst {
            true => VerifyOptions::under("hybrid-required".parse::<Policy>().unwrap()),
            false => VerifyOptions::default(),
        };
        options.revocation = Revocation::new(RevocationMode::Require, CrlSet::new(vec![list]).unwrap());
        verify_x509_svid_with(&[other], &bundles, now(), &options).unwrap();
        let error = verify_x509_svid_with(&[mine], &bundles, now(), &options).unwrap_err();
        assert!(
            matches!(
                *error.reason,
                ChainReason::Revoked {
                    reason: RevocationReason::KeyCompromise,
                    ..
                }
            ),
            "{family}: {error}"
        );
    }
}

#[test]
fn what_is_asked_is_what_is_said() {
    let authority = authority(Suite::EcdsaP256);
    let all: Vec<Revoked> = RevocationReason::ALL
        .iter()
        .map(|reason| Revoked {
            invalid_since: (*reason == RevocationReason::KeyCompromise).then(|| now() - DAY),
            ..revoked(serial(), *reason)
        })
        .collect();
    for number in [0, 1, 127, 128, 255, 256, u64::MAX] {
        let request = CrlRequest {
            number,
            ..request(&all)
        };
        let issued = prepare_crl(&authority, &request)
            .unwrap()
            .sign(&authority)
            .unwrap();
        let list = issued.crl();
        assert_eq!(list.number_decimal(), number.to_string());
        assert_eq!(list.entries().len(), all.len());
        for one in &all {
            let found = list
                .entries()
                .iter()
                .find(|entry| entry.reason == one.reason)
                .unwrap();
            let serial: String = found.serial.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(serial, one.serial.hex());
            assert_eq!(
                (found.revoked_at, found.invalid_since),
                (one.at, one.invalid_since)
            );
        }
    }
    // Nobody revoked: no list of entries at all.
    let empty = prepare_crl(&authority, &request(&[]))
        .unwrap()
        .sign(&authority)
        .unwrap();
    assert!(empty.crl().entries().is_empty());
}

#[test]
fn a_list_lives_no_longer_than_its_authority() {
    let authority = authority(Suite::EcdsaP256);
    let long = CrlRequest {
        ttl: 9 * DAY,
        ..request(&[])
    };
    let linted = prepare_crl(&authority, &long).unwrap();
    assert_eq!(linted.next_update(), authority.certificate().not_after());
}

#[test]
fn lists_that_are_not_made() {
    let authority = authority(Suite::EcdsaP256);
    let one = revoked(serial(), RevocationReason::Superseded);
    let refused = |request: &CrlRequest<'_>| prepare_crl(&authority, request).unwrap_err();

    assert!(matches!(refused(&request(&[one, one])), CrlError::RevokedTwice(found) if found == one.serial));
    let future = Revoked {
        at: now() + Duration::from_secs(1),
        ..one
    };
    assert!(matches!(
        refused(&request(&[future])),
        CrlError::RevokedInTheFuture(_)
    ));
    let many = vec![one; MAX_CRL_ENTRIES + 1];
    assert!(matches!(refused(&request(&many)), CrlError::TooManyEntries(_)));
    for (ttl, at) in [
        (Duration::from_millis(999), now()),
        (HOUR, at(0)),
        (HOUR, now() + 2 * DAY),
    ] {
        let request = CrlRequest {
            ttl,
            now: at,
            ..request(&[])
        };
        assert!(matches!(refused(&request), CrlError::Issuance(_)));
    }
}

#[test]
fn another_authority_does_not_sign_it() {
    let keys = signer(Suite::EcdsaP256);
    let mine = authority_of(keys, None, now(), DAY);
    for other in [authority(Suite::EcdsaP256), authority(Suite::MlDsa44)] {
        let error = prepare_crl(&mine, &request(&[]))
            .unwrap()
            .sign(&other)
            .unwrap_err();
        assert!(
            matches!(error, CrlError::Signing(SigningError::WrongSigner)),
            "{error}"
        );
    }
    // The same native key, and another alternative one.
    let catalyst = catalyst_authority(Suite::EcdsaP256, Suite::MlDsa44);
    let linted = prepare_crl(&catalyst, &request(&[])).unwrap();
    let other = catalyst_authority(Suite::EcdsaP256, Suite::MlDsa44);
    assert!(matches!(
        linted.sign(&other),
        Err(CrlError::Signing(SigningError::WrongSigner))
    ));
}

#[test]
fn an_authority_that_may_not_sign_lists_makes_none() {
    let authority = authority(Suite::EcdsaP256);
    // The same certificate with the usage keyCertSign alone: 06 becomes 04 with two unused bits.
    let usage = [0x03, 0x02, 0x01, 0x06];
    let der = authority.certificate().der();
    let place = der.windows(4).position(|window| window == usage).unwrap();
    let mut changed = der.to_vec();
    changed[place + 2] = 0x02;
    changed[place + 3] = 0x04;
    let certificate = Certificate::from_der(&changed).unwrap();
    let limited = Authority::new(certificate, authority.signer().clone()).unwrap();
    assert!(matches!(
        prepare_crl(&limited, &request(&[])),
        Err(CrlError::Authority(AuthorityError::NotAnAuthority(why))) if why.contains("cRLSign")
    ));
    assert!(matches!(
        authority.certificate().subject_key(),
        Ok(SubjectKey::Suite(_))
    ));
}
