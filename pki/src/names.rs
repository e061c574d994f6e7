//! Distinguished names: the two that this project writes, and how others are read.
//!
//! SPIFFE puts no meaning in a subject, but chain building does: a verifier looks an issuer up by name, and Go
//! gives up on pools where many authorities share one. So an authority's subject carries its own serial number
//! (as SPIRE's do), and an SVID's subject is the constant that stock software has always seen.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc4519;
use der::asn1::{Any, PrintableStringRef, Utf8StringRef};
use der::{Decode, Encode, Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// Longest common name, in characters (RFC 5280 appendix A, `ub-common-name`).
pub const MAX_COMMON_NAME: usize = 64;

/// Why a name could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the subject name cannot be encoded: {0}")]
pub struct NameError(#[from] der::Error);

/// The organization in an authority's subject, when nobody asks for another.
pub const AUTHORITY_ORGANIZATION: &str = "SPIFFE";

/// The subject of an authority: `C=US, O=SPIFFE, serialNumber=<decimal>`.
///
/// `serial` is the certificate's own serial number, big-endian; it is written in decimal as SPIRE does. Since
/// serials are 128 random bits, no two authorities ever share a subject.
///
/// # Errors
/// [`NameError`] when the encoding fails, which no serial within RFC 5280's 20 octets makes happen.
pub fn authority_name(serial: &[u8]) -> Result<Name, NameError> {
    authority_name_of(AUTHORITY_ORGANIZATION, serial)
}

/// As [`authority_name`], with another organization: `C=US, O=<organization>, serialNumber=<decimal>`.
///
/// # Errors
/// [`NameError`] when the encoding fails.
pub fn authority_name_of(organization: &str, serial: &[u8]) -> Result<Name, NameError> {
    build(&[
        (rfc4519::C, "US"),
        (rfc4519::O, organization),
        (rfc4519::SERIAL_NUMBER, &decimal(serial)),
    ])
}

/// The subject of an SVID: `C=US, O=SPIRE`, with the first DNS name, if there is one, as common name.
///
/// A DNS name longer than [`MAX_COMMON_NAME`] characters is left out: it does not fit, and it is the
/// subjectAltName that counts.
///
/// # Errors
/// [`NameError`] when the encoding fails.
pub fn svid_name(first_dns_name: Option<&str>) -> Result<Name, NameError> {
    match first_dns_name.filter(|name| name.chars().count() <= MAX_COMMON_NAME) {
        None => build(&[(rfc4519::C, "US"), (rfc4519::O, "SPIRE")]),
        Some(name) => build(&[(rfc4519::C, "US"), (rfc4519::O, "SPIRE"), (rfc4519::CN, name)]),
    }
}

/// The serialNumber attribute of a name, if it has one that is text.
///
/// This is an attribute of the subject, not the certificate's serial number, although an authority of this
/// project (and of SPIRE) has the same number in both.
#[must_use]
pub fn serial_number_attribute(name: &Name) -> Option<String> {
    attribute(name, rfc4519::SERIAL_NUMBER)
}

/// The first attribute of this type in the name, if it is a PrintableString or a UTF8String.
#[must_use]
pub fn attribute(name: &Name, attribute_type: ObjectIdentifier) -> Option<String> {
    let value = &name
        .iter()
        .find(|attribute| attribute.oid == attribute_type)?
        .value;
    match value.tag() {
        Tag::PrintableString | Tag::Utf8String => std::str::from_utf8(value.value()).ok().map(str::to_owned),
        _ => None,
    }
}

/// Reads a name as it stands in a request or a list: in DER, and as [`check`] wants it.
pub(crate) fn read(der: &[u8]) -> der::Result<Name> {
    let name = Name::from_der(der)?;
    if name.to_der()? != der {
        return Err(Tag::Sequence.non_canonical_error().into());
    }
    check(&name)?;
    Ok(name)
}

/// Refuses a name of which a part has no attribute (X.501, section 9.3: there is at least one), which readers differ about.
pub(crate) fn check(name: &Name) -> der::Result<()> {
    if name.iter_rdn().any(|part| part.is_empty()) {
        return Err(Tag::Set.length_error().into());
    }
    Ok(())
}

/// A name as people write it, in RFC 4514's order (most specific part first). Empty for the empty name.
#[must_use]
pub fn text(name: &Name) -> String {
    name.to_string()
}

/// The text of an attribute as RFC 5280, section 7.1, compares it: in lower case, its words separated by single spaces,
/// whichever of the usual character sets it is in. Control characters stand for nothing (RFC 4518, section 2.2), so text
/// that has any is not what it seems: `None`, as for old character sets and for what is no text.
pub(crate) fn folded(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::PrintableString | Tag::Utf8String | Tag::Ia5String => {
            let text = std::str::from_utf8(value.value()).ok()?.to_lowercase();
            let is_hidden = |letter: char| letter.is_control() && !letter.is_whitespace();
            (!text.contains(is_hidden)).then(|| text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

/// A name as it is compared with others: two are the same (RFC 5280, section 7.1) if these are. What is not text of the
/// usual character sets is the same only as the same bytes, and so are letters that can be spelled in more than one way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Comparable(Vec<Vec<ComparableAttribute>>);

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum ComparableAttribute {
    Text(ObjectIdentifier, String),
    /// An attribute in DER.
    Other(Vec<u8>),
}

impl Comparable {
    /// # Errors
    /// [`der::Error`] when an attribute cannot be encoded, which having been decoded rules out.
    pub(crate) fn new(name: &Name) -> der::Result<Self> {
        let attribute = |attribute: &AttributeTypeAndValue| match folded(&attribute.value) {
            Some(text) => Ok(ComparableAttribute::Text(attribute.oid, text)),
            None => attribute.to_der().map(ComparableAttribute::Other),
        };
        let parts = name.iter_rdn().map(|part| {
            let mut attributes = part.iter().map(attribute).collect::<der::Result<Vec<_>>>()?;
            // A set, whose order in DER is that of the bytes before they are folded.
            attributes.sort();
            Ok(attributes)
        });
        parts.collect::<der::Result<_>>().map(Self)
    }
}

/// An unsigned big-endian integer of any length in decimal, as serial numbers are shown by Go and SPIRE.
#[must_use]
pub fn decimal(big_endian: &[u8]) -> String {
    // Schoolbook: multiply the decimal digits (least significant first) by 256 and add the next byte. Numbers
    // here have 20 octets at most, so anything cleverer would be longer than it is worth.
    let mut digits = vec![0u8];
    for &byte in big_endian {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = (value % 10) as u8;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits
        .iter()
        .rev()
        .map(|&digit| char::from(b'0' + digit))
        .collect()
}

fn build(attributes: &[(ObjectIdentifier, &str)]) -> Result<Name, NameError> {
    let mut sequence = RdnSequence::default();
    for &(oid, text) in attributes {
        // PrintableString where it can say it, as Go's encoder chooses; the country must be one (RFC 5280).
        let value = match PrintableStringRef::new(text) {
            Ok(printable) => Any::encode_from(&printable)?,
            Err(_) => Any::encode_from(&Utf8StringRef::new(text)?)?,
        };
        sequence.push(RelativeDistinguishedName::try_from(vec![
            AttributeTypeAndValue { oid, value },
        ])?);
    }
    Ok(Name::from_der(&sequence.to_der()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;

    #[test]
    fn an_authority_carries_its_serial_in_decimal() {
        let serial = hex::decode("00ffffffffffffffffffffffffffffffff").unwrap();
        let name = authority_name(&serial).unwrap();
        assert_eq!(serial_number_attribute(&name).unwrap(), u128::MAX.to_string());
        assert_eq!(text(&name), format!("SERIALNUMBER={},O=SPIFFE,C=US", u128::MAX));
    }

    #[test]
    fn what_is_read_is_a_name_in_every_part() {
        let svid = svid_name(None).unwrap().to_der().unwrap();
        assert_eq!(text(&read(&svid).unwrap()), "O=SPIRE,C=US");
        // No attribute; an attribute without a value; two attributes in the wrong order.
        for wrong in [
            "30023100",
            "3009310730050603550406",
            "301c311a300b060355040a130442424242300b060355040613044141 4141",
        ] {
            let wrong = hex::decode(wrong.replace(' ', "")).unwrap();
            read(&wrong).unwrap_err();
        }
    }

    #[test]
    fn an_svid_has_the_subject_that_stock_software_knows() {
        let der = svid_name(None).unwrap().to_der().unwrap();
        // What Go writes for pkix.Name{Country: US, Organization: SPIRE}.
        assert_eq!(
            hex::encode(der),
            "301d310b3009060355040613025553310e300c060355040a13055350495245"
        );
    }

    #[test]
    fn a_dns_name_becomes_the_common_name_when_it_fits() {
        let name = svid_name(Some("web.example.org")).unwrap();
        assert_eq!(attribute(&name, rfc4519::CN).as_deref(), Some("web.example.org"));
        assert_eq!(
            svid_name(Some(&"x".repeat(65))).unwrap(),
            svid_name(None).unwrap()
        );
        // An underscore is no PrintableString character, so this one is a UTF8String.
        let name = svid_name(Some("_spiffe.example.org")).unwrap();
        assert_eq!(
            attribute(&name, rfc4519::CN).as_deref(),
            Some("_spiffe.example.org")
        );
    }

    #[test]
    fn names_are_compared_without_case_space_and_character_set() {
        let attribute = |oid: u8, tag: u8, text: &[u8]| {
            let value = encode::whole(tag, &[text]);
            encode::whole(0x30, &[&[6, 3, 0x55, 4, oid], &value])
        };
        let name = |parts: &[&[Vec<u8>]]| {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| encode::whole(0x31, &[&part.concat()]))
                .collect();
            let der = encode::whole(0x30, &[&parts.concat()]);
            Comparable::new(&read(&der).unwrap()).unwrap()
        };
        let (printable, utf8, bmp) = (0x13, 0x0c, 0x1e);
        let org = |tag, text: &[u8]| name(&[&[attribute(10, tag, text)]]);
        let plain = org(printable, b"Example Works");
        for same in [
            org(utf8, b"Example Works"),
            org(printable, b"EXAMPLE works"),
            org(utf8, b" Example \t  Works "),
        ] {
            assert_eq!(plain, same);
        }
        let country = || attribute(6, printable, b"US");
        for other in [
            org(printable, b"ExampleWorks"),
            org(bmp, b"\0E\0x"),
            org(utf8, b"Example\x07 Works"),
            name(&[&[attribute(11, printable, b"Example Works")]]),
            name(&[&[country()], &[attribute(10, printable, b"Example Works")]]),
            name(&[&[country(), attribute(10, printable, b"Example Works")]]),
        ] {
            assert_ne!(plain, other);
        }
        assert_eq!(org(bmp, b"\0E\0x"), org(bmp, b"\0E\0x"));
        assert_ne!(org(utf8, "\u{e9}".as_bytes()), org(utf8, "e\u{301}".as_bytes()));
        assert_eq!(org(utf8, "\u{c9}".as_bytes()), org(utf8, "\u{e9}".as_bytes()));
        // The parts of a set have no order, those of a sequence do.
        let (long, short) = (attribute(3, printable, b"BB"), attribute(3, printable, b"a"));
        let (other_long, other_short) = (attribute(3, printable, b"bb"), attribute(3, utf8, b"A"));
        assert_eq!(
            name(&[&[short.clone(), long.clone()]]),
            name(&[&[other_short, other_long]])
        );
        assert_ne!(
            name(&[std::slice::from_ref(&short), std::slice::from_ref(&long)]),
            name(&[&[long], &[short]])
        );
    }

    #[test]
    fn decimal_agrees_with_the_standard_library() {
        for value in [0u128, 9, 10, 255, 256, 65_535, 1 << 64, u128::MAX - 1] {
            assert_eq!(decimal(&value.to_be_bytes()), value.to_string());
        }
        assert_eq!(decimal(&[]), "0");
        assert_eq!(
            decimal(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            "340282366920938463463374607431768211456"
        );
    }
}
