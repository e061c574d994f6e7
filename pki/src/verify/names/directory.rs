//! Directory names compared (RFC 5280, section 7.1).

use der::asn1::Any;
use der::{Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RelativeDistinguishedName};

use super::Within;
use crate::names::folded;

/// Whether `name` begins with the relative distinguished names of `constraint`.
pub(super) fn within(name: &Name, constraint: &Name) -> Within {
    if name.len() < constraint.len() {
        return Within::No;
    }
    let mut verdict = Within::Yes;
    for (found, wanted) in name.iter_rdn().zip(constraint.iter_rdn()) {
        match same_rdn(found, wanted) {
            Within::Yes => {}
            Within::No => return Within::No,
            unknown => verdict = unknown,
        }
    }
    verdict
}

/// How many attributes [`within`] may have to compare, and one for having looked: each one of a relative distinguished name
/// is looked for among all of the other's.
pub(super) fn comparisons(name: &Name, constraint: &Name) -> usize {
    let pairs = name.iter_rdn().zip(constraint.iter_rdn());
    pairs.fold(1, |sum, (found, wanted)| {
        sum.saturating_add(found.len().saturating_mul(wanted.len()))
    })
}

fn same_rdn(found: &RelativeDistinguishedName, wanted: &RelativeDistinguishedName) -> Within {
    if found.len() != wanted.len() {
        return Within::No;
    }
    let mut verdict = Within::Yes;
    for attribute in wanted.iter() {
        match holds(found, attribute) {
            Within::Yes => {}
            Within::No => return Within::No,
            unknown => verdict = unknown,
        }
    }
    verdict
}

/// Whether one attribute of `found` is this one.
fn holds(found: &RelativeDistinguishedName, wanted: &AttributeTypeAndValue) -> Within {
    let mut verdict = Within::No;
    for attribute in found.iter().filter(|attribute| attribute.oid == wanted.oid) {
        match same_value(&attribute.value, &wanted.value) {
            Within::Yes => return Within::Yes,
            Within::No => {}
            unknown => verdict = unknown,
        }
    }
    verdict
}

/// RFC 5280, section 7.1: text is compared without regard to case and to white space. Text in an old character set
/// is left to nobody's guess.
fn same_value(found: &Any, wanted: &Any) -> Within {
    if found == wanted {
        return Within::Yes;
    }
    match (folded(found), folded(wanted)) {
        (Some(found), Some(wanted)) if found == wanted => Within::Yes,
        // The same letters can be spelled in more ways than one, of which one may be excluded.
        (Some(found), Some(wanted)) if !(found.is_ascii() && wanted.is_ascii()) => {
            Within::Unknown("a part of it has letters outside ASCII that differ")
        }
        (Some(_), Some(_)) => Within::No,
        _ if is_old_text(found) || is_old_text(wanted) => Within::Unknown(
            "a part of it is in a character set that is not compared, or has control characters",
        ),
        _ => Within::No,
    }
}

/// TeletexString, BMPString, or a string that is not UTF-8.
fn is_old_text(value: &Any) -> bool {
    !matches!(
        value.tag(),
        Tag::Integer | Tag::Boolean | Tag::ObjectIdentifier | Tag::BitString | Tag::OctetString | Tag::Null
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names_begin_with_their_subtree() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        // RFC 4514 writes the most specific part first.
        let found = name("CN=web,O=Example  Works,C=US");
        for (constraint, expected) in [
            ("C=US", true),
            ("O=example works,C=US", true),
            ("CN=web,O=Example Works,C=US", true),
            ("CN=x,CN=web,O=Example Works,C=US", false),
            ("O=Example,C=US", false),
            ("O=Example Works", false),
            ("C=DE", false),
        ] {
            let got = matches!(within(&found, &name(constraint)), Within::Yes);
            assert_eq!(got, expected, "{constraint}");
        }
    }

    #[test]
    fn old_character_sets_are_not_guessed_at() {
        let printable = Any::new(Tag::PrintableString, *b"AB").unwrap();
        let bmp = Any::new(Tag::BmpString, *b"\0A\0B").unwrap();
        assert!(matches!(same_value(&bmp, &printable), Within::Unknown(_)));
    }
}
