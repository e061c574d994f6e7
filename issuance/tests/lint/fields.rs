//! The fields of a certificate, broken one by one.

use symbolon_issuance::lint::Rule;

use crate::bench::{Bench, Seen};
use crate::pieces::*;

/// Breaks version, serial, algorithm, names and validity.
pub(crate) fn break_fields(classical: &Bench, ml_dsa: &Bench, seen: &mut Seen) {
    let spki = classical.key.spki_der();
    // Fields.
    seen.expect(
        classical.broken(|p| p.fields[VERSION] = tlv(0xa0, &[2, 1, 1])),
        &[Rule::Version],
    );
    seen.expect(
        classical.broken(|p| drop(p.fields.remove(VERSION))),
        &[Rule::Version],
    );
    seen.expect(
        classical.broken(|p| p.fields.push(tlv(0x81, &[0, 1]))),
        &[Rule::Structure],
    );
    seen.expect(classical.lint(&[0x30, 0x80], &spki), &[Rule::Structure]);
    let mut trailing = classical.pieces.tbs();
    trailing.push(0);
    seen.expect(classical.lint(&trailing, &spki), &[Rule::Structure]);
    for (bytes, wanted) in [
        (vec![], &[Rule::Serial, Rule::AllottedSerial][..]),
        (vec![0], &[Rule::Serial, Rule::AllottedSerial]),
        (vec![0x80; 16], &[Rule::Serial, Rule::AllottedSerial]),
        ([vec![0], vec![0x11; 16]].concat(), &[Rule::Serial]),
        (vec![0x11; 21], &[Rule::Serial, Rule::AllottedSerial]),
        (vec![0x12; 16], &[Rule::AllottedSerial]),
    ] {
        seen.expect(classical.broken(|p| p.fields[SERIAL] = tlv(2, &bytes)), wanted);
    }
    let other = ml_dsa.pieces.fields[ALGORITHM].clone();
    seen.expect(
        classical.broken(|p| p.fields[ALGORITHM] = other),
        &[Rule::SignatureAlgorithm],
    );
    seen.expect(
        classical.broken(|p| {
            let oid = content(&p.fields[ALGORITHM]);
            p.fields[ALGORITHM] = tlv(0x30, &[oid, vec![5, 0]].concat());
        }),
        &[Rule::SignatureAlgorithm],
    );
    let subject = classical.pieces.fields[SUBJECT].clone();
    seen.expect(
        classical.broken(|p| p.fields[ISSUER] = subject),
        &[Rule::IssuerName],
    );

    // Names: 6 country, 10 organisation, 3 common name; 0x13 PrintableString, 0x0c UTF8String.
    seen.expect(
        classical.broken(|p| p.fields[SUBJECT] = name(&[])),
        &[Rule::SubjectName, Rule::ProfileSubject],
    );
    seen.expect(
        classical.broken(|p| {
            p.fields[SUBJECT] = name(&[(6, 0x0c, "US"), (10, 0x13, "SPIRE"), (3, 0x13, "web")]);
        }),
        &[Rule::SubjectName],
    );
    seen.expect(
        classical.broken(|p| p.fields[SUBJECT] = name(&[(6, 0x13, "US"), (10, 0x13, "SPIRE")])),
        &[Rule::ProfileSubject],
    );
    seen.expect(
        classical.broken(|p| p.fields[SUBJECT] = tlv(0x30, &[1])),
        &[Rule::SubjectName],
    );

    // Validity; `now` is 2026-11-22T03:25:00Z.
    seen.expect(
        classical.broken(|p| p.times(b"20261122032450Z", b"261122042500Z")),
        &[Rule::ValidityEncoding],
    );
    seen.expect(
        classical.broken(|p| p.times(b"261122032450Z", b"2611220425Z")),
        &[Rule::ValidityEncoding],
    );
    seen.expect(
        classical.broken(|p| p.times(b"261122032450Z", b"261122032450Z")),
        &[Rule::ValidityOrder, Rule::Lifetime],
    );
    seen.expect(
        classical.broken(|p| p.times(b"261122032449Z", b"261122042500Z")),
        &[Rule::Backdate, Rule::WithinAuthority],
    );
    seen.expect(
        classical.broken(|p| p.times(b"261122032501Z", b"261122042500Z")),
        &[Rule::Backdate],
    );
    seen.expect(
        classical.broken(|p| p.times(b"261122032450Z", b"261122042501Z")),
        &[Rule::Lifetime],
    );
    seen.expect(
        classical.broken(|p| p.times(b"261122032450Z", b"20500101000000Z")),
        &[Rule::Lifetime, Rule::WithinAuthority],
    );
}

/// Breaks the key.
pub(crate) fn break_key(classical: &Bench, ml_dsa: &Bench, seen: &mut Seen) {
    let ml_dsa_spki = ml_dsa.key.spki_der();
    let ml_dsa_id = ml_dsa.pieces.extensions[SUBJECT_KEY_IDENTIFIER].clone();
    seen.expect(
        classical.broken(|p| {
            p.fields[SPKI].clone_from(&ml_dsa_spki);
            p.extensions[SUBJECT_KEY_IDENTIFIER] = ml_dsa_id;
        }),
        &[Rule::AskedKey, Rule::KeyFamily],
    );
    let algorithm = tlv(
        0x30,
        &[tlv(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]), vec![5, 0]].concat(),
    );
    seen.expect(
        classical.broken(|p| p.change_spki(|fields| fields[0] = algorithm)),
        &[Rule::AskedKey, Rule::KeyAlgorithm],
    );

    // An RSA key with too small a modulus in a certificate for signing only.
    let small = include_bytes!("../data/rsa-1024.spki.der");
    seen.expect(
        classical.broken(|p| p.fields[SPKI] = small.to_vec()),
        &[
            Rule::AskedKey,
            Rule::KeySize,
            Rule::ProfileKeyUsage,
            Rule::SubjectKeyIdentifier,
        ],
    );
    // A byte too few, in a single key; and an EC point that is compressed.
    for bench in [classical, ml_dsa] {
        seen.expect(
            bench.broken(|p| p.change_key(|bits| bits.truncate(bits.len() - 1))),
            &[Rule::AskedKey, Rule::KeySize, Rule::SubjectKeyIdentifier],
        );
    }
    seen.expect(
        classical.broken(|p| p.change_key(|bits| bits[1] = 2)),
        &[Rule::AskedKey, Rule::KeySize, Rule::SubjectKeyIdentifier],
    );

    // The authority's own key, asked for and given.
    let authoritys = classical.authority.signer().public_key();
    let mut pieces = classical.pieces.clone();
    pieces.fields[SPKI] = authoritys.spki_der();
    pieces.set(SUBJECT_KEY_IDENTIFIER, &tlv(4, authoritys.skid().as_bytes()));
    seen.expect(
        classical.lint(&pieces.tbs(), &authoritys.spki_der()),
        &[Rule::KeyReuse],
    );
}
