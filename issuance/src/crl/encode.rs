//! The list to be signed (TBSCertList, RFC 5280, section 5.1.2), written in one pass.

use std::time::{Duration, SystemTime};

use der::Encode;
use der::asn1::GeneralizedTime;
use symbolon_pki::crl::RevocationReason;
use symbolon_pki::encode::{element, whole};
use symbolon_pki::time::unix_seconds;
use x509_cert::time::Time;

use super::{Asked, CrlError, Revoked};
use crate::authority::Authority;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed: the extensions.
const EXTENSIONS: u8 = 0xa0;
/// `[0]`, primitive: the key identifier in an AuthorityKeyIdentifier.
const KEY_IDENTIFIER: u8 = 0x80;

/// `INTEGER 1`: version 2.
const VERSION: &[u8] = &[INTEGER, 1, 1];

// Extension OIDs (2.5.29.x), as content octets.
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 24];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 35];
const ALTERNATIVE_ALGORITHM: &[u8] = &[0x55, 0x1d, 73];

pub(super) fn tbs(authority: &Authority, asked: &Asked) -> Result<Vec<u8>, CrlError> {
    let mut entries = Vec::with_capacity(asked.revoked.len() * 48);
    for revoked in &asked.revoked {
        element(&mut entries, SEQUENCE, &entry(revoked)?);
    }
    // There is to be no list rather than an empty one (RFC 5280, section 5.1.2.6).
    let entries = if entries.is_empty() {
        entries
    } else {
        whole(SEQUENCE, &[&entries])
    };

    let key_id = whole(KEY_IDENTIFIER, &[asked.authority_id.as_bytes()]);
    let mut extensions = extension(AUTHORITY_KEY_IDENTIFIER, &whole(SEQUENCE, &[&key_id]));
    extensions.extend(extension(CRL_NUMBER, &unsigned(asked.number)));
    if let Some(alternative) = authority.alternative() {
        let algorithm = alternative.suite().signature_algorithm_der();
        extensions.extend(extension(ALTERNATIVE_ALGORITHM, algorithm));
    }
    Ok(whole(
        SEQUENCE,
        &[
            VERSION,
            authority.suite().signature_algorithm_der(),
            &asked.issuer,
            &time(asked.this_update)?,
            &time(asked.next_update)?,
            &entries,
            &whole(EXTENSIONS, &[&whole(SEQUENCE, &[&extensions])]),
        ],
    ))
}

/// The signed list.
pub(super) fn list(tbs: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    let bits = whole(BIT_STRING, &[&[0], signature]);
    whole(SEQUENCE, &[tbs, algorithm, &bits])
}

/// The content of one entry.
fn entry(revoked: &Revoked) -> Result<Vec<u8>, CrlError> {
    let mut out = whole(INTEGER, &[revoked.serial.content()]);
    out.extend(time(revoked.at)?);
    let mut extensions = Vec::new();
    // Absence says "unspecified" (RFC 5280, section 5.3.1).
    if revoked.reason != RevocationReason::Unspecified {
        extensions.extend(extension(REASON_CODE, &[ENUMERATED, 1, revoked.reason.code()]));
    }
    if let Some(since) = revoked.invalid_since {
        // Always a GeneralizedTime, whatever the year (RFC 5280, section 5.3.2).
        let since = Duration::from_secs(unix_seconds(since));
        let since = GeneralizedTime::from_unix_duration(since).map_err(failed)?;
        extensions.extend(extension(INVALIDITY_DATE, &since.to_der().map_err(failed)?));
    }
    if !extensions.is_empty() {
        element(&mut out, SEQUENCE, &extensions);
    }
    Ok(out)
}

/// An extension that is not critical.
fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    let oid = whole(OBJECT_IDENTIFIER, &[oid]);
    whole(SEQUENCE, &[&oid, &whole(OCTET_STRING, &[value])])
}

/// UTCTime up to 2049, GeneralizedTime after.
fn time(at: SystemTime) -> Result<Vec<u8>, CrlError> {
    Time::try_from(whole_second(at))
        .and_then(|time| time.to_der())
        .map_err(failed)
}

/// The last whole second up to `at`.
pub(super) fn whole_second(at: SystemTime) -> SystemTime {
    symbolon_pki::time::from_unix_seconds(unix_seconds(at)).unwrap_or(at)
}

fn unsigned(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let digits = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len() - 1);
    let digits = bytes.get(digits..).unwrap_or_default();
    let positive: &[u8] = if digits.first().is_some_and(|byte| byte & 0x80 != 0) {
        &[0]
    } else {
        &[]
    };
    whole(INTEGER, &[positive, digits])
}

fn failed(error: impl ToString) -> CrlError {
    CrlError::Encoding(error.to_string())
}
