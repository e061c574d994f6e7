//! ASN.1 as it is met: DER, and the BER that keystores and mail are written in.
//!
//! Nothing here judges whether an encoding is the shortest or whether it is followed by more: a scanner wants to
//! know what a thing is, not whether to believe it. Lengths are checked against what there is, nothing is copied but
//! strings that BER has cut in pieces, and depth is bounded by the callers, who know how deep their formats go.

use std::borrow::Cow;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Deepest nesting of indefinite lengths.
const MAX_DEPTH: usize = 64;
/// Most pieces of a string that BER has cut up.
const MAX_PIECES: usize = 1 << 16;

/// One element: tag, content, and all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    /// The identifier's first byte: class, constructed bit, number up to 30.
    pub(crate) tag: u8,
    /// The content.
    pub(crate) body: &'a [u8],
    /// Identifier, length, content.
    pub(crate) whole: &'a [u8],
}

/// Context-specific and constructed, `[n]`.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// Context-specific and primitive, `[n] IMPLICIT` of something simple.
pub(crate) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// Elements, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The tag of what comes next.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element; `None` at the end and at what is no element.
    pub(crate) fn element(&mut self) -> Option<Element<'a>> {
        let element = element(self.rest)?;
        self.rest = self.rest.get(element.whole.len()..)?;
        Some(element)
    }

    /// The next element if it has this tag; otherwise nothing is read.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.peek() == Some(tag) {
            self.element()
        } else {
            None
        }
    }

    /// Goes into the next element, which must have this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.optional(tag).map(|element| element.inside())
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn body(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.optional(tag).map(|element| element.body)
    }

    /// The next element as a dotted object identifier.
    pub(crate) fn oid(&mut self) -> Option<String> {
        dotted(self.body(OID)?)
    }

    /// The next element as a small unsigned number.
    pub(crate) fn number(&mut self) -> Option<u64> {
        number(self.body(INTEGER)?)
    }

    /// Every element that is left.
    pub(crate) fn each(mut self) -> impl Iterator<Item = Element<'a>> {
        std::iter::from_fn(move || self.element())
    }
}

impl<'a> Element<'a> {
    pub(crate) fn inside(&self) -> Reader<'a> {
        Reader::new(self.body)
    }

    /// The content of a string that BER may have cut in pieces.
    pub(crate) fn octets(&self) -> Cow<'a, [u8]> {
        if self.tag & 0x20 == 0 {
            return Cow::Borrowed(self.body);
        }
        let mut whole = Vec::new();
        for piece in self.inside().each().take(MAX_PIECES) {
            whole.extend_from_slice(piece.body);
        }
        Cow::Owned(whole)
    }
}

/// The element that the bytes begin with.
pub(crate) fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (tag, header, length) = header(bytes)?;
    match length {
        Some(length) => {
            let end = header.checked_add(length)?;
            Some(Element {
                tag,
                body: bytes.get(header..end)?,
                whole: bytes.get(..end)?,
            })
        }
        None => {
            let end = end_of_contents(bytes, header)?;
            Some(Element {
                tag,
                body: bytes.get(header..end)?,
                whole: bytes.get(..end.checked_add(2)?)?,
            })
        }
    }
}

/// Tag, length of the header, and length of the content; no length for the indefinite form.
fn header(bytes: &[u8]) -> Option<(u8, usize, Option<usize>)> {
    let tag = *bytes.first()?;
    let mut at = 1;
    if tag & 0x1f == 0x1f {
        // A long tag number: nothing here needs to know which.
        while bytes.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
        if at > 6 {
            return None;
        }
    }
    let first = *bytes.get(at)?;
    at += 1;
    match first {
        0..=0x7f => Some((tag, at, Some(usize::from(first)))),
        0x80 if tag & 0x20 != 0 => Some((tag, at, None)),
        0x80 | 0xff => None,
        _ => {
            let mut length = 0_usize;
            for _ in 0..first & 0x7f {
                length = length
                    .checked_mul(256)?
                    .checked_add(usize::from(*bytes.get(at)?))?;
                at += 1;
            }
            Some((tag, at, Some(length)))
        }
    }
}

/// Where the content that begins at `start` ends: before the two zero bytes that belong to it.
fn end_of_contents(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    let mut depth = 0;
    loop {
        let rest = bytes.get(at..)?;
        if rest.starts_with(&[0, 0]) {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
            at += 2;
            continue;
        }
        let (_, header, length) = header(rest)?;
        at = at.checked_add(header)?;
        match length {
            Some(length) => at = at.checked_add(length)?,
            None if depth < MAX_DEPTH => depth += 1,
            None => return None,
        }
    }
}

/// An object identifier, dotted; `None` when it is none or has an arc beyond 64 bits.
pub(crate) fn dotted(body: &[u8]) -> Option<String> {
    if body.is_empty() || body.len() > 128 || body.last()? & 0x80 != 0 {
        return None;
    }
    let mut text = String::new();
    let mut arc = 0_u64;
    for byte in body {
        if arc >> 57 != 0 {
            return None;
        }
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if text.is_empty() {
                let first = (arc / 40).min(2);
                text = format!("{first}.{}", arc - first * 40);
            } else {
                text.push('.');
                text.push_str(&arc.to_string());
            }
            arc = 0;
        }
    }
    Some(text)
}

/// An object identifier of dotted text, as DER content.
#[cfg(test)]
pub(crate) fn encode_oid(dotted: &str) -> Vec<u8> {
    const_oid::ObjectIdentifier::new(dotted)
        .unwrap()
        .as_bytes()
        .to_vec()
}

/// A small unsigned INTEGER.
pub(crate) fn number(body: &[u8]) -> Option<u64> {
    let body = strip_zeros(body);
    if body.len() > 8 {
        return None;
    }
    Some(body.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Big-endian bytes without leading zeros.
pub(crate) fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

/// How many bits a big-endian number has.
pub(crate) fn bit_len(bytes: &[u8]) -> usize {
    let bytes = strip_zeros(bytes);
    let leading = bytes.first().map_or(0, |first| first.leading_zeros() as usize);
    bytes.len() * 8 - leading
}

/// A UTCTime or GeneralizedTime as RFC 3339; `None` for anything else.
pub(crate) fn time(element: &Element<'_>) -> Option<String> {
    let text = std::str::from_utf8(element.body).ok()?;
    let (year, rest) = match element.tag {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            // RFC 5280 §4.1.2.5.1: 50 and later are of the last century.
            let century = if year >= "50" { "19" } else { "20" };
            (format!("{century}{year}"), rest)
        }
        0x18 => text
            .split_at_checked(4)
            .map(|(year, rest)| (year.to_owned(), rest))?,
        _ => return None,
    };
    let digits = rest
        .get(..8)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    if !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (seconds, zone) = match rest.get(8..10) {
        Some(seconds) if seconds.bytes().all(|byte| byte.is_ascii_digit()) => (seconds, rest.get(10..)?),
        _ => ("00", rest.get(8..)?),
    };
    let zone = match zone.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit()) {
        "Z" | "" => "Z".to_owned(),
        zone if zone.len() == 5 => format!("{}:{}", zone.get(..3)?, zone.get(3..)?),
        _ => return None,
    };
    let part = |from: usize| digits.get(from..from + 2);
    let text = format!(
        "{year}-{}-{}T{}:{}:{seconds}{zone}",
        part(0)?,
        part(2)?,
        part(4)?,
        part(6)?
    );
    let parsed = time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).ok()?;
    parsed
        .to_offset(time::UtcOffset::UTC)
        .format(&time::format_description::well_known::Rfc3339)
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn indefinite_lengths_end_where_they_should() {
        let bytes = [
            0x30, 0x80, 0x24, 0x80, 0x04, 1, b'a', 0x04, 1, b'b', 0, 0, 0x02, 1, 5, 0, 0, 0xff,
        ];
        let outer = element(&bytes).unwrap();
        assert_eq!(outer.whole.len(), bytes.len() - 1);
        let mut inside = outer.inside();
        assert_eq!(&*inside.element().unwrap().octets(), b"ab");
        assert_eq!(inside.number(), Some(5));
        assert!(inside.element().is_none());
    }

    #[test]
    fn identifiers_and_times() {
        assert_eq!(
            dotted(&encode_oid("1.2.840.113549.1.1.1")).as_deref(),
            Some("1.2.840.113549.1.1.1")
        );
        assert_eq!(
            dotted(&encode_oid("2.16.840.1.101.3.4.3.17")).as_deref(),
            Some("2.16.840.1.101.3.4.3.17")
        );
        assert_eq!(dotted(&[0x80]), None);
        let utc = |text: &str| [&[0x17, text.len() as u8], text.as_bytes()].concat();
        let read = |text: &str| time(&element(&utc(text)).unwrap());
        assert_eq!(read("261122032500Z").as_deref(), Some("2026-11-22T03:25:00Z"));
        assert_eq!(read("9912312359Z").as_deref(), Some("1999-12-31T23:59:00Z"));
        assert_eq!(read("261122032500+0100").as_deref(), Some("2026-11-22T02:25:00Z"));
        assert_eq!(read("261322032500Z"), None);
        assert_eq!(read("hello"), None);
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_an_element_lies_within_them(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Some(element) = element(&bytes) {
                prop_assert!(element.whole.len() <= bytes.len());
                prop_assert!(element.body.len() < element.whole.len());
                let _ = (element.octets(), time(&element), dotted(element.body), number(element.body));
                for inner in element.inside().each() {
                    prop_assert!(inner.whole.len() <= element.body.len());
                }
            }
        }
    }
}
