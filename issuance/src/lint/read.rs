//! Reading a TBSCertificate into borrowed parts, without judging them.

use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Error, Reader, SliceReader, Tag, TagNumber, Tagged};

/// The parts of a TBSCertificate (RFC 5280, section 4.1.2).
pub(super) struct Tbs<'a> {
    /// Content octets of the version's INTEGER, if there is a version.
    pub(super) version: Option<&'a [u8]>,
    /// Content octets of the serial number's INTEGER.
    pub(super) serial: &'a [u8],
    pub(super) algorithm: Algorithm<'a>,
    /// DER of the issuer's name.
    pub(super) issuer: &'a [u8],
    pub(super) not_before: AnyRef<'a>,
    pub(super) not_after: AnyRef<'a>,
    /// DER of the subject's name.
    pub(super) subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub(super) spki: &'a [u8],
    pub(super) extensions: Vec<Extension<'a>>,
}

/// An AlgorithmIdentifier.
pub(super) struct Algorithm<'a> {
    /// Content octets of the OID.
    pub(super) oid: &'a [u8],
    pub(super) parameters: Option<AnyRef<'a>>,
}

/// One extension.
pub(super) struct Extension<'a> {
    /// Content octets of the OID.
    pub(super) oid: &'a [u8],
    /// As encoded; `None` is the DEFAULT, false.
    pub(super) critical: Option<bool>,
    pub(super) value: &'a [u8],
}

impl<'a> Tbs<'a> {
    pub(super) fn read(der: &'a [u8]) -> Result<Self, Error> {
        sequence(AnyRef::from_der(der)?, |fields| {
            let mut next = AnyRef::decode(fields)?;
            let mut version = None;
            if next.tag() == context(0) {
                version = Some(expect(AnyRef::from_der(next.value())?, Tag::Integer)?);
                next = AnyRef::decode(fields)?;
            }
            let serial = expect(next, Tag::Integer)?;
            let algorithm = Algorithm::read(AnyRef::decode(fields)?)?;
            let issuer = fields.tlv_bytes()?;
            let (not_before, not_after) = sequence(AnyRef::decode(fields)?, |times| {
                Ok((AnyRef::decode(times)?, AnyRef::decode(times)?))
            })?;
            let subject = fields.tlv_bytes()?;
            let spki = fields.tlv_bytes()?;
            // The unique identifiers of version 2 would stand here; their tags are not [3], and so refused.
            let list = AnyRef::from_der(expect(AnyRef::decode(fields)?, context(3))?)?;
            let extensions = sequence(list, |entries| {
                let mut extensions = Vec::with_capacity(8);
                while !entries.is_finished() {
                    extensions.push(Extension::read(AnyRef::decode(entries)?)?);
                }
                Ok(extensions)
            })?;
            Ok(Self {
                version,
                serial,
                algorithm,
                issuer,
                not_before,
                not_after,
                subject,
                spki,
                extensions,
            })
        })
    }
}

impl<'a> Algorithm<'a> {
    pub(super) fn read(any: AnyRef<'a>) -> Result<Self, Error> {
        sequence(any, |fields| {
            let oid = expect(AnyRef::decode(fields)?, Tag::ObjectIdentifier)?;
            let parameters = if fields.is_finished() {
                None
            } else {
                Some(AnyRef::decode(fields)?)
            };
            Ok(Self { oid, parameters })
        })
    }
}

impl<'a> Extension<'a> {
    fn read(any: AnyRef<'a>) -> Result<Self, Error> {
        sequence(any, |fields| {
            let oid = expect(AnyRef::decode(fields)?, Tag::ObjectIdentifier)?;
            let critical = Option::<bool>::decode(fields)?;
            let value = <&OctetStringRef>::decode(fields)?.as_bytes();
            Ok(Self { oid, critical, value })
        })
    }
}

/// The tag of an EXPLICIT `[number]`.
pub(super) fn context(number: u32) -> Tag {
    TagNumber(number).context_specific(true)
}

/// The content of an element that must have this tag.
pub(super) fn expect(any: AnyRef<'_>, tag: Tag) -> Result<&[u8], Error> {
    any.tag().assert_eq(tag)?;
    Ok(any.value())
}

/// Reads the content of a SEQUENCE with `read`, which must use all of it.
pub(super) fn sequence<'a, T>(
    any: AnyRef<'a>,
    read: impl FnOnce(&mut SliceReader<'a>) -> Result<T, Error>,
) -> Result<T, Error> {
    any.sequence(read)
}
