//! The lint finds what it is there to find: every rule, by a certificate that breaks it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod beside;
#[path = "../common/mod.rs"]
mod common;
mod extensions;
mod fields;
mod pieces;

use bench::{Bench, Seen};
use common::*;
use pieces::*;
use spiffe::SpiffeId;
use symbolon_issuance::lint::{self, Expected, Issuer, Rule};
use symbolon_issuance::{Profile, Serial};
use symbolon_pki::suite::Suite;

#[test]
fn every_rule_is_found_broken() {
    let classical = Bench::new(Suite::EcdsaP256, Suite::EcdsaP256);
    let ml_dsa = Bench::new(Suite::MlDsa44, Suite::MlDsa44);
    let mut seen = Seen::default();
    for bench in [&classical, &ml_dsa] {
        seen.expect(bench.broken(|_| {}), &[]);
    }
    fields::break_fields(&classical, &ml_dsa, &mut seen);
    fields::break_key(&classical, &ml_dsa, &mut seen);
    extensions::break_extensions(&classical, &ml_dsa, &mut seen);
    beside::break_beside(&classical, &Bench::catalyst(), &Bench::paired(), &mut seen);
    assert_eq!(seen.missed(), [], "never broken here");
}

#[test]
fn an_authority_must_stand_below_its_issuer() {
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

    let mut pieces = Pieces::of(certificate.tbs_der());
    pieces.set(1, &tlv(0x30, &[1, 1, 0xff, 2, 1, 1]));
    expected.path_len = Some(1);
    let error = lint::check(&pieces.tbs(), &expected).unwrap_err();
    assert_eq!(
        error.findings().iter().map(|f| f.rule).collect::<Vec<_>>(),
        [Rule::PathLength]
    );

    // digitalSignature instead of keyCertSign.
    let mut pieces = Pieces::of(certificate.tbs_der());
    pieces.set(KEY_USAGE, &tlv(3, &[7, 0x80]));
    expected.path_len = Some(0);
    let error = lint::check(&pieces.tbs(), &expected).unwrap_err();
    assert_eq!(
        error.findings().iter().map(|f| f.rule).collect::<Vec<_>>(),
        [Rule::SvidKeyUsage, Rule::ProfileKeyUsage]
    );
}

#[test]
fn every_finding_is_listed() {
    let bench = Bench::new(Suite::EcdsaP256, Suite::EcdsaP256);
    let found = bench.broken(|p| {
        p.fields[SERIAL] = tlv(2, &[0x12; 16]);
        p.set(KEY_USAGE, &tlv(3, &[6, 0x40]));
        p.names(&[(0x82, "web")]);
    });
    assert_eq!(
        found,
        [
            Rule::AllottedSerial,
            Rule::SvidKeyUsage,
            Rule::ProfileKeyUsage,
            Rule::OneUri
        ]
    );
}

#[test]
fn no_bytes_make_it_panic() {
    let bench = Bench::new(Suite::EcdsaP256, Suite::EcdsaP256);
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
        bench.lint(&good[..position], &spki);
    }
}
