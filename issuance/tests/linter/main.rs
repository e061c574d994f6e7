//! The linter finds what it is there to find: every rule, by a document that breaks it and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod build;
mod cases_algorithms;
mod cases_extensions;
mod cases_fields;
mod cases_lists;
mod cases_svids;
#[path = "../common/mod.rs"]
mod common;
mod hostile;
mod inputs;
mod pieces;
mod presign;
mod seen;

use build::leaf;
use common::*;
use pieces::*;
use seen::Seen;
use spiffe::SpiffeId;
use symbolon_issuance::lint::rules::issuing;
use symbolon_issuance::lint::{self, Expected, Issuer, Rule, Scope};
use symbolon_issuance::{Profile, Serial};
use symbolon_pki::suite::Suite;

#[test]
fn every_rule_is_found_broken() {
    let mut seen = Seen::default();
    seen.good(leaf());
    seen.good(build::authority());
    cases_fields::encodings(&mut seen);
    cases_fields::fields(&mut seen);
    cases_extensions::extensions(&mut seen);
    cases_algorithms::classical_keys(&mut seen);
    cases_algorithms::post_quantum_keys(&mut seen);
    cases_algorithms::signatures(&mut seen);
    cases_algorithms::second_keys(&mut seen);
    cases_lists::requests(&mut seen);
    cases_lists::revocation_lists(&mut seen);
    cases_svids::spiffe(&mut seen);
    cases_svids::profile(&mut seen);
    presign::presign(&mut seen);
    presign::beside(&mut seen);
    presign::name_constraints(&mut seen);
    path_lengths(&mut seen);
    hostile::many(&mut seen);
    assert_eq!(seen.missed(), Vec::<&Rule>::new(), "never broken here");
}

/// An authority stands below its issuer, and as far as was asked for.
fn path_lengths(seen: &mut Seen) {
    let root = authority_of(signer(Suite::EcdsaP256), Some(1), now(), DAY);
    let below = intermediate(&root, Suite::EcdsaP256, Some(0));
    let certificate = below.certificate();
    let serial: [u8; 16] = {
        let mut bytes = [0; 16];
        let content = certificate.serial();
        bytes[16 - content.len().min(16)..].copy_from_slice(&content[content.len().saturating_sub(16)..]);
        bytes
    };
    let serial = Serial::from_bytes(serial).unwrap();
    let spki = certificate.spki_der().to_vec();
    let spiffe_id = SpiffeId::new("spiffe://example.org").unwrap();
    let mut expected = Expected {
        organization: "SPIFFE",
        constrains_names: false,
        alternative_spki: None,
        related: None,
        profile: Profile::IntermediateAuthority,
        serial: &serial,
        spiffe_id: &spiffe_id,
        dns_names: &[],
        spki: &spki,
        path_len: Some(0),
        ttl: HOUR,
        now: now(),
        issuer: Issuer::Authority(&root),
    };
    lint::check(certificate.tbs_der(), &expected).unwrap();
    let found = |tbs: &[u8], expected: &Expected<'_>| {
        let error = lint::check(tbs, expected).unwrap_err();
        error
            .findings()
            .iter()
            .map(|finding| finding.rule)
            .collect::<Vec<_>>()
    };

    let mut pieces = Pieces::of(certificate.tbs_der());
    pieces.set(1, &tlv(0x30, &[1, 1, 0xff, 2, 1, 1]));
    seen.rules(
        &issuing::ASKED_PATH_LEN,
        &[&issuing::ISSUER_PATH_LEN],
        found(&pieces.tbs(), &expected).into_iter(),
    );
    expected.path_len = Some(1);
    seen.rules(
        &issuing::ISSUER_PATH_LEN,
        &[],
        found(&pieces.tbs(), &expected).into_iter(),
    );
    // A leaf was asked for, and this is an authority.
    expected.path_len = Some(0);
    expected.profile = Profile::Svid(symbolon_issuance::SvidProfile::Workload);
    seen.rules(
        &issuing::ASKED_ROLE,
        &[&issuing::ASKED_SUBJECT],
        found(certificate.tbs_der(), &expected).into_iter(),
    );
}

#[test]
fn every_finding_is_listed() {
    let bench = bench::Bench::new(Suite::EcdsaP256, Suite::EcdsaP256);
    let found = bench.broken(|p| {
        p.fields[SERIAL] = tlv(2, &[0x12; 16]);
        p.set(KEY_USAGE, &tlv(3, &[6, 0x40]));
    });
    let ids: Vec<_> = found.iter().map(|rule| rule.id).collect();
    assert_eq!(
        ids,
        [
            "rfc5280/ext-key-usage-inconsistent",
            "spiffe/leaf-digital-signature",
            "profile/key-usage",
            "asked/serial"
        ]
    );
}

/// No byte of what is about to be signed can change without a finding.
#[test]
fn every_changed_byte_is_found() {
    let bench = bench::Bench::new(Suite::EcdsaP256, Suite::EcdsaP256);
    let (good, spki) = (bench.pieces.tbs(), bench.key.spki_der());
    for position in 0..good.len() {
        for value in [0, 1, 0x30, 0x7f, 0x80, 0xff, good[position] ^ 1] {
            let mut changed = good.clone();
            changed[position] = value;
            let found = bench.lint(&changed, &spki);
            assert_eq!(
                found.is_empty(),
                changed == good,
                "byte {position} set to {value:#x}"
            );
        }
        assert!(!bench.lint(&good[..position], &spki).is_empty());
    }
}

/// What is issued has no findings at all, not even notices, whatever it is held against.
#[test]
fn nothing_is_found_in_what_is_issued() {
    for suite in [Suite::EcdsaP256, Suite::MlDsa44, Suite::MlDsa65EcdsaP256] {
        let authority = authority(suite);
        let (spiffe_id, key) = (id("/web"), key(suite));
        let leaf = prepare(&authority, workload(&spiffe_id, &key))
            .unwrap()
            .sign(&authority)
            .unwrap();
        let below = intermediate(&authority, suite, Some(0));
        for der in [
            authority.certificate().der(),
            below.certificate().der(),
            leaf.der(),
        ] {
            for scope in [Scope::Auto, Scope::Any, Scope::Symbolon] {
                let report = lint::lint_certificate(der, scope);
                assert!(report.findings.is_empty(), "{suite}: {report:#?}");
            }
        }
    }
}
