//! Input that was made to be expensive, or to hide something. That these tests end is part of what they show: before
//! there were bounds, each of them took minutes.

use symbolon_issuance::lint::rules::{der, extensions};
use symbolon_issuance::lint::{self, Document, MAX_INPUT_LEN, Report, Scope, Severity};
use symbolon_pki::pem;

use crate::build::*;
use crate::pieces::{name, tlv};
use crate::seen::Seen;

/// OIDs that differ, as content octets.
fn oids(count: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|n| {
        let digit = |shift: u32| u8::try_from((n >> shift) & 0x7f).unwrap();
        vec![0x2b, 0x80 | 1, 0x80 | digit(14), 0x80 | digit(7), digit(0)]
    })
}

fn lint(der: &[u8]) -> Report {
    assert!(der.len() <= MAX_INPUT_LEN, "{}", der.len());
    let mut reports = lint::lint(der, Scope::Auto).unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[test]
fn long_lists_without_repetition_are_read_in_bounded_time() {
    let mut cert = leaf();
    cert.extensions
        .extend(oids(150_000).map(|oid| Ext::new(oid, false, Vec::new())));
    assert_eq!(lint(&cert.der()).findings, []);

    let purposes: Vec<u8> = oids(200_000).flat_map(|purpose| oid(&purpose)).collect();
    let report = lint(&leaf().set(EKU, tlv(0x30, &purposes)).der());
    assert_eq!(report.findings, []);

    let policies: Vec<u8> = oids(200_000).flat_map(|policy| seq(&[oid(&policy)])).collect();
    let report = lint(&leaf().and(ce(32), false, tlv(0x30, &policies)).der());
    assert_eq!(report.findings, []);

    let attributes: Vec<u8> = oids(150_000)
        .flat_map(|kind| seq(&[oid(&kind), tlv(0x31, &[5, 0])]))
        .collect();
    let info = seq(&[
        tlv(2, &[0]),
        name(&[(3, 0x0c, "leaf.example.org")]),
        ec_key(P256, &p256_point(0x5a)),
        tlv(0xa0, &attributes),
    ]);
    let report = lint(&seq(&[
        info,
        algorithm(ECDSA_SHA256, &[]),
        bits(&ecdsa_signature()),
    ]));
    assert_eq!(report.document, Document::Request);
    assert_eq!(report.findings, []);
}

pub(crate) fn many(seen: &mut Seen) {
    // Half a million broken things: as many are listed as somebody may read, and the last line says that there are more.
    let names = tlv(0x30, &[0x82, 0].repeat(1_000_000));
    seen.cert_also(&der::MANY, &[&extensions::SAN_EMPTY], leaf().set(SAN, names));
    let twice = Ext::new(ce(99), false, Vec::new());
    let mut cert = leaf();
    cert.extensions.extend(std::iter::repeat_n(twice, 300_000));
    let report = lint(&cert.der());
    assert_eq!(report.findings.len(), 1000);
    seen.cert_also(&der::MANY, &[&extensions::DUPLICATE], cert);

    // What is beyond the most documents was not looked at, and that is an error, whatever those before are.
    let block = pem::encode("PUBLIC KEY", &[0x30, 0]);
    let text = [
        block.repeat(4096).as_str(),
        &pem::encode("CERTIFICATE", &[0x30, 0]),
    ]
    .concat();
    let entry = r#"{"use":"jwt-svid"}"#;
    let bundle = format!(r#"{{"keys":[{}]}}"#, vec![entry; 4097].join(","));
    for input in [text.as_bytes(), bundle.as_bytes(), &[0x30, 0].repeat(4097)] {
        let reports = lint::lint(input, Scope::Auto).unwrap();
        assert_eq!(reports.len(), 4097);
        let last = reports.last().unwrap();
        assert_eq!(last.worst(), Some(Severity::Error));
        seen.rules(
            &der::DOCUMENTS,
            &[],
            last.findings.iter().map(|finding| finding.rule),
        );
    }
    let reports = lint::lint(block.repeat(4096).as_bytes(), Scope::Auto).unwrap();
    assert_eq!(reports.len(), 4096);
    assert!(
        reports
            .iter()
            .all(|report| report.worst() == Some(Severity::Notice))
    );
}

#[test]
fn words_of_strangers_are_cut() {
    let long = "ä".repeat(500_000);
    let report = lint(&leaf().with(|cert| cert.subject = name(&[(3, 0x0c, &long)])).der());
    assert!(
        report.name.len() < 1100 && report.name.ends_with('…'),
        "{}",
        report.name.len()
    );
    let uri = [b"spiffe://example.org/".as_slice(), &[b'A'; 1_000_000]].concat();
    let report = lint(&leaf().set(SAN, alt_names(&[(0x86, &uri)])).der());
    assert!(report.name.len() < 2100, "{}", report.name.len());
    let report = lint(&leaf().set(BC, tlv(1, &[1; 1_000_000])).der());
    assert!(!report.findings.is_empty());
    for finding in &report.findings {
        assert!(finding.detail.len() < 2600, "{}", finding.detail.len());
    }
}
