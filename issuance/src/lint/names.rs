//! Reading distinguished names.

use der::asn1::{AnyRef, PrintableStringRef, Utf8StringRef};
use der::{Decode, Error, Reader, SliceReader, Tag, Tagged};

use super::read::{expect, sequence};

/// Content octets of the attribute types that our names have (RFC 5280, appendix A.1).
pub(super) const COMMON_NAME: &[u8] = &[0x55, 4, 3];
pub(super) const SERIAL_NUMBER: &[u8] = &[0x55, 4, 5];
pub(super) const COUNTRY: &[u8] = &[0x55, 4, 6];
pub(super) const ORGANIZATION: &[u8] = &[0x55, 4, 10];

/// One attribute of a name.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Attribute<'a> {
    /// Content octets of the type's OID.
    pub(super) oid: &'a [u8],
    pub(super) printable: bool,
    pub(super) text: &'a str,
}

/// Reads a Name whose RDNs have one attribute each, in PrintableString or UTF8String.
pub(super) fn read(der: &[u8]) -> Result<Vec<Attribute<'_>>, Error> {
    sequence(AnyRef::from_der(der)?, |rdns| {
        let mut attributes = Vec::with_capacity(4);
        while !rdns.is_finished() {
            let mut set = SliceReader::new(expect(AnyRef::decode(rdns)?, Tag::Set)?)?;
            attributes.push(sequence(AnyRef::decode(&mut set)?, attribute)?);
            set.finish()?;
        }
        Ok(attributes)
    })
}

fn attribute<'a>(fields: &mut SliceReader<'a>) -> Result<Attribute<'a>, Error> {
    let oid = expect(AnyRef::decode(fields)?, Tag::ObjectIdentifier)?;
    let value = AnyRef::decode(fields)?;
    let printable = value.tag() == Tag::PrintableString;
    if printable {
        value.decode_as::<PrintableStringRef<'a>>()?;
    } else {
        value.decode_as::<Utf8StringRef<'a>>()?;
    }
    let text = std::str::from_utf8(value.value())?;
    Ok(Attribute { oid, printable, text })
}
