//! The fields of a certificate outside of its extensions: version, serial number, names, times.

use super::element::{Element, GENERALIZED_TIME, UTC_TIME};
use super::finding::{At, Findings};
use super::names::{self, Attribute};
use super::read::Certificate;
use super::rules::{der, fields as rules};

/// 2050-01-01T00:00:00Z in seconds since 1970.
const YEAR_2050: i64 = 2_524_608_000;

/// The longest serial number, in bytes.
const MAX_SERIAL: usize = 20;

/// What the fields say.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) subject: Option<Vec<Attribute<'a>>>,
    /// In seconds since 1970.
    pub(super) begins: Option<i64>,
    pub(super) ends: Option<i64>,
}

pub(super) fn check<'a>(certificate: &Certificate<'a>, findings: &mut Findings) -> Facts<'a> {
    version(certificate, findings);
    serial(&certificate.serial, findings);
    if let Some(issuer) = names::check(&certificate.issuer, "tbsCertificate.issuer", findings) {
        let at = At::field("tbsCertificate.issuer", certificate.issuer.offset);
        findings.require(!issuer.is_empty(), &rules::ISSUER_EMPTY, at, "it is empty");
    }
    // A self-issued certificate has one name, which is judged once.
    let subject = if certificate.is_self_issued() {
        names::read(&certificate.subject).ok()
    } else {
        names::check(&certificate.subject, "tbsCertificate.subject", findings)
    };
    let begins = time(
        &certificate.not_before,
        "tbsCertificate.validity.notBefore",
        findings,
    );
    let ends = time(
        &certificate.not_after,
        "tbsCertificate.validity.notAfter",
        findings,
    );
    if let (Some(begins), Some(ends)) = (begins, ends) {
        let at = At::field("tbsCertificate.validity", certificate.not_before.offset);
        findings.require(
            begins <= ends,
            &rules::VALIDITY_ORDER,
            at,
            format_args!("it ends {} s before it begins", begins.saturating_sub(ends)),
        );
    }
    for id in &certificate.unique_ids {
        let at = At::field("tbsCertificate.uniqueID", id.offset);
        findings.add(&rules::UNIQUE_ID, at, "there is one");
    }
    Facts {
        subject,
        begins,
        ends,
    }
}

fn version(certificate: &Certificate<'_>, findings: &mut Findings) {
    let offset = certificate
        .version
        .map_or(certificate.whole.offset, |version| version.offset);
    let at = At::field("tbsCertificate.version", offset);
    let found = match certificate.version.map(|version| version.content) {
        None => 1,
        Some([0]) => return findings.add(&der::DEFAULT, at, "version 1 is written out"),
        Some([1]) => 2,
        Some([2]) => 3,
        Some(other) => {
            return findings.add(
                &rules::VERSION,
                at,
                format_args!("there is no version {other:02x?}"),
            );
        }
    };
    let needed = match (&certificate.extensions.element, certificate.unique_ids.is_empty()) {
        (Some(_), _) => 3,
        (None, false) => 2,
        (None, true) => 1,
    };
    findings.require(
        found >= needed,
        &rules::VERSION,
        at,
        format_args!("it is {found}, and what is there needs {needed}"),
    );
}

fn serial(serial: &Element<'_>, findings: &mut Findings) {
    let at = At::field("tbsCertificate.serialNumber", serial.offset);
    let content = serial.content;
    let negative = content.first().is_some_and(|byte| byte & 0x80 != 0);
    let zero = content.iter().all(|byte| *byte == 0);
    findings.require(
        !negative && !zero,
        &rules::SERIAL_POSITIVE,
        at,
        if zero { "it is zero" } else { "it is negative" },
    );
    findings.require(
        content.len() <= MAX_SERIAL,
        &rules::SERIAL_LENGTH,
        at,
        format_args!("it has {} bytes", content.len()),
    );
}

/// Checks a time; gives it in seconds since 1970.
pub(super) fn time(time: &Element<'_>, field: &'static str, findings: &mut Findings) -> Option<i64> {
    let at = At::field(field, time.offset);
    let Some(seconds) = seconds(time) else {
        let text = String::from_utf8_lossy(time.content);
        findings.add(&der::TIME, at, format_args!("{text:?} is none"));
        return None;
    };
    findings.require(
        (time.tag == UTC_TIME) == (seconds < YEAR_2050),
        &rules::TIME_TYPE,
        at,
        "it is of the wrong type for its year",
    );
    Some(seconds)
}

/// Seconds since 1970 of a UTCTime or GeneralizedTime with seconds, in UTC.
pub(super) fn seconds(time: &Element<'_>) -> Option<i64> {
    let digits = time.content.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pairs: Vec<i64> = digits
        .chunks(2)
        .map(|pair| {
            pair.iter()
                .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
        })
        .collect();
    let (year, rest) = match (time.tag, pairs.as_slice()) {
        // Two-digit years from 50 on are in the last century (RFC 5280, section 4.1.2.5.1).
        (UTC_TIME, [year, rest @ ..]) if digits.len() == 12 => {
            (if *year >= 50 { 1900 + year } else { 2000 + year }, rest)
        }
        (GENERALIZED_TIME, [century, year, rest @ ..]) if digits.len() == 14 => (century * 100 + year, rest),
        _ => return None,
    };
    let [month, day, hour, minute, second] = *rest else {
        return None;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days_in_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970-01-01, with years that begin in March so that the leap day ends them.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day - 1;
    const DAYS_TO_1970: i64 = 719_468;
    Some((days - DAYS_TO_1970) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tag: u8, text: &str) -> Option<i64> {
        seconds(&Element {
            tag,
            offset: 0,
            der: text.as_bytes(),
            content: text.as_bytes(),
        })
    }

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(read(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(read(UTC_TIME, "261122032500Z"), Some(1_795_317_900));
        assert_eq!(read(GENERALIZED_TIME, "20500101000000Z"), Some(YEAR_2050));
        assert_eq!(read(GENERALIZED_TIME, "20000229235959Z"), Some(951_868_799));
        assert_eq!(read(UTC_TIME, "500101000000Z"), Some(-631_152_000));
        for bad in [
            "261122032500",
            "2611220325Z",
            "261322032500Z",
            "250229000000Z",
            "26112203250aZ",
            "261122240000Z",
        ] {
            assert_eq!(read(UTC_TIME, bad), None, "{bad}");
        }
        assert_eq!(read(GENERALIZED_TIME, "20261122032500.5Z"), None);
    }
}
