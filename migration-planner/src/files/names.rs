//! Distinguished and alternative names, as text.

use super::asn1::{self, Element, Reader, SEQUENCE, SET};

/// Longest value shown, in characters.
const MAX_VALUE: usize = 512;
/// Most attributes and alternative names shown.
const MAX_PARTS: usize = 256;

#[rustfmt::skip]
const ATTRIBUTES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"), ("2.5.4.4", "SN"), ("2.5.4.5", "serialNumber"), ("2.5.4.6", "C"), ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"), ("2.5.4.9", "STREET"), ("2.5.4.10", "O"), ("2.5.4.11", "OU"), ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"), ("2.5.4.46", "dnQualifier"), ("2.5.4.97", "organizationIdentifier"),
    ("1.2.840.113549.1.9.1", "emailAddress"), ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// A Name in RFC 4514's notation: the most specific part first.
pub(crate) fn distinguished(name: &[u8]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for set in Reader::new(name)
        .each()
        .filter(|element| element.tag == SET)
        .take(MAX_PARTS)
    {
        let pairs: Vec<String> = set
            .inside()
            .each()
            .filter(|element| element.tag == SEQUENCE)
            .filter_map(|pair| attribute(&pair))
            .collect();
        parts.push(pairs.join("+"));
    }
    parts.reverse();
    parts.join(",")
}

fn attribute(pair: &Element<'_>) -> Option<String> {
    let mut inside = pair.inside();
    let oid = inside.oid()?;
    let value = inside.element()?;
    let name = ATTRIBUTES
        .iter()
        .find(|(known, _)| *known == oid)
        .map_or(oid.as_str(), |(_, name)| name);
    let mut text = format!("{name}=");
    for character in string(&value).chars().take(MAX_VALUE) {
        if matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=') {
            text.push('\\');
        }
        text.push(character);
    }
    Some(text)
}

/// Any of ASN.1's string types; control characters are replaced.
pub(crate) fn string(value: &Element<'_>) -> String {
    let text: String = match value.tag {
        // BMPString: UTF-16, big-endian.
        0x1e => {
            let units = value.body.chunks_exact(2).map(|pair| match *pair {
                [high, low] => u16::from_be_bytes([high, low]),
                _ => 0,
            });
            char::decode_utf16(units)
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => match std::str::from_utf8(value.body) {
            Ok(text) => text.to_owned(),
            // T61String, in practice Latin-1.
            Err(_) => value.body.iter().map(|byte| char::from(*byte)).collect(),
        },
    };
    printable(&text)
}

/// Text from a stranger without control characters, bounded.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .take(MAX_VALUE)
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// GeneralNames as `dns:…`, `uri:…`, `ip:…`, `email:…`, `directory:…`.
pub(crate) fn alternative(names: &[u8]) -> Vec<String> {
    let Some(inside) = Reader::new(names).enter(SEQUENCE) else {
        return Vec::new();
    };
    inside
        .each()
        .take(MAX_PARTS)
        .filter_map(|name| general(&name))
        .collect()
}

fn general(name: &Element<'_>) -> Option<String> {
    let text = || string(name);
    Some(match name.tag {
        tag if tag == asn1::primitive(1) => format!("email:{}", text()),
        tag if tag == asn1::primitive(2) => format!("dns:{}", text()),
        tag if tag == asn1::context(4) => {
            format!(
                "directory:{}",
                distinguished(name.inside().optional(SEQUENCE)?.body)
            )
        }
        tag if tag == asn1::primitive(6) => format!("uri:{}", text()),
        tag if tag == asn1::primitive(7) => {
            let address = match name.body.len() {
                4 => std::net::IpAddr::from(<[u8; 4]>::try_from(name.body).ok()?),
                16 => std::net::IpAddr::from(<[u8; 16]>::try_from(name.body).ok()?),
                _ => return None,
            };
            format!("ip:{address}")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::spki::wrap;
    use super::*;

    #[test]
    fn names_are_written_back_to_front_and_escaped() {
        let pair = |oid: &str, value: &str| {
            wrap(
                SET,
                &wrap(
                    SEQUENCE,
                    &[wrap(6, &asn1::encode_oid(oid)), wrap(12, value.as_bytes())].concat(),
                ),
            )
        };
        let name = [
            pair("2.5.4.6", "DE"),
            pair("2.5.4.10", "A, B"),
            pair("1.2.3", "x\n"),
        ]
        .concat();
        assert_eq!(distinguished(&name), "1.2.3=x\u{fffd},O=A\\, B,C=DE");
    }

    #[test]
    fn alternative_names() {
        let names = [
            wrap(0x82, b"example.org"),
            wrap(0x87, &[10, 0, 0, 1]),
            wrap(0x86, b"spiffe://a/b"),
        ]
        .concat();
        assert_eq!(
            alternative(&wrap(SEQUENCE, &names)),
            ["dns:example.org", "ip:10.0.0.1", "uri:spiffe://a/b"]
        );
    }
}
