//! Distinguished names.

use std::fmt;

use super::element::{
    BMP_STRING, CONSTRUCTED, Element, IA5_STRING, OBJECT_IDENTIFIER, PRINTABLE_STRING, Problem, SEQUENCE,
    SET, TELETEX_STRING, UNIVERSAL_STRING, UTF8_STRING,
};
use super::finding::{At, Findings, bounded};
use super::oid;
use super::rules::fields as rules;

/// One attribute of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    /// Content octets of the type's OID.
    pub(super) oid: &'a [u8],
    pub(super) value: Element<'a>,
}

impl<'a> Attribute<'a> {
    /// The value of a PrintableString, UTF8String or IA5String.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value.tag {
            PRINTABLE_STRING | UTF8_STRING | IA5_STRING => std::str::from_utf8(self.value.content).ok(),
            _ => None,
        }
    }
}

/// Checks a name; gives its attributes if it can be read.
pub(super) fn check<'a>(
    name: &Element<'a>,
    field: &'static str,
    findings: &mut Findings,
) -> Option<Vec<Attribute<'a>>> {
    match read(name) {
        Ok(attributes) => {
            for attribute in &attributes {
                check_attribute(attribute, field, findings);
            }
            Some(attributes)
        }
        Err(problem) => {
            let rule = problem.rule.unwrap_or(&rules::NAME_STRUCTURE);
            findings.add(rule, At::field(field, problem.offset), problem.detail);
            None
        }
    }
}

/// The attributes of a name, in their order.
pub(super) fn read<'a>(name: &Element<'a>) -> Result<Vec<Attribute<'a>>, Problem> {
    let mut attributes = Vec::with_capacity(4);
    let mut rdns = name.fields_of(SEQUENCE)?;
    while !rdns.is_empty() {
        let rdn = rdns.expect(SET)?;
        let mut members = rdn.fields();
        if members.is_empty() {
            return Err(Problem::new(rdn.offset, "a set of attributes is empty"));
        }
        while !members.is_empty() {
            let mut fields = members.expect(SEQUENCE)?.fields();
            attributes.push(Attribute {
                oid: fields.expect(OBJECT_IDENTIFIER)?.content,
                value: fields.next()?,
            });
            fields.end()?;
        }
    }
    Ok(attributes)
}

/// Upper bounds of RFC 5280, appendix A.1, in characters.
fn upper_bound(oid: &[u8]) -> usize {
    match oid {
        oid::COMMON_NAME | oid::ORGANIZATION | oid::ORGANIZATIONAL_UNIT | oid::SERIAL_NUMBER => 64,
        oid::LOCALITY | oid::STATE => 128,
        _ => 32_768,
    }
}

fn check_attribute(attribute: &Attribute<'_>, field: &'static str, findings: &mut Findings) {
    let at = At::field(field, attribute.value.offset).about(attribute.oid);
    let value = &attribute.value;
    match attribute.oid {
        oid::COUNTRY => {
            let letters = value.tag == PRINTABLE_STRING
                && value.content.len() == 2
                && value.content.iter().all(u8::is_ascii_alphabetic);
            return findings.require(letters, &rules::COUNTRY, at, "it is something else");
        }
        oid::SERIAL_NUMBER | oid::DN_QUALIFIER => findings.require(
            value.tag == PRINTABLE_STRING,
            &rules::PRINTABLE_ATTRIBUTE,
            at,
            format_args!("its tag is {:#04x}", value.tag),
        ),
        oid::COMMON_NAME | oid::ORGANIZATION | oid::ORGANIZATIONAL_UNIT | oid::LOCALITY | oid::STATE => {
            findings.require(
                // That it is made of pieces has been said.
                matches!(value.tag & !CONSTRUCTED, PRINTABLE_STRING | UTF8_STRING),
                &rules::NAME_TYPE,
                at,
                format_args!("its tag is {:#04x}", value.tag),
            );
        }
        // Others, such as e-mail addresses and domain components, have types of their own.
        _ => findings.require(
            !matches!(value.tag, TELETEX_STRING | UNIVERSAL_STRING | BMP_STRING),
            &rules::NAME_TYPE,
            at,
            format_args!("its tag is {:#04x}", value.tag),
        ),
    }
    let len = match value.tag {
        UTF8_STRING => {
            std::str::from_utf8(value.content).map_or(value.content.len(), |text| text.chars().count())
        }
        BMP_STRING => value.content.len() / 2,
        UNIVERSAL_STRING => value.content.len() / 4,
        _ => value.content.len(),
    };
    let bound = upper_bound(attribute.oid);
    findings.require(
        (1..=bound).contains(&len),
        &rules::NAME_LENGTH,
        at,
        format_args!("it has {len} characters, and 1 to {bound} are allowed"),
    );
}

/// The longest name in words, in bytes.
const MAX_WORDS: usize = 1000;

/// A name that is put into words only if a finding needs it.
pub(super) struct Words<'a>(pub(super) &'a Element<'a>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words(self.0))
    }
}

/// A name as people write it, for saying which document a finding is about.
pub(super) fn words(name: &Element<'_>) -> String {
    let Ok(attributes) = read(name) else {
        return "a name that cannot be read".to_owned();
    };
    let words: Vec<_> = attributes
        .iter()
        .take(MAX_WORDS)
        .map(|attribute| {
            let label = match attribute.oid {
                oid::COMMON_NAME => "CN".to_owned(),
                oid::COUNTRY => "C".to_owned(),
                oid::ORGANIZATION => "O".to_owned(),
                oid::ORGANIZATIONAL_UNIT => "OU".to_owned(),
                oid::LOCALITY => "L".to_owned(),
                oid::STATE => "ST".to_owned(),
                oid::SERIAL_NUMBER => "serialNumber".to_owned(),
                other => oid::dotted(other),
            };
            format!("{label}={}", attribute.text().unwrap_or("…"))
        })
        .collect();
    bounded(words.join(","), MAX_WORDS)
}
