//! Files: what is in them, and what they are held against.

use symbolon_issuance::lint::{self, Document, InputError, Report, Scope, Severity};
use symbolon_pki::pem;

use crate::build::*;
use crate::pieces::tlv;

fn lint(input: &[u8]) -> Vec<Report> {
    lint::lint(input, Scope::Auto).unwrap()
}

fn ids(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn a_bad_block_does_not_hide_the_others() {
    let text = [
        "some words before\n",
        &pem::encode("CERTIFICATE", &svid().der()),
        "-----BEGIN CERTIFICATE-----\nMII!\n-----END CERTIFICATE-----\n",
        &pem::encode("CERTIFICATE", &leaf().der()[..40]),
        &pem::encode("CERTIFICATE", &spiffe_authority().der()),
        &pem::encode("PRIVATE KEY", &[0x30, 0]),
    ]
    .concat();
    let reports = lint(text.as_bytes());
    let found: Vec<_> = reports
        .iter()
        .map(|report| (report.document, report.name.as_str(), report.profile, ids(report)))
        .collect();
    assert_eq!(
        found,
        [
            (Document::Certificate, "spiffe://example.org/web", "svid", vec![]),
            (Document::Other, "", "any", vec!["input/block"]),
            (Document::Certificate, "", "any", vec!["der/truncated"]),
            (Document::Certificate, "spiffe://example.org", "authority", vec![]),
            (Document::Other, "", "any", vec!["input/not-linted"]),
        ]
    );
    assert_eq!(reports[0].place, "line 2");
    assert_eq!(reports[0].worst(), None);
    assert_eq!(reports[2].worst(), Some(Severity::Error));
    assert_eq!(reports[4].worst(), Some(Severity::Notice));
}

#[test]
fn der_of_several_and_of_each_kind_is_told_apart() {
    let two = [leaf().der(), authority().der()].concat();
    let reports = lint(&two);
    let places: Vec<_> = reports.iter().map(|report| report.place.clone()).collect();
    assert_eq!(
        places,
        ["byte 0".to_owned(), format!("byte {}", leaf().der().len())]
    );
    assert_eq!(reports[1].name, "CN=leaf.example.org");

    let trailing = lint(&[leaf().der(), vec![0; 3]].concat());
    assert_eq!(ids(&trailing[0]), ["der/trailing-bytes"]);
    assert_eq!(trailing[0].findings[0].offset, Some(leaf().der().len()));

    // PKCS#8 begins with a version.
    let key = seq(&[tlv(2, &[0]), algorithm(ED25519, &[]), tlv(4, &[5; 34])]);
    assert_eq!(lint(&key)[0].document, Document::Other);
}

#[test]
fn bundles_are_read_entry_by_entry() {
    use base64::Engine as _;
    let x5c = base64::engine::general_purpose::STANDARD.encode(spiffe_authority().der());
    let wrong = base64::engine::general_purpose::STANDARD.encode(svid().der());
    let bundle = format!(
        r#"{{"keys":[{{"use":"x509-svid","kty":"EC","x5c":["{x5c}"]}},{{"use":"jwt-svid","kid":"a"}},
            {{"use":"x509-svid","kty":"EC","x5c":["?"]}}],
            "pq_keys":[{{"use":"x509-svid","kty":"AKP","x5c":["{wrong}"]}}]}}"#
    );
    let reports = lint(bundle.as_bytes());
    let found: Vec<_> = reports
        .iter()
        .map(|report| (report.place.as_str(), ids(report)))
        .collect();
    assert_eq!(
        found,
        [
            ("keys[0]", vec![]),
            ("keys[1]", vec!["input/not-linted"]),
            ("keys[2]", vec!["input/bundle-entry"]),
            (
                "pq_keys[0]",
                vec![
                    "spiffe/basic-constraints",
                    "spiffe/authority-path",
                    "spiffe/authority-cert-sign"
                ]
            ),
        ]
    );
}

#[test]
fn what_is_none_of_these_is_refused_as_a_whole() {
    for (input, error) in [
        (&b""[..], InputError::Empty),
        (b" \n", InputError::Empty),
        (b"hello", InputError::Unknown),
        (b"{", InputError::Unknown),
        (b"{}", InputError::Unknown),
        (&[0xff; 64], InputError::Unknown),
    ] {
        assert_eq!(lint::lint(input, Scope::Auto), Err(error));
    }
    let len = lint::MAX_INPUT_LEN + 1;
    assert_eq!(
        lint::lint(&vec![0x30; len], Scope::Auto),
        Err(InputError::TooLong { len })
    );
}

#[test]
fn a_finding_says_where_it_is() {
    let report = lint::lint_certificate(&leaf().critical(SKI, &[1, 1, 0xff]).der(), Scope::Auto);
    let finding = &report.findings[0];
    assert_eq!(finding.field, "extensions.subjectKeyIdentifier");
    assert_eq!(finding.oid.as_deref(), Some("2.5.29.14"));
    let der = leaf().critical(SKI, &[1, 1, 0xff]).der();
    let extension = Ext::new(ce(SKI), true, tlv(4, &[8; 20])).der();
    let stands = der
        .windows(extension.len())
        .position(|window| window == extension);
    assert_eq!(finding.offset, stands);
    assert_eq!(
        finding.to_string(),
        "[rfc5280/must-not-be-critical] extensions.subjectKeyIdentifier: section 4.2.1.2 wants it otherwise"
    );
}

#[test]
fn our_own_profile_is_judged_only_when_asked_for() {
    let der = svid().der();
    for scope in [Scope::Auto, Scope::Any, Scope::Svid] {
        assert_eq!(lint::lint_certificate(&der, scope).findings, []);
    }
    let report = lint::lint_certificate(&der, Scope::Symbolon);
    assert_eq!(report.profile, "symbolon-svid");
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.rule.origin() == "profile")
    );
    assert!(!report.findings.is_empty());
}

#[test]
fn no_bytes_make_it_panic() {
    let samples = [svid().der(), spiffe_authority().der(), leaf().tbs()];
    for good in samples {
        for position in 0..good.len() {
            for value in [0, 0x30, 0x80, 0xff, good[position] ^ 1] {
                let mut changed = good.clone();
                changed[position] = value;
                lint::lint_certificate(&changed, Scope::Symbolon);
                lint::lint_request(&changed, Scope::Symbolon);
                lint::lint_crl(&changed);
            }
        }
    }
}
