//! The certificate to be signed (TBSCertificate, RFC 5280, section 4.1), written in one pass.
//!
//! What certificates of one authority have in common comes in encoded already ([`Template`]); what differs is the
//! serial, the validity, the key with its identifier, and the names.

mod beside;

use der::Encode;
use symbolon_pki::encode::{element, element_len, header};
use symbolon_pki::key::SubjectKey;
use symbolon_pki::names;
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::Suite;

use crate::error::IssuanceError;
use crate::serial::Serial;
use crate::validity::Validity;

pub(crate) use self::beside::{alternative_extensions, related_extension};

// Tags (X.690, section 8).
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;

/// The tag of a constructed context-specific element, as EXPLICIT tagging makes them.
const fn context_constructed(number: u8) -> u8 {
    0xa0 | number
}

/// The tag of a primitive context-specific element, as IMPLICIT tagging of a string makes them.
const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}

// Extension OIDs (2.5.29.x), as content octets.
const SUBJECT_KEY_IDENTIFIER: [u8; 3] = [0x55, 0x1d, 14];
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 15];
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 19];
const NAME_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 30];
const AUTHORITY_KEY_IDENTIFIER: [u8; 3] = [0x55, 0x1d, 35];
const EXT_KEY_USAGE: [u8; 3] = [0x55, 0x1d, 37];

/// id-kp-serverAuth and id-kp-clientAuth in an ExtKeyUsageSyntax (RFC 5280, section 4.2.1.12).
const SERVER_AND_CLIENT: [u8; 22] = [
    SEQUENCE, 20, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2,
];

/// KeyUsage values as BIT STRING content: the number of unused bits, then the bits from the left
/// (RFC 5280, section 4.2.1.3).
const DIGITAL_SIGNATURE: [u8; 2] = [7, 0x80];
const DIGITAL_SIGNATURE_AND_KEY_ENCIPHERMENT: [u8; 2] = [5, 0xa0];
const KEY_CERT_SIGN_AND_CRL_SIGN: [u8; 2] = [1, 0x06];

/// GeneralName choices (RFC 5280, section 4.2.1.6).
const DNS_NAME: u8 = context_primitive(2);
const URI: u8 = context_primitive(6);

/// What the SVIDs of one authority have in common.
#[derive(Debug)]
pub(crate) struct Template {
    /// The signature AlgorithmIdentifier and, right after it, the issuer's name.
    pub(crate) algorithm_and_issuer: Vec<u8>,
    subject: Vec<u8>,
    /// KeyUsage follows the key: only RSA keys can encipher.
    extensions: Vec<u8>,
    rsa_extensions: Vec<u8>,
}

impl Template {
    /// Encodes it once for an authority with this suite, subject and key identifier.
    pub(crate) fn new(suite: Suite, issuer_name: &[u8], authority_id: &Skid) -> Result<Self, IssuanceError> {
        Ok(Self {
            algorithm_and_issuer: [suite.signature_algorithm_der(), issuer_name].concat(),
            subject: svid_subject(None)?,
            extensions: leaf_extensions(&DIGITAL_SIGNATURE, authority_id),
            rsa_extensions: leaf_extensions(&DIGITAL_SIGNATURE_AND_KEY_ENCIPHERMENT, authority_id),
        })
    }

    /// The encoded extensions that every SVID with this kind of key has.
    pub(crate) fn extensions_for(&self, key: &SubjectKey) -> &[u8] {
        match key {
            SubjectKey::Rsa(_) => &self.rsa_extensions,
            _ => &self.extensions,
        }
    }

    /// The subject of an SVID without DNS names.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }
}

/// The subject of an SVID: constant, but for the common name that SPIRE sets when there is a DNS name.
pub(crate) fn svid_subject(first_dns_name: Option<&str>) -> Result<Vec<u8>, IssuanceError> {
    name_der(names::svid_name(first_dns_name))
}

/// The subject of an authority, unique because it holds the serial number.
pub(crate) fn authority_subject(organization: &str, serial: &Serial) -> Result<Vec<u8>, IssuanceError> {
    name_der(names::authority_name_of(organization, serial.as_bytes()))
}

fn name_der(name: Result<x509_cert::name::Name, names::NameError>) -> Result<Vec<u8>, IssuanceError> {
    name.map_err(|error| error.to_string())
        .and_then(|name| name.to_der().map_err(|error| error.to_string()))
        .map_err(IssuanceError::Encoding)
}

/// KeyUsage, ExtendedKeyUsage, BasicConstraints and AuthorityKeyIdentifier of an SVID.
fn leaf_extensions(key_usage: &[u8; 2], authority_id: &Skid) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    extension(&mut out, &KEY_USAGE, true, &whole(BIT_STRING, key_usage));
    extension(&mut out, &EXT_KEY_USAGE, false, &SERVER_AND_CLIENT);
    // cA is false by DEFAULT, which DER leaves out.
    extension(&mut out, &BASIC_CONSTRAINTS, true, &[SEQUENCE, 0]);
    authority_key_identifier(&mut out, authority_id);
    out
}

/// KeyUsage, BasicConstraints and AuthorityKeyIdentifier of an authority, and NameConstraints if there is a host to which
/// the URIs below it are to be kept.
pub(crate) fn authority_extensions(
    path_len: Option<u8>,
    permitted_host: Option<&str>,
    issuer_id: &Skid,
) -> Vec<u8> {
    let mut constraints = vec![BOOLEAN, 1, 0xff];
    if let Some(path_len) = path_len {
        let content = if path_len < 0x80 {
            vec![path_len]
        } else {
            vec![0, path_len]
        };
        element(&mut constraints, INTEGER, &content);
    }
    let mut out = Vec::with_capacity(96);
    extension(
        &mut out,
        &KEY_USAGE,
        true,
        &whole(BIT_STRING, &KEY_CERT_SIGN_AND_CRL_SIGN),
    );
    extension(&mut out, &BASIC_CONSTRAINTS, true, &whole(SEQUENCE, &constraints));
    if let Some(host) = permitted_host {
        // permittedSubtrees with one GeneralSubtree (RFC 5280, section 4.2.1.10).
        let subtree = whole(SEQUENCE, &whole(URI, host.as_bytes()));
        let permitted = whole(context_constructed(0), &subtree);
        extension(&mut out, &NAME_CONSTRAINTS, true, &whole(SEQUENCE, &permitted));
    }
    authority_key_identifier(&mut out, issuer_id);
    out
}

fn authority_key_identifier(out: &mut Vec<u8>, id: &Skid) {
    let key_identifier = whole(context_primitive(0), id.as_bytes());
    extension(
        out,
        &AUTHORITY_KEY_IDENTIFIER,
        false,
        &whole(SEQUENCE, &key_identifier),
    );
}

/// Appends an Extension with this DER value; `critical` is left out when false, being the DEFAULT.
fn extension(out: &mut Vec<u8>, oid: &[u8; 3], critical: bool, value: &[u8]) {
    header(out, SEQUENCE, extension_len(critical, value.len()));
    extension_head(out, oid, critical);
    element(out, OCTET_STRING, value);
}

/// Content length of an Extension whose value has `value` bytes.
const fn extension_len(critical: bool, value: usize) -> usize {
    element_len(3) + if critical { element_len(1) } else { 0 } + element_len(value)
}

fn extension_head(out: &mut Vec<u8>, oid: &[u8; 3], critical: bool) {
    element(out, OBJECT_IDENTIFIER, oid);
    if critical {
        element(out, BOOLEAN, &[0xff]);
    }
}

fn whole(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(element_len(content.len()));
    element(&mut out, tag, content);
    out
}

/// Everything that goes into one TBSCertificate.
pub(crate) struct Tbs<'a> {
    pub(crate) serial: &'a Serial,
    /// Signature AlgorithmIdentifier and issuer name, encoded.
    pub(crate) algorithm_and_issuer: &'a [u8],
    pub(crate) validity: Validity,
    /// Encoded subject name.
    pub(crate) subject: &'a [u8],
    /// Encoded SubjectPublicKeyInfo.
    pub(crate) spki: &'a [u8],
    /// Encoded extensions, without those that follow.
    pub(crate) extensions: &'a [u8],
    /// For the SubjectKeyIdentifier.
    pub(crate) key_id: &'a Skid,
    /// For the SubjectAltName.
    pub(crate) spiffe_id: &'a str,
    /// For the SubjectAltName, after the SPIFFE ID.
    pub(crate) dns_names: &'a [String],
    /// Encoded extensions that come last.
    pub(crate) last: &'a [u8],
}

impl Tbs<'_> {
    /// Writes it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let serial = self.serial.content();
        let validity = time_len(self.validity.not_before) + time_len(self.validity.not_after);
        let key_id = element_len(self.key_id.as_bytes().len());
        let names = element_len(self.spiffe_id.len())
            + self
                .dns_names
                .iter()
                .map(|name| element_len(name.len()))
                .sum::<usize>();
        let extensions = self.extensions.len()
            + element_len(extension_len(false, key_id))
            + element_len(extension_len(false, element_len(names)))
            + self.last.len();
        let content = VERSION_3.len()
            + element_len(serial.len())
            + self.algorithm_and_issuer.len()
            + element_len(validity)
            + self.subject.len()
            + self.spki.len()
            + element_len(element_len(extensions));

        let mut out = Vec::with_capacity(element_len(content));
        header(&mut out, SEQUENCE, content);
        out.extend_from_slice(&VERSION_3);
        element(&mut out, INTEGER, serial);
        out.extend_from_slice(self.algorithm_and_issuer);
        header(&mut out, SEQUENCE, validity);
        time(&mut out, self.validity.not_before);
        time(&mut out, self.validity.not_after);
        out.extend_from_slice(self.subject);
        out.extend_from_slice(self.spki);
        header(&mut out, context_constructed(3), element_len(extensions));
        header(&mut out, SEQUENCE, extensions);
        out.extend_from_slice(self.extensions);

        header(&mut out, SEQUENCE, extension_len(false, key_id));
        extension_head(&mut out, &SUBJECT_KEY_IDENTIFIER, false);
        header(&mut out, OCTET_STRING, key_id);
        element(&mut out, OCTET_STRING, self.key_id.as_bytes());

        header(&mut out, SEQUENCE, extension_len(false, element_len(names)));
        extension_head(&mut out, &SUBJECT_ALT_NAME, false);
        header(&mut out, OCTET_STRING, element_len(names));
        header(&mut out, SEQUENCE, names);
        element(&mut out, URI, self.spiffe_id.as_bytes());
        for name in self.dns_names {
            element(&mut out, DNS_NAME, name.as_bytes());
        }
        out.extend_from_slice(self.last);
        out
    }
}

/// `[0] EXPLICIT INTEGER 2`.
const VERSION_3: [u8; 5] = [context_constructed(0), 3, INTEGER, 1, 2];

/// 2050-01-01T00:00:00Z: from here on times are GeneralizedTime (RFC 5280, section 4.1.2.5).
const YEAR_2050: u64 = 2_524_608_000;

const fn time_len(seconds: u64) -> usize {
    element_len(if seconds < YEAR_2050 { 13 } else { 15 })
}

/// Appends a moment as RFC 5280 wants it: UTCTime up to 2049, GeneralizedTime after, in UTC to the second.
fn time(out: &mut Vec<u8>, seconds: u64) {
    let (year, month, day) = civil_date(seconds / 86_400);
    let second_of_day = seconds % 86_400;
    if seconds < YEAR_2050 {
        header(out, UTC_TIME, 13);
    } else {
        header(out, GENERALIZED_TIME, 15);
        two_digits(out, year / 100);
    }
    for value in [
        year % 100,
        month,
        day,
        second_of_day / 3_600,
        second_of_day / 60 % 60,
        second_of_day % 60,
    ] {
        two_digits(out, value);
    }
    out.push(b'Z');
}

fn two_digits(out: &mut Vec<u8>, value: u64) {
    out.extend([b'0' + (value / 10 % 10) as u8, b'0' + (value % 10) as u8]);
}

/// Year, month and day of the day that is `days` after 1970-01-01, in the Gregorian calendar.
///
/// Counted in 400-year eras of years that begin in March, so that the leap day is a year's last: the months from
/// March on then begin at day (153 m + 2) / 5.
const fn civil_date(days: u64) -> (u64, u64, u64) {
    const DAYS_FROM_0000_03_01: u64 = 719_468;
    const ERA: u64 = 146_097;
    let days = days + DAYS_FROM_0000_03_01;
    let day_of_era = days % ERA;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = days / ERA * 400 + year_of_era + (month <= 2) as u64;
    (year, month, day)
}

/// Appends a whole certificate: the TBS, the AlgorithmIdentifier, the signature (RFC 5280, section 4.1).
pub(crate) fn certificate(tbs: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    let content = tbs.len() + algorithm.len() + element_len(signature.len() + 1);
    let mut out = Vec::with_capacity(element_len(content));
    header(&mut out, SEQUENCE, content);
    out.extend_from_slice(tbs);
    out.extend_from_slice(algorithm);
    header(&mut out, BIT_STRING, signature.len() + 1);
    out.push(0);
    out.extend_from_slice(signature);
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use der::Decode;
    use der::asn1::{GeneralizedTime, UtcTime};

    use super::*;

    fn encoded_time(seconds: u64) -> Vec<u8> {
        let mut out = Vec::new();
        time(&mut out, seconds);
        assert_eq!(out.len(), time_len(seconds));
        out
    }

    #[test]
    fn times_are_those_of_the_der_crate() {
        // Every 10 days and a bit from 1970 to 9999, so that each day of the year and each hour comes up.
        for seconds in (0..253_402_300_799).step_by(864_000 + 3_661) {
            let duration = Duration::from_secs(seconds);
            let expected = if seconds < YEAR_2050 {
                UtcTime::from_unix_duration(duration).unwrap().to_der().unwrap()
            } else {
                GeneralizedTime::from_unix_duration(duration)
                    .unwrap()
                    .to_der()
                    .unwrap()
            };
            assert_eq!(encoded_time(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn the_encoding_of_times_changes_with_the_year_2050() {
        assert_eq!(encoded_time(YEAR_2050 - 1), b"\x17\x0d491231235959Z");
        assert_eq!(encoded_time(YEAR_2050), b"\x18\x0f20500101000000Z");
        assert_eq!(encoded_time(253_402_300_799), b"\x18\x0f99991231235959Z");
    }

    #[test]
    fn path_lengths_are_positive_integers() {
        for path_len in [None, Some(0), Some(127), Some(128), Some(255)] {
            let id = Skid::of(b"key");
            let extensions = whole(SEQUENCE, &authority_extensions(path_len, None, &id));
            let parsed = Vec::<x509_cert::ext::Extension>::from_der(&extensions).unwrap();
            let constraints =
                x509_cert::ext::pkix::BasicConstraints::from_der(parsed[1].extn_value.as_bytes());
            let constraints = constraints.unwrap();
            assert!(constraints.ca);
            assert_eq!(constraints.path_len_constraint, path_len);
        }
    }
}
