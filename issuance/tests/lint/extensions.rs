//! The extensions of a certificate, broken one by one.

use symbolon_issuance::lint::Rule;

use crate::bench::{Bench, Seen};
use crate::pieces::*;

/// Breaks which extensions there are, and what they say.
pub(crate) fn break_extensions(classical: &Bench, ml_dsa: &Bench, seen: &mut Seen) {
    // Extensions: which.
    let once = classical.pieces.extensions[EXT_KEY_USAGE].clone();
    let unknown = tlv(0x30, &[tlv(6, &[0x55, 0x1d, 99]), tlv(4, &[5, 0])].concat());
    let spelled_out = {
        let mut fields = parts(&content(&once));
        fields.insert(1, vec![1, 1, 0]);
        tlv(0x30, &fields.concat())
    };
    let critical = {
        let mut fields = parts(&content(&once));
        fields.insert(1, vec![1, 1, 0xff]);
        tlv(0x30, &fields.concat())
    };
    seen.expect(classical.broken(|p| p.extensions.push(once)), &[Rule::Extensions]);
    seen.expect(
        classical.broken(|p| p.extensions[EXT_KEY_USAGE] = spelled_out),
        &[Rule::Extensions],
    );
    seen.expect(
        classical.broken(|p| p.extensions[EXT_KEY_USAGE] = critical),
        &[Rule::SvidExtKeyUsage],
    );
    seen.expect(
        classical.broken(|p| p.extensions.push(unknown)),
        &[Rule::ProfileExtensions],
    );
    for (position, rule) in [
        (KEY_USAGE, Rule::KeyUsage),
        (EXT_KEY_USAGE, Rule::SvidExtKeyUsage),
        (BASIC_CONSTRAINTS, Rule::BasicConstraints),
        (AUTHORITY_KEY_IDENTIFIER, Rule::AuthorityKeyIdentifier),
        (SUBJECT_KEY_IDENTIFIER, Rule::SubjectKeyIdentifier),
        (SUBJECT_ALT_NAME, Rule::SubjectAltName),
    ] {
        seen.expect(classical.broken(|p| drop(p.extensions.remove(position))), &[rule]);
    }

    // Extensions: what they say.
    for (bits, wanted) in [
        (
            &[0][..],
            &[
                Rule::KeyUsage,
                Rule::KeyUsage,
                Rule::SvidKeyUsage,
                Rule::ProfileKeyUsage,
            ][..],
        ),
        (&[6, 0x80], &[Rule::KeyUsage]),
        (&[7, 0x80, 0], &[Rule::KeyUsage]),
        (&[6, 0x40], &[Rule::SvidKeyUsage, Rule::ProfileKeyUsage]),
        (&[6, 0xc0], &[Rule::ProfileKeyUsage]),
        (&[2, 0x84], &[Rule::SvidKeyUsage, Rule::ProfileKeyUsage]),
        (&[3, 0x88], &[Rule::KeyUsageForKey, Rule::ProfileKeyUsage]),
        (&[5, 0xa0], &[Rule::KeyUsageForKey, Rule::ProfileKeyUsage]),
        (&[7, 0x80, 0x80], &[Rule::KeyUsageForKey, Rule::ProfileKeyUsage]),
    ] {
        for bench in [&classical, &ml_dsa] {
            seen.expect(bench.broken(|p| p.set(KEY_USAGE, &tlv(3, bits))), wanted);
        }
    }
    seen.expect(classical.broken(|p| p.set(KEY_USAGE, &[5, 0])), &[Rule::KeyUsage]);
    seen.expect(
        classical.broken(|p| p.set(BASIC_CONSTRAINTS, &tlv(0x30, &[1, 1, 0xff]))),
        &[Rule::BasicConstraints],
    );
    seen.expect(
        classical.broken(|p| p.set(BASIC_CONSTRAINTS, &tlv(0x30, &[2, 1, 0]))),
        &[Rule::BasicConstraints, Rule::PathLength],
    );
    seen.expect(
        classical.broken(|p| p.set(BASIC_CONSTRAINTS, &[5, 0])),
        &[Rule::BasicConstraints],
    );
    let server_auth = [6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1];
    seen.expect(
        classical.broken(|p| p.set(EXT_KEY_USAGE, &tlv(0x30, &server_auth))),
        &[Rule::SvidExtKeyUsage],
    );
    seen.expect(
        classical.broken(|p| p.set(EXT_KEY_USAGE, &[5, 0])),
        &[Rule::ExtKeyUsage],
    );
    seen.expect(
        classical.broken(|p| p.set(SUBJECT_KEY_IDENTIFIER, &tlv(4, &[7; 20]))),
        &[Rule::SubjectKeyIdentifier],
    );
    for other in [vec![0x30, 0], tlv(0x30, &tlv(0x80, &[7; 20]))] {
        seen.expect(
            classical.broken(|p| p.set(AUTHORITY_KEY_IDENTIFIER, &other)),
            &[Rule::AuthorityKeyIdentifier],
        );
    }

    // Alternative names: 0x86 URI, 0x82 DNS name, 0x81 e-mail.
    const ID: &str = "spiffe://example.org/web";
    for (names, wanted) in [
        (&[(0x82, "web")][..], &[Rule::OneUri][..]),
        (&[(0x86, ID), (0x86, ID), (0x82, "web")], &[Rule::OneUri]),
        (
            &[(0x86, "https://example.org/web"), (0x82, "web")],
            &[Rule::SpiffeId],
        ),
        (
            &[(0x86, "spiffe://example.org"), (0x82, "web")],
            &[Rule::SpiffeId, Rule::AskedId],
        ),
        (
            &[(0x86, "spiffe://example.org/other"), (0x82, "web")],
            &[Rule::AskedId],
        ),
        (&[(0x86, ID)], &[Rule::AskedDnsNames]),
        (
            &[(0x86, ID), (0x82, "web"), (0x82, "more")],
            &[Rule::AskedDnsNames],
        ),
        (&[(0x86, ID), (0x81, "a@b")], &[Rule::SubjectAltName]),
        (&[(0x86, ID), (0x82, "é")], &[Rule::SubjectAltName]),
    ] {
        seen.expect(classical.broken(|p| p.names(names)), wanted);
    }
}
