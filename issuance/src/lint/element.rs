//! Elements of DER with where they stand, and what is wrong with how they are encoded (X.690).
//!
//! The linter has a reader of its own: the decoders of the rest of the program refuse what is not DER, and a linter
//! has to go on and name it.

use super::finding::{At, Findings};
use super::rule::Rule;
use super::rules::der as rules;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const TELETEX_STRING: u8 = 0x14;
pub(super) const IA5_STRING: u8 = 0x16;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const UNIVERSAL_STRING: u8 = 0x1c;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

pub(super) const CONSTRUCTED: u8 = 0x20;
const CLASS: u8 = 0xc0;

/// How deep elements may lie in one another; certificates need ten.
const MAX_DEPTH: usize = 24;

/// The tag of a constructed `[number]`.
pub(super) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// The tag of a primitive `[number]`.
pub(super) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// One element: its tag, its bytes, and where in the document they begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) offset: usize,
    pub(super) der: &'a [u8],
    pub(super) content: &'a [u8],
}

/// Why an element cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem {
    /// The rule, when it is one about the encoding.
    pub(super) rule: Option<&'static Rule>,
    pub(super) offset: usize,
    pub(super) detail: &'static str,
}

impl Problem {
    pub(super) const fn new(offset: usize, detail: &'static str) -> Self {
        Self {
            rule: None,
            offset,
            detail,
        }
    }
}

impl<'a> Element<'a> {
    /// The first element of `bytes`, which begin at `offset`, and what follows it.
    pub(super) fn first(bytes: &'a [u8], offset: usize) -> Result<(Self, &'a [u8]), Problem> {
        let truncated = |detail| Problem {
            rule: Some(&rules::TRUNCATED),
            offset,
            detail,
        };
        let (&tag, rest) = bytes
            .split_first()
            .ok_or_else(|| truncated("there is no element"))?;
        if tag & 0x1f == 0x1f {
            return Err(Problem::new(
                offset,
                "a tag of more than one byte, which nothing here has",
            ));
        }
        let (&first, mut rest) = rest
            .split_first()
            .ok_or_else(|| truncated("it ends before its length"))?;
        let len = match first {
            0..0x80 => usize::from(first),
            0x80 => {
                return Err(Problem {
                    rule: Some(&rules::INDEFINITE_LENGTH),
                    offset,
                    detail: "its length is indefinite",
                });
            }
            _ => {
                let count = usize::from(first & 0x7f);
                let (octets, others) = rest
                    .split_at_checked(count)
                    .ok_or_else(|| truncated("it ends within its length"))?;
                rest = others;
                let significant = octets.iter().skip_while(|octet| **octet == 0);
                significant
                    .clone()
                    .try_fold(0usize, |len, octet| {
                        len.checked_mul(256)?.checked_add(usize::from(*octet))
                    })
                    .ok_or_else(|| truncated("its length is larger than any file"))?
            }
        };
        let (content, after) = rest
            .split_at_checked(len)
            .ok_or_else(|| truncated("its length is more than there is"))?;
        let der = bytes.get(..bytes.len() - after.len()).unwrap_or(bytes);
        let element = Self {
            tag,
            offset,
            der,
            content,
        };
        Ok((element, after))
    }

    /// The only element of `bytes`.
    pub(super) fn only(bytes: &'a [u8], offset: usize) -> Result<Self, Problem> {
        match Self::first(bytes, offset)? {
            (element, []) => Ok(element),
            (element, _) => Err(Problem {
                rule: Some(&rules::TRAILING),
                offset: offset + element.der.len(),
                detail: "bytes follow its end",
            }),
        }
    }

    /// Where its content begins.
    pub(super) const fn inside(&self) -> usize {
        self.offset + self.der.len() - self.content.len()
    }

    /// The elements in it, to be read one after the other.
    pub(super) const fn fields(&self) -> Fields<'a> {
        Fields {
            rest: self.content,
            offset: self.inside(),
        }
    }

    /// The elements in it, if it has this tag.
    pub(super) fn fields_of(&self, tag: u8) -> Result<Fields<'a>, Problem> {
        self.expect(tag).map(|element| element.fields())
    }

    /// Itself, if it has this tag.
    pub(super) fn expect(self, tag: u8) -> Result<Self, Problem> {
        if self.tag == tag {
            Ok(self)
        } else {
            Err(Problem::new(self.offset, "it is of another type"))
        }
    }

    /// The elements in it; the first that cannot be read ends them.
    pub(super) fn children(&self) -> impl Iterator<Item = Element<'a>> {
        let mut fields = self.fields();
        std::iter::from_fn(move || fields.next().ok())
    }

    /// The content of a BIT STRING whose bits fill its bytes.
    pub(super) fn whole_bits(&self) -> Option<&'a [u8]> {
        match self.content.split_first() {
            Some((0, bits)) if self.tag == BIT_STRING => Some(bits),
            _ => None,
        }
    }
}

/// Elements that follow one another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Fields<'a> {
    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn next(&mut self) -> Result<Element<'a>, Problem> {
        let (element, rest) = Element::first(self.rest, self.offset)?;
        self.offset += element.der.len();
        self.rest = rest;
        Ok(element)
    }

    /// The next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<Element<'a>, Problem> {
        self.next()?.expect(tag)
    }

    /// The next element, if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Problem> {
        if self.rest.first() == Some(&tag) {
            self.next().map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) fn end(&self) -> Result<(), Problem> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Problem::new(self.offset, "there is more than belongs here"))
        }
    }
}

/// Checks that an element and everything in it is DER. What is inside strings is not looked at.
pub(super) fn check(element: &Element<'_>, findings: &mut Findings) {
    walk(element, MAX_DEPTH, findings);
}

fn walk(element: &Element<'_>, depth: usize, findings: &mut Findings) {
    let at = At::offset(element.offset);
    length(element, at, findings);
    if element.tag & CONSTRUCTED == 0 {
        if element.tag & CLASS == 0 {
            value(element, at, findings);
        }
        return;
    }
    if element.tag & CLASS == 0 && !matches!(element.tag, SEQUENCE | SET) {
        return findings.add(
            &rules::CONSTRUCTED_STRING,
            at,
            format_args!("tag {:#04x}", element.tag),
        );
    }
    let Some(depth) = depth.checked_sub(1) else {
        return findings.add(
            &rules::DEPTH,
            at,
            "it lies deeper than any certificate's elements",
        );
    };
    let mut fields = element.fields();
    let mut before: Option<Element<'_>> = None;
    while !fields.is_empty() {
        let child = match fields.next() {
            Ok(child) => child,
            Err(Problem {
                rule: Some(rule),
                offset,
                detail,
            }) => return findings.add(rule, At::offset(offset), detail),
            // A long tag is DER. Where nothing may have one, whoever reads it says so.
            Err(_) => return,
        };
        if element.tag == SET && before.is_some_and(|before| before.der > child.der) {
            findings.add(
                &rules::SET_ORDER,
                At::offset(child.offset),
                "it stands after a larger one",
            );
        }
        walk(&child, depth, findings);
        before = Some(child);
    }
}

/// The length in its shortest form.
fn length(element: &Element<'_>, at: At<'_>, findings: &mut Findings) {
    let octets = element.der.len() - element.content.len() - 1;
    let needed = match element.content.len() {
        0..0x80 => 1,
        len => {
            1 + usize::try_from(usize::BITS - len.leading_zeros())
                .unwrap_or(0)
                .div_ceil(8)
        }
    };
    if octets != needed {
        findings.add(
            &rules::LENGTH,
            at,
            format_args!("its length takes {octets} bytes where {needed} are enough"),
        );
    }
}

fn value(element: &Element<'_>, at: At<'_>, findings: &mut Findings) {
    let content = element.content;
    match element.tag {
        BOOLEAN if !matches!(content, [0] | [0xff]) => {
            findings.add(&rules::BOOLEAN, at, format_args!("{content:02x?}"));
        }
        INTEGER | ENUMERATED if !is_minimal_integer(content) => {
            findings.add(&rules::INTEGER, at, format_args!("{} bytes", content.len()));
        }
        BIT_STRING => bit_string(content, at, findings),
        NULL if !content.is_empty() => findings.add(&rules::NULL, at, "it has content"),
        OBJECT_IDENTIFIER if !is_oid(content) => {
            findings.add(&rules::OID, at, format_args!("{content:02x?}"));
        }
        _ => {
            if !is_string(element.tag, content) {
                findings.add(&rules::STRING, at, format_args!("tag {:#04x}", element.tag));
            }
        }
    }
}

fn is_minimal_integer(content: &[u8]) -> bool {
    match content {
        [] => false,
        [0, next, ..] => next & 0x80 != 0,
        [0xff, next, ..] => next & 0x80 == 0,
        _ => true,
    }
}

fn bit_string(content: &[u8], at: At<'_>, findings: &mut Findings) {
    let well = match content {
        [unused] => *unused == 0,
        [unused @ 0..=7, .., last] => last.trailing_zeros() >= u32::from(*unused),
        _ => false,
    };
    if !well {
        findings.add(
            &rules::BIT_STRING,
            at,
            "its unused bits are not zeros, or not at most seven",
        );
    }
}

/// No arc begins with a padding byte, and the last one ends.
fn is_oid(content: &[u8]) -> bool {
    let mut begins = true;
    for octet in content {
        if begins && *octet == 0x80 {
            return false;
        }
        begins = octet & 0x80 == 0;
    }
    !content.is_empty() && begins
}

fn is_string(tag: u8, content: &[u8]) -> bool {
    match tag {
        PRINTABLE_STRING => content
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(byte)),
        IA5_STRING => content.is_ascii(),
        UTF8_STRING => std::str::from_utf8(content).is_ok(),
        BMP_STRING => content.len().is_multiple_of(2),
        UNIVERSAL_STRING => content.len().is_multiple_of(4),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_know_where_they_stand() {
        let der = [0x30, 7, 2, 1, 5, 0x30, 2, 5, 0, 0x77];
        let (outer, rest) = Element::first(&der, 100).unwrap();
        assert_eq!((outer.offset, outer.inside(), rest), (100, 102, &[0x77][..]));
        let inner: Vec<_> = outer.children().map(|child| (child.tag, child.offset)).collect();
        assert_eq!(inner, [(INTEGER, 102), (SEQUENCE, 105)]);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for first in 0..=255 {
            for second in 0..=255 {
                for rest in [&[][..], &[0], &[0xff; 9], &[0, 0x80, 1]] {
                    let bytes = [&[first, second], rest].concat();
                    if let Ok((element, _)) = Element::first(&bytes, 0) {
                        check(&element, &mut Findings::default());
                    }
                }
            }
        }
    }
}
