//! The fields before the key: version, serial, algorithm, names, validity.

use std::fmt;
use std::time::{Duration, SystemTime};

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Tag, Tagged};
use symbolon_pki::time::rfc3339;

use super::keys::is_signature_algorithm;
use super::names::{self, Attribute, COMMON_NAME, COUNTRY, ORGANIZATION, SERIAL_NUMBER};
use super::read::Tbs;
use super::{Expected, Findings, Issuer, Rule};
use crate::profile::BACKDATE;

/// Longest common name, in characters (RFC 5280, appendix A.1).
const MAX_COMMON_NAME: usize = 64;

/// The first year that UTCTime cannot name.
const YEAR_2050: Duration = Duration::from_secs(2_524_608_000);

pub(super) fn check(tbs: &Tbs<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    findings.require(tbs.version == Some(&[2]), Rule::Version, "the version is not 3");
    serial(tbs.serial, expected, findings);
    findings.require(
        is_signature_algorithm(expected.issuer.suite(), &tbs.algorithm),
        Rule::SignatureAlgorithm,
        format_args!("not that of {}", expected.issuer.suite()),
    );
    issuer(tbs, expected, findings);
    subject(tbs.subject, expected, findings);
    validity(tbs, expected, findings);
}

fn serial(serial: &[u8], expected: &Expected<'_>, findings: &mut Findings) {
    let negative = serial.first().is_none_or(|byte| byte & 0x80 != 0);
    let zero = serial.iter().all(|byte| *byte == 0);
    findings.require(!negative && !zero, Rule::Serial, "it is not positive");
    let padded = matches!(serial, [0, next, ..] if next & 0x80 == 0);
    findings.require(!padded, Rule::Serial, "it has a superfluous leading zero");
    findings.require(serial.len() <= 20, Rule::Serial, "it has more than 20 octets");

    let mut value = [0; 16];
    let digits = serial.strip_prefix(&[0]).unwrap_or(serial);
    let start = value.len().checked_sub(digits.len());
    if let Some(tail) = start.and_then(|start| value.get_mut(start..)) {
        tail.copy_from_slice(digits);
    }
    findings.require(
        start.is_some() && value == *expected.serial.as_bytes(),
        Rule::AllottedSerial,
        format_args!("it is not {}", expected.serial),
    );
}

fn issuer(tbs: &Tbs<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let name = match expected.issuer {
        Issuer::Itself { .. } => tbs.subject,
        Issuer::Authority(authority) => authority.certificate().subject_der(),
    };
    findings.require(
        tbs.issuer == name,
        Rule::IssuerName,
        "it is not the authority's subject",
    );
    // The empty name is an empty SEQUENCE.
    findings.require(tbs.issuer.len() > 2, Rule::IssuerName, "it is empty");
}

fn subject(der: &[u8], expected: &Expected<'_>, findings: &mut Findings) {
    let attributes = match names::read(der) {
        Ok(attributes) => attributes,
        Err(error) => return findings.add(Rule::SubjectName, format_args!("it cannot be read: {error}")),
    };
    findings.require(!attributes.is_empty(), Rule::SubjectName, "it is empty");
    for attribute in &attributes {
        let text = attribute.text;
        match attribute.oid {
            COUNTRY => findings.require(
                attribute.printable && text.len() == 2,
                Rule::SubjectName,
                "the country is not a PrintableString of two letters",
            ),
            SERIAL_NUMBER => findings.require(
                attribute.printable && (1..=64).contains(&text.len()),
                Rule::SubjectName,
                "the serialNumber is not a PrintableString of 1 to 64 characters",
            ),
            _ => findings.require(
                (1..=MAX_COMMON_NAME).contains(&text.chars().count()),
                Rule::SubjectName,
                "an attribute does not have 1 to 64 characters",
            ),
        }
    }

    let serial = expected.serial.decimal();
    let mut wanted = vec![(COUNTRY, "US")];
    if expected.profile.is_authority() {
        wanted.extend([
            (ORGANIZATION, expected.organization),
            (SERIAL_NUMBER, serial.as_str()),
        ]);
    } else {
        wanted.push((ORGANIZATION, "SPIRE"));
        let common_name = expected
            .dns_names
            .first()
            .filter(|name| name.len() <= MAX_COMMON_NAME);
        wanted.extend(common_name.map(|name| (COMMON_NAME, name.as_str())));
    }
    let found = attributes.iter().map(|Attribute { oid, text, .. }| (*oid, *text));
    findings.require(
        found.eq(wanted.iter().copied()),
        Rule::ProfileSubject,
        format_args!("it is not the {} profile's", expected.profile),
    );
}

fn validity(tbs: &Tbs<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let (Some(begins), Some(ends)) = (
        moment(tbs.not_before, "notBefore", findings),
        moment(tbs.not_after, "notAfter", findings),
    ) else {
        return;
    };
    findings.require(
        begins < ends,
        Rule::ValidityOrder,
        format_args!("it ends at {} and begins at {}", Written(ends), Written(begins)),
    );
    let (due_begin, due_end) = due(expected);
    findings.require(
        begins == due_begin,
        Rule::Backdate,
        format_args!(
            "it begins at {}, and {} is due",
            Written(begins),
            Written(due_begin)
        ),
    );
    findings.require(
        due_end == Some(ends),
        Rule::Lifetime,
        format_args!("it ends at {}, and that is not what was asked for", Written(ends)),
    );
    if let Issuer::Authority(authority) = expected.issuer {
        let certificate = authority.certificate();
        findings.require(
            begins >= certificate.not_before() && ends <= certificate.not_after(),
            Rule::WithinAuthority,
            format_args!(
                "{} to {} is not within {} to {}",
                Written(begins),
                Written(ends),
                Written(certificate.not_before()),
                Written(certificate.not_after())
            ),
        );
    }
}

/// When the validity is to begin and end: in whole seconds, not outside the authority's. The end is `None` if it is
/// beyond what the platform's clock can name and no authority limits it.
fn due(expected: &Expected<'_>) -> (SystemTime, Option<SystemTime>) {
    let epoch = SystemTime::UNIX_EPOCH;
    let clock = expected.now.duration_since(epoch).unwrap_or_default().as_secs();
    let begins = epoch + Duration::from_secs(clock).saturating_sub(BACKDATE);
    let ends = clock
        .checked_add(expected.ttl.as_secs())
        .and_then(|end| epoch.checked_add(Duration::from_secs(end)));
    match expected.issuer {
        Issuer::Itself { .. } => (begins, ends),
        Issuer::Authority(authority) => {
            let (first, last) = (
                authority.certificate().not_before(),
                authority.certificate().not_after(),
            );
            (begins.max(first), Some(ends.map_or(last, |end| end.min(last))))
        }
    }
}

/// A moment that is put into words only if a finding needs them.
struct Written(SystemTime);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339(self.0))
    }
}

/// Reads a Time, and checks that it has the encoding its year demands.
fn moment(time: AnyRef<'_>, which: &str, findings: &mut Findings) -> Option<SystemTime> {
    let since_1970 = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>().map(|time| time.to_unix_duration()),
        _ => time
            .decode_as::<GeneralizedTime>()
            .map(|time| time.to_unix_duration()),
    };
    match since_1970 {
        Ok(since_1970) => {
            findings.require(
                (time.tag() == Tag::UtcTime) == (since_1970 < YEAR_2050),
                Rule::ValidityEncoding,
                format_args!("{which} is of the wrong type for its year"),
            );
            SystemTime::UNIX_EPOCH.checked_add(since_1970)
        }
        Err(error) => {
            findings.add(
                Rule::ValidityEncoding,
                format_args!("{which} cannot be read: {error}"),
            );
            None
        }
    }
}
