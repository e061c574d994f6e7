//! ASN.1 as its basic encoding rules allow it: Amazon's signatures have lengths that are not said beforehand, and texts in
//! pieces.

/// Deepest nesting. A signature of this kind has about eight.
const MAX_DEPTH: usize = 16;
/// Most elements. One has fewer than a hundred.
const MAX_ELEMENTS: usize = 1024;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed.
pub(super) const FIRST: u8 = 0xa0;

const CONSTRUCTED: u8 = 0x20;

/// An element.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// As it was read, with tag and length; the length may not be said.
    pub(super) whole: &'a [u8],
    /// Whether its length was said.
    pub(super) is_definite: bool,
    pub(super) content: Content<'a>,
}

#[derive(Debug)]
pub(super) enum Content<'a> {
    Bytes(&'a [u8]),
    Parts(Vec<Element<'a>>),
}

impl<'a> Element<'a> {
    /// Reads one element, and nothing after it.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut left = MAX_ELEMENTS;
        let (element, rest) = read(bytes, 0, &mut left)?;
        rest.is_empty().then_some(element)
    }

    /// The parts of one with this tag.
    pub(super) fn parts(&self, tag: u8) -> Option<&[Self]> {
        match &self.content {
            Content::Parts(parts) if self.tag == tag => Some(parts),
            _ => None,
        }
    }

    /// The content of one with this tag that has no parts.
    pub(super) fn bytes(&self, tag: u8) -> Option<&'a [u8]> {
        match self.content {
            Content::Bytes(bytes) if self.tag == tag => Some(bytes),
            _ => None,
        }
    }

    /// The content of an octet string, in one piece or in several.
    pub(super) fn octets(&self) -> Option<Vec<u8>> {
        match &self.content {
            Content::Bytes(bytes) if self.tag == OCTETS => Some(bytes.to_vec()),
            Content::Parts(parts) if self.tag == OCTETS | CONSTRUCTED => {
                let pieces = parts.iter().map(Self::octets).collect::<Option<Vec<_>>>()?;
                Some(pieces.concat())
            }
            _ => None,
        }
    }
}

fn read<'a>(bytes: &'a [u8], depth: usize, left: &mut usize) -> Option<(Element<'a>, &'a [u8])> {
    *left = left.checked_sub(1)?;
    let (&tag, rest) = bytes.split_first()?;
    // Tags of several bytes are nowhere in these.
    if depth > MAX_DEPTH || tag & 0x1f == 0x1f {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let is_constructed = tag & CONSTRUCTED != 0;
    let len = match first {
        0..=0x7f => Some((usize::from(first), rest)),
        0x80 => None,
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            if digits.len() > 4 {
                return None;
            }
            let len = digits
                .iter()
                .fold(0_usize, |len, digit| (len << 8) | usize::from(*digit));
            Some((len, rest))
        }
    };
    let Some((len, rest)) = len else {
        return is_constructed.then(|| unsaid(bytes, tag, rest, depth, left))?;
    };
    let (content, after) = rest.split_at_checked(len)?;
    let whole = bytes.get(..bytes.len().checked_sub(after.len())?)?;
    let content = match is_constructed {
        false => Content::Bytes(content),
        true => {
            let mut parts = Vec::new();
            let mut rest = content;
            while !rest.is_empty() {
                let (part, after) = read(rest, depth + 1, left)?;
                parts.push(part);
                rest = after;
            }
            Content::Parts(parts)
        }
    };
    let element = Element {
        tag,
        whole,
        is_definite: true,
        content,
    };
    Some((element, after))
}

/// Parts until two zeros.
fn unsaid<'a>(
    bytes: &'a [u8],
    tag: u8,
    mut rest: &'a [u8],
    depth: usize,
    left: &mut usize,
) -> Option<(Element<'a>, &'a [u8])> {
    let mut parts = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(&[0, 0]) {
            let whole = bytes.get(..bytes.len().checked_sub(after.len())?)?;
            let element = Element {
                tag,
                whole,
                is_definite: false,
                content: Content::Parts(parts),
            };
            return Some((element, after));
        }
        let (part, after) = read(rest, depth + 1, left)?;
        parts.push(part);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_may_be_said_or_not() {
        let said = [0x30, 0x06, 0x24, 0x04, 0x04, 0x02, 1, 2];
        let unsaid = [0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 1, 0x04, 0x01, 2, 0, 0, 0, 0];
        for bytes in [&said[..], &unsaid] {
            let element = Element::parse(bytes).unwrap();
            let [octets] = element.parts(SEQUENCE).unwrap() else {
                panic!("one part")
            };
            assert_eq!(octets.octets().unwrap(), [1, 2]);
            assert_eq!(element.whole, bytes);
            for len in 0..bytes.len() {
                assert!(Element::parse(&bytes[..len]).is_none(), "{len}");
            }
            assert!(Element::parse(&[bytes, &[0]].concat()).is_none());
        }
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_refused() {
        assert!(Element::parse(&[0x30, 0x80].repeat(10_000)).is_none());
        let many = [0x05, 0x00].repeat(2000);
        let mut set = vec![0x30, 0x82, 0x0f, 0xa0];
        set.extend(many);
        assert!(Element::parse(&set).is_none());
        for wrong in [
            &[0x04, 0x80, 0, 0][..],
            &[0x1f, 0x01, 0],
            &[0x04, 0x85, 0, 0, 0, 0, 1, 0],
            &[0x04, 0xff],
        ] {
            assert!(Element::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
