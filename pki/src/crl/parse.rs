//! Walking a list in place.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CERTIFICATE_ISSUER, ID_CE_CRL_NUMBER, ID_CE_CRL_REASONS,
    ID_CE_DELTA_CRL_INDICATOR, ID_CE_INVALIDITY_DATE, ID_CE_ISSUING_DISTRIBUTION_POINT,
};
use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, OctetStringRef, UtcTime};
use der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::ext::pkix::AuthorityKeyIdentifier;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;

use super::{
    AlternativeSignature, CrlError, CrlScope, MAX_CRL_ENTRIES, MAX_CRL_EXTENSIONS, MAX_CRL_LEN,
    MAX_CRL_NUMBER_LEN, Parsed, RevocationReason, RevokedCertificate,
};
use crate::catalyst::{ALTERNATIVE_ALGORITHM, ALTERNATIVE_SIGNATURE};
use crate::certificate::MAX_SERIAL_LEN;
use crate::names;
use crate::signature::{AlgorithmError, SignatureAlgorithm};

const CRL_EXTENSIONS: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(0),
};

/// 2050-01-01T00:00:00Z, which UTCTime cannot name.
const YEAR_2050: Duration = Duration::from_secs(2_524_608_000);

/// One extension.
struct Extension<'a> {
    oid: ObjectIdentifier,
    critical: bool,
    value: &'a [u8],
}

pub(super) fn parse(der: &[u8]) -> Result<Parsed, CrlError> {
    if der.len() > MAX_CRL_LEN {
        return Err(CrlError::TooLong { len: der.len() });
    }
    let mut outer = SliceReader::new(der)?;
    let (tbs, outer_algorithm, signature) = outer.sequence(|reader| {
        Ok::<_, der::Error>((
            reader.tlv_bytes()?,
            reader.tlv_bytes()?,
            BitStringRef::decode(reader)?,
        ))
    })?;
    outer.finish()?;
    let signature = signature.as_bytes().ok_or(CrlError::SignatureBits)?;
    let algorithm = SignatureAlgorithm::from_der(outer_algorithm).map_err(CrlError::Algorithm)?;

    let mut reader = SliceReader::new(tbs)?;
    let list = reader.sequence(|reader| List::read(reader, outer_algorithm))?;
    reader.finish()?;
    let extensions = ListExtensions::read(&list.extensions)?;

    Ok(Parsed {
        tbs: range_of(der, tbs),
        issuer: range_of(der, list.issuer),
        comparable_issuer: list.comparable_issuer,
        signature: range_of(der, signature),
        der: der.into(),
        algorithm,
        this_update: list.this_update,
        next_update: list.next_update,
        number: extensions.number,
        authority_key_id: extensions.authority_key_id,
        scope: extensions.scope,
        alternative: extensions.alternative,
        alternative_is_critical: extensions.alternative_is_critical,
        entries: list.entries,
    })
}

/// Where `part` is in `whole`, which it was cut out of.
fn range_of(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start.saturating_add(part.len())
}

/// The fields of a TBSCertList (RFC 5280, section 5.1.2).
struct List<'a> {
    issuer: &'a [u8],
    comparable_issuer: names::Comparable,
    this_update: SystemTime,
    next_update: SystemTime,
    entries: Vec<RevokedCertificate>,
    extensions: Vec<Extension<'a>>,
}

impl<'a> List<'a> {
    fn read(reader: &mut SliceReader<'a>, outer_algorithm: &[u8]) -> Result<Self, CrlError> {
        // A list of version 1 has no version.
        if Tag::peek(reader)? != Tag::Integer || u8::decode(reader)? != 1 {
            return Err(CrlError::Version);
        }
        if reader.tlv_bytes()? != outer_algorithm {
            return Err(CrlError::AlgorithmMismatch);
        }
        let issuer = reader.tlv_bytes()?;
        let name = names::read(issuer)?;
        if name.is_empty() {
            return Err(CrlError::NoIssuer);
        }
        let comparable_issuer = names::Comparable::new(&name)?;
        let this_update = moment(AnyRef::decode(reader)?, "thisUpdate")?;
        let next_update = match next_tag(reader)? {
            Some(Tag::UtcTime | Tag::GeneralizedTime) => moment(AnyRef::decode(reader)?, "nextUpdate")?,
            _ => return Err(CrlError::NoNextUpdate),
        };
        if next_update <= this_update {
            return Err(CrlError::UpdateOrder);
        }
        let entries = match next_tag(reader)? {
            Some(Tag::Sequence) => reader.sequence(entries)?,
            _ => Vec::new(),
        };
        let extensions = match next_tag(reader)? {
            Some(CRL_EXTENSIONS) => {
                let wrapped = AnyRef::decode(reader)?.value();
                let mut inner = SliceReader::new(wrapped)?;
                let list = inner.sequence(extensions)?;
                inner.finish()?;
                list
            }
            _ => Vec::new(),
        };
        Ok(Self {
            issuer,
            comparable_issuer,
            this_update,
            next_update,
            entries,
            extensions,
        })
    }
}

fn next_tag(reader: &mut SliceReader<'_>) -> der::Result<Option<Tag>> {
    if reader.is_finished() {
        Ok(None)
    } else {
        Tag::peek(reader).map(Some)
    }
}

/// The revoked certificates, sorted by serial number.
fn entries(reader: &mut SliceReader<'_>) -> Result<Vec<RevokedCertificate>, CrlError> {
    let mut entries = Vec::new();
    while !reader.is_finished() {
        if entries.len() == MAX_CRL_ENTRIES {
            return Err(CrlError::TooManyEntries);
        }
        entries.push(reader.sequence(entry)?);
    }
    if entries.is_empty() {
        return Err(CrlError::EmptyList);
    }
    entries.sort_by(|a: &RevokedCertificate, b| a.serial.cmp(&b.serial));
    let again = entries
        .iter()
        .zip(entries.iter().skip(1))
        .find(|(one, next)| one.serial == next.serial);
    match again {
        Some((twice, _)) => Err(CrlError::DuplicateSerial {
            serial: hex::encode(&twice.serial),
        }),
        None => Ok(entries),
    }
}

fn entry(reader: &mut SliceReader<'_>) -> Result<RevokedCertificate, CrlError> {
    let serial = integer(AnyRef::decode(reader)?)?;
    if serial.first().is_some_and(|byte| byte & 0x80 != 0) || serial.len() > MAX_SERIAL_LEN {
        return Err(CrlError::Serial);
    }
    let revoked_at = moment(AnyRef::decode(reader)?, "revocationDate")?;
    let mut revoked = RevokedCertificate {
        serial: serial.into(),
        revoked_at,
        reason: RevocationReason::Unspecified,
        invalid_since: None,
    };
    if reader.is_finished() {
        return Ok(revoked);
    }
    for extension in reader.sequence(extensions)? {
        match extension.oid {
            ID_CE_CRL_REASONS => {
                let value = AnyRef::from_der(extension.value)?;
                value.tag().assert_eq(Tag::Enumerated)?;
                let &[code] = value.value() else {
                    return Err(wrong("reasonCode", "it is not one octet"));
                };
                revoked.reason = RevocationReason::from_code(code).ok_or(CrlError::Reason(code))?;
            }
            ID_CE_INVALIDITY_DATE => {
                let time = GeneralizedTime::from_der(extension.value)?;
                revoked.invalid_since = SystemTime::UNIX_EPOCH.checked_add(time.to_unix_duration());
            }
            ID_CE_CERTIFICATE_ISSUER => return Err(CrlError::Partial("one of several issuers")),
            oid if extension.critical => return Err(CrlError::CriticalExtension { oid }),
            _ => {}
        }
    }
    Ok(revoked)
}

/// A list of extensions, none of them twice, not empty.
fn extensions<'a>(reader: &mut SliceReader<'a>) -> Result<Vec<Extension<'a>>, CrlError> {
    let mut list: Vec<Extension<'a>> = Vec::new();
    loop {
        if list.len() == MAX_CRL_EXTENSIONS {
            return Err(CrlError::TooManyExtensions);
        }
        let extension = reader.sequence(|reader| {
            let oid = ObjectIdentifier::decode(reader)?;
            // FALSE is the default, which DER does not write.
            let critical = Tag::peek(reader)? == Tag::Boolean;
            if critical && !bool::decode(reader)? {
                return Err(Tag::Boolean.non_canonical_error().into());
            }
            let value = <&OctetStringRef>::decode(reader)?.as_bytes();
            Ok::<_, der::Error>(Extension { oid, critical, value })
        })?;
        if list.iter().any(|earlier| earlier.oid == extension.oid) {
            return Err(CrlError::DuplicateExtension { oid: extension.oid });
        }
        list.push(extension);
        if reader.is_finished() {
            return Ok(list);
        }
    }
}

/// What the extensions of a list say.
struct ListExtensions {
    number: Box<[u8]>,
    authority_key_id: Box<[u8]>,
    scope: CrlScope,
    alternative: Option<AlternativeSignature>,
    alternative_is_critical: bool,
}

impl ListExtensions {
    fn read(list: &[Extension<'_>]) -> Result<Self, CrlError> {
        let (mut number, mut authority_key_id, mut scope) = (None, None, CrlScope::All);
        let (mut algorithm, mut signature) = (None, None);
        let is_alternative = |oid| matches!(oid, ALTERNATIVE_ALGORITHM | ALTERNATIVE_SIGNATURE);
        for extension in list {
            match extension.oid {
                ID_CE_CRL_NUMBER => number = Some(crl_number(extension.value)?),
                ID_CE_AUTHORITY_KEY_IDENTIFIER => {
                    let id: AuthorityKeyIdentifier = strict("authorityKeyIdentifier", extension.value)?;
                    authority_key_id = id.key_identifier.map(|id| id.as_bytes().into());
                }
                ID_CE_DELTA_CRL_INDICATOR => return Err(CrlError::Delta),
                ID_CE_ISSUING_DISTRIBUTION_POINT => scope = scope_of(extension)?,
                ALTERNATIVE_ALGORITHM => {
                    algorithm = Some(match SignatureAlgorithm::from_der(extension.value) {
                        read @ (Ok(_) | Err(AlgorithmError::Unknown { .. })) => read,
                        Err(wrong) => return Err(CrlError::Algorithm(wrong)),
                    });
                }
                ALTERNATIVE_SIGNATURE => {
                    let bits = BitStringRef::from_der(extension.value)?.as_bytes();
                    signature = Some(bits.ok_or(CrlError::SignatureBits)?.into());
                }
                oid if extension.critical => return Err(CrlError::CriticalExtension { oid }),
                _ => {}
            }
        }
        let alternative = match (algorithm, signature) {
            (Some(algorithm), Some(bytes)) => Some(AlternativeSignature { algorithm, bytes }),
            (None, None) => None,
            (Some(_), None) => return Err(CrlError::Missing("altSignatureValue")),
            (None, Some(_)) => return Err(CrlError::Missing("altSignatureAlgorithm")),
        };
        Ok(Self {
            alternative,
            alternative_is_critical: list.iter().any(|it| it.critical && is_alternative(it.oid)),
            number: number.ok_or(CrlError::Missing("cRLNumber"))?,
            authority_key_id: authority_key_id.ok_or(CrlError::Missing("authorityKeyIdentifier"))?,
            scope,
        })
    }
}

fn crl_number(value: &[u8]) -> Result<Box<[u8]>, CrlError> {
    let content = integer(AnyRef::from_der(value)?)?;
    let digits = match content {
        [0, rest @ ..] => rest,
        [first, ..] if first & 0x80 != 0 => return Err(CrlError::Number),
        digits => digits,
    };
    if content.len() > MAX_CRL_NUMBER_LEN {
        return Err(CrlError::Number);
    }
    Ok(digits.into())
}

/// Content octets of an INTEGER in its shortest form.
fn integer(value: AnyRef<'_>) -> Result<&[u8], CrlError> {
    value.tag().assert_eq(Tag::Integer)?;
    match value.value() {
        [] => Err(CrlError::Malformed(Tag::Integer.length_error().into())),
        [0, next, ..] if next & 0x80 == 0 => {
            Err(CrlError::Malformed(Tag::Integer.non_canonical_error().into()))
        }
        [0xff, next, ..] if next & 0x80 != 0 => {
            Err(CrlError::Malformed(Tag::Integer.non_canonical_error().into()))
        }
        content => Ok(content),
    }
}

/// What an IssuingDistributionPoint leaves of a list's scope (RFC 5280, section 5.2.5).
fn scope_of(extension: &Extension<'_>) -> Result<CrlScope, CrlError> {
    const NAME: &str = "issuingDistributionPoint";
    if !extension.critical {
        return Err(wrong(NAME, "it is not critical"));
    }
    let point: IssuingDistributionPoint = strict(NAME, extension.value)?;
    let partial = [
        (point.indirect_crl, "one of several issuers"),
        (point.only_some_reasons.is_some(), "one of some reasons alone"),
        (
            point.only_contains_attribute_certs,
            "one of attribute certificates",
        ),
        (
            point.distribution_point.is_some(),
            "one of a distribution point's certificates",
        ),
    ];
    if let Some((_, what)) = partial.into_iter().find(|(is_so, _)| *is_so) {
        return Err(CrlError::Partial(what));
    }
    match (point.only_contains_user_certs, point.only_contains_ca_certs) {
        (true, false) => Ok(CrlScope::UserCertificates),
        (false, true) => Ok(CrlScope::AuthorityCertificates),
        (true, true) => Err(wrong(NAME, "it says two things of the list's scope")),
        (false, false) => Err(wrong(NAME, "it says nothing")),
    }
}

/// Reads a Time, and checks that it has the encoding its year demands.
fn moment(time: AnyRef<'_>, which: &'static str) -> Result<SystemTime, CrlError> {
    let wrong = CrlError::Time { which };
    let since_1970 = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>().map(|time| time.to_unix_duration()),
        _ => time
            .decode_as::<GeneralizedTime>()
            .map(|time| time.to_unix_duration()),
    }?;
    if (time.tag() == Tag::UtcTime) != (since_1970 < YEAR_2050) {
        return Err(wrong);
    }
    SystemTime::UNIX_EPOCH.checked_add(since_1970).ok_or(wrong)
}

/// Decodes an extension's content and refuses whatever would be encoded differently.
fn strict<T>(name: &'static str, bytes: &[u8]) -> Result<T, CrlError>
where
    T: for<'a> Decode<'a, Error = der::Error> + Encode,
{
    let value = T::from_der(bytes).map_err(|error| wrong(name, error))?;
    match value.to_der() {
        Ok(encoded) if encoded == bytes => Ok(value),
        Ok(_) => Err(wrong(name, "it is not in DER")),
        Err(error) => Err(wrong(name, error)),
    }
}

fn wrong(name: &'static str, reason: impl ToString) -> CrlError {
    CrlError::Extension {
        name,
        reason: reason.to_string(),
    }
}
